//! The BPF scheduler that is loaded (/sys/kernel/sched_ext, 6.12+).

use std::{fs, path::Path};

use crate::evidence::SchedExt;

/// Bytes of a scheduler's name (include/linux/sched/ext.h `SCX_OPS_NAME_LEN`).
const NAME_BYTES: usize = 128;

/// `None` where the kernel has no such schedulers, or /sys doesn't show them.
pub fn now() -> Option<SchedExt> {
    read(Path::new("/sys/kernel/sched_ext"))
}

fn read(folder: &Path) -> Option<SchedExt> {
    let state = fs::read_to_string(folder.join("state")).ok()?;
    // The root scheduler's folder is there while it is loaded.
    let name = fs::read(folder.join("root/ops")).ok();
    let name = name.map(|bytes| {
        let text = String::from_utf8_lossy(bytes.trim_ascii()).into_owned();
        text.chars().take(NAME_BYTES).collect::<String>()
    });
    Some(SchedExt {
        enabled: state.trim() == "enabled",
        name: name.filter(|name| !name.is_empty()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_kernel_shows() {
        let folder =
            std::env::temp_dir().join(format!("forktrace-sched-ext-{}", std::process::id()));
        assert_eq!(read(&folder), None);
        fs::create_dir_all(folder.join("root")).unwrap();
        fs::write(folder.join("state"), "disabled\n").unwrap();
        assert_eq!(read(&folder), Some(SchedExt::default()));
        fs::write(folder.join("state"), "enabled\n").unwrap();
        fs::write(folder.join("root/ops"), "simple\n").unwrap();
        let loaded = read(&folder).unwrap();
        assert!(loaded.enabled);
        assert_eq!(loaded.name.as_deref(), Some("simple"));
        fs::remove_dir_all(folder).unwrap();
    }
}
