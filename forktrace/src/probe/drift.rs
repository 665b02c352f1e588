//! Compares a kernel's types with what is expected of a kernel of its version.
//!
//! Attaching takes each kernel as it is, and says which evidence it lacks. That
//! is right on someone's host, and would hide from us that a new kernel has
//! renamed what forktrace reads. So the tests hold every kernel that they know
//! against the tables: what is expected must be there, and what isn't must not,
//! so that the tables stay true.
//!
//! That way forktrace goes on without what a new kernel has renamed, and the tests have to say
//! so. Each function and each struct path carries the versions that it is expected on; `cargo
//! xtask test --drift` takes the types out of every test kernel's image (no boot), and
//! `probe/drift.rs` holds them against the tables, in both directions: what is expected must be
//! there, what isn't must not. A new kernel shows as `FAIL drift: 7.4.1: struct path
//! task_struct.exit_state is gone (expected on every version); evidence lost: …`. Then: find
//! out what the kernel does now, give the old entry its `until`, add the new one with its
//! `since`, best first.

use super::{
    functions::{self, FUNCTIONS, Function},
    offsets::{self, SLOTS},
    oom, sites,
    style::{HOOKS, SECCOMP},
    versions::Release,
};
use crate::btf::Btf;

/// What differs from the tables, one sentence each.
pub fn deviations(btf: &Btf, release: Release) -> Vec<String> {
    let mut found: Vec<String> = FUNCTIONS
        .iter()
        .filter_map(|function| hooked(btf, release, function.name))
        .chain(presences(btf, release))
        .chain(paths(btf, release))
        .chain(said_in_vain(btf, release))
        .collect();
    // A function may be listed twice, a flag has two slots.
    let mut seen = std::collections::HashSet::new();
    found.retain(|text| seen.insert(text.clone()));
    found
}

fn hooked(btf: &Btf, release: Release, name: &'static str) -> Option<String> {
    const TABLE: &str = "probe/functions.rs";
    let here: Vec<&Function> = functions::known(name)
        .filter(|function| function.versions.contain(release))
        .collect();
    let found = btf.functions(name);
    let Some(function) = here.first() else {
        return (!found.is_empty()).then(|| {
            let versions = functions::known(name).map(|function| function.versions.to_string());
            there(&format!("function {name}"), versions.collect(), TABLE)
        });
    };
    let what = if found.is_empty() {
        format!("is gone (expected {})", function.versions)
    } else if let Some(other) = found
        .iter()
        .find(|prototype| !here.iter().any(|function| function.matches(prototype)))
    {
        format!("is now {other}, known is {function}; it isn't hooked like this")
    } else {
        return None;
    };
    Some(format!(
        "function {name} {what}; evidence lost: {}; see {TABLE}",
        lost_with(name)
    ))
}

/// What is lost without a function.
fn lost_with(name: &str) -> String {
    if let Some((_, role)) = sites::KNOWN_BY
        .iter()
        .find(|(function, _)| *function == name)
    {
        return sites::lost(*role).to_owned();
    }
    let mut hooks = HOOKS.iter().chain([&SECCOMP, &oom::CHOICE]);
    let Some(hook) = hooks.find(|hook| hook.targets.contains(&name)) else {
        return "nothing, for no hook uses it".to_owned();
    };
    let others: Vec<&str> = hook
        .targets
        .iter()
        .copied()
        .filter(|target| *target != name)
        .collect();
    if others.is_empty() {
        return hook.lost.to_owned();
    }
    format!("{}, unless {} serves", hook.lost, others.join(" or "))
}

fn presences(btf: &Btf, release: Release) -> impl Iterator<Item = String> {
    const TABLE: &str = "probe/functions.rs";
    functions::PRESENCES
        .into_iter()
        .filter_map(move |function| {
            let what = format!("function {}", function.name);
            let expected = function.versions.contain(release);
            match (expected, btf.function(function.name).is_some()) {
                (true, false) => Some(format!(
                    "{what} is gone (expected {}): {}; see {TABLE}",
                    function.versions, function.without
                )),
                (false, true) => Some(there(&what, vec![function.versions.to_string()], TABLE)),
                _ => None,
            }
        })
}

fn paths(btf: &Btf, release: Release) -> impl Iterator<Item = String> {
    const TABLE: &str = "probe/offsets.rs";
    let places = SLOTS
        .iter()
        .flat_map(|slot| slot.places.iter().map(move |place| (slot, place)));
    places.filter_map(move |(slot, place)| {
        let what = format!("struct path {place}");
        match (place.versions.contain(release), place.find(btf)) {
            (true, Err(why)) => Some(format!(
                "{what} {why} (expected {}); evidence lost: {}; see {TABLE}",
                place.versions, slot.lost
            )),
            (false, Ok(_)) => Some(there(&what, vec![place.versions.to_string()], TABLE)),
            _ => None,
        }
    })
}

/// Evidence that would be reported as missing without reason: [`super::kernel`] concludes a
/// kernel's age from its structs.
fn said_in_vain(btf: &Btf, release: Release) -> impl Iterator<Item = String> {
    let lacking: Vec<_> = offsets::resolve(btf).lacking().collect();
    lacking
        .into_iter()
        .filter(move |slot| !slot.expected(release))
        .map(|slot| {
            format!(
                "forktrace would say that {} is missing, which isn't expected here; see `lacking` \
                 in probe/offsets.rs",
                slot.name
            )
        })
}

/// Of something that a version shouldn't have.
fn there(what: &str, mut versions: Vec<String>, table: &str) -> String {
    versions.dedup();
    format!(
        "{what} is there (expected {}); its versions are wrong in {table}",
        versions.join(" or ")
    )
}

#[cfg(test)]
mod tests;
