//! That what `docs/promises.md` names is there.

use std::collections::BTreeSet;
use std::path::Path;

use crate::{behaviour, scenario, verified};

#[test]
fn what_holds_a_promise_is_there() {
    let mut known: BTreeSet<&str> = scenario::names().into_iter().collect();
    known.extend(behaviour::names());
    known.insert(verified::CASE);
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let text = std::fs::read_to_string(root.join("docs/promises.md")).unwrap();
    let rows = text.lines().filter_map(|line| line.strip_prefix("| "));
    let mut named = 0;
    for (promise, held_by) in rows.skip(1).filter_map(|row| row.split_once(" | ")) {
        let names: Vec<&str> = held_by.split('`').skip(1).step_by(2).collect();
        assert!(!names.is_empty(), "nothing holds: {promise}");
        for name in &names {
            let there = match name.strip_prefix("forktrace/tests/") {
                Some(_) => root.join(name).is_file(),
                None => known.contains(name),
            };
            assert!(there, "{name}, for: {promise}");
        }
        named += names.len();
    }
    assert!(named > 50, "{named} names");
}
