//! A process's mappings.

/// Size in bytes of the largest private writable mapping of a process
/// (/proc/PID/maps shows one line for each of the kernel's VMAs); `None` when
/// it can't be read.
pub fn largest_private_writable(pid: u32) -> Option<u64> {
    let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).ok()?;
    maps.lines().filter_map(private_writable_size).max()
}

/// What a fork of a process promises again, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Accounted {
    /// All of its mappings that count.
    pub sum: u64,
    /// The largest of them.
    pub largest: u64,
}

/// By the flags of each mapping (/proc/PID/smaps `VmFlags`, fs/proc/task_mmu.c
/// `show_smap_vma_flags`): those that are accounted for, less those that a child doesn't
/// get. `None`: it can't be read, or the process is gone.
///
/// The kernel walks the page tables for this file, so it isn't read without need.
pub fn accounted(pid: u32) -> Option<Accounted> {
    let smaps = std::fs::read(format!("/proc/{pid}/smaps")).ok()?;
    accounted_in(&smaps)
}

fn accounted_in(smaps: &[u8]) -> Option<Accounted> {
    let mut accounted = Accounted::default();
    let mut size = None;
    let mut any = false;
    for line in smaps.split(|&b| b == b'\n') {
        if let Some(rest) = line.strip_prefix(b"Size:") {
            let number = std::str::from_utf8(rest).ok()?.split_whitespace().next()?;
            size = Some(number.parse::<u64>().ok()?.checked_mul(1024)?);
        } else if let Some(rest) = line.strip_prefix(b"VmFlags:") {
            any = true;
            let has = |flag: &[u8]| rest.split(|&b| b == b' ').any(|word| word == flag);
            let size = size.take()?;
            if has(b"ac") && !has(b"dc") {
                accounted.sum = accounted.sum.saturating_add(size);
                accounted.largest = accounted.largest.max(size);
            }
        }
    }
    any.then_some(accounted)
}

/// Size in bytes of the mapping of a line, if it is private and writable.
pub fn private_writable_size(line: &str) -> Option<u64> {
    let mut words = line.split(' ');
    let (start, end) = words.next()?.split_once('-')?;
    let permissions = words.next()?.as_bytes();
    if permissions.get(1) != Some(&b'w') || permissions.get(3) != Some(&b'p') {
        return None;
    }
    let start = u64::from_str_radix(start, 16).ok()?;
    u64::from_str_radix(end, 16).ok()?.checked_sub(start)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_fork_promises() {
        // Read-only and accounted for (it was writable), MADV_DONTFORK, a library's text.
        let smaps = "\
7f0000000000-7f0000003000 r--p 00000000 00:00 0 \nSize:  12 kB\nVmFlags: rd mr mw me ac sd \n\
7f0000010000-7f0000013000 rw-p 00000000 00:00 0 Size: x\nSize:  400 kB\nVmFlags: rd wr ac dc \n\
7f0000020000-7f0000023000 r-xp 00000000 00:00 0 \nSize:  80 kB\nVmFlags: rd ex mr mw me \n\
7f0000030000-7f0000033000 rw-p 00000000 00:00 0 \nSize:  8 kB\nVmFlags: rd wr ac \n";
        let accounted = accounted_in(smaps.as_bytes()).unwrap();
        assert_eq!((accounted.sum, accounted.largest), (20 << 10, 12 << 10));
        // Kernels without the flags, and a file that was cut.
        assert_eq!(accounted_in(b"Size: 12 kB\n"), None);
        assert_eq!(accounted_in(b"VmFlags: rd ac\n"), None);
        assert_eq!(accounted_in(b""), None);
        assert!(super::accounted(std::process::id()).unwrap().sum > 0);
    }

    #[test]
    fn reads_maps_lines() {
        let line = "7f0000000000-7f0000003000 rw-p 00000000 00:00 0 ";
        assert_eq!(private_writable_size(line), Some(0x3000));
        for other in [
            "7f0000000000-7f0000003000 r--p 00000000 00:00 0",
            "7f0000000000-7f0000003000 rw-s 00000000 00:00 0",
            "x",
            "",
            "7f-1 rw-p",
        ] {
            assert_eq!(private_writable_size(other), None, "{other}");
        }
        assert!(largest_private_writable(std::process::id()).unwrap() > 0);
    }
}
