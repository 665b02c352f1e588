//! Packs the BPF objects to embed, which are a tenth of the program else: the committed ones, unless the
//! environment variable FORKTRACE_BPF_OBJECTS names a folder with others (distributions that build everything
//! from source).

use std::{env, error::Error, fs, path::Path};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-env-changed=FORKTRACE_BPF_OBJECTS");
    let objects = match env::var("FORKTRACE_BPF_OBJECTS") {
        Ok(folder) => folder,
        Err(_) => format!("{}/bpf", env::var("CARGO_MANIFEST_DIR")?),
    };
    println!("cargo::rerun-if-changed={objects}");
    let packed = env::var("OUT_DIR")?;
    for name in ["bpf_loop.bpf.o", "bounded_loops.bpf.o"] {
        let path = Path::new(&objects).join(name);
        let object =
            fs::read(&path).map_err(|error| format!("reading {}: {error}", path.display()))?;
        let bytes = zstd::encode_all(&object[..], 19)?;
        fs::write(Path::new(&packed).join(format!("{name}.zst")), bytes)?;
    }
    Ok(())
}
