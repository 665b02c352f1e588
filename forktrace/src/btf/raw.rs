//! The bytes of BTF: header, types and strings, and the index over them.

use std::ops::Range;

use super::BtfError;

const MAGIC: u16 = 0xeb9f;
/// Length of the header up to 7.0. Since 7.1 the kernel's has eight bytes
/// more, for the layout section.
const HEADER: usize = 24;

/// Kinds of types, as in the kernel's `BTF_KIND_*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Int,
    Ptr,
    Array,
    Struct,
    Union,
    Enum,
    Fwd,
    Typedef,
    Volatile,
    Const,
    Restrict,
    Func,
    FuncProto,
    Var,
    Datasec,
    Float,
    DeclTag,
    TypeTag,
    Enum64,
    /// Newer than this parser.
    Other(u8),
}

impl Kind {
    fn from_number(n: u8) -> Self {
        match n {
            1 => Self::Int,
            2 => Self::Ptr,
            3 => Self::Array,
            4 => Self::Struct,
            5 => Self::Union,
            6 => Self::Enum,
            7 => Self::Fwd,
            8 => Self::Typedef,
            9 => Self::Volatile,
            10 => Self::Const,
            11 => Self::Restrict,
            12 => Self::Func,
            13 => Self::FuncProto,
            14 => Self::Var,
            15 => Self::Datasec,
            16 => Self::Float,
            17 => Self::DeclTag,
            18 => Self::TypeTag,
            19 => Self::Enum64,
            other => Self::Other(other),
        }
    }

    /// Bytes that follow the 12 common ones: a fixed part, and a part for each
    /// of the type's elements.
    fn extra(self) -> Option<(usize, usize)> {
        Some(match self {
            Self::Int | Self::Var | Self::DeclTag => (4, 0),
            Self::Array => (12, 0),
            Self::Struct | Self::Union | Self::Datasec | Self::Enum64 => (0, 12),
            Self::Enum | Self::FuncProto => (0, 8),
            Self::Ptr
            | Self::Fwd
            | Self::Typedef
            | Self::Volatile
            | Self::Const
            | Self::Restrict
            | Self::Func
            | Self::Float
            | Self::TypeTag => (0, 0),
            Self::Other(_) => return None,
        })
    }

    /// Names something else without changing its layout.
    pub(super) fn is_modifier(self) -> bool {
        matches!(
            self,
            Self::Typedef | Self::Volatile | Self::Const | Self::Restrict | Self::TypeTag
        )
    }

    /// Is looked up by name.
    fn is_indexed(self) -> bool {
        matches!(
            self,
            Self::Struct | Self::Union | Self::Typedef | Self::Func
        )
    }
}

/// The common head of a type.
#[derive(Clone, Copy, Debug)]
pub(super) struct Type {
    /// Offset of the name in the strings.
    pub name: u32,
    pub kind: Kind,
    /// Number of members, enumerators or parameters (`vlen`).
    pub count: u32,
    /// `kind_flag`: for structs, that members' offsets carry bitfield widths.
    pub flag: bool,
    /// Size in bytes, or the id of another type: which one goes by the kind.
    pub word: u32,
    /// Where in the file the kind's own bytes begin.
    pub extra: usize,
}

impl Type {
    pub(super) fn read(data: &[u8], at: usize) -> Option<Self> {
        let end = at.checked_add(12)?;
        let bytes: &[u8; 12] = data.get(at..end)?.try_into().ok()?;
        let [n0, n1, n2, n3, i0, i1, i2, i3, w0, w1, w2, w3] = *bytes;
        let info = u32::from_ne_bytes([i0, i1, i2, i3]);
        Some(Self {
            name: u32::from_ne_bytes([n0, n1, n2, n3]),
            // Up to 7.0 the kernel knew 5 bits of kind and 16 of count and
            // refused other bits, so that the wider masks of 7.1 suit both.
            kind: Kind::from_number((info >> 24 & 0x7f) as u8),
            count: info & 0x00ff_ffff,
            flag: info >> 31 != 0,
            word: u32::from_ne_bytes([w0, w1, w2, w3]),
            extra: end,
        })
    }
}

pub(super) fn word(data: &[u8], at: usize) -> Option<u32> {
    let bytes = data.get(at..at.checked_add(4)?)?;
    Some(u32::from_ne_bytes(bytes.try_into().ok()?))
}

/// Bytes of a name that are compared; the kernel's KSYM_NAME_LEN is
/// 512. The bound keeps hostile input, where every type has the same endless
/// name, from taking hours.
const MAX_NAME: usize = 1024;

/// The string at an offset, without its NUL and cut at [`MAX_NAME`].
pub(super) fn string(strings: &[u8], offset: u32) -> Option<&[u8]> {
    let rest = strings.get(offset as usize..)?;
    let rest = rest.get(..MAX_NAME).unwrap_or(rest);
    let end = rest.iter().position(|&b| b == 0).unwrap_or(rest.len());
    rest.get(..end)
}

/// Whether the string at an offset is `name`.
pub(super) fn string_is(strings: &[u8], offset: u32, name: &[u8]) -> bool {
    strings
        .get(offset as usize..)
        .and_then(|rest| rest.strip_prefix(name))
        .is_some_and(|rest| rest.first() == Some(&0))
}

/// Where the types are, and a hash table from names to those of the kinds
/// that are looked up. Chained through `next`, so that types with the same
/// name are all found.
pub(super) struct Index {
    /// Where in the file each type begins, by id; the 0th is void.
    pub types: Vec<u32>,
    /// Ids of the enums: few enough to search them all.
    pub enums: Vec<u32>,
    /// Where in the file the strings are.
    pub strings: Range<usize>,
    /// The latest id in each chain; a power of two of them.
    heads: Vec<u32>,
    /// The next id in the chain of each id: always a smaller one, so every
    /// chain ends.
    next: Vec<u32>,
}

/// Chains at most: half as many as a kernel has names to look up.
const HEADS: usize = 1 << 16;

impl Index {
    /// Ids whose name may be `name`, latest first.
    pub(super) fn chain(&self, name: &[u8]) -> impl Iterator<Item = u32> {
        let mut id = self
            .heads
            .get(bucket(name, self.heads.len()))
            .copied()
            .unwrap_or(0);
        std::iter::from_fn(move || {
            let current = id;
            id = self.next.get(current as usize).copied().unwrap_or(0);
            (current != 0).then_some(current)
        })
    }
}

/// FNV-1a, folded, for a power of two of chains. The name ends at the first
/// NUL, at [`MAX_NAME`], or with the slice.
fn bucket(name: &[u8], heads: usize) -> usize {
    let mut hash = 0x811c_9dc5_u32;
    for &b in name.get(..MAX_NAME).unwrap_or(name) {
        if b == 0 {
            break;
        }
        hash = (hash ^ u32::from(b)).wrapping_mul(0x0100_0193);
    }
    (hash ^ hash >> 16) as usize & heads.wrapping_sub(1)
}

/// One section: its range in the file.
fn section(
    data: &[u8],
    header: usize,
    fields: usize,
    what: &'static str,
) -> Result<Range<usize>, BtfError> {
    let truncated = || BtfError::Truncated { what, at: fields };
    let offset = word(data, fields).ok_or_else(truncated)? as usize;
    let length = word(data, fields.saturating_add(4)).ok_or_else(truncated)? as usize;
    let start = header.checked_add(offset).ok_or_else(truncated)?;
    let end = start.checked_add(length).ok_or_else(truncated)?;
    if end > data.len() {
        return Err(truncated());
    }
    Ok(start..end)
}

/// Sizes of kinds newer than this parser, which 7.1+ gives in a section of its
/// own: one `struct btf_layout` of four bytes per kind.
struct Layout<'a>(&'a [u8]);

impl Layout<'_> {
    fn extra(&self, kind: u8) -> Option<(usize, usize)> {
        let at = usize::from(kind) * 4;
        match self.0.get(at..at + 2)? {
            [fixed, each] => Some((usize::from(*fixed), usize::from(*each))),
            _ => None,
        }
    }
}

/// The single pass over all types.
pub(super) fn index(data: &[u8]) -> Result<Index, BtfError> {
    let truncated = |what, at| BtfError::Truncated { what, at };
    match data.get(..2) {
        Some(&[a, b]) => {
            let magic = u16::from_ne_bytes([a, b]);
            if magic == MAGIC.swap_bytes() {
                return Err(BtfError::ByteOrder);
            }
            if magic != MAGIC {
                return Err(BtfError::Magic(magic));
            }
        }
        _ => return Err(truncated("header", 0)),
    }
    match data.get(2) {
        Some(1) => {}
        Some(&other) => return Err(BtfError::Version(other)),
        None => return Err(truncated("header", 2)),
    }
    let header = word(data, 4).ok_or(truncated("header", 4))? as usize;
    if header < HEADER || header > data.len() {
        return Err(truncated("header", 4));
    }
    let types = section(data, header, 8, "type section")?;
    let strings = section(data, header, 16, "string section")?;
    let layout = if header >= HEADER + 8 {
        section(data, header, HEADER, "layout section")?
    } else {
        0..0
    };
    let layout = Layout(data.get(layout).unwrap_or_default());

    let text = data.get(strings.clone()).unwrap_or_default();
    if !text.is_empty() && text.last() != Some(&0) {
        return Err(truncated("last string", strings.end));
    }
    // u32 offsets suffice: the sections are described by them.
    if u32::try_from(types.end).is_err() {
        return Err(truncated("type section", types.end));
    }

    // 26 bytes are what a type takes on average.
    let guess = types.len() / 25 + 1;
    let mut index = Index {
        types: Vec::with_capacity(guess),
        enums: Vec::new(),
        strings,
        heads: vec![0; guess.next_power_of_two().min(HEADS)],
        next: Vec::with_capacity(guess),
    };
    index.types.push(0);
    index.next.push(0);

    let body = data.get(..types.end).unwrap_or_default();
    let mut at = types.start;
    while at < types.end {
        let id = index.types.len() as u32;
        let ty = Type::read(body, at).ok_or(truncated("type", at))?;
        let (fixed, each) = match ty.kind {
            Kind::Other(kind) => layout
                .extra(kind)
                .filter(|_| kind != 0)
                .ok_or(BtfError::Kind { id, kind })?,
            known => known.extra().unwrap_or_default(),
        };
        let next = (ty.count as usize)
            .checked_mul(each)
            .and_then(|n| n.checked_add(fixed))
            .and_then(|n| n.checked_add(ty.extra))
            .filter(|&next| next <= types.end)
            .ok_or(truncated("type", at))?;

        let mut link = 0;
        if ty.kind.is_indexed() && ty.name != 0 {
            let name = text.get(ty.name as usize..).ok_or(BtfError::Name { id })?;
            let bucket = bucket(name, index.heads.len());
            if let Some(head) = index.heads.get_mut(bucket) {
                link = std::mem::replace(head, id);
            }
        }
        if matches!(ty.kind, Kind::Enum | Kind::Enum64) {
            index.enums.push(id);
        }
        index.next.push(link);
        index.types.push(at as u32);
        at = next;
    }
    Ok(index)
}
