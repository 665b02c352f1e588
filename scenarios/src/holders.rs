//! What a record says of who fills the limit, and the comparison.

use anyhow::{Result, ensure};
use forktrace::record::{Failure, Holder, HolderKind};

use crate::expect::Recorded;

/// A row that has to be there as it is.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub kind: &'static str,
    pub name: String,
    pub tasks: u64,
    pub zombies: u64,
    pub detail: Option<String>,
}

impl Row {
    /// A program's row without a remark.
    pub(crate) fn program(name: &str, tasks: u64) -> Self {
        Self {
            kind: "program",
            name: name.to_owned(),
            tasks,
            zombies: 0,
            detail: None,
        }
    }

    /// A cgroup's row.
    pub(crate) fn cgroup(path: String, tasks: u64, zombies: u64) -> Self {
        Self {
            kind: "cgroup",
            name: path,
            tasks,
            zombies,
            detail: None,
        }
    }

    pub(crate) fn detail(mut self, detail: String) -> Self {
        self.detail = Some(detail);
        self
    }

    pub(crate) fn is(&self, got: &Holder) -> bool {
        got.kind.name() == self.kind
            && got.name == self.name
            && (got.tasks, got.zombies) == (self.tasks, self.zombies)
            && got.detail == self.detail
    }
}

/// Who fills the limit of a scenario's callers.
#[derive(Clone, Debug, Default)]
pub(crate) struct WantedHolders {
    pub rows: Vec<Row>,
    /// The programs' rows are all there are: they add up to what is in use.
    pub adds_up: bool,
    /// In bytes, and the first program has so many.
    pub bytes: Option<std::ops::RangeInclusive<u64>>,
    /// How the warning begins that raising the limit hides something; `None`: there is none.
    pub warns: Option<&'static str>,
}

impl WantedHolders {
    /// One record at least names the holders (the others come within the five
    /// seconds in which they are not counted again), and each that does is right.
    pub(crate) fn check(&self, recorded: &Recorded) -> Result<()> {
        let pids = recorded.pids();
        let all: Vec<&Failure> = pids.iter().flat_map(|pid| recorded.of(*pid)).collect();
        let naming: Vec<&&Failure> = all.iter().filter(|f| !f.holders.is_empty()).collect();
        // Whether one may be without a limit is the other comparison's to say.
        ensure!(
            !naming.is_empty() || all.iter().all(|f| f.limit.is_none()),
            "no record names who fills the limit"
        );
        for failure in naming {
            self.check_one(failure)?;
        }
        Ok(())
    }

    fn check_one(&self, failure: &Failure) -> Result<()> {
        let holders = &failure.holders;
        for row in &self.rows {
            ensure!(
                holders.iter().any(|got| row.is(got)),
                "no {row:?} in {holders:?}"
            );
        }
        let programs = || holders.iter().filter(|h| h.kind == HolderKind::Program);
        if self.adds_up {
            let sum: u64 = programs().map(|h| h.tasks + h.zombies).sum();
            let usage = failure.limit.as_ref().and_then(|l| l.usage);
            ensure!(
                usage == Some(sum),
                "{sum} tasks in {holders:?}, in use {usage:?}"
            );
        }
        let notes = failure.fix.iter().filter_map(|fix| fix.note.as_deref());
        let warnings: Vec<_> = notes
            .filter(|n| n.contains(" tasks counted are "))
            .collect();
        ensure!(
            warnings.len() == usize::from(self.warns.is_some())
                && warnings
                    .iter()
                    .zip(self.warns)
                    .all(|(got, wanted)| got.starts_with(wanted)),
            "warns {warnings:?}, wanted {:?}",
            self.warns
        );
        if let Some(range) = &self.bytes {
            let first = programs().next().and_then(|h| h.bytes);
            ensure!(
                first.is_some_and(|n| range.contains(&n)),
                "{first:?} bytes, wanted {range:?}"
            );
        }
        Ok(())
    }
}
