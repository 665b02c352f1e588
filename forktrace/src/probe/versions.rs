//! Since and until which kernel version something is expected.
//!
//! Nothing is attached or read by version number: distributions carry patches
//! forth and back, and the kernel's BTF says what is there. Versions are what
//! [`super::drift`] compares a kernel's BTF with, and what the tables say to
//! people.

use std::{fmt, str::FromStr};

/// A kernel's version, as far as it says what is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Release {
    /// The 6 of 6.12.
    pub major: u32,
    /// The 12 of 6.12.
    pub minor: u32,
}

impl Release {
    /// Before every version.
    pub const FIRST: Self = Self { major: 0, minor: 0 };
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// Text that doesn't begin as `uname -r` does.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no kernel version such as 6.12.3-amd64")]
pub struct NoRelease(String);

/// From what `uname -r` prints: `6.12.117+deb13-cloud-amd64`, `7.4-rc1`.
impl FromStr for Release {
    type Err = NoRelease;

    fn from_str(text: &str) -> Result<Self, NoRelease> {
        let number = |part: &str| {
            let end = part.find(|c: char| !c.is_ascii_digit());
            part[..end.unwrap_or(part.len())].parse().ok()
        };
        let mut parts = text.split('.');
        parts
            .next()
            .zip(parts.next())
            .and_then(|(major, minor)| {
                Some(Self {
                    major: major.parse().ok()?,
                    minor: number(minor)?,
                })
            })
            .ok_or_else(|| NoRelease(text.to_owned()))
    }
}

/// A range of versions, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Versions {
    since: Option<Release>,
    until: Option<Release>,
}

impl Versions {
    /// Every version that forktrace runs on.
    pub const ALL: Self = Self {
        since: None,
        until: None,
    };

    /// None.
    pub const NONE: Self = Self::ALL.since(u32::MAX, 0);

    /// From this version on.
    pub const fn since(self, major: u32, minor: u32) -> Self {
        Self {
            since: Some(Release { major, minor }),
            ..self
        }
    }

    /// Up to this version.
    pub const fn until(self, major: u32, minor: u32) -> Self {
        Self {
            until: Some(Release { major, minor }),
            ..self
        }
    }

    /// Whether it is one of these.
    pub fn contain(&self, release: Release) -> bool {
        self.since.is_none_or(|since| since <= release)
            && self.until.is_none_or(|until| release <= until)
    }

    /// The first of these.
    pub fn first(&self) -> Release {
        self.since.unwrap_or(Release::FIRST)
    }
}

/// As it goes on after "expected".
impl fmt::Display for Versions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.since, self.until) {
            (None, None) => f.write_str("on every version"),
            (Some(since), None) => write!(f, "since {since}"),
            (None, Some(until)) => write!(f, "up to {until}"),
            (Some(since), Some(until)) => write!(f, "from {since} to {until}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases() {
        for (text, major, minor) in [
            ("6.12.117+deb13-cloud-amd64", 6, 12),
            ("5.10.0-46-cloud-amd64", 5, 10),
            ("7.4-rc1", 7, 4),
            ("7.3", 7, 3),
        ] {
            assert_eq!(text.parse(), Ok(Release { major, minor }), "{text}");
        }
        for bad in ["", "6", "6.", "newest", "6.x", "v6.1"] {
            assert!(bad.parse::<Release>().is_err(), "{bad}");
        }
    }

    #[test]
    fn ranges() {
        let all = Versions::ALL;
        let at = |text: &str| text.parse::<Release>().unwrap();
        let contained = |versions: Versions| {
            ["5.10", "5.14", "6.0", "6.1", "10.2"]
                .into_iter()
                .filter(|text| versions.contain(at(text)))
                .collect::<Vec<_>>()
        };
        assert_eq!(contained(all).len(), 5);
        assert_eq!(contained(all.since(5, 14)), ["5.14", "6.0", "6.1", "10.2"]);
        assert_eq!(contained(all.until(5, 13)), ["5.10"]);
        let some = all.since(5, 14).until(6, 0);
        assert_eq!(contained(some), ["5.14", "6.0"]);
        assert_eq!(some.to_string(), "from 5.14 to 6.0");
    }
}
