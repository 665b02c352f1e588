//! Whatever is in the files of /proc, where processes choose names and titles: parsing ends, nothing
//! panics, and parsers of one file agree.

use std::io::{self, Read};

use forktrace::{
    host::{
        holders, kernel_log,
        mappings::private_writable_size,
        passwd::Passwd,
        process::{Limits, Status, stat_field},
    },
    probe::kallsyms,
};

/// Takes one input.
pub(crate) fn take(data: &[u8]) {
    let Some((how, data)) = data.split_first() else {
        return;
    };
    match how % 6 {
        0 => status(data),
        1 => {
            Limits::parse(data);
        }
        2 => {
            for number in 0..60 {
                let field = stat_field(data, number);
                assert!(field.is_none_or(|f| f.len() <= data.len()));
            }
        }
        3 => {
            let text = String::from_utf8_lossy(data);
            for line in text.lines() {
                private_writable_size(line);
            }
        }
        4 => symbols(data),
        _ => {
            if let Some(message) = kernel_log::parse(data) {
                assert!(!message.text.contains('\n'));
            }
            let users = Passwd::from_bytes(data.to_vec());
            for uid in [0, 1, 65534, u32::MAX] {
                if let Some(name) = users.name(uid) {
                    assert!(!name.contains(':') && !name.contains('\n'), "{name:?}");
                }
            }
        }
    }
}

/// `check` reads all of it, and holders what they need: they agree on who it is.
fn status(data: &[u8]) {
    let (Some(one), Some(other)) = (Status::parse(data), holders::parse_status(data)) else {
        return;
    };
    // The kernel writes each line once; of others either may take the first or the last.
    let once = |name: &[u8]| data.windows(name.len()).filter(|w| *w == name).count() == 1;
    if once(b"Tgid:") {
        assert_eq!(one.pid, other.pid);
    }
    if once(b"Uid:") {
        assert_eq!(one.uid, other.uid);
    }
    if once(b"Threads:") {
        assert_eq!(one.threads, other.threads);
    }
}

/// The same by whatever pieces it comes.
fn symbols(data: &[u8]) {
    let (step, data) = data.split_first().unwrap_or((&1, data));
    let whole = kallsyms::read(data).expect("memory");
    let pieces = Pieces(data, usize::from(*step) + 1);
    let pieces = kallsyms::read(pieces).expect("memory");
    assert_eq!(whole.absent, pieces.absent);
}

/// A file of which each read gives a few bytes.
struct Pieces<'a>(&'a [u8], usize);

impl Read for Pieces<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let room = self.1.min(into.len());
        self.0.read(&mut into[..room])
    }
}
