//! Which corners (a kernel in an attach style) of a short run are tested by all scenarios.

use super::parts::{PARTS, Part, REAL_TIME};
use super::touched;
use crate::guest::Cgroup;
use crate::kernel::Kernel;
use anyhow::{Result, bail};
use std::time::{SystemTime, UNIX_EPOCH};

/// Corners each day.
const A_DAY: usize = 2;

/// The kernel side of forktrace, and what attaches and decodes it.
const KERNEL_SIDE: [&str; 4] = [
    "forktrace-ebpf/",
    "forktrace-common/",
    "forktrace/bpf/",
    "forktrace/src/probe/",
];
/// Where a change to it is tested by all scenarios.
const ITS_KERNELS: [&str; 3] = ["5.10", "6.12", "newest"];

/// A kernel, and what runs on it.
pub(super) struct Corner {
    pub kernel: Kernel,
    pub part: Part,
}

impl Corner {
    /// As `--corner` takes it.
    pub(super) fn name(&self) -> String {
        format!("{}:{}", self.kernel.name, self.part.name)
    }
}

/// All of these kernels, in turns of the styles, so that the first few are of each.
fn all(kernels: &[Kernel]) -> Vec<Corner> {
    let parts = PARTS
        .iter()
        .filter(|part| part.is_of_a_style() && part.layout == Cgroup::V2);
    let mut all = Vec::new();
    for (n, part) in parts.enumerate() {
        let of = kernels
            .iter()
            .filter(|kernel| part.on.contains(&kernel.name));
        all.extend(of.enumerate().map(|(k, kernel)| {
            let corner = Corner {
                kernel: kernel.clone(),
                part: *part,
            };
            ((k, n), corner)
        }));
    }
    all.sort_by_key(|(order, _)| *order);
    all.into_iter().map(|(_, corner)| corner).collect()
}

/// Corners that are asked for by name.
pub(super) fn named(kernels: &[Kernel], names: &[String]) -> Result<Vec<Corner>> {
    let mut found = Vec::new();
    for name in names {
        let Some(corner) = all(kernels)
            .into_iter()
            .find(|corner| corner.name() == *name)
        else {
            let all: Vec<String> = all(kernels).iter().map(Corner::name).collect();
            bail!(
                "--corner {name}: there is none; there are {}",
                all.join(", ")
            );
        };
        found.push(corner);
    }
    Ok(found)
}

/// Corners of a day: each in turn. Those of PREEMPT_RT, which take four times as long in the emulator as
/// any other, are left to a full run.
pub(super) fn of_day(kernels: &[Kernel], day: u64) -> Vec<Corner> {
    let mut all: Vec<Option<Corner>> = all(kernels)
        .into_iter()
        .filter(|corner| !REAL_TIME.contains(&corner.kernel.name.as_str()))
        .map(Some)
        .collect();
    let count = all.len();
    (0..A_DAY.min(count))
        .filter_map(|n| all[(day as usize * A_DAY + n) % count].take())
        .collect()
}

/// Days since 1970.
pub(super) fn today() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |time| time.as_secs() / (24 * 3600))
}

/// Corners that the files of the change name, and the first of these files.
pub(super) fn of_change(kernels: &[Kernel]) -> Result<(Vec<Corner>, String)> {
    Ok(of_files(kernels, &touched::files()?))
}

fn of_files(kernels: &[Kernel], files: &[String]) -> (Vec<Corner>, String) {
    let of_kernel_side = |file: &&String| KERNEL_SIDE.iter().any(|start| file.starts_with(start));
    let Some(file) = files.iter().find(of_kernel_side) else {
        return (Vec::new(), String::new());
    };
    let mut corners = all(kernels);
    corners.retain(|corner| ITS_KERNELS.contains(&corner.kernel.name.as_str()));
    (corners, file.clone())
}

#[cfg(test)]
mod tests {
    use super::{A_DAY, Corner, all, named, of_day, of_files};
    use crate::arch::Arch;
    use crate::kernel::Kernel;
    use std::collections::BTreeSet;

    fn kernels() -> Vec<Kernel> {
        let kernel = |name: &str| Kernel {
            name: name.to_owned(),
            version: String::new(),
            image: Default::default(),
            arch: Arch::X86_64,
        };
        Arch::X86_64
            .facts()
            .kernels
            .iter()
            .map(|name| kernel(name))
            .collect()
    }

    fn names(corners: &[Corner]) -> Vec<String> {
        corners.iter().map(Corner::name).collect()
    }

    #[test]
    fn every_corner_has_its_day() {
        let kernels = kernels();
        let mut all = names(&all(&kernels));
        all.retain(|name| !name.contains("-rt:"));
        let days = all.len().div_ceil(A_DAY) as u64;
        let seen: BTreeSet<String> = (20_000..20_000 + days)
            .flat_map(|day| names(&of_day(&kernels, day)))
            .collect();
        assert_eq!(seen, all.iter().cloned().collect());
        assert!(all.contains(&"6.18:full-kprobe".to_owned()), "{all:?}");
    }

    #[test]
    fn a_change_of_the_kernel_side_names_its_corners() {
        let kernels = kernels();
        let files = |file: &str| ["README.md".to_owned(), file.to_owned()];
        let (corners, file) = of_files(&kernels, &files("forktrace/src/probe/style.rs"));
        assert_eq!(corners.len(), 9);
        assert_eq!(file, "forktrace/src/probe/style.rs");
        let styles: BTreeSet<_> = corners[..3].iter().map(|corner| corner.part.name).collect();
        assert_eq!(styles.len(), 3, "{:?}", names(&corners));
        assert!(
            of_files(&kernels, &files("forktrace/src/view/text.rs"))
                .0
                .is_empty()
        );
    }

    #[test]
    fn a_corner_is_found_by_its_name() {
        let kernels = kernels();
        let asked = ["5.10:fexit".to_owned()];
        assert_eq!(names(&named(&kernels, &asked).unwrap()), asked);
        assert!(named(&kernels, &["5.10:nothing".to_owned()]).is_err());
    }
}
