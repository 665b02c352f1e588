//! Whatever claims to be a kernel's types (`--btf FILE`): reading it ends, nothing panics, and what
//! is found lies where a field can lie.

use forktrace::{btf::Btf, probe::offsets};

/// Names and paths that the seeds have, each in every way that forktrace asks.
const NAMES: [&str; 4] = ["task_struct", "copy_process", "A", "list"];
const PATHS: [&str; 5] = ["pid", "signal.pids[1].next", "list.next", "a[2].b", ""];

/// Takes one input.
pub(crate) fn take(data: &[u8]) {
    let Ok(btf) = Btf::parse(data.to_vec()) else {
        return;
    };
    // void is a type, without bytes; every other one takes 12.
    assert!(btf.type_count() <= 1 + data.len() / 12);
    for name in NAMES {
        for path in PATHS {
            let again = btf.field(name, path);
            assert_eq!(btf.field(name, path), again);
        }
        let functions = btf.functions(name);
        assert!(functions.len() < btf.type_count());
        for function in functions {
            assert!(!function.to_string().is_empty());
        }
        if let Some(id) = btf.function_id(name) {
            assert!((id as usize) < btf.type_count());
        }
        btf.enumerator(None, name);
        btf.enumerator(Some("A"), name);
    }
    offsets::resolve(&btf);
}
