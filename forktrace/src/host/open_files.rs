//! Open files of the whole host.

use std::fs;

use crate::evidence::OpenFiles;

/// What /proc/sys/fs/file-nr says: files that are open, and fs.file-max.
pub fn now() -> Option<OpenFiles> {
    of(&fs::read_to_string("/proc/sys/fs/file-nr").ok()?)
}

/// The number between the two is always 0 (fs/file_table.c `proc_nr_files`).
fn of(file_nr: &str) -> Option<OpenFiles> {
    let mut numbers = file_nr.split_whitespace();
    let now = numbers.next()?.parse().ok()?;
    let max = numbers.nth(1)?.parse().ok()?;
    Some(OpenFiles { now, max })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_line() {
        let files = of("1184\t0\t9223372036854775807\n").unwrap();
        assert_eq!((files.now, files.max), (1184, 9_223_372_036_854_775_807));
        for text in ["", "1", "1 0", "a 0 1", "1 0 -1"] {
            assert_eq!(of(text), None, "{text:?}");
        }
        assert!(now().is_some_and(|files| files.now > 0));
    }
}
