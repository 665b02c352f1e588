//! Which causes can stand behind an errno, the most usual ones first: `likely.toml`, held complete
//! against the causes' pages by a test.

use std::sync::LazyLock;

use serde::Deserialize;

use crate::model::{Cause, Errno, Operation};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Likely {
    list: Vec<List>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    errno: Errno,
    operations: Vec<Operation>,
    causes: Vec<Cause>,
    #[serde(default)]
    seldom: Vec<Cause>,
}

static LIKELY: LazyLock<Likely> = LazyLock::new(|| {
    let text = include_str!(concat!(env!("OUT_DIR"), "/likely.json"));
    serde_json::from_str(text).unwrap_or_else(|error| panic!("the likely causes: {error}"))
});

/// The causes that an operation is refused for with one of these errnos, the most usual first: those of each errno, and
/// then the rare ones.
pub fn likely(errnos: &[Errno], operation: Operation) -> Vec<Cause> {
    let of = |errno: &Errno| {
        let (errno, lists) = (*errno, LIKELY.list.iter());
        lists.filter(move |list| list.errno == errno && list.operations.contains(&operation))
    };
    let usual = errnos.iter().flat_map(of).flat_map(|list| &list.causes);
    let rare = errnos.iter().flat_map(of).flat_map(|list| &list.seldom);
    let mut causes = Vec::new();
    for cause in usual.chain(rare) {
        if !causes.contains(cause) {
            causes.push(*cause);
        }
    }
    causes
}
