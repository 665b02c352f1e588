//! JSON as forktrace writes it: no space between, no escaped character in what is
//! read, whole numbers. Everything else is for a parser, and `None` here.

use serde::{
    Deserialize,
    de::{IntoDeserializer as _, value::Error},
};

/// Reads values one after the other.
pub(super) struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// Whether everything has been read.
    pub(super) fn is_at_end(&self) -> bool {
        self.at == self.text.len()
    }

    /// Goes on behind `text`, which has to come next.
    #[inline(always)]
    pub(super) fn after<const N: usize>(&mut self, text: &[u8; N]) -> Option<&mut Self> {
        match self.goes_on(text) {
            true => Some(self),
            false => None,
        }
    }

    /// Goes on behind `text`, if it comes next.
    #[inline(always)]
    pub(super) fn goes_on<const N: usize>(&mut self, text: &[u8; N]) -> bool {
        let rest = self.bytes().get(self.at..).unwrap_or_default();
        let found = rest.first_chunk().is_some_and(|next| same(next, text));
        self.at += if found { N } else { 0 };
        found
    }

    /// A string without escaped characters.
    #[inline]
    pub(super) fn string(&mut self) -> Option<&'a str> {
        self.take(b'"')?;
        let end = next_special(self.bytes(), self.at)?;
        if self.bytes()[end] != b'"' {
            return None;
        }
        let string = self.text.get(self.at..end)?;
        self.at = end + 1;
        Some(string)
    }

    /// A string that names a variant.
    pub(super) fn name<T: Deserialize<'a>>(&mut self) -> Option<T> {
        let name = self.string()?;
        let name = serde::de::value::BorrowedStrDeserializer::<Error>::new(name);
        T::deserialize(name.into_deserializer()).ok()
    }

    /// A whole number that is not negative: no fraction behind it, and no nought before.
    #[inline]
    pub(super) fn number<T: TryFrom<u64>>(&mut self) -> Option<T> {
        let rest = self.bytes().get(self.at..)?;
        let mut value = 0_u64;
        let mut length = 0;
        let behind = loop {
            let byte = *rest.get(length)?;
            let digit = byte.wrapping_sub(b'0');
            if digit > 9 {
                break byte;
            }
            value = value.checked_mul(10)?.checked_add(u64::from(digit))?;
            length += 1;
        };
        let leading_zero = length > 1 && rest[0] == b'0';
        if length == 0 || leading_zero || matches!(behind, b'.' | b'e' | b'E') {
            return None;
        }
        self.at += length;
        T::try_from(value).ok()
    }

    /// A value, or null.
    #[inline]
    pub(super) fn optional<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Option<T>,
    ) -> Option<Option<T>> {
        if self.goes_on(b"null") {
            return Some(None);
        }
        read(self).map(Some)
    }

    /// A string that isn't kept: what is escaped in it is looked at.
    #[inline]
    pub(super) fn text(&mut self) -> Option<()> {
        self.take(b'"')?;
        loop {
            self.at = next_special(self.bytes(), self.at)?;
            match self.bytes()[self.at] {
                b'"' => {
                    self.at += 1;
                    return Some(());
                }
                b'\\' => self.at += escape(&self.bytes()[self.at + 1..])? + 1,
                // No string of JSON has one.
                _ => return None,
            }
        }
    }

    /// A list of what `item` reads; as it stands.
    pub(super) fn list(
        &mut self,
        mut item: impl FnMut(&mut Self) -> Option<()>,
    ) -> Option<&'a str> {
        let from = self.at;
        self.take(b'[')?;
        if self.take(b']').is_none() {
            loop {
                item(self)?;
                if self.take(b',').is_none() {
                    self.take(b']')?;
                    break;
                }
            }
        }
        self.text.get(from..self.at)
    }

    #[inline(always)]
    fn bytes(&self) -> &'a [u8] {
        self.text.as_bytes()
    }

    #[inline(always)]
    fn take(&mut self, byte: u8) -> Option<()> {
        let found = *self.bytes().get(self.at)? == byte;
        self.at += usize::from(found);
        found.then_some(())
    }
}

/// Whether two texts of a length that is known when this is compiled are the same: by words of eight bytes, of
/// which the last overlaps the one before. The comparison of arrays is a call of `memcmp` where a program is
/// compiled for size, and a tenth of a report.
#[inline(always)]
fn same<const N: usize>(one: &[u8; N], other: &[u8; N]) -> bool {
    if N < 8 {
        return same_short(one, other);
    }
    let mut at = 0;
    while at + 8 < N {
        if word(one, at) != word(other, at) {
            return false;
        }
        at += 8;
    }
    word(one, N - 8) == word(other, N - 8)
}

/// The same of less than a word.
#[inline(always)]
fn same_short<const N: usize>(one: &[u8; N], other: &[u8; N]) -> bool {
    if N < 4 {
        return one == other;
    }
    half(one, 0) == half(other, 0) && half(one, N - 4) == half(other, N - 4)
}

#[inline(always)]
fn word(text: &[u8], at: usize) -> Option<u64> {
    let eight = text.get(at..)?.first_chunk()?;
    Some(u64::from_le_bytes(*eight))
}

#[inline(always)]
fn half(text: &[u8], at: usize) -> Option<u32> {
    let four = text.get(at..)?.first_chunk()?;
    Some(u32::from_le_bytes(*four))
}

/// Bytes of what follows a backslash. Halves of characters are for a parser.
fn escape(text: &[u8]) -> Option<usize> {
    match text.first()? {
        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some(1),
        b'u' => {
            let digits = text.get(1..5)?;
            let all = digits.iter().all(u8::is_ascii_hexdigit);
            let half = matches!(
                digits,
                [b'd' | b'D', b'8'..=b'9' | b'a'..=b'f' | b'A'..=b'F', ..]
            );
            (all && !half).then_some(5)
        }
        _ => None,
    }
}

/// The next quote, backslash or control character. Most strings are short: a search that
/// prepares itself would take longer than this, which takes eight bytes at a time.
#[inline(always)]
fn next_special(text: &[u8], mut at: usize) -> Option<usize> {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const HIGH: u64 = u64::from_ne_bytes([0x80; 8]);
    // The high bit of each byte that is less than `than`, and maybe of bytes after one.
    let less = |word: u64, than: u64| word.wrapping_sub(ONES * than) & !word & HIGH;
    while let Some(word) = word(text, at) {
        // The first byte is the lowest, which no borrow of another one changes.
        let quotes = less(word ^ (ONES * u64::from(b'"')), 1);
        let backslashes = less(word ^ (ONES * u64::from(b'\\')), 1);
        let found = quotes | backslashes | less(word, 0x20);
        if found != 0 {
            return Some(at + (found.trailing_zeros() / 8) as usize);
        }
        at += 8;
    }
    let is_special = |&byte: &u8| matches!(byte, b'"' | b'\\' | ..0x20);
    Some(at + text.get(at..)?.iter().position(is_special)?)
}

#[cfg(test)]
mod tests {
    use super::next_special;

    #[test]
    fn the_first_special_byte_is_found_whatever_stands_around() {
        for special in (0..0x20).chain([b'"', b'\\']) {
            for before in 0..20 {
                for other in [b' ', b'!', b'#', b'[', b']', 0x7f, 0x80, 0xa2, 0xdc, 0xff] {
                    let mut text = vec![other; before];
                    assert_eq!(next_special(&text, 0), None);
                    text.push(special);
                    text.extend([b'"', 0, other, b'\\', other, other, other, other, other]);
                    for from in 0..=before {
                        assert_eq!(next_special(&text, from), Some(before), "{special:#x}");
                    }
                }
            }
        }
    }
}
