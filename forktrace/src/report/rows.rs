//! The rows of the tables: limits, callers, cgroups.

use std::sync::Arc;

use super::{
    line::{Bound, Refusal, Text},
    list::Kept,
    when::When,
};
use crate::model::{Cause, Fix, Holder, Unit};

/// Bytes of a name that are kept; the longest path of a file is as long.
const LONGEST: usize = 4096;

/// A name of bounded length, cut between characters.
pub fn clip(text: &str) -> &str {
    if text.len() <= LONGEST {
        return text;
    }
    // A character has four bytes at most.
    let mut ends = (LONGEST - 3..=LONGEST).rev();
    let end = ends.find(|at| text.is_char_boundary(*at));
    &text[..end.unwrap_or(0)]
}

fn owned(text: &Option<Text<'_>>) -> Option<String> {
    text.as_ref().map(|text| clip(text.as_str()).to_owned())
}

/// A limit and its owner, or a cause that is no limit.
#[derive(Clone)]
pub struct LimitState {
    pub host: Arc<str>,
    pub when: When,
    pub cause: Cause,
    pub limit: Option<(String, String)>,
    /// Of the latest failure.
    latest: When,
    pub unit: Option<Unit>,
    pub value: Option<u64>,
    pub usage: Option<u64>,
    pub file: Option<String>,
    pub fix: Kept<Fix>,
    pub highest: Option<u64>,
    /// Who filled the limit when `highest` was read.
    pub holders: Kept<Holder>,
}

impl LimitState {
    pub fn new(host: &Arc<str>, r: &Refusal<'_>) -> Self {
        let name =
            |limit: &Bound<'_>| (clip(&limit.name).to_owned(), clip(&limit.scope).to_owned());
        Self {
            host: Arc::clone(host),
            when: When::default(),
            cause: r.cause,
            limit: r.limit.as_ref().map(name),
            latest: When::default(),
            unit: None,
            value: None,
            usage: None,
            file: None,
            fix: Kept::default(),
            highest: None,
            holders: Kept::default(),
        }
    }

    /// Takes the numbers of a failure; files may be given in any order.
    pub fn take(&mut self, when: When, r: &Refusal<'_>) {
        self.when.cover(when);
        if when.is_latest(self.latest) {
            self.latest = when;
            self.cause = r.cause;
            self.fix.replace(r.fix);
            if let Some(limit) = &r.limit {
                self.unit = Some(limit.unit);
                self.value = limit.value;
                self.usage = limit.usage;
                let file = limit.file.as_ref().map(|file| clip(file.as_str()));
                if self.file.as_deref() != file {
                    self.file = file.map(str::to_owned);
                }
            }
        }
        let usage = r.limit.as_ref().and_then(|limit| limit.usage);
        if usage > self.highest {
            self.highest = usage;
            self.holders.replace(r.holders);
        } else if usage.is_some() && usage == self.highest && self.holders.is_empty() {
            // As full as that, and this time it is known by whom.
            self.holders.replace(r.holders);
        }
    }
}

/// Who asked.
#[derive(Clone)]
pub struct CallerState {
    pub host: Arc<str>,
    pub when: When,
    pub comm: String,
    pub uid: u32,
    pub user: Option<String>,
}

impl CallerState {
    pub fn new(host: &Arc<str>, r: &Refusal<'_>) -> Self {
        Self {
            host: Arc::clone(host),
            when: When::default(),
            comm: clip(&r.caller.comm).to_owned(),
            uid: r.caller.uid,
            user: owned(&r.caller.user),
        }
    }
}

/// Where the callers live.
#[derive(Clone)]
pub struct CgroupState {
    pub host: Arc<str>,
    pub when: When,
    pub path: Option<String>,
    pub unit: Option<String>,
    pub container: Option<String>,
    pub pod: Option<String>,
}

impl CgroupState {
    pub fn new(host: &Arc<str>, r: &Refusal<'_>) -> Self {
        Self {
            host: Arc::clone(host),
            when: When::default(),
            path: owned(&r.cgroup.path),
            unit: owned(&r.cgroup.unit),
            container: owned(&r.cgroup.container),
            pod: owned(&r.cgroup.pod),
        }
    }
}

/// Makes the keys of the tables, in one buffer.
#[derive(Clone, Default)]
pub struct KeyMaker(Vec<u8>);

impl KeyMaker {
    /// The limit on its host, or the cause.
    pub fn limit(&mut self, host: u32, r: &Refusal<'_>) -> &[u8] {
        self.start(host);
        match &r.limit {
            Some(limit) => self.part(Some(&limit.name)).part(Some(&limit.scope)),
            None => self.part(None).part(Some(r.cause.id())),
        };
        &self.0
    }

    pub fn caller(&mut self, host: u32, r: &Refusal<'_>) -> &[u8] {
        self.start(host);
        self.0.extend_from_slice(&r.caller.uid.to_le_bytes());
        self.part(Some(&r.caller.comm));
        self.part(r.caller.user.as_ref().map(Text::as_str));
        &self.0
    }

    pub fn cgroup(&mut self, host: u32, r: &Refusal<'_>) -> &[u8] {
        self.start(host);
        self.part(r.cgroup.path.as_ref().map(Text::as_str));
        // The path names unit, pod and container.
        &self.0
    }

    fn start(&mut self, host: u32) {
        self.0.clear();
        self.0.extend_from_slice(&host.to_le_bytes());
    }

    /// With its length, so that no two lists of parts are one key.
    fn part(&mut self, text: Option<&str>) -> &mut Self {
        let text = text.map(clip);
        let length = text.map_or(u32::MAX, |text| text.len() as u32);
        self.0.extend_from_slice(&length.to_le_bytes());
        self.0
            .extend_from_slice(text.unwrap_or_default().as_bytes());
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_cut_between_characters() {
        assert_eq!(clip("größe"), "größe");
        for wide in ["x", "ö", "語", "\u{10ffff}"] {
            for before in ["", "a", "ab", "abc"] {
                let text = before.to_owned() + &wide.repeat(LONGEST);
                let cut = clip(&text);
                assert!(text.starts_with(cut) && cut.len() > LONGEST - 4, "{wide}");
                assert!(cut.len() <= LONGEST);
            }
        }
    }
}
