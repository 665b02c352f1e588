//! What is in a record and not read of it: that it is there, and of its type.

use super::scan::Scanner;

/// The type of a field.
#[derive(Clone, Copy)]
pub(super) enum Shape {
    Text,
    MaybeText,
    /// Of 64 bits.
    Number,
    MaybeNumber,
    /// Of 32 bits.
    Small,
    MaybeObject(&'static [(&'static str, Self)]),
}

impl Shape {
    fn is_required(self) -> bool {
        matches!(self, Self::Text | Self::Number | Self::Small)
    }

    fn take(self, scan: &mut Scanner<'_>) -> Option<()> {
        match self {
            Self::Text => scan.text(),
            Self::MaybeText => scan.optional(Scanner::text).map(drop),
            Self::Number => scan.number::<u64>().map(drop),
            Self::MaybeNumber => scan.optional(Scanner::number::<u64>).map(drop),
            Self::Small => scan.number::<u32>().map(drop),
            Self::MaybeObject(fields) => {
                scan.optional(|scan| Known::object(fields, scan)).map(drop)
            }
        }
    }
}

/// The fields of an object, and which of them have come.
pub(super) struct Known<'f> {
    fields: &'f [(&'static str, Shape)],
    seen: u32,
}

impl<'f> Known<'f> {
    pub(super) fn new(fields: &'f [(&'static str, Shape)]) -> Self {
        Self { fields, seen: 0 }
    }

    /// A whole object of these fields.
    pub(super) fn object(fields: &[(&'static str, Shape)], scan: &mut Scanner<'_>) -> Option<()> {
        let mut known = Known { fields, seen: 0 };
        scan.object(|scan, key| known.take(scan, key))?;
        known.is_complete().then_some(())
    }

    /// A field's value. A field that isn't known, or stands twice, is `None`.
    pub(super) fn take(&mut self, scan: &mut Scanner<'_>, key: &str) -> Option<()> {
        let at = self.fields.iter().position(|(name, _)| *name == key)?;
        if self.seen >> at & 1 == 1 {
            return None;
        }
        self.seen |= 1 << at;
        self.fields[at].1.take(scan)
    }

    /// Whether all have come that have to.
    pub(super) fn is_complete(&self) -> bool {
        let mut fields = self.fields.iter().enumerate();
        fields.all(|(at, (_, shape))| !shape.is_required() || self.seen >> at & 1 == 1)
    }
}
