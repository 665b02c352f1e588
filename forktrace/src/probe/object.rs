//! The BPF object: embedded, configured, loaded.

use aya::{Ebpf, EbpfLoader};
use forktrace_common::{
    offsets::{Offsets, Symbols},
    settings::Settings,
};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The committed object (`cargo xtask ebpf` builds it), or the one that
/// FORKTRACE_BPF_OBJECT named when forktrace was built.
static OBJECT: &[u8] = aya::include_bytes_aligned!(env!("FORKTRACE_BPF_OBJECT"));

/// Creates the maps and relocates the programs. No program goes to the kernel
/// yet: that happens one by one.
pub fn create(
    offsets: &Offsets,
    symbols: &Symbols,
    settings: &Settings,
    ring_bytes: u32,
    debug: bool,
) -> Result<Ebpf, aya::EbpfError> {
    // Numbers as in aya-log-common: 0 off (the code is pruned), 4 debug.
    let level: u8 = if debug { 4 } else { 0 };
    loader()
        .override_global("OFFSETS", offsets, true)
        .override_global("SYMBOLS", symbols, true)
        .override_global("SETTINGS", settings, true)
        .override_global("AYA_LOG_LEVEL", &level, false)
        .map_max_entries("EVENTS", ring_bytes)
        .load(OBJECT)
}

/// A loader without the kernel's types, which it needs for CO-RE relocations:
/// the object has none, Rust knows no such thing, offsets come as globals.
fn loader<'a>() -> EbpfLoader<'a> {
    // aya 0.14 reads and parses them in `new` all the same, 25 ms of a start,
    // and forgets them here. It goes on without where the file can't be opened,
    // so for this moment none can: nothing else runs, forktrace is one thread.
    let _closed = NoNewFiles::begin();
    let mut loader = EbpfLoader::new();
    loader.btf(None);
    loader
}

/// While it lives, this process can open no file; its open ones stay usable.
struct NoNewFiles(Rlimit);

impl NoNewFiles {
    fn begin() -> Self {
        let before = getrlimit(Resource::Nofile);
        let none = Rlimit {
            current: Some(0),
            maximum: before.maximum,
        };
        // Lowering the soft limit is always allowed; were it not, a start would
        // take as long as it did.
        let _ = setrlimit(Resource::Nofile, none);
        Self(before)
    }
}

impl Drop for NoNewFiles {
    fn drop(&mut self) {
        // Up to the hard limit, which was not touched, this is allowed as well.
        let _ = setrlimit(Resource::Nofile, self.0);
    }
}
