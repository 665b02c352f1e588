//! The BPF objects: embedded, configured, loaded.
//!
//! Most of the time that a start takes is the verifier's. The ways up (cgroups, namespaces,
//! ancestors: `walk.rs`) are therefore steps that the helper bpf_loop calls, which the verifier
//! walks once or twice; where the kernel has no such helper a second object from the same
//! sources writes them as loops, of which it walks every level (`Kernel::object` chooses, by
//! the kernel's types). A field that a kernel lacks has an offset that leads to no memory
//! (`MISSING`), so that nothing need be compared, and what would be a constant on one way and
//! unknown on another goes through a map, the record, or `mem::unknown`. The kernel's types are
//! parsed by `btf` alone; aya gets the numbers of the functions that are hooked
//! (`btf/functions_alone.rs`). `record -v` prints the time by stage.

use aya::{Ebpf, EbpfLoader};
use forktrace_common::{
    left_behind,
    offsets::{Offsets, Symbols},
    settings::Settings,
};

use super::rlimit::ChangedLimit;
use crate::{arch::machine, model::unpack};

/// One of the committed objects (`cargo xtask ebpf` builds them), which come from
/// the same sources and do the same, or of those in the folder that
/// FORKTRACE_BPF_OBJECTS named when forktrace was built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Object {
    /// Its loops are the kernel's helper of this name (5.17+), and take a third of
    /// the time to verify.
    BpfLoop,
    /// Its loops are loops, which all kernels take.
    BoundedLoops,
}

/// As `build.rs` packs them.
static BPF_LOOP: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/bpf_loop.bpf.o.gz"));
static BOUNDED_LOOPS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/bounded_loops.bpf.o.gz"));

impl Object {
    /// Unpacked, in memory that is aligned as an ELF file has to be.
    fn bytes(self) -> Result<Vec<u8>, aya::EbpfError> {
        let packed = match self {
            Self::BpfLoop => BPF_LOOP,
            Self::BoundedLoops => BOUNDED_LOOPS,
        };
        unpack(packed).map_err(|error| aya::EbpfError::FileError {
            path: "the embedded BPF objects".into(),
            error,
        })
    }
}

/// Creates the maps and relocates the programs. No program goes to the kernel
/// yet: that happens one by one.
pub fn create(
    object: Object,
    offsets: &Offsets,
    symbols: &Symbols,
    settings: &Settings,
    ring_bytes: u32,
    debug: bool,
) -> Result<Ebpf, aya::EbpfError> {
    // Numbers as in aya-log-common: 0 off (the code is pruned), 4 debug.
    let level: u8 = if debug { 4 } else { 0 };
    let mut loader = loader();
    // What isn't known are few.
    let cpus = aya::util::nr_cpus().map_or(1, |cpus| u32::try_from(cpus).unwrap_or(u32::MAX));
    for (map, room) in left_behind::ALL {
        loader.map_max_entries(map, room.entries(cpus));
    }
    loader
        .override_global("OFFSETS", offsets, true)
        .override_global("SYMBOLS", symbols, true)
        .override_global("SETTINGS", settings, true)
        .override_global("MACHINE", &machine(), true)
        .override_global("AYA_LOG_LEVEL", &level, false)
        .map_max_entries("EVENTS", ring_bytes)
        .load(&object.bytes()?)
}

/// A loader without the kernel's types, which it needs for CO-RE relocations:
/// the objects have none, Rust knows no such thing, offsets come as globals.
fn loader<'a>() -> EbpfLoader<'a> {
    // aya 0.14 reads and parses them in `new` all the same, 25 ms of a start,
    // and forgets them here. It goes on without where the file can't be opened,
    // so for this moment none can: nothing else runs, forktrace is one thread.
    let _closed = ChangedLimit::no_new_files();
    let mut loader = EbpfLoader::new();
    loader.btf(None);
    loader
}
