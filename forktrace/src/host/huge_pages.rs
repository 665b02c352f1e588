//! Huge pages of hugetlbfs: the host's, and whether a process has some that a
//! fork may have to copy.

use std::{fs, path::Path};

use crate::evidence::{HugePages, HugePool};

/// What is known for a process whose address space was not copied: `None` where
/// some huge page of each size is left, where the process has no private ones
/// (shared ones are never copied), and where it can't be looked at any more.
pub fn lacking(pid: u32) -> Option<HugePages> {
    let pools = all();
    // The process is looked at only then: its mappings are many.
    if !pools.iter().any(HugePool::used_up) {
        return None;
    }
    let read = |file: &str| fs::read(format!("/proc/{pid}/{file}")).ok();
    let mapped = hugetlb_bytes(&read("status")?)?;
    if mapped == 0 || !has_private(&read("maps")?, &hugetlbfs_devices()) {
        return None;
    }
    Some(HugePages { mapped, pools })
}

/// The pool of each size that the kernel knows.
pub fn all() -> Vec<HugePool> {
    pools(Path::new("/sys/kernel/mm/hugepages"))
}

/// From folders called `hugepages-2048kB`.
fn pools(folder: &Path) -> Vec<HugePool> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut all: Vec<HugePool> = entries
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name();
            let size = name
                .to_str()?
                .strip_prefix("hugepages-")?
                .strip_suffix("kB")?;
            let number = |file: &str| -> Option<u64> {
                let text = fs::read_to_string(entry.path().join(file)).ok()?;
                text.trim().parse().ok()
            };
            Some(HugePool {
                page: size.parse::<u64>().ok()?.checked_mul(1024)?,
                total: number("nr_hugepages")?,
                free: number("free_hugepages")?,
                reserved: number("resv_hugepages")?,
                surplus: number("surplus_hugepages")?,
                surplus_max: number("nr_overcommit_hugepages")?,
            })
        })
        .collect();
    all.sort_unstable_by_key(|pool| pool.page);
    all
}

/// `HugetlbPages:` of /proc/PID/status.
fn hugetlb_bytes(status: &[u8]) -> Option<u64> {
    let mut lines = status.split(|&b| b == b'\n');
    let value = lines.find_map(|line| line.strip_prefix(b"HugetlbPages:"))?;
    let kb = value.trim_ascii().strip_suffix(b" kB")?;
    let kb: u64 = std::str::from_utf8(kb.trim_ascii()).ok()?.parse().ok()?;
    kb.checked_mul(1024)
}

/// The devices of mounted hugetlbfs, as `major:minor` in hexadecimal.
fn hugetlbfs_devices() -> Vec<String> {
    let mounts = fs::read("/proc/self/mountinfo").unwrap_or_default();
    devices(&mounts)
}

fn devices(mountinfo: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(mountinfo);
    let of_line = |line: &str| -> Option<String> {
        let (before, after) = line.split_once(" - ")?;
        if after.split(' ').next() != Some("hugetlbfs") {
            return None;
        }
        let (major, minor) = before.split(' ').nth(2)?.split_once(':')?;
        let (major, minor): (u32, u32) = (major.parse().ok()?, minor.parse().ok()?);
        Some(format!("{major:02x}:{minor:02x}"))
    };
    text.lines().filter_map(of_line).collect()
}

/// Whether one of the mappings (/proc/PID/maps) is a private one of huge pages:
/// of a file on one of these devices, or of MAP_HUGETLB alone, which the kernel
/// calls `/anon_hugepage` (mm/hugetlb.c `hugetlb_file_setup`).
fn has_private(maps: &[u8], devices: &[String]) -> bool {
    let text = String::from_utf8_lossy(maps);
    text.lines().any(|line| {
        let mut words = line.split_ascii_whitespace();
        let private = words.nth(1).is_some_and(|flags| flags.ends_with('p'));
        let device = words.nth(1).unwrap_or_default();
        let name = words.nth(1).unwrap_or_default();
        private && (name == "/anon_hugepage" || devices.iter().any(|d| d == device))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pools_of_a_folder() {
        let folder = std::env::temp_dir().join(format!("forktrace-huge-{}", std::process::id()));
        let write = |size: &str, numbers: [u64; 5]| {
            let files = [
                "nr_hugepages",
                "free_hugepages",
                "resv_hugepages",
                "surplus_hugepages",
                "nr_overcommit_hugepages",
            ];
            let pool = folder.join(format!("hugepages-{size}"));
            fs::create_dir_all(&pool).unwrap();
            for (file, number) in files.iter().zip(numbers) {
                fs::write(pool.join(file), format!("{number}\n")).unwrap();
            }
        };
        assert!(pools(&folder).is_empty());
        write("1048576kB", [0, 0, 0, 0, 0]);
        write("2048kB", [32, 2, 1, 4, 8]);
        fs::create_dir_all(folder.join("other")).unwrap();
        let wanted = HugePool {
            page: 2 << 20,
            total: 32,
            free: 2,
            reserved: 1,
            surplus: 4,
            surplus_max: 8,
        };
        let none = HugePool {
            page: 1 << 30,
            total: 0,
            free: 0,
            reserved: 0,
            surplus: 0,
            surplus_max: 0,
        };
        assert_eq!(pools(&folder), [wanted, none]);
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn status_lines() {
        let status = b"Name:\tx\nHugetlbPages:\t   65536 kB\nThreads:\t1\n";
        assert_eq!(hugetlb_bytes(status), Some(64 << 20));
        assert_eq!(hugetlb_bytes(b"Name:\tx\n"), None);
        assert_eq!(hugetlb_bytes(b"HugetlbPages:\tx kB\n"), None);
        assert!(hugetlb_bytes(&fs::read("/proc/self/status").unwrap()).is_some());
    }

    #[test]
    fn only_private_huge_mappings_are_copied() {
        let mounts = b"24 1 0:45 / /dev/hugepages rw,relatime shared:9 - hugetlbfs hugetlbfs rw\n\
                       25 1 0:46 / /dev/shm rw - tmpfs tmpfs rw\n";
        let devices = devices(mounts);
        assert_eq!(devices, ["00:2d"]);
        let huge = |line: &[u8]| has_private(line, &devices);
        assert!(huge(
            b"7f00-7f20 rw-p 00000000 00:10 1    /anon_hugepage (deleted)\n"
        ));
        assert!(!huge(
            b"7f00-7f20 rw-s 00000000 00:10 1    /anon_hugepage (deleted)\n"
        ));
        assert!(huge(
            b"7f00-7f20 rw-p 00000000 00:2d 5    /dev/hugepages/a b\n"
        ));
        assert!(!huge(
            b"7f00-7f20 rw-s 00000000 00:2d 5    /dev/hugepages/a\n"
        ));
        assert!(!huge(
            b"7f00-7f20 rw-p 00000000 00:00 0 \n7f00-7f20 r--p 0 08:01 7 /bin/sh\n\n"
        ));
    }
}
