//! Who descends from whom, by /proc: for kernels without types, where the
//! kernel side can't look.

/// Generations that are followed.
const GENERATIONS: usize = 64;

/// Whether a process is `ancestor` or descends from it, as far as /proc still
/// shows.
pub fn descends_from(pid: u32, ancestor: u32) -> bool {
    let mut at = pid;
    for _ in 0..GENERATIONS {
        if at == ancestor {
            return true;
        }
        match parent(at) {
            Some(parent) if parent != 0 => at = parent,
            _ => return false,
        }
    }
    false
}

fn parent(pid: u32) -> Option<u32> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    status
        .lines()
        .find_map(|line| line.strip_prefix("PPid:"))?
        .trim()
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_descends_from_itself_and_its_parent() {
        let own = std::process::id();
        assert!(descends_from(own, own));
        assert!(descends_from(own, parent(own).unwrap()));
        assert!(!descends_from(parent(own).unwrap(), own));
    }
}
