//! Names the BPF object to embed: the committed one, unless the environment
//! variable FORKTRACE_BPF_OBJECT names another (distributions that build
//! everything from source).

fn main() {
    println!("cargo::rerun-if-env-changed=FORKTRACE_BPF_OBJECT");
    let object = std::env::var("FORKTRACE_BPF_OBJECT").unwrap_or_else(|_| {
        let root = std::env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
        format!("{root}/bpf/forktrace.bpf.o")
    });
    println!("cargo::rerun-if-changed={object}");
    println!("cargo::rustc-env=FORKTRACE_BPF_OBJECT={object}");
}
