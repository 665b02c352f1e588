//! The BPF object: embedded, configured, loaded.

use aya::{Btf, Ebpf, EbpfLoader};
use forktrace_common::{
    offsets::{Offsets, Symbols},
    settings::Settings,
};

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
    btf: Option<&Btf>,
) -> Result<Ebpf, aya::EbpfError> {
    // Numbers as in aya-log-common: 0 off (the code is pruned), 4 debug.
    let level: u8 = if debug { 4 } else { 0 };
    EbpfLoader::new()
        .btf(btf)
        .override_global("OFFSETS", offsets, true)
        .override_global("SYMBOLS", symbols, true)
        .override_global("SETTINGS", settings, true)
        .override_global("AYA_LOG_LEVEL", &level, false)
        .map_max_entries("EVENTS", ring_bytes)
        .load(OBJECT)
}
