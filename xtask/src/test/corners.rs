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
/// any other, are left to a full run. One of the two is without what behaves in its style's own way, which starts
/// forktrace ten times more; at its next turn it is the one that has it.
pub(super) fn of_day(kernels: &[Kernel], day: u64) -> Vec<Corner> {
    let mut all: Vec<Option<Corner>> = all(kernels)
        .into_iter()
        .filter(|corner| !REAL_TIME.contains(&corner.kernel.name.as_str()))
        .map(Some)
        .collect();
    let (count, day) = (all.len(), day as usize);
    // Of an odd number each is the first and the second of a day in turn anyway.
    let turn = match count % A_DAY {
        0 => day * A_DAY / count.max(1),
        _ => 0,
    };
    (0..A_DAY.min(count))
        .filter_map(|n| {
            let corner = all[(day * A_DAY + n) % count].take()?;
            let part = match (turn + n) % A_DAY {
                0 => corner.part,
                _ => corner.part.sessions_only(),
            };
            Some(Corner { part, ..corner })
        })
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
        // In two turns each has all of its tests once, and one of a day has.
        for left_out in [0, 1] {
            let some = &kernels[left_out..];
            let whole = |day| -> Vec<Corner> {
                let of_day = of_day(some, day).into_iter();
                of_day
                    .filter(|corner| corner.part.options.ends_with(&["--kind", "kernel"]))
                    .collect()
            };
            assert!((20_000..20_100).all(|day| whole(day).len() == 1));
            let mut wanted = names(&super::all(some));
            wanted.retain(|name| !name.contains("-rt:"));
            let seen: BTreeSet<String> = (20_000..20_000 + 2 * days)
                .flat_map(|day| names(&whole(day)))
                .collect();
            assert_eq!(seen, wanted.into_iter().collect());
        }
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
