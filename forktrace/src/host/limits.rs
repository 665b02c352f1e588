//! The host-wide limits and what is in use, from /proc.
//!
//! Read when the host may be out of tasks or memory, so: no threads, no
//! processes, and one buffer on the stack.

mod files;

use std::path::Path;

use files::Buffer;
pub use files::Files;

/// The host-wide limits at one moment; `None` where /proc doesn't say.
/// The files are read one after the other, so related numbers may be apart by
/// what happened meanwhile.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HostNow {
    /// kernel.pid_max; of this process's pid namespace since 6.14.
    pub pid_max: Option<u64>,
    /// kernel.threads-max.
    pub threads_max: Option<u64>,
    /// Tasks that exist, threads and zombies included, of this process's pid
    /// namespace or not: the number after the slash in /proc/loadavg.
    pub threads: Option<u64>,
    /// vm.overcommit_memory: 0 heuristic, 1 always, 2 never.
    pub overcommit_memory: Option<u64>,
    /// vm.overcommit_ratio, in percent.
    pub overcommit_ratio: Option<u64>,
    /// vm.overcommit_kbytes, in KiB; 0 where the ratio counts.
    pub overcommit_kbytes: Option<u64>,
    /// vm.admin_reserve_kbytes, in KiB.
    pub admin_reserve_kbytes: Option<u64>,
    /// vm.user_reserve_kbytes, in KiB.
    pub user_reserve_kbytes: Option<u64>,
    /// MemTotal of /proc/meminfo, in KiB, as the following.
    pub mem_total: Option<u64>,
    /// MemAvailable.
    pub mem_available: Option<u64>,
    /// SwapTotal.
    pub swap_total: Option<u64>,
    /// SwapFree.
    pub swap_free: Option<u64>,
    /// CommitLimit: what may be promised in mode 2.
    pub commit_limit: Option<u64>,
    /// Committed_AS: what is promised.
    pub committed: Option<u64>,
    /// Hugetlb: memory held by huge pages of all sizes, which CommitLimit
    /// doesn't count. 0 in kernels without them; the line exists since 4.20.
    pub hugetlb: Option<u64>,
}

/// vm.max_map_count: mappings that one process may have.
pub fn max_map_count() -> Option<u64> {
    let mut buffer: Buffer = [0; 8192];
    number(Files::of_proc().content("sys/vm/max_map_count", &mut buffer)?)
}

/// Whether the boot option `ignore_rlimit_data` is on (mm/mmap.c; it can be
/// changed while the kernel runs). False where that can't be read.
pub fn data_limit_ignored() -> bool {
    let mut buffer: Buffer = [0; 8192];
    Files::below(Path::new("/sys"))
        .content("module/kernel/parameters/ignore_rlimit_data", &mut buffer)
        .is_some_and(|text| text.starts_with(b"Y"))
}

/// What the kernel's side of a failure could not read.
#[derive(Clone, Copy, Debug)]
pub struct Lacking {
    /// kernel.threads-max and the tasks there are.
    pub threads: bool,
    /// kernel.pid_max.
    pub pid_max: bool,
    /// vm.overcommit_memory and what goes with it.
    pub overcommit: bool,
    /// It is known that vm.overcommit_memory is 2.
    pub strict: bool,
    /// ENOMEM was answered.
    pub no_memory: bool,
}

impl Lacking {
    const ALL: Self = Self {
        threads: true,
        pid_max: true,
        overcommit: true,
        strict: false,
        no_memory: true,
    };
}

impl HostNow {
    /// Reads /proc.
    pub fn read() -> Self {
        Self::read_from(Path::new("/proc"))
    }

    /// Reads files of the same names below another folder.
    pub fn read_from(proc: &Path) -> Self {
        Self::lacking(&mut Files::below(proc), &Lacking::ALL)
    }

    /// Reads what a failure's event lacks, from files of /proc that stay open. Each takes
    /// microseconds, of which a storm leaves few.
    pub fn lacking(files: &mut Files, wanted: &Lacking) -> Self {
        let mut buffer: Buffer = [0; 8192];
        let mut sysctl = |wanted: bool, name| match wanted {
            true => number(files.content(name, &mut buffer)?),
            false => None,
        };
        let mut now = Self {
            pid_max: sysctl(wanted.pid_max, "sys/kernel/pid_max"),
            threads_max: sysctl(wanted.threads, "sys/kernel/threads-max"),
            overcommit_memory: sysctl(wanted.overcommit, "sys/vm/overcommit_memory"),
            ..Self::default()
        };
        // CommitLimit counts in mode 2, and the sizes in a refusal for want of memory.
        let memory = wanted.no_memory || wanted.strict || now.overcommit_memory == Some(2);
        let settings = memory && wanted.overcommit;
        now.overcommit_ratio = sysctl(settings, "sys/vm/overcommit_ratio");
        now.overcommit_kbytes = sysctl(settings, "sys/vm/overcommit_kbytes");
        now.admin_reserve_kbytes = sysctl(settings, "sys/vm/admin_reserve_kbytes");
        now.user_reserve_kbytes = sysctl(settings, "sys/vm/user_reserve_kbytes");
        if wanted.threads {
            now.threads = files.content("loadavg", &mut buffer).and_then(tasks);
        }
        if memory && let Some(text) = files.content("meminfo", &mut buffer) {
            now.take_meminfo(text);
        }
        now
    }

    fn take_meminfo(&mut self, text: &[u8]) {
        for line in text.split(|&b| b == b'\n') {
            let mut halves = line.splitn(2, |&b| b == b':');
            let (Some(name), Some(value)) = (halves.next(), halves.next()) else {
                continue;
            };
            let field = match name {
                b"MemTotal" => &mut self.mem_total,
                b"MemAvailable" => &mut self.mem_available,
                b"SwapTotal" => &mut self.swap_total,
                b"SwapFree" => &mut self.swap_free,
                b"CommitLimit" => &mut self.commit_limit,
                b"Committed_AS" => &mut self.committed,
                b"Hugetlb" => &mut self.hugetlb,
                _ => continue,
            };
            *field = value.trim_ascii().strip_suffix(b" kB").and_then(number);
        }
    }
}

/// A decimal number alone.
fn number(text: &[u8]) -> Option<u64> {
    let digits = text.trim_ascii();
    // `parse` would take a sign.
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// `0.00 0.01 0.05 2/123 4567`: running and existing tasks are the fourth.
fn tasks(loadavg: &[u8]) -> Option<u64> {
    let counts = loadavg.split(|&b| b == b' ').nth(3)?;
    number(counts.split(|&b| b == b'/').nth(1)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        assert_eq!(number(b"4194304\n"), Some(4_194_304));
        for text in [
            &b""[..],
            b"-1\n",
            b"+1",
            b"1 2",
            b"x",
            b"\xff",
            b"99999999999999999999",
        ] {
            assert_eq!(number(text), None, "{text:?}");
        }
    }

    #[test]
    fn loadavg() {
        assert_eq!(tasks(b"0.00 0.01 0.05 2/123 4567\n"), Some(123));
        for text in [&b""[..], b"a b c", b"a b c d", b"a b c 1/", b"a b c 1/x e"] {
            assert_eq!(tasks(text), None);
        }
    }

    #[test]
    fn meminfo() {
        let mut now = HostNow::default();
        now.take_meminfo(
            b"MemTotal:       24684112 kB\nMemFree:  1 kB\nMemAvailable: 20000000 kB\n\
              SwapTotal:             0 kB\nSwapFree: 12\nCommitLimit: x kB\n\
              Committed_AS:     905292 kB\nHugetlb:          2048 kB\nno colon\n:\n\xff: 1 kB",
        );
        let expected = HostNow {
            mem_total: Some(24_684_112),
            mem_available: Some(20_000_000),
            swap_total: Some(0),
            committed: Some(905_292),
            hugetlb: Some(2048),
            ..HostNow::default()
        };
        assert_eq!(now, expected);
    }

    #[test]
    fn nothing_there() {
        assert_eq!(
            HostNow::read_from(Path::new("/nonexistent")),
            HostNow::default()
        );
    }

    #[test]
    fn this_host() {
        let now = HostNow::read();
        for value in [now.pid_max, now.threads_max, now.threads, now.mem_total] {
            assert!(value.is_some_and(|n| n > 0), "{now:?}");
        }
        assert!(now.overcommit_memory.is_some_and(|mode| mode <= 2));
    }
}
