//! What a function takes and returns.

use std::fmt;

use super::raw::Kind;
use super::{Btf, MAX_CHAIN};

/// What sort of value it is, typedefs looked through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueKind {
    /// Nothing.
    Void,
    /// `bool`: only the low 8 bits of the register mean anything.
    Bool,
    /// Any other integer, and enums.
    Integer,
    /// A pointer to anything.
    Pointer,
    /// Structs by value, floats, `...`.
    Other,
}

/// A parameter's or return value's type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValueType {
    /// What sort of value.
    pub kind: ValueKind,
    /// Size in bytes, where it has one.
    pub size: Option<u64>,
    /// As C would have it: `struct task_struct *`, `u64`, `enum rlimit_type`.
    pub text: String,
}

/// One parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Param {
    /// Its name in the kernel's source; empty where BTF has none.
    pub name: String,
    /// Its type.
    pub ty: ValueType,
}

/// A function's parameters and return value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prototype {
    /// In order.
    pub params: Vec<Param>,
    /// What it returns.
    pub returns: ValueType,
}

/// `(struct pid * pid, int trace) -> struct task_struct *`
impl fmt::Display for Prototype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(")?;
        for (i, param) in self.params.iter().enumerate() {
            let comma = if i == 0 { "" } else { ", " };
            write!(f, "{comma}{} {}", param.ty.text, param.name)?;
        }
        write!(f, ") -> {}", self.returns.text)
    }
}

/// Parameters that are described at most: the kernel's functions have up to
/// about 15, and hostile input could claim 16 million.
const MAX_PARAMS: u32 = 64;

impl Btf {
    /// The prototype of a function; `None` where there is none, or several
    /// functions of that name that differ: which of them an address belongs to
    /// isn't known then.
    pub fn function(&self, name: &str) -> Option<Prototype> {
        let mut all = self.functions(name).into_iter();
        let first = all.next()?;
        all.next().is_none().then_some(first)
    }

    /// The id of a function; `None` where there is none, or several.
    pub fn function_id(&self, name: &str) -> Option<u32> {
        let mut all = self.named(&[Kind::Func], name);
        let first = all.next()?;
        all.next().is_none().then_some(first)
    }

    /// The different prototypes that functions of this name have.
    pub fn functions(&self, name: &str) -> Vec<Prototype> {
        let mut all = Vec::new();
        for id in self.named(&[Kind::Func], name) {
            let prototype = self.ty(id).and_then(|func| self.prototype(func.word));
            all.extend(prototype.filter(|p| !all.contains(p)));
        }
        all
    }

    fn prototype(&self, id: u32) -> Option<Prototype> {
        let proto = self.ty(id)?;
        if proto.kind != Kind::FuncProto || proto.count > MAX_PARAMS {
            return None;
        }
        let params = (0..proto.count as usize).map(|i| {
            let at = proto.extra.checked_add(i.checked_mul(8)?)?;
            let (name, ty) = (self.word(at)?, self.word(at.checked_add(4)?)?);
            // A last parameter of no type stands for `...`.
            let ty = if ty == 0 {
                ValueType {
                    kind: ValueKind::Other,
                    size: None,
                    text: "...".to_owned(),
                }
            } else {
                self.value(ty)
            };
            let name = self.text(name);
            Some(Param { name, ty })
        });
        Some(Prototype {
            params: params.collect::<Option<_>>()?,
            returns: self.value(proto.word),
        })
    }

    fn value(&self, id: u32) -> ValueType {
        let kind = match self.strip(id) {
            None if self.is_void(id) => ValueKind::Void,
            None => ValueKind::Other,
            Some((_, ty)) => match ty.kind {
                Kind::Ptr => ValueKind::Pointer,
                Kind::Enum | Kind::Enum64 => ValueKind::Integer,
                Kind::Int => match self.word(ty.extra) {
                    Some(encoding) if encoding >> 24 & BOOL != 0 => ValueKind::Bool,
                    _ => ValueKind::Integer,
                },
                _ => ValueKind::Other,
            },
        };
        ValueType {
            kind,
            size: self.size_of(id),
            text: self.describe(id),
        }
    }

    fn is_void(&self, mut id: u32) -> bool {
        for _ in 0..MAX_CHAIN {
            match self.ty(id) {
                None => return id == 0,
                Some(ty) if ty.kind.is_modifier() => id = ty.word,
                Some(_) => return false,
            }
        }
        false
    }

    /// A type in words. Pointers and qualifiers come after what they apply to
    /// (`char const *`), but `const` is said first where it applies to the
    /// base type, as people write it.
    fn describe(&self, mut id: u32) -> String {
        let mut prefix = String::new();
        let mut suffix = String::new();
        for _ in 0..MAX_CHAIN {
            let Some(ty) = self.ty(id) else {
                let base = if id == 0 { "void" } else { "?" };
                return format!("{prefix}{base}{suffix}");
            };
            let name = || self.text(ty.name);
            let named = |what| {
                if ty.name == 0 {
                    what
                } else {
                    format!("{what} {}", self.text(ty.name))
                }
            };
            let base = match ty.kind {
                Kind::Ptr => {
                    // What was said first belonged to this pointer.
                    let space = if prefix.is_empty() { "" } else { " " };
                    suffix = format!(" *{space}{}{suffix}", prefix.trim_end());
                    prefix.clear();
                    id = ty.word;
                    continue;
                }
                Kind::Const | Kind::Volatile => {
                    let word = if ty.kind == Kind::Const {
                        "const"
                    } else {
                        "volatile"
                    };
                    prefix = format!("{prefix}{word} ");
                    id = ty.word;
                    continue;
                }
                Kind::Restrict | Kind::TypeTag => {
                    id = ty.word;
                    continue;
                }
                Kind::Array => {
                    let count = ty.extra.checked_add(8).and_then(|at| self.word(at));
                    suffix = format!(" [{}]{suffix}", count.unwrap_or(0));
                    match self.word(ty.extra) {
                        Some(element) => id = element,
                        None => return format!("{prefix}?{suffix}"),
                    }
                    continue;
                }
                Kind::Int | Kind::Float | Kind::Typedef => name(),
                Kind::Struct => named("struct".to_owned()),
                Kind::Union => named("union".to_owned()),
                Kind::Enum | Kind::Enum64 => named("enum".to_owned()),
                // kind_flag: union.
                Kind::Fwd if ty.flag => named("union".to_owned()),
                Kind::Fwd => named("struct".to_owned()),
                Kind::FuncProto => "function".to_owned(),
                _ => "?".to_owned(),
            };
            return format!("{prefix}{base}{suffix}");
        }
        "?".to_owned()
    }
}

/// `BTF_INT_BOOL`.
const BOOL: u32 = 1 << 2;
