//! Cgroups that go away when dropped.

use std::{
    cell::RefCell,
    ffi::OsString,
    fs, io,
    os::unix::{
        ffi::{OsStrExt as _, OsStringExt as _},
        fs::MetadataExt as _,
    },
    path::{Path, PathBuf},
};

use super::{remove::remove, trouble::Trouble, undo::Undo};

/// Where a tree stands, and what its cgroups limit.
#[derive(Clone, Debug)]
pub struct Site {
    /// The folder below which it is made.
    pub parent: PathBuf,
    /// cgroup v2: the controller that each cgroup hands down to those below it.
    pub hands_down: Option<&'static str>,
    /// The file with the limit.
    pub limit: String,
}

impl Site {
    /// Has cgroups below `folder` get the controller.
    ///
    /// # Errors
    /// It was refused.
    pub fn hand_down(&self, folder: &Path) -> Result<(), Trouble> {
        let Some(controller) = self.hands_down else {
            return Ok(());
        };
        write(
            &folder.join("cgroup.subtree_control"),
            &format!("+{controller}"),
        )
    }
}

/// A tree of cgroups, removed on drop. Drop first what lives in it; else that is killed.
pub struct Tree {
    site: Site,
    undo: Undo,
    top: OsString,
    /// Every folder made, in order.
    made: RefCell<Vec<(u32, PathBuf)>>,
}

impl Tree {
    /// A tree with nothing but its top, which is called `name`.
    ///
    /// # Errors
    /// It was refused.
    pub fn new(undo: &Undo, site: &Site, name: impl Into<OsString>) -> Result<Self, Trouble> {
        let tree = Self {
            site: site.clone(),
            undo: undo.clone(),
            top: name.into(),
            made: RefCell::default(),
        };
        tree.make(&tree.top().dir)?;
        Ok(tree)
    }

    /// The top.
    pub fn top(&self) -> Cgroup {
        self.cgroup(Path::new(&self.top))
    }

    /// The cgroup at `names` below the top, made with all that leads to it.
    ///
    /// # Errors
    /// It was refused.
    pub fn at<N: AsRef<[u8]>>(&self, names: &[N]) -> Result<Cgroup, Trouble> {
        let mut below = PathBuf::from(&self.top);
        for name in names {
            let above = self.site.parent.join(&below);
            below.push(OsString::from_vec(name.as_ref().to_vec()));
            let dir = self.site.parent.join(&below);
            if !dir.exists() {
                self.site.hand_down(&above)?;
                self.make(&dir)?;
            }
        }
        Ok(self.cgroup(&below))
    }

    fn cgroup(&self, below: &Path) -> Cgroup {
        Cgroup {
            dir: self.site.parent.join(below),
            path: Path::new("/").join(below),
            limit: self.site.limit.clone(),
        }
    }

    fn make(&self, dir: &Path) -> Result<(), Trouble> {
        let id = self.undo.folder(dir)?;
        match fs::create_dir(dir) {
            Ok(()) => {
                self.made.borrow_mut().push((id, dir.to_owned()));
                Ok(())
            }
            Err(error) => {
                // Somebody else's stays.
                self.undo.done(id);
                Err(Trouble::at(format!("mkdir {}", dir.display()))(error))
            }
        }
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        for (id, dir) in self.made.borrow().iter().rev() {
            match remove(dir) {
                Ok(()) => self.undo.done(*id),
                Err(error) => self
                    .undo
                    .failed(format!("rmdir {}: {error}", dir.display())),
            }
        }
    }
}

/// One cgroup of a [`Tree`].
#[derive(Clone, Debug)]
pub struct Cgroup {
    /// Its folder.
    pub dir: PathBuf,
    /// Its path from where the tree stands, the top's name first.
    pub path: PathBuf,
    limit: String,
}

impl Cgroup {
    /// The calling process moves in.
    ///
    /// # Errors
    /// It was refused.
    pub fn enter(&self) -> Result<(), Trouble> {
        write(&self.dir.join("cgroup.procs"), "0")
    }

    /// The file that holds the limit.
    pub fn limit_file(&self) -> PathBuf {
        self.dir.join(&self.limit)
    }

    /// Sets the limit.
    ///
    /// # Errors
    /// It was refused.
    pub fn limit(&self, value: u64) -> Result<(), Trouble> {
        write(&self.limit_file(), &value.to_string())
    }

    /// Takes the limit away.
    ///
    /// # Errors
    /// It was refused.
    pub fn unlimit(&self) -> Result<(), Trouble> {
        write(&self.limit_file(), "max")
    }

    /// A number in one of its files.
    ///
    /// # Errors
    /// There is none.
    pub fn read(&self, name: &str) -> Result<u64, Trouble> {
        let file = self.dir.join(name);
        let text = fs::read_to_string(&file)
            .map_err(Trouble::at(format!("reading {}", file.display())))?;
        text.trim()
            .parse()
            .map_err(|_| Trouble::Odd(format!("{} holds {text:?}", file.display())))
    }

    /// Its path as a record shows it, or the end of that: enough to know it, because the top's name is
    /// given once.
    pub fn shown(&self) -> String {
        self.path.to_string_lossy().into_owned()
    }

    /// The raw bytes in hexadecimal, where `shown` had to change them.
    pub fn hex(&self) -> Option<String> {
        let raw = self.path.as_os_str().as_bytes();
        if std::str::from_utf8(raw).is_ok() {
            return None;
        }
        Some(raw.iter().map(|b| format!("{b:02x}")).collect())
    }

    /// kernfs id.
    ///
    /// # Errors
    /// It is gone.
    pub fn id(&self) -> io::Result<u64> {
        Ok(fs::metadata(&self.dir)?.ino())
    }
}

fn write(file: &Path, text: &str) -> Result<(), Trouble> {
    fs::write(file, text).map_err(Trouble::at(format!("writing {text} to {}", file.display())))
}
