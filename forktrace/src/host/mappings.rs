//! A process's mappings.

/// Size in bytes of the largest private writable mapping of a process
/// (/proc/PID/maps shows one line for each of the kernel's VMAs); `None` when
/// it can't be read.
pub fn largest_private_writable(pid: u32) -> Option<u64> {
    let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).ok()?;
    maps.lines().filter_map(private_writable_size).max()
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
