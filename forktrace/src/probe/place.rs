//! One way to find a field in the kernel's BTF.

use std::fmt;

use super::versions::Versions;
use crate::btf::{Btf, Field};

/// What the programs read at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read {
    /// Nothing: its address is what counts, so it may have any size.
    Address,
    /// A value of so many bytes.
    Bytes(u32),
    /// A yes or no: the byte that holds it.
    FlagByte,
    /// A yes or no: the bits of the byte that holds it.
    FlagMask,
}

/// A struct and a path within it, in the kernel's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The struct.
    pub of: &'static str,
    /// Members, with `[number]` or `[enum::ENUMERATOR]` for an array's element.
    pub path: &'static str,
    /// What is read there.
    pub read: Read,
    /// Where it is expected. How it is looked for doesn't depend on that.
    pub versions: Versions,
}

const fn place(of: &'static str, path: &'static str, read: Read) -> Place {
    Place {
        of,
        path,
        read,
        versions: Versions::ALL,
    }
}

/// A 32-bit number, `kuid_t` and `atomic_t` included: what wraps a number
/// begins with it.
pub const fn int(of: &'static str, path: &'static str) -> Place {
    place(of, path, Read::Bytes(4))
}

/// A pointer, a long, or `atomic_long_t`.
pub const fn word(of: &'static str, path: &'static str) -> Place {
    place(of, path, Read::Bytes(size_of::<usize>() as u32))
}

/// Something of so many bytes on every machine.
pub const fn bytes(of: &'static str, path: &'static str, size: u32) -> Place {
    place(of, path, Read::Bytes(size))
}

/// A struct within the struct, of which the address is wanted.
pub const fn address(of: &'static str, path: &'static str) -> Place {
    place(of, path, Read::Address)
}

/// The byte that holds a flag, be that a bitfield or a number. A number is read
/// by its low byte: the kernel only stores 0 and 1 in these, and forktrace runs
/// on little-endian machines.
pub const fn flag_byte(of: &'static str, path: &'static str) -> Place {
    place(of, path, Read::FlagByte)
}

/// The bits of [`flag_byte`] that are the flag.
pub const fn flag_mask(of: &'static str, path: &'static str) -> Place {
    place(of, path, Read::FlagMask)
}

/// Why a kernel doesn't have a place. Goes on after the place's name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotThere {
    /// No such struct, or no such member.
    #[error("is gone")]
    Gone,
    /// No such enumerator, or several that disagree.
    #[error("is gone with the enumerator {enumerator} of enum {of}")]
    Enumerator {
        /// The enum.
        of: &'static str,
        /// Its enumerator.
        enumerator: &'static str,
    },
    /// The field would be read wrongly.
    #[error("has {found} bytes where {read} are read")]
    Size {
        /// Its size here, in bytes.
        found: u32,
        /// The size that the programs read.
        read: u32,
    },
    /// Not a value of its own, or not a flag within one byte.
    #[error("is a bitfield that can't be read")]
    Bitfield,
}

impl Place {
    /// Expected from this version on.
    pub const fn since(mut self, major: u32, minor: u32) -> Self {
        self.versions = self.versions.since(major, minor);
        self
    }

    /// Expected up to this version.
    pub const fn until(mut self, major: u32, minor: u32) -> Self {
        self.versions = self.versions.until(major, minor);
        self
    }

    /// Expected on no version, unless on this machine.
    pub const fn only(mut self, on: bool) -> Self {
        if !on {
            self.versions = Versions::NONE;
        }
        self
    }

    /// The offset in this kernel; for [`Read::FlagMask`] the mask.
    pub fn find(&self, btf: &Btf) -> Result<u32, NotThere> {
        let path = numbered(btf, self.path)?;
        let Field {
            byte_offset,
            size,
            bits,
        } = btf.field(self.of, &path).ok_or(NotThere::Gone)?;
        match self.read {
            Read::Address | Read::Bytes(_) if bits.is_some() => Err(NotThere::Bitfield),
            Read::Bytes(read) if read != size => Err(NotThere::Size { found: size, read }),
            Read::Address | Read::Bytes(_) => Ok(byte_offset),
            Read::FlagByte | Read::FlagMask => {
                let mask = match bits {
                    Some(bits) if size == 1 => ((1_u32 << bits.width) - 1) << bits.shift,
                    None if size <= 8 => 0xff,
                    _ => return Err(NotThere::Bitfield),
                };
                Ok(if self.read == Read::FlagByte {
                    byte_offset
                } else {
                    mask
                })
            }
        }
    }
}

/// The path with this kernel's numbers for its enumerators: which one an entry
/// has depends on configuration and version.
fn numbered(btf: &Btf, path: &'static str) -> Result<String, NotThere> {
    let mut done = String::new();
    let mut parts = path.split('[');
    done.push_str(parts.next().unwrap_or_default());
    for part in parts {
        done.push('[');
        let named = part
            .split_once(']')
            .and_then(|(index, rest)| Some((index.split_once("::")?, rest)));
        let Some(((of, enumerator), rest)) = named else {
            done.push_str(part);
            continue;
        };
        let number = btf
            .enumerator(Some(of), enumerator)
            .ok_or(NotThere::Enumerator { of, enumerator })?;
        done.push_str(&format!("{number}]{rest}"));
    }
    Ok(done)
}

/// `kernfs_node.__parent`
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.of, self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::btf::builder::*;

    fn sample() -> Btf {
        let mut b = Builder::new();
        let (long, int) = (b.int("long int", 8, 1), b.int("int", 4, 1));
        let pair = b.aggregate(
            STRUCT,
            "pair",
            16,
            false,
            &[("a", long, 0), ("b", long, 64)],
        );
        let pairs = b.array(pair, 3);
        b.enumeration(ENUM, "which", &[("FIRST", 0), ("LAST", 2)]);
        b.aggregate(
            STRUCT,
            "s",
            72,
            true,
            &[
                ("number", int, 0),
                ("bit", int, 1 << 24 | 45),
                ("wide", int, 9 << 24 | 52),
                ("pairs", pairs, 128),
            ],
        );
        Btf::parse(b.bytes()).unwrap()
    }

    #[test]
    fn found() {
        let btf = sample();
        for (place, value) in [
            (int("s", "number"), 0),
            (word("s", "pairs[1].b"), 40),
            (word("s", "pairs[which::LAST].b"), 56),
            (address("s", "pairs"), 16),
            (flag_byte("s", "number"), 0),
            (flag_mask("s", "number"), 0xff),
            (flag_byte("s", "bit"), 5),
            (flag_mask("s", "bit"), 0x20),
        ] {
            assert_eq!(place.find(&btf), Ok(value), "{place}");
        }
    }

    #[test]
    fn not_found() {
        let btf = sample();
        for (place, why) in [
            (int("s", "gone"), "is gone"),
            (int("t", "number"), "is gone"),
            (word("s", "number"), "has 4 bytes where 8 are read"),
            (int("s", "bit"), "is a bitfield that can't be read"),
            (flag_byte("s", "wide"), "is a bitfield that can't be read"),
            (flag_mask("s", "pairs"), "is a bitfield that can't be read"),
            (word("s", "pairs[3].a"), "is gone"),
            (
                word("s", "pairs[which::MORE].a"),
                "is gone with the enumerator MORE of enum which",
            ),
        ] {
            assert_eq!(place.find(&btf).unwrap_err().to_string(), why, "{place}");
        }
    }
}
