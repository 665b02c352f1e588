//! Structs of the running kernel by its own description (BTF,
//! include/uapi/linux/btf.h): their numbers, sizes and members.

use std::fs;

use anyhow::{Context, Result};

const KIND_STRUCT: u32 = 4;

/// A struct.
pub(crate) struct Struct {
    /// Number of the type.
    pub id: u32,
    /// Bytes.
    pub size: u32,
    /// Names, and bytes from the start.
    members: Vec<(String, u32)>,
}

impl Struct {
    /// Which member has this name, and where it lies.
    pub(crate) fn member(&self, name: &str) -> Result<(u32, u32)> {
        let at = self.members.iter().position(|(known, _)| known == name);
        at.map(|at| (at as u32, self.members[at].1))
            .with_context(|| format!("type {} has no member {name}", self.id))
    }

    /// Where a member lies.
    pub(crate) fn offset(&self, name: &str) -> Result<u32> {
        Ok(self.member(name)?.1)
    }
}

/// The kernel's types.
pub(crate) struct Types(Vec<u8>);

impl Types {
    pub(crate) fn of_kernel() -> Result<Self> {
        let path = "/sys/kernel/btf/vmlinux";
        Ok(Self(
            fs::read(path).with_context(|| format!("read {path}"))?,
        ))
    }

    /// The struct of this name; `None` where the kernel has none.
    pub(crate) fn find(&self, wanted: &str) -> Option<Struct> {
        let mut at = self.start(8)?;
        let end = at.checked_add(self.number(12)? as usize)?;
        let mut id = 0;
        while at < end {
            id += 1;
            let (name, info, size) = (self.number(at)?, self.number(at + 4)?, self.number(at + 8)?);
            let (kind, count) = (info >> 24 & 0x1f, (info & 0xffff) as usize);
            if kind == KIND_STRUCT && self.name(name)? == wanted.as_bytes() {
                let bits = info >> 31 != 0;
                let members = (0..count).map(|n| self.member(at + 12 + 12 * n, bits));
                return Some(Struct {
                    id,
                    size,
                    members: members.collect::<Option<_>>()?,
                });
            }
            at += 12 + extra(kind, count);
        }
        None
    }

    /// With `bits`, where one of the members is a bit field, the upper byte is its
    /// width.
    fn member(&self, at: usize, bits: bool) -> Option<(String, u32)> {
        let name = String::from_utf8_lossy(self.name(self.number(at)?)?).into_owned();
        let offset = self.number(at + 8)?;
        Some((name, if bits { offset & 0xff_ffff } else { offset } / 8))
    }

    /// Where a part begins of which the header says at `field` how far behind it.
    fn start(&self, field: usize) -> Option<usize> {
        Some(self.number(4)? as usize + self.number(field)? as usize)
    }

    fn name(&self, offset: u32) -> Option<&[u8]> {
        let rest = self.0.get(self.start(16)? + offset as usize..)?;
        rest.split(|byte| *byte == 0).next()
    }

    fn number(&self, at: usize) -> Option<u32> {
        let bytes = self.0.get(at..at + 4)?;
        Some(u32::from_ne_bytes(bytes.try_into().ok()?))
    }
}

/// Bytes that follow a type of this kind.
fn extra(kind: u32, count: usize) -> usize {
    match kind {
        // Integer, variable, tag.
        1 | 14 | 17 => 4,
        // Array.
        3 => 12,
        // Struct, union, data section, enumeration of 64 bits.
        KIND_STRUCT | 5 | 15 | 19 => 12 * count,
        // Enumeration, prototype.
        6 | 13 => 8 * count,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(numbers: &[u32]) -> Vec<u8> {
        numbers.iter().flat_map(|n| n.to_ne_bytes()).collect()
    }

    /// An integer, and a struct `b` of 16 bytes with members `c` and `d`.
    fn types(bits: bool) -> Types {
        let body = words(&[
            1,
            1 << 24,
            4,
            32, // integer
            3,
            u32::from(bits) << 31 | KIND_STRUCT << 24 | 2,
            16, // struct
            5,
            1,
            0, // c
            7,
            1,
            if bits { 3 << 24 | 64 } else { 64 }, // d
        ]);
        let mut all = words(&[0x1_eb9f, 24, 0, body.len() as u32, body.len() as u32, 9]);
        all.extend(&body);
        all.extend(b"\0a\0b\0c\0d\0");
        Types(all)
    }

    #[test]
    fn finds_a_struct_and_its_members() {
        for bits in [false, true] {
            let b = types(bits).find("b").unwrap();
            assert_eq!((b.id, b.size), (2, 16));
            assert_eq!(b.member("d").unwrap(), (1, 8));
            assert_eq!(b.offset("c").unwrap(), 0);
            assert!(b.member("e").is_err());
        }
        assert!(types(false).find("a").is_none());
        assert!(Types(Vec::new()).find("a").is_none());
    }
}
