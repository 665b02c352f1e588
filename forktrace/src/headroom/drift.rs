//! What has changed since a baseline.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{Baseline, Setting, SettingKind};
use crate::model::bytes;

/// The differences.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Drift {
    /// When the baseline was saved.
    pub since: String,
    /// Where, when that was another host or kernel.
    pub host: Option<String>,
    /// Kernel release (uname -r) then, when that was another.
    pub kernel: Option<String>,
    /// How many settings were compared.
    pub compared: u64,
    /// The settings that differ.
    pub changes: Vec<Change>,
}

/// A setting that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Change {
    /// Where the setting lives.
    pub kind: SettingKind,
    /// As people name it: `vm.overcommit_memory`, `TasksMax of x.service`.
    pub title: String,
    /// `host`, a cgroup's path, `pid 1`, or a unit.
    pub owner: String,
    /// Its value in the baseline; `null`: the baseline doesn't have it.
    pub was: Option<String>,
    /// Its value now; `null`: there is none any more.
    pub is: Option<String>,
    /// In words.
    pub text: String,
}

/// Cgroups come and go with what they are for. One that is gone is no change; one
/// that has come is, if it has a limit.
pub fn drift(before: &Baseline, now: &Baseline) -> Drift {
    let key = |s: &Setting| (s.kind, s.name.clone(), s.owner.clone());
    let old: BTreeMap<_, &Setting> = before.settings.iter().map(|s| (key(s), s)).collect();
    let new: BTreeMap<_, &Setting> = now.settings.iter().map(|s| (key(s), s)).collect();
    let keys: BTreeSet<_> = old.keys().chain(new.keys()).collect();
    let mut changes = Vec::new();
    for key in &keys {
        let (was, is) = (old.get(*key), new.get(*key));
        let kept = match (was, is) {
            (Some(was), Some(is)) => was.value != is.value,
            (None, Some(is)) => match is.kind {
                SettingKind::Cgroup => is.value != "max",
                SettingKind::Rlimit => false,
                SettingKind::Sysctl | SettingKind::Memory => true,
            },
            (Some(was), None) => was.kind == SettingKind::Sysctl,
            (None, None) => false,
        };
        if let (true, Some(setting)) = (kept, is.or(was)) {
            changes.push(change(setting, was.copied(), is.copied()));
        }
    }
    let differs = |was: &str, is: &str| (was != is).then(|| was.to_owned());
    Drift {
        since: before.time.clone(),
        host: differs(&before.host, &now.host),
        kernel: differs(&before.kernel, &now.kernel),
        compared: keys.len() as u64,
        changes,
    }
}

fn change(setting: &Setting, was: Option<&Setting>, is: Option<&Setting>) -> Change {
    let title = setting.title();
    let text = match (was, is) {
        (Some(was), Some(is)) => format!("{title} was {}, is {}", shown(was), shown(is)),
        (None, Some(is)) => format!("{title} is {}, was not there", shown(is)),
        (Some(was), None) => format!("{title} was {}, is not there", shown(was)),
        (None, None) => title.clone(),
    };
    let value = |setting: &Setting| setting.value.clone();
    Change {
        kind: setting.kind,
        title,
        owner: setting.owner.clone(),
        was: was.map(value),
        is: is.map(value),
        text,
    }
}

/// Bytes as people read them.
fn shown(setting: &Setting) -> String {
    match setting.value.parse() {
        Ok(n) if setting.is_in_bytes() => bytes(n),
        _ if setting.value.is_empty() => "empty".to_owned(),
        _ => setting.value.clone(),
    }
}

#[cfg(test)]
mod tests;
