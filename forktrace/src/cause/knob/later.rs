//! Drop-ins of systemd that count after what systemctl would write.

use std::path::Path;

use crate::host::unit_files::counts_after;

/// The file itself is to be changed where it counts after the drop-in `own`, which this command of systemctl
/// writes; `line`: what is to stand in it.
pub(super) fn edit_later(file: &Path, own: &str, command: &str, line: &str) -> Option<String> {
    counts_after(file, own).then(|| {
        format!(
            "{}: {line}, then systemctl daemon-reload (that file counts after what systemctl {command} writes)",
            file.display()
        )
    })
}
