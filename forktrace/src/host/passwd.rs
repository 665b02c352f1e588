//! Users, by /etc/passwd alone.
//!
//! No NSS: its functions load libraries, and may ask servers and start
//! threads, which a tool that explains refused forks must not need. Users of a
//! directory service go by their number.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

/// The accounts of a passwd(5) file.
#[derive(Clone, Debug, Default)]
pub struct Passwd {
    text: Vec<u8>,
}

/// Why a user wasn't found.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UserError {
    /// Neither a name in /etc/passwd nor a number.
    #[error("no user {0:?} in /etc/passwd: give the uid of users that aren't listed there")]
    Unknown(String),
    /// A number that is no uid: too large, or 4294967295, which means none.
    #[error("{0} is no uid: they go from 0 to 4294967294")]
    NoUid(String),
}

impl Passwd {
    /// Reads /etc/passwd.
    pub fn load() -> io::Result<Self> {
        Self::from_file(Path::new("/etc/passwd"))
    }

    /// Reads a file of the same format.
    pub fn from_file(path: &Path) -> io::Result<Self> {
        std::fs::read(path).map(Self::from_bytes)
    }

    /// From the file's content.
    pub fn from_bytes(text: Vec<u8>) -> Self {
        Self { text }
    }

    /// The first name of a uid. Bytes that are no UTF-8 become U+FFFD.
    pub fn name(&self, uid: u32) -> Option<String> {
        let (name, _) = self.accounts().find(|&(_, of)| of == uid)?;
        Some(String::from_utf8_lossy(name).into_owned())
    }

    /// Every name that is UTF-8.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.accounts()
            .filter_map(|(name, _)| std::str::from_utf8(name).ok())
    }

    /// The home folder of a uid.
    pub fn home(&self, uid: u32) -> Option<PathBuf> {
        let line = self.text.split(|&b| b == b'\n').find(|line| {
            let of = line.split(|&b| b == b':').nth(2);
            of.and_then(number) == Some(uid)
        })?;
        let home = line.split(|&b| b == b':').nth(5)?;
        Some(PathBuf::from(OsStr::from_bytes(home)))
    }

    /// The primary group of the user with this name.
    pub fn group(&self, user: &str) -> Option<u32> {
        let line = self.text.split(|&b| b == b'\n').find(|line| {
            let name = line.split(|&b| b == b':').next();
            !user.is_empty() && name == Some(user.as_bytes())
        })?;
        number(line.split(|&b| b == b':').nth(3)?)
    }

    /// The uid of a user, given by name or by number. A name that consists of
    /// digits goes before the number, as for chown(1).
    pub fn uid(&self, user: &str) -> Result<u32, UserError> {
        if let Some((_, uid)) = self.accounts().find(|&(name, _)| name == user.as_bytes()) {
            return Ok(uid);
        }
        if user.is_empty() || !user.bytes().all(|b| b.is_ascii_digit()) {
            return Err(UserError::Unknown(user.to_owned()));
        }
        number(user.as_bytes()).ok_or_else(|| UserError::NoUid(user.to_owned()))
    }

    /// Names and uids of the lines that have both: `name:password:uid:…`.
    fn accounts(&self) -> impl Iterator<Item = (&[u8], u32)> {
        self.text.split(|&b| b == b'\n').filter_map(|line| {
            let mut fields = line.split(|&b| b == b':');
            let name = fields.next().filter(|name| !name.is_empty())?;
            // Lines of NIS, which aren't accounts.
            if matches!(name.first(), Some(b'+' | b'-' | b'#')) {
                return None;
            }
            Some((name, number(fields.nth(1)?)?))
        })
    }
}

fn number(digits: &[u8]) -> Option<u32> {
    // `parse` would take a sign.
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let uid = std::str::from_utf8(digits).ok()?.parse().ok()?;
    (uid != u32::MAX).then_some(uid)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Passwd {
        Passwd::from_bytes(
            b"root:x:0:0:root:/root:/bin/bash\n\
              daemon:x:1:1\n\
              # comment:x:7:7\n\
              +nis:x:8:8::/:\n\
              short\n\
              :x:9:9::/:\n\
              bad:x:1x:1::/:\n\
              signed:x:+5:1::/:\n\
              none:x:4294967295:1::/:\n\
              1000:x:77:77::/:\n\
              caf\xe9:x:1001:1001::/:\n\
              toor:x:0:0::/:\n\
              last:x:1002:1002::/:"
                .to_vec(),
        )
    }

    #[test]
    fn names() {
        let passwd = sample();
        assert_eq!(passwd.name(0).as_deref(), Some("root"));
        assert_eq!(passwd.name(1).as_deref(), Some("daemon"));
        assert_eq!(passwd.name(1001).as_deref(), Some("caf\u{fffd}"));
        assert_eq!(passwd.name(1002).as_deref(), Some("last"));
        for uid in [5, 7, 8, 9, 1000, u32::MAX] {
            assert_eq!(passwd.name(uid), None, "{uid}");
        }
    }

    #[test]
    fn uids() {
        let passwd = sample();
        for (user, uid) in [
            ("root", 0),
            ("toor", 0),
            ("last", 1002),
            ("1000", 77),
            ("5000", 5000),
            ("007", 7),
            ("4294967294", 4_294_967_294),
        ] {
            assert_eq!(passwd.uid(user), Ok(uid), "{user}");
        }
        for user in ["nobody", "", "-1", "+1", "0x10", "bad", "#", "1 "] {
            assert!(
                matches!(passwd.uid(user), Err(UserError::Unknown(_))),
                "{user}"
            );
        }
        for user in ["4294967295", "4294967296", "99999999999999999999"] {
            assert!(
                matches!(passwd.uid(user), Err(UserError::NoUid(_))),
                "{user}"
            );
        }
    }

    #[test]
    fn primary_groups() {
        let group = |user| sample().group(user);
        assert_eq!((group("daemon"), group("last")), (Some(1), Some(1002)));
        assert_eq!(
            (group("nobody"), group("short"), group("")),
            (None, None, None)
        );
    }

    #[test]
    fn odd_files() {
        for text in [&b""[..], b"\n\n", b":::", b"\0:\0:0", b"\xff\xfe:x:0"] {
            let passwd = Passwd::from_bytes(text.to_vec());
            let _ = (passwd.name(0), passwd.uid("x"));
        }
    }
}
