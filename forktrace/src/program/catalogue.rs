//! The programs that are known, and whose process a caller is.

use std::{collections::BTreeMap, sync::LazyLock};

use super::{Program, template};
use crate::model::{Caller, unpack};

static PROGRAMS: LazyLock<Vec<Program>> = LazyLock::new(|| {
    let packed = include_bytes!(concat!(env!("OUT_DIR"), "/programs.json.gz"));
    let unpacked = unpack(packed).map_err(serde_json::Error::io);
    let by_id: BTreeMap<String, Program> = unpacked
        .and_then(|text| serde_json::from_slice(&text))
        .unwrap_or_else(|error| panic!("the catalogue: {error}"));
    let named = |(id, program): (String, Program)| Program { id, ..program };
    by_id.into_iter().map(named).collect()
});

/// Every program, by the name of its file.
pub fn all() -> &'static [Program] {
    &PROGRAMS
}

/// The program with this id.
pub fn by_id(id: &str) -> Option<&'static Program> {
    let at = PROGRAMS.binary_search_by(|program| program.id.as_str().cmp(id));
    PROGRAMS.get(at.ok()?)
}

/// The program that a caller runs: by the name of its process where that is a script's, else by its
/// executable.
pub fn of_caller(caller: &Caller) -> Option<&'static Program> {
    let find = |names: fn(&Program) -> &[String], name: &str| {
        PROGRAMS.iter().find(|program| {
            names(program)
                .iter()
                .any(|one| template::is_name(one, name))
        })
    };
    // The names of other threads are anything.
    let process = (caller.pid == caller.tid).then_some(&*caller.comm);
    // The executable of a process that was gone before that could be read is its name, as a rule.
    let exe = caller.exe.as_deref().map(file_name).or(process);
    process
        .and_then(|name| find(|program| &program.process, name))
        .or_else(|| find(|program| &program.exe, exe?))
}

/// Without the folder, and what the kernel says of a file that was replaced since.
fn file_name(exe: &str) -> &str {
    let exe = exe.strip_suffix(" (deleted)").unwrap_or(exe);
    exe.rsplit('/').next().unwrap_or(exe)
}
