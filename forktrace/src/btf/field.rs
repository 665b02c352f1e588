//! Where a field lies within a struct.

use super::raw::{Kind, Type};
use super::{Btf, MAX_CHAIN};

/// Members that one look-up visits at most. `task_struct`, anonymous members
/// included, has about 400; the bound stops structs that contain themselves.
const MAX_MEMBERS: u32 = 1 << 16;

/// A field's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// From the start of the struct. For a bitfield, the first byte that holds
    /// one of its bits (on a little-endian machine).
    pub byte_offset: u32,
    /// In bytes. For a bitfield, the number of bytes that hold its bits.
    pub size: u32,
    /// Set for a bitfield.
    pub bits: Option<Bits>,
}

/// Which bits of the bytes are the bitfield's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bits {
    /// Bits below it in its first byte: 0 to 7.
    pub shift: u8,
    /// Number of bits.
    pub width: u8,
}

/// Where a member lies within what holds it, in bits.
#[derive(Clone, Copy)]
struct Member {
    bit_offset: u64,
    /// Bits of a bitfield, else 0.
    width: u32,
    ty: u32,
}

impl Btf {
    /// The place of a field, by a path such as `rlim[6].rlim_cur`, from the
    /// start of the struct, union or typedef `name`. Anonymous members are
    /// looked into; pointers aren't followed.
    ///
    /// `None` where the kernel has no such field, and where it has several
    /// structs of that name that disagree about the place.
    pub fn field(&self, name: &str, path: &str) -> Option<Field> {
        let mut found = None;
        for id in self.named(&[Kind::Struct, Kind::Union, Kind::Typedef], name) {
            if let Some(field) = self.walk(id, path) {
                if found.is_some_and(|before| before != field) {
                    return None;
                }
                found = Some(field);
            }
        }
        found
    }

    fn walk(&self, mut ty: u32, path: &str) -> Option<Field> {
        let mut bits = 0u64;
        let mut width = 0;
        for part in path.split('.') {
            let (name, mut indexes) = match part.find('[') {
                Some(at) => part.split_at_checked(at)?,
                None => (part, ""),
            };
            // Nothing lies within a bitfield.
            if name.is_empty() || width != 0 {
                return None;
            }
            let mut budget = MAX_MEMBERS;
            let member = self.member(ty, name, MAX_CHAIN, &mut budget)?;
            bits = bits.checked_add(member.bit_offset)?;
            (ty, width) = (member.ty, member.width);

            while !indexes.is_empty() {
                let (number, rest) = indexes.strip_prefix('[')?.split_once(']')?;
                let (element, offset) = self.element(ty, number.parse().ok()?)?;
                bits = bits.checked_add(offset)?;
                (ty, indexes) = (element, rest);
            }
        }
        let shift = bits % 8;
        let byte_offset = u32::try_from(bits / 8).ok()?;
        if width != 0 {
            let size = u32::try_from((shift + u64::from(width)).div_ceil(8)).ok()?;
            let bits = Bits {
                shift: shift as u8,
                width: u8::try_from(width).ok()?,
            };
            return Some(Field {
                byte_offset,
                size,
                bits: Some(bits),
            });
        }
        // A plain member in the midst of a byte is corrupt.
        (shift == 0).then_some(())?;
        Some(Field {
            byte_offset,
            size: u32::try_from(self.size_of(ty)?).ok()?,
            bits: None,
        })
    }

    /// The member `name`, also within anonymous members.
    fn member(&self, ty: u32, name: &str, depth: usize, budget: &mut u32) -> Option<Member> {
        let (_, aggregate) = self.strip(ty)?;
        if !matches!(aggregate.kind, Kind::Struct | Kind::Union) {
            return None;
        }
        let depth = depth.checked_sub(1)?;
        for i in 0..aggregate.count as usize {
            *budget = budget.checked_sub(1)?;
            let at = aggregate.extra.checked_add(i.checked_mul(12)?)?;
            let (name_at, ty) = (self.word(at)?, self.word(at.checked_add(4)?)?);
            let place = self.word(at.checked_add(8)?)?;
            if self.is_named(name_at, name) {
                return Some(self.place(aggregate, ty, place));
            }
            if self.is_named(name_at, "")
                && let Some(inner) = self.member(ty, name, depth, budget)
            {
                let outer = self.place(aggregate, ty, place);
                return Some(Member {
                    bit_offset: outer.bit_offset.checked_add(inner.bit_offset)?,
                    ..inner
                });
            }
        }
        None
    }

    /// Decodes a member's offset word.
    fn place(&self, aggregate: Type, ty: u32, place: u32) -> Member {
        if aggregate.flag {
            return Member {
                bit_offset: u64::from(place & 0x00ff_ffff),
                width: place >> 24,
                ty,
            };
        }
        // Without kind_flag a bitfield shows in its integer type alone, which
        // is then one of its own with fewer bits than its bytes hold.
        let mut member = Member {
            bit_offset: u64::from(place),
            width: 0,
            ty,
        };
        if let Some((_, int)) = self.strip(ty)
            && int.kind == Kind::Int
            && let Some(encoding) = self.word(int.extra)
        {
            let (offset, width) = (encoding >> 16 & 0xff, encoding & 0xff);
            if u64::from(width) != u64::from(int.word) * 8 {
                member.bit_offset += u64::from(offset);
                member.width = width;
            }
        }
        member
    }

    /// Type and bit offset of an array's element. An array without a length is
    /// one that lies open at the end of its struct.
    fn element(&self, ty: u32, index: u32) -> Option<(u32, u64)> {
        let (_, array) = self.strip(ty)?;
        if array.kind != Kind::Array {
            return None;
        }
        let element = self.word(array.extra)?;
        let count = self.word(array.extra.checked_add(8)?)?;
        if count != 0 && index >= count {
            return None;
        }
        let offset = self.size_of(element)?.checked_mul(u64::from(index))?;
        Some((element, offset.checked_mul(8)?))
    }

    /// Size in bytes.
    pub(super) fn size_of(&self, mut ty: u32) -> Option<u64> {
        let mut times = 1u64;
        for _ in 0..MAX_CHAIN {
            let (_, stripped) = self.strip(ty)?;
            let size = match stripped.kind {
                Kind::Int
                | Kind::Struct
                | Kind::Union
                | Kind::Enum
                | Kind::Enum64
                | Kind::Float => u64::from(stripped.word),
                Kind::Ptr => size_of::<usize>() as u64,
                Kind::Array => {
                    let count = self.word(stripped.extra.checked_add(8)?)?;
                    times = times.checked_mul(u64::from(count))?;
                    ty = self.word(stripped.extra)?;
                    continue;
                }
                _ => return None,
            };
            return times.checked_mul(size);
        }
        None
    }
}
