//! Whether NixOS has made this host's files: in /etc they are links into a store that can't be written to, and
//! the next switch to a configuration makes them anew.

use std::path::Path;

/// Of the host whose files are below `root` (nixos/modules/system/etc: a file that says no more than that).
pub fn has_made(root: &Path) -> bool {
    root.join("etc/NIXOS").exists()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::made_up;

    #[test]
    fn a_file_says_so() {
        let root = tempfile::tempdir().unwrap();
        assert!(!has_made(root.path()));
        made_up::write(root.path(), "etc/NIXOS", "");
        assert!(has_made(root.path()));
    }
}
