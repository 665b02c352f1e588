//! The kernel's description of its own types (BTF), as far as forktrace needs
//! it: where a field lies, what an enumerator is worth, what a function takes
//! and returns.
//!
//! Own parser because the general ones are ten times slower or hide the
//! members. One pass indexes the types; everything else is looked up on
//! demand in the raw bytes. Arithmetic is checked and recursion bounded
//! throughout: no input makes it panic or run away.
//!
//! The format: `include/uapi/linux/btf.h` (read in 5.10, 6.1, 6.12, 7.3).

mod bytes;
mod field;
mod functions_alone;
mod prototype;
mod raw;

#[cfg(test)]
pub(crate) mod builder;
#[cfg(test)]
mod tests;

use std::io;
use std::path::Path;

pub use field::{Bits, Field};
pub use prototype::{Param, Prototype, ValueKind, ValueType};

use bytes::Bytes;
use raw::{Index, Kind, Type};

/// Where the running kernel shows its BTF (5.4+, CONFIG_DEBUG_INFO_BTF).
pub const KERNEL_BTF: &str = "/sys/kernel/btf/vmlinux";

/// Why BTF could not be used.
#[derive(Debug, thiserror::Error)]
pub enum BtfError {
    /// The file could not be read; most often the kernel was built without
    /// CONFIG_DEBUG_INFO_BTF.
    #[error("cannot read the kernel's type information {path}: {source}")]
    Read {
        /// The file that was asked for.
        path: String,
        /// What the kernel answered.
        source: io::Error,
    },
    /// The first two bytes aren't BTF's.
    #[error("not BTF: it begins with {0:#06x}")]
    Magic(u16),
    /// BTF of a machine with the other byte order.
    #[error("BTF of the other byte order")]
    ByteOrder,
    /// A version of the format that this parser doesn't know.
    #[error("BTF version {0}, known is 1")]
    Version(u8),
    /// Something reaches past the end of what holds it.
    #[error("truncated BTF: {what} at byte {at}")]
    Truncated {
        /// What was being read.
        what: &'static str,
        /// Where in the file, in bytes.
        at: usize,
    },
    /// A kind of type without a known length, so that what follows it cannot
    /// be found.
    #[error("BTF type {id} has the unknown kind {kind}")]
    Kind {
        /// The type's id.
        id: u32,
        /// The kind's number.
        kind: u8,
    },
    /// A name outside the strings.
    #[error("BTF type {id} has its name outside the strings")]
    Name {
        /// The type's id.
        id: u32,
    },
}

/// Parsed BTF.
pub struct Btf {
    data: Bytes,
    index: Index,
}

impl Btf {
    /// Parses raw BTF, which it keeps: about 1.2 times `bytes` in all.
    pub fn parse(bytes: Vec<u8>) -> Result<Self, BtfError> {
        Self::of(Bytes::Read(bytes))
    }

    /// The running kernel's.
    pub fn from_sys() -> Result<Self, BtfError> {
        let path = Path::new(KERNEL_BTF);
        Self::of(Bytes::of_kernel(path).map_err(|source| unread(path, source))?)
    }

    /// Raw BTF from a file.
    pub fn from_file(path: &Path) -> Result<Self, BtfError> {
        Self::of(Bytes::of_file(path).map_err(|source| unread(path, source))?)
    }

    fn of(data: Bytes) -> Result<Self, BtfError> {
        let index = raw::index(&data)?;
        Ok(Self { data, index })
    }

    /// How many types there are, `void` included.
    pub fn type_count(&self) -> usize {
        self.index.types.len()
    }

    /// The value of an enumerator, from the enum of that name, or from any
    /// enum (the anonymous ones too) if `enum_name` is `None`. `None` where no
    /// such enumerator exists, or where enums disagree about its value.
    pub fn enumerator(&self, enum_name: Option<&str>, name: &str) -> Option<i64> {
        let mut value = None;
        for &id in &self.index.enums {
            let ty = self.ty(id)?;
            if enum_name.is_some_and(|wanted| !self.is_named(ty.name, wanted)) {
                continue;
            }
            if let Some(found) = self.enumerator_of(ty, name) {
                if value.is_some_and(|before| before != found) {
                    return None;
                }
                value = Some(found);
            }
        }
        value
    }

    fn enumerator_of(&self, ty: Type, name: &str) -> Option<i64> {
        // kind_flag says that the values are signed, which ENUM's always are
        // for our purposes: old encoders never set it.
        let stride = if ty.kind == Kind::Enum64 { 12 } else { 8 };
        for i in 0..ty.count as usize {
            let at = ty.extra.checked_add(i.checked_mul(stride)?)?;
            if !self.is_named(self.word(at)?, name) {
                continue;
            }
            let low = self.word(at.checked_add(4)?)?;
            return Some(if ty.kind == Kind::Enum64 {
                let high = self.word(at.checked_add(8)?)?;
                (u64::from(high) << 32 | u64::from(low)) as i64
            } else {
                i64::from(low as i32)
            });
        }
        None
    }

    /// Ids of the types of these kinds and this name. The kernel's BTF can
    /// have several: private structs of drivers, or copies that pahole could
    /// not merge.
    fn named<'a>(&'a self, kinds: &'a [Kind], name: &'a str) -> impl Iterator<Item = u32> + 'a {
        self.index.chain(name.as_bytes()).filter(move |&id| {
            self.ty(id)
                .is_some_and(|ty| kinds.contains(&ty.kind) && self.is_named(ty.name, name))
        })
    }

    fn ty(&self, id: u32) -> Option<Type> {
        let &at = self.index.types.get(id as usize)?;
        // Id 0 is void and has no bytes.
        if id == 0 {
            return None;
        }
        Type::read(&self.data, at as usize)
    }

    fn word(&self, at: usize) -> Option<u32> {
        raw::word(&self.data, at)
    }

    fn strings(&self) -> &[u8] {
        self.data
            .get(self.index.strings.clone())
            .unwrap_or_default()
    }

    /// Whether the string at that offset of the strings is `name`.
    fn is_named(&self, offset: u32, name: &str) -> bool {
        raw::string_is(self.strings(), offset, name.as_bytes())
    }

    fn text(&self, offset: u32) -> String {
        let bytes = raw::string(self.strings(), offset).unwrap_or_default();
        String::from_utf8_lossy(bytes).into_owned()
    }

    /// Follows typedefs and qualifiers to the type beneath; `None` for void,
    /// and for a chain without an end.
    fn strip(&self, mut id: u32) -> Option<(u32, Type)> {
        for _ in 0..MAX_CHAIN {
            let ty = self.ty(id)?;
            if !ty.kind.is_modifier() {
                return Some((id, ty));
            }
            id = ty.word;
        }
        None
    }
}

fn unread(path: &Path, source: io::Error) -> BtfError {
    BtfError::Read {
        path: path.display().to_string(),
        source,
    }
}

/// Longest chain of typedefs, qualifiers, arrays or nested anonymous structs
/// that is followed. The kernel's longest has about ten links.
const MAX_CHAIN: usize = 32;
