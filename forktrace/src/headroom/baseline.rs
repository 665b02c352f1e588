//! A baseline: every setting that has to do with refused forks, as it was.

use std::{io, path::PathBuf};

use serde::{Deserialize, Serialize};

use crate::{
    host::{identity, process::Bounds, settings::Value},
    model::LimitKind,
    order::Order as _,
};

/// The number of the format.
const FORMAT: u32 = 1;

/// What kind of setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum SettingKind {
    /// A sysctl.
    Sysctl,
    /// Memory that the host has (SwapTotal).
    Memory,
    /// A limit of a process: RLIMIT_NPROC.
    Rlimit,
    /// A limit of a cgroup.
    Cgroup,
}

/// One setting and its value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Setting {
    /// Where the setting lives.
    pub kind: SettingKind,
    /// `vm.overcommit_memory`, `pids.max`, `RLIMIT_NPROC`, …
    pub name: String,
    /// `host`, a cgroup's path, `pid 1`, or a unit.
    pub owner: String,
    /// As the kernel shows it; `max` without a limit.
    pub value: String,
}

/// The owner of the first process's limit.
const FIRST_PROCESS: &str = "pid 1";

impl Setting {
    /// Which limit it sets.
    fn limit(&self) -> LimitKind {
        LimitKind::from(&*self.name)
    }

    /// Whether its value is in bytes.
    pub(super) fn is_in_bytes(&self) -> bool {
        self.kind == SettingKind::Memory
            || matches!(
                self.limit(),
                LimitKind::MemoryMax | LimitKind::MemoryLimit | LimitKind::KernelMemoryLimit
            )
    }

    /// As people name it: a unit's own cgroup by systemd's word for the limit.
    pub fn title(&self) -> String {
        let unit = match self.kind {
            SettingKind::Sysctl | SettingKind::Memory => return self.name.clone(),
            SettingKind::Rlimit if self.owner == FIRST_PROCESS => None,
            SettingKind::Rlimit => Some(self.owner.clone()),
            SettingKind::Cgroup => own_unit(&self.owner),
        };
        let word = match self.limit() {
            LimitKind::PidsMax => "TasksMax",
            LimitKind::MemoryMax => "MemoryMax",
            LimitKind::MemoryLimit => "MemoryLimit",
            LimitKind::RlimitNproc => "LimitNPROC",
            _ => &self.name,
        };
        match unit {
            Some(unit) => format!("{word} of {unit}"),
            None => format!("{} of {}", self.name, self.owner),
        }
    }
}

/// The unit whose cgroup it is, not one within.
fn own_unit(path: &str) -> Option<String> {
    let last = path.rsplit('/').next()?;
    let unit = identity::identify(path).unit?;
    (last.strip_prefix('_').unwrap_or(last) == unit).then_some(unit)
}

/// The file that `--save` writes: one JSON object.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Baseline {
    /// The format's number; also what marks JSON as a baseline.
    pub forktrace_baseline: u32,
    /// Version of the forktrace that saved it.
    pub version: String,
    /// When it was saved: UTC, RFC 3339.
    pub time: String,
    /// Name of the host.
    pub host: String,
    /// Kernel release (uname -r).
    pub kernel: String,
    /// All settings, by kind, name and owner.
    pub settings: Vec<Setting>,
}

/// Why a baseline can't be used.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the message says what each is")]
pub enum BaselineError {
    #[error("reading the baseline {path}")]
    Read { path: PathBuf, source: io::Error },
    #[error("{path} is no baseline that `forktrace check --save` has written: {why}")]
    NoBaseline { path: PathBuf, why: String },
}

impl Baseline {
    /// A baseline of these values, in the order in which they are saved.
    pub fn new(time: &str, host: &str, kernel: &str, values: Vec<Value>) -> Self {
        let mut settings: Vec<Setting> = values.into_iter().map(setting).collect();
        settings.order_by(|a, b| (a.kind, &a.name, &a.owner).cmp(&(b.kind, &b.name, &b.owner)));
        Self {
            forktrace_baseline: FORMAT,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            time: time.to_owned(),
            host: host.to_owned(),
            kernel: kernel.to_owned(),
            settings,
        }
    }

    /// From a file's content.
    pub fn parse(text: &[u8]) -> Result<Self, String> {
        let baseline: Self = serde_json::from_slice(text).map_err(|error| error.to_string())?;
        match baseline.forktrace_baseline {
            FORMAT => Ok(baseline),
            other => Err(format!(
                "its format is {other}, this version reads {FORMAT}"
            )),
        }
    }
}

fn setting(value: Value) -> Setting {
    let max = |limit: Option<u64>| limit.map_or_else(|| "max".to_owned(), |n| n.to_string());
    let bounds = |b: Bounds| match b.soft == b.hard {
        true => max(b.soft),
        false => format!("{} (hard {})", max(b.soft), max(b.hard)),
    };
    let (kind, name, owner, value) = match value {
        Value::Sysctl(name, text) => (SettingKind::Sysctl, name, "host".to_owned(), text),
        Value::SwapTotal(n) => (
            SettingKind::Memory,
            "SwapTotal".to_owned(),
            "host".to_owned(),
            n.to_string(),
        ),
        Value::FirstProcess(limit) => (
            SettingKind::Rlimit,
            LimitKind::RlimitNproc.to_string(),
            FIRST_PROCESS.to_owned(),
            bounds(limit),
        ),
        Value::Unit(unit, limit) => (
            SettingKind::Rlimit,
            LimitKind::RlimitNproc.to_string(),
            unit,
            bounds(limit),
        ),
        Value::Cgroup(name, path, limit) => (SettingKind::Cgroup, name, path, max(limit)),
    };
    Setting {
        kind,
        name,
        owner,
        value,
    }
}
