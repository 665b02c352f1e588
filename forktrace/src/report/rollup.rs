//! Sums over all hosts: by kind of limit, program, user, unit and pod, and by host and cause. Each of
//! them adds up to all failures that have it, with what its table had no room for.

use std::sync::Arc;

use super::{
    counts::add,
    few::Few,
    rows::{CallerState, CgroupState, LimitState},
    samples::Samples,
    table::Table,
    timeline::Timeline,
    when::When,
};
use crate::{model::Cause, record::Alike};

/// What is known of a row.
#[derive(Clone, Default)]
pub(super) struct RollState {
    /// What the row is called; `None`: there is none of the kind.
    pub name: Option<String>,
    /// Of a program, whose it is.
    pub user: Option<String>,
    pub when: When,
    pub causes: Few<Option<Cause>, u64>,
    pub hosts: HostSet,
    /// Of a kind of limit: how many there are of it, and their numbers.
    pub limits: u64,
    pub lowest_value: Option<u64>,
    pub highest_value: Option<u64>,
    pub highest_usage: Option<u64>,
    /// Of a kind of limit, for a page alone.
    pub samples: Option<Box<Samples>>,
}

impl RollState {
    fn named(name: Option<&str>) -> Self {
        Self {
            name: name.map(str::to_owned),
            ..Self::default()
        }
    }

    fn take(&mut self, of: Happened) {
        self.when.cover(of.when);
        if of.count > 0 {
            add(self.causes.of(of.cause), of.count);
            self.hosts.insert(of.host);
        }
    }
}

impl RollState {
    /// Takes a limit's numbers; `first`: it has not been counted before.
    pub(super) fn take_limit(&mut self, first: bool, value: Option<u64>, usage: Option<u64>) {
        self.limits += u64::from(first);
        let lowest = self.lowest_value.into_iter().chain(value).min();
        self.lowest_value = lowest;
        self.highest_value = self.highest_value.max(value);
        self.highest_usage = self.highest_usage.max(usage);
    }
}

/// Hosts by their numbers.
#[derive(Clone, Default)]
pub(super) struct HostSet(Vec<u64>);

impl HostSet {
    fn insert(&mut self, host: u32) {
        let at = host as usize / 64;
        if self.0.len() <= at {
            self.0.resize(at + 1, 0);
        }
        self.0[at] |= 1 << (host % 64);
    }

    pub(super) fn len(&self) -> u64 {
        self.0.iter().map(|part| u64::from(part.count_ones())).sum()
    }
}

/// Failures, or repeats of one.
#[derive(Clone, Copy)]
pub(super) struct Happened {
    pub host: u32,
    pub count: u64,
    pub when: When,
    pub cause: Option<Cause>,
}

/// The tables.
#[derive(Clone)]
pub(super) struct Rollup {
    pub limits: Table<RollState>,
    pub programs: Table<RollState>,
    pub users: Table<RollState>,
    pub units: Table<RollState>,
    pub pods: Table<RollState>,
    /// By the hosts' numbers.
    pub hosts: Vec<(Arc<str>, u64, RollState)>,
    pub causes: Few<Option<Cause>, RollState>,
    /// Failures of each host over time.
    pub heat: Timeline<u32>,
}

impl Rollup {
    pub(super) fn new(rows: usize) -> Self {
        Self {
            limits: Table::new(rows),
            programs: Table::new(rows),
            users: Table::new(rows),
            units: Table::new(rows),
            pods: Table::new(rows),
            hosts: Vec::new(),
            causes: Few::default(),
            heat: Timeline::default(),
        }
    }

    /// By limit. `None`: the limit is in no table any more, or was not recorded.
    pub(super) fn limit(
        &mut self,
        row: Option<&mut LimitState>,
        recorded: bool,
        of: Happened,
    ) -> Option<&mut RollState> {
        match row {
            Some(row) if recorded => {
                let LimitState { kin, rolled, .. } = row;
                let key = || kin.as_bytes().to_vec();
                let sum = self
                    .limits
                    .add_known(rolled, key, of.count, RollState::default);
                sum.take(of);
                Some(sum)
            }
            _ => {
                self.limits.miss(of.count, recorded);
                None
            }
        }
    }

    /// By program and user, of which `alike` says what is known.
    pub(super) fn caller(&mut self, mut row: Option<&mut CallerState>, alike: Alike, of: Happened) {
        match &mut row {
            Some(row) if alike.is_of_cgroup() => {
                let mut known = row.rolled_user;
                let new = || RollState::named(Some(&user(row)));
                let key = || user_key(row);
                self.users
                    .add_known(&mut known, key, of.count, new)
                    .take(of);
                row.rolled_user = known;
            }
            _ => self.users.miss(of.count, alike.is_of_cgroup()),
        }
        match row {
            Some(row) if alike.is_process() => {
                let mut known = row.rolled_program;
                let new = || RollState {
                    user: Some(user(row)),
                    ..RollState::named(Some(&row.program))
                };
                let key = || {
                    let mut key = user_key(row);
                    key.push(0xff);
                    key.extend_from_slice(row.program.as_bytes());
                    key
                };
                self.programs
                    .add_known(&mut known, key, of.count, new)
                    .take(of);
                row.rolled_program = known;
            }
            _ => self.programs.miss(of.count, alike.is_process()),
        }
    }

    /// By unit and pod.
    pub(super) fn cgroup(&mut self, row: Option<&mut CgroupState>, recorded: bool, of: Happened) {
        match row {
            Some(row) if recorded => {
                let tables = [
                    (&mut self.units, &row.unit, &mut row.rolled_unit),
                    (&mut self.pods, &row.pod, &mut row.rolled_pod),
                ];
                for (table, name, known) in tables {
                    // No name has a NUL.
                    let key = || name.as_deref().unwrap_or("\0").as_bytes().to_vec();
                    let new = || RollState::named(name.as_deref());
                    table.add_known(known, key, of.count, new).take(of);
                }
            }
            _ => {
                for table in [&mut self.units, &mut self.pods] {
                    table.miss(of.count, recorded);
                }
            }
        }
    }

    /// By host, cause and time: known of every failure.
    pub(super) fn place(&mut self, name: &Arc<str>, of: Happened) {
        let at = of.host as usize;
        while self.hosts.len() <= at {
            self.hosts.push((Arc::from(""), 0, RollState::default()));
        }
        let (host, count, row) = &mut self.hosts[at];
        if *count == 0 {
            *host = Arc::clone(name);
        }
        add(count, of.count);
        row.take(of);
        self.causes.of(of.cause).take(of);
        self.heat.add(of.when, of.host, of.count);
    }
}

/// What a caller's user is called.
fn user(row: &CallerState) -> String {
    let by_uid = || format!("uid {}", row.uid);
    row.user.clone().unwrap_or_else(by_uid)
}

/// What it is known by: no name begins with a NUL.
fn user_key(row: &CallerState) -> Vec<u8> {
    match &row.user {
        Some(user) => user.as_bytes().to_vec(),
        None => [&[0], &row.uid.to_le_bytes()[..]].concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_counted_once() {
        let mut hosts = HostSet::default();
        assert_eq!(hosts.len(), 0);
        hosts.insert(70);
        hosts.insert(70);
        assert_eq!(hosts.len(), 1);
        hosts.insert(0);
        assert_eq!(hosts.len(), 2);
    }
}
