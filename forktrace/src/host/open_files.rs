//! Open files of the whole host.

use super::limits::Files;
use crate::evidence::OpenFiles;

/// What /proc/sys/fs/file-nr says: files that are open, and fs.file-max.
///
/// Where the two are equal whoever has given CAP_SYS_ADMIN up can't open it any
/// more: a first call, while there is room, keeps it open.
pub fn now(files: &mut Files) -> Option<OpenFiles> {
    let mut buffer = [0; 8192];
    let text = files.content("sys/fs/file-nr", &mut buffer)?;
    of(std::str::from_utf8(text).ok()?)
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
        assert!(now(&mut Files::of_proc()).is_some_and(|files| files.now > 0));
    }
}
