//! Holds kernels' types against what forktrace expects of their versions.
//!
//! `cargo xtask test --drift` takes the types out of every test kernel, writes
//! them as `<uname -r>.btf` into the folder that FORKTRACE_DRIFT names, and
//! reads what this prints: a line for each kernel that is as expected, and one
//! for each difference. Without the folder there is nothing to compare, which
//! is said and counted.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
    process::ExitCode,
};

use forktrace::btf::Btf;
use forktrace::probe::{drift, functions::FUNCTIONS, offsets::SLOTS, versions::Release};

const FOLDER: &str = "FORKTRACE_DRIFT";

fn main() -> ExitCode {
    // Test runners ask for the tests' names first; this is one check without any.
    if env::args().any(|arg| arg == "--list") {
        return ExitCode::SUCCESS;
    }
    let Some(folder) = env::var_os(FOLDER) else {
        println!("SKIP drift: `cargo xtask test --drift` brings the kernels' types ({FOLDER})");
        println!("0 passed, 0 failed, 1 skipped");
        return ExitCode::SUCCESS;
    };
    let (mut passed, mut failed) = (0, 0);
    match kernels(Path::new(&folder)) {
        Ok(kernels) if !kernels.is_empty() => {
            for (name, path) in kernels {
                let differences = compare(&name, &path);
                if differences.is_empty() {
                    let (functions, fields) = (FUNCTIONS.len(), SLOTS.len());
                    println!("PASS {name} ({functions} prototypes, {fields} fields)");
                    passed += 1;
                }
                for difference in differences {
                    println!("FAIL {name}: {difference}");
                    failed += 1;
                }
            }
        }
        Ok(_) => {
            println!("FAIL no kernels: {FOLDER} names a folder without any .btf file");
            failed += 1;
        }
        Err(error) => {
            println!("FAIL no kernels: {FOLDER} names an unreadable folder: {error}");
            failed += 1;
        }
    }
    println!("{passed} passed, {failed} failed, 0 skipped");
    ExitCode::from(u8::from(failed != 0))
}

/// Names and files, by name.
fn kernels(folder: &Path) -> io::Result<Vec<(String, PathBuf)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if let Some(name) = name.strip_suffix(".btf") {
            found.push((name.to_owned(), path.clone()));
        }
    }
    found.sort();
    Ok(found)
}

fn compare(name: &str, path: &Path) -> Vec<String> {
    let release: Release = match name.parse() {
        Ok(release) => release,
        Err(error) => return vec![format!("{error}")],
    };
    match Btf::from_file(path) {
        Ok(btf) => drift::deviations(&btf, release),
        Err(error) => vec![error.to_string()],
    }
}
