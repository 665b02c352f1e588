//! `--save` and `--against`.

use std::{fs::OpenOptions, io::Read as _, os::unix::fs::OpenOptionsExt as _, path::Path};

use forktrace::{
    headroom::{Baseline, BaselineError, Drift, Headroom, drift},
    host::settings,
    recording::{WriteError, check_name, write_whole},
};

/// Larger than the settings of any host: 65,536 cgroups with two limits each.
const LARGEST: u64 = 64 << 20;

/// As things are now, for the host that the reading is of.
fn now(headroom: &Headroom) -> Baseline {
    Baseline::new(
        &headroom.time,
        &headroom.host,
        &headroom.kernel,
        settings::read(),
    )
}

pub(super) fn drift_since(before: &Baseline, headroom: &Headroom) -> Drift {
    drift(before, &now(headroom))
}

/// Writes it for its owner only, or to standard output for `-`.
pub(super) fn save(path: &Path, force: bool, headroom: &Headroom) -> Result<(), WriteError> {
    let mut text = serde_json::to_vec_pretty(&now(headroom))?;
    text.push(b'\n');
    check_name(path, &["json"])?;
    write_whole(path, force, &text)
}

pub(super) fn load(path: &Path) -> Result<Baseline, BaselineError> {
    let read = || {
        // Without waiting for a pipe's other end.
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_NONBLOCK | libc::O_CLOEXEC)
            .open(path)?;
        let mut text = Vec::new();
        file.take(LARGEST + 1).read_to_end(&mut text)?;
        Ok(text)
    };
    let text = read().map_err(|source| BaselineError::Read {
        path: path.to_owned(),
        source,
    })?;
    let no_baseline = |why| BaselineError::NoBaseline {
        path: path.to_owned(),
        why,
    };
    if text.len() as u64 > LARGEST {
        return Err(no_baseline("it is larger than any".to_owned()));
    }
    Baseline::parse(&text).map_err(no_baseline)
}
