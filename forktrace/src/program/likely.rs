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
}

static LIKELY: LazyLock<Likely> = LazyLock::new(|| {
    let text = include_str!(concat!(env!("OUT_DIR"), "/likely.json"));
    serde_json::from_str(text).unwrap_or_else(|error| panic!("the likely causes: {error}"))
});

/// The causes that an operation is refused for with one of these errnos, the most usual first.
pub fn likely(errnos: &[Errno], operation: Operation) -> Vec<Cause> {
    let mut causes = Vec::new();
    for errno in errnos {
        let lists = LIKELY.list.iter();
        let of = lists.filter(|list| list.errno == *errno && list.operations.contains(&operation));
        for cause in of.flat_map(|list| &list.causes) {
            if !causes.contains(cause) {
                causes.push(*cause);
            }
        }
    }
    causes
}
