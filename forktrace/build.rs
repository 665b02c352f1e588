//! Names the folder of the BPF objects to embed: that of the committed ones, unless
//! the environment variable FORKTRACE_BPF_OBJECTS names another (distributions that
//! build everything from source).

fn main() {
    println!("cargo::rerun-if-env-changed=FORKTRACE_BPF_OBJECTS");
    let objects = std::env::var("FORKTRACE_BPF_OBJECTS").unwrap_or_else(|_| {
        let root = std::env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
        format!("{root}/bpf")
    });
    println!("cargo::rerun-if-changed={objects}");
    println!("cargo::rustc-env=FORKTRACE_BPF_OBJECTS={objects}");
}
