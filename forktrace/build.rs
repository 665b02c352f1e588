//! Packs the BPF objects to embed, which are a tenth of the program else: the committed ones, unless the
//! environment variable FORKTRACE_BPF_OBJECTS names a folder with others (distributions that build everything
//! from source), and the JSON Schemas; and the catalogue of programs, one file of TOML a program, as one text of
//! JSON: so no list names them, and no parser of TOML is in the program.

use std::{
    collections::BTreeMap,
    env,
    error::Error,
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use data_encoding::BASE64;
use flate2::{Compression, write::GzEncoder};
use sha2::{Digest as _, Sha256};

const OBJECTS: [&str; 2] = ["bpf_loop.bpf.o", "bounded_loops.bpf.o"];
const CATALOGUE: &str = "src/program/catalogue";
const SCHEMAS: &str = "schema";
const ERRNO_TEXTS: &str = "src/program/errno_texts.toml";
const LIKELY: &str = "src/program/likely.toml";

fn main() -> Result<(), Box<dyn Error>> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    let out = PathBuf::from(env::var("OUT_DIR")?);
    pack_objects(&root, &out)?;
    pack_schemas(&root.join(SCHEMAS), &out)?;
    hash_page(&root)?;
    let programs = serde_json::to_vec(&programs(&root.join(CATALOGUE))?)?;
    fs::write(out.join("programs.json.gz"), pack(&programs)?)?;
    embed(
        &out.join("errno_texts.json"),
        &toml(&root.join(ERRNO_TEXTS))?,
    )?;
    embed(&out.join("likely.json"), &toml(&root.join(LIKELY))?)
}

/// The hashes by which a report's page allows its own style and script, and nothing else.
fn hash_page(root: &Path) -> Result<(), Box<dyn Error>> {
    for (name, file) in [("PAGE_CSS_HASH", "page.css"), ("PAGE_JS_HASH", "page.js")] {
        let path = root.join("src/view/report").join(file);
        println!("cargo::rerun-if-changed={}", path.display());
        let hash = BASE64.encode(&Sha256::digest(read(&path)?));
        println!("cargo::rustc-env={name}={hash}");
    }
    Ok(())
}

fn pack_objects(root: &Path, out: &Path) -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-env-changed=FORKTRACE_BPF_OBJECTS");
    let objects = env::var_os("FORKTRACE_BPF_OBJECTS").map_or(root.join("bpf"), PathBuf::from);
    println!("cargo::rerun-if-changed={}", objects.display());
    for name in OBJECTS {
        let packed = pack(&read(&objects.join(name))?)?;
        fs::write(out.join(format!("{name}.gz")), packed)?;
    }
    Ok(())
}

fn pack_schemas(folder: &Path, out: &Path) -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed={}", folder.display());
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let packed = pack(&read(&path)?)?;
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        fs::write(out.join(format!("{name}.schema.gz")), packed)?;
    }
    Ok(())
}

/// As `packed.rs` unpacks it.
fn pack(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::best());
    packer.write_all(bytes)?;
    packer.finish()
}

/// By the names of their files.
fn programs(folder: &Path) -> Result<BTreeMap<String, toml::Value>, Box<dyn Error>> {
    println!("cargo::rerun-if-changed={}", folder.display());
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|end| end == "toml") {
            let name = path.file_stem().unwrap_or_default().to_string_lossy();
            all.insert(name.into_owned(), toml(&path)?);
        }
    }
    Ok(all)
}

fn toml(path: &Path) -> Result<toml::Value, Box<dyn Error>> {
    println!("cargo::rerun-if-changed={}", path.display());
    let text = String::from_utf8(read(path)?)?;
    Ok(toml::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))?)
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    fs::read(path).map_err(|error| format!("reading {}: {error}", path.display()))
}

fn embed<T: serde::Serialize>(path: &Path, value: &T) -> Result<(), Box<dyn Error>> {
    Ok(fs::write(path, serde_json::to_string(value)?)?)
}
