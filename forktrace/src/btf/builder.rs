//! Builds small BTF for tests.

/// Raw BTF in the making. Every method that adds a type returns its id.
pub(crate) struct Builder {
    types: Vec<u8>,
    strings: Vec<u8>,
    next: u32,
    layout: Vec<u8>,
}

pub(crate) const INT: u8 = 1;
pub(crate) const PTR: u8 = 2;
pub(crate) const STRUCT: u8 = 4;
pub(crate) const UNION: u8 = 5;
pub(crate) const ENUM: u8 = 6;
pub(crate) const TYPEDEF: u8 = 8;
pub(crate) const CONST: u8 = 10;
pub(crate) const FUNC: u8 = 12;
pub(crate) const PROTO: u8 = 13;
pub(crate) const ENUM64: u8 = 19;

impl Builder {
    pub(crate) fn new() -> Self {
        Self {
            types: Vec::new(),
            strings: vec![0],
            next: 1,
            layout: Vec::new(),
        }
    }

    fn string(&mut self, text: &str) -> u32 {
        if text.is_empty() {
            return 0;
        }
        let at = self.strings.len() as u32;
        self.strings.extend(text.as_bytes());
        self.strings.push(0);
        at
    }

    /// Any type: its head, then `extra` as it is.
    pub(crate) fn raw(
        &mut self,
        kind: u8,
        name: &str,
        count: usize,
        flag: bool,
        word: u32,
        extra: &[u32],
    ) -> u32 {
        let name = self.string(name);
        let info = u32::from(kind) << 24 | count as u32 | u32::from(flag) << 31;
        for value in [name, info, word].iter().chain(extra) {
            self.types.extend(value.to_ne_bytes());
        }
        self.next += 1;
        self.next - 1
    }

    pub(crate) fn int(&mut self, name: &str, bytes: u32, encoding: u32) -> u32 {
        self.raw(
            INT,
            name,
            0,
            false,
            bytes,
            &[encoding << 24 | (bytes * 8).min(255)],
        )
    }

    /// A type that refers to one other: pointer, typedef, const, function.
    pub(crate) fn refer(&mut self, kind: u8, name: &str, to: u32) -> u32 {
        self.raw(kind, name, 0, false, to, &[])
    }

    pub(crate) fn array(&mut self, element: u32, count: u32) -> u32 {
        self.raw(3, "", 0, false, 0, &[element, element, count])
    }

    /// A struct or union: members as (name, type, offset word).
    pub(crate) fn aggregate(
        &mut self,
        kind: u8,
        name: &str,
        bytes: u32,
        flag: bool,
        members: &[(&str, u32, u32)],
    ) -> u32 {
        let extra: Vec<u32> = members
            .iter()
            .flat_map(|&(name, ty, place)| [self.string(name), ty, place])
            .collect();
        self.raw(kind, name, members.len(), flag, bytes, &extra)
    }

    pub(crate) fn enumeration(&mut self, kind: u8, name: &str, values: &[(&str, i64)]) -> u32 {
        let mut extra = Vec::new();
        for &(name, value) in values {
            extra.extend([self.string(name), value as u32]);
            if kind == ENUM64 {
                extra.push((value as u64 >> 32) as u32);
            }
        }
        self.raw(kind, name, values.len(), false, 4, &extra)
    }

    pub(crate) fn function(&mut self, name: &str, params: &[(&str, u32)], returns: u32) -> u32 {
        let extra: Vec<u32> = params
            .iter()
            .flat_map(|&(name, ty)| [self.string(name), ty])
            .collect();
        let proto = self.raw(PROTO, "", params.len(), false, returns, &extra);
        self.refer(FUNC, name, proto)
    }

    /// Adds the layout section of 7.1+, with these sizes for one kind.
    pub(crate) fn layout(&mut self, kind: u8, fixed: u8, each: u8) {
        self.layout.resize((usize::from(kind) + 1) * 4, 0);
        let at = usize::from(kind) * 4;
        self.layout[at] = fixed;
        self.layout[at + 1] = each;
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let header: u32 = if self.layout.is_empty() { 24 } else { 32 };
        out.extend(0xeb9f_u16.to_ne_bytes());
        out.extend([1, 0]);
        let (types, strings) = (self.types.len() as u32, self.strings.len() as u32);
        for value in [header, 0, types, types, strings] {
            out.extend(value.to_ne_bytes());
        }
        if header == 32 {
            out.extend((types + strings).to_ne_bytes());
            out.extend((self.layout.len() as u32).to_ne_bytes());
        }
        out.extend(&self.types);
        out.extend(&self.strings);
        out.extend(&self.layout);
        out
    }
}
