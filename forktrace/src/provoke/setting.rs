//! Settings of the host that get their values back.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{trouble::Trouble, undo::Undo};

/// A setting of the host (a file below /proc/sys) that gets its value back when this is dropped.
pub struct Setting {
    undo: Undo,
    id: u32,
    path: PathBuf,
    before: String,
}

impl Setting {
    /// Remembers the value of `name`, a path below /proc/sys, here and in the
    /// child that outlives a kill. Nothing is changed yet.
    ///
    /// # Errors
    /// There is none such, or it can't be remembered.
    pub fn keep(undo: &Undo, name: &str) -> Result<Self, Trouble> {
        let path = path(name);
        let before = content(&path)?.trim().to_owned();
        let id = undo.file(&path, &before)?;
        Ok(Self {
            undo: undo.clone(),
            id,
            path,
            before,
        })
    }

    /// Remembers the value and sets another.
    ///
    /// # Errors
    /// As [`Setting::keep`] and [`Setting::change`].
    pub fn set(undo: &Undo, name: &str, value: u64) -> Result<Self, Trouble> {
        let kept = Self::keep(undo, name)?;
        kept.change(value)?;
        Ok(kept)
    }

    /// Sets another.
    ///
    /// # Errors
    /// It was refused; a host that doesn't allow it at all (a container's
    /// read-only /proc/sys) is a reason to leave the provocation out.
    pub fn change(&self, value: u64) -> Result<(), Trouble> {
        write(&self.path, value)
    }

    /// Sets another file, which changes this one too: writing this one's value
    /// back restores both.
    ///
    /// # Errors
    /// As [`Setting::change`].
    pub fn change_other(&self, name: &str, value: u64) -> Result<(), Trouble> {
        write(&path(name), value)
    }
}

/// The value that a setting has now.
///
/// # Errors
/// There is none such, or it is no number.
pub fn read(name: &str) -> Result<u64, Trouble> {
    let path = path(name);
    let text = content(&path)?;
    text.trim()
        .parse()
        .map_err(|_| Trouble::Odd(format!("{} is {text:?}", path.display())))
}

fn path(name: &str) -> PathBuf {
    Path::new("/proc/sys").join(name)
}

fn content(path: &Path) -> Result<String, Trouble> {
    fs::read_to_string(path).map_err(Trouble::at(format!("reading {}", path.display())))
}

fn write(path: &Path, value: u64) -> Result<(), Trouble> {
    let doing = format!("writing {value} to {}", path.display());
    fs::write(path, value.to_string()).map_err(|error| match error.raw_os_error() {
        Some(libc::EROFS | libc::EACCES | libc::EPERM) => Trouble::at(doing)(error).into_skip(),
        _ => Trouble::at(doing)(error),
    })
}

impl Drop for Setting {
    fn drop(&mut self) {
        // Where it can't be written it can't have changed either.
        let same = fs::read_to_string(&self.path).is_ok_and(|now| now.trim() == self.before);
        let restored = match same {
            true => Ok(()),
            false => fs::write(&self.path, &self.before),
        };
        match restored {
            Ok(()) => self.undo.done(self.id),
            Err(error) => self.undo.failed(format!(
                "writing {} back to {}: {error}",
                self.before,
                self.path.display()
            )),
        }
    }
}
