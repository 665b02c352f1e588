//! Puts back what the selftest changes, however it ends.
//!
//! A guard restores each change when it is dropped. For the end that no guard
//! sees (SIGKILL), a child keeps a list of what has to be put back: it is told
//! before a change and after its restoration, over a pipe, and when the pipe
//! ends it restores what is still on the list. It has a session of its own, so
//! that Ctrl-C and what kills a process group pass it by.

use std::{
    cell::RefCell,
    fs, io,
    io::{Read as _, Write as _},
    os::fd::{AsRawFd as _, OwnedFd},
    path::{Path, PathBuf},
    rc::Rc,
    time::{Duration, Instant},
};

use super::{interrupt, remove::remove, sys, trouble::Trouble};

/// Asks the child to remember a file's content, or a folder.
const FILE: u8 = b'W';
const FOLDER: u8 = b'D';
/// The change has been undone.
const DONE: u8 = b'C';
/// The child's answer.
const HEARD: u8 = b'a';

/// How long a task that was killed may stay in a cgroup.
const PATIENCE: Duration = Duration::from_secs(10);

/// The list, and the child that has a copy of it.
#[derive(Clone)]
pub struct Undo(Rc<RefCell<Keeper>>);

struct Keeper {
    pid: i32,
    to: Option<fs::File>,
    from: OwnedFd,
    next: u32,
    /// What could not be put back.
    left: Vec<String>,
}

impl Undo {
    /// Starts the child. To be called before anything is changed, and while
    /// this process has one thread.
    pub fn start() -> Result<Self, Trouble> {
        let (their_in, to) = sys::pipe()?;
        let (from, their_out) = sys::pipe()?;
        // SAFETY: one thread; the child goes on in `keep` only.
        let pid = unsafe { libc::fork() };
        sys::check(pid, "starting the process that restores settings")?;
        if pid == 0 {
            keep(their_in, their_out);
        }
        Ok(Self(Rc::new(RefCell::new(Keeper {
            pid,
            to: Some(fs::File::from(to)),
            from,
            next: 0,
            left: Vec::new(),
        }))))
    }

    /// What could not be put back, one sentence each.
    pub fn left(&self) -> Vec<String> {
        self.0.borrow().left.clone()
    }

    /// Before a folder is made.
    pub fn folder(&self, path: &Path) -> Result<u32, Trouble> {
        self.0.borrow_mut().ask(FOLDER, path, "")
    }

    fn file(&self, path: &Path, content: &str) -> Result<u32, Trouble> {
        self.0.borrow_mut().ask(FILE, path, content)
    }

    /// After it was put back. A child that is gone is no trouble any more.
    pub fn done(&self, id: u32) {
        let _ = self.0.borrow_mut().send(DONE, id, b"", b"");
    }

    /// Remembers what could not be put back; the child tries again at the end.
    pub fn failed(&self, sentence: String) {
        self.0.borrow_mut().left.push(sentence);
    }
}

impl Keeper {
    fn ask(&mut self, kind: u8, path: &Path, content: &str) -> Result<u32, Trouble> {
        let doing = "asking the process that restores settings to remember one";
        self.next += 1;
        let id = self.next;
        self.send(
            kind,
            id,
            path.as_os_str().as_encoded_bytes(),
            content.as_bytes(),
        )
        .map_err(Trouble::at(doing))?;
        let end = Instant::now() + PATIENCE;
        // Not broken off by a signal: the answer would be taken for the next.
        while !sys::readable(&self.from, 50) {
            if Instant::now() >= end {
                return Err(Trouble::Odd(format!("{doing}: it did not answer")));
            }
        }
        let mut answer = 0u8;
        // SAFETY: one live byte.
        let n = unsafe { libc::read(self.from.as_raw_fd(), (&raw mut answer).cast(), 1) };
        if n != 1 || answer != HEARD {
            return Err(Trouble::Odd(format!("{doing}: it is gone")));
        }
        Ok(id)
    }

    fn send(&mut self, kind: u8, id: u32, path: &[u8], content: &[u8]) -> io::Result<()> {
        let mut message = vec![kind];
        message.extend(id.to_le_bytes());
        for part in [path, content] {
            let length = u16::try_from(part.len()).map_err(io::Error::other)?;
            message.extend(length.to_le_bytes());
        }
        message.extend(path);
        message.extend(content);
        // One write: shorter than PIPE_BUF, so whole or not at all.
        match &mut self.to {
            Some(pipe) => pipe.write_all(&message),
            None => Ok(()),
        }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        // The pipe's end is the word to restore the rest and end.
        self.to = None;
        sys::reap(self.pid);
    }
}

enum Change {
    File(PathBuf, Vec<u8>),
    Folder(PathBuf),
}

/// The child: remembers until the pipe ends, restores, ends.
fn keep(their_in: OwnedFd, their_out: OwnedFd) -> ! {
    // Moved to the lowest numbers after the standard ones; the rest is closed,
    // above all the other end of the pipe.
    // SAFETY: descriptors that only this child has from now on.
    unsafe {
        libc::setsid();
        let a = libc::fcntl(their_in.as_raw_fd(), libc::F_DUPFD, 100);
        let b = libc::fcntl(their_out.as_raw_fd(), libc::F_DUPFD, 100);
        libc::dup2(a, 3);
        libc::dup2(b, 4);
    }
    std::mem::forget((their_in, their_out));
    sys::close_from(5);
    interrupt::ignore_in_child();
    sys::set_comm("forktrace-undo");
    // Whoever reads the selftest's output must not wait for this process.
    // SAFETY: standard input and output are not used here.
    unsafe {
        libc::close(0);
        libc::close(1);
    }
    // SAFETY: the descriptors were put there above.
    let (mut pipe, answers) = unsafe {
        use std::os::fd::FromRawFd as _;
        (fs::File::from_raw_fd(3), fs::File::from_raw_fd(4))
    };
    let mut list: Vec<(u32, Change)> = Vec::new();
    while let Ok((kind, id, path, content)) = receive(&mut pipe) {
        let path = {
            use std::os::unix::ffi::OsStringExt as _;
            PathBuf::from(std::ffi::OsString::from_vec(path))
        };
        match kind {
            FILE => list.push((id, Change::File(path, content))),
            FOLDER => list.push((id, Change::Folder(path))),
            _ => {
                list.retain(|(other, _)| *other != id);
                continue;
            }
        }
        if (&answers).write_all(&[HEARD]).is_err() {
            break;
        }
    }
    // The last change first.
    for (_, change) in list.iter().rev() {
        let undone = match change {
            Change::File(path, content) => fs::write(path, content),
            Change::Folder(path) => remove(path, PATIENCE),
        };
        if let (Err(error), Change::File(path, _) | Change::Folder(path)) = (undone, change) {
            let mut message = format!("forktrace selftest: restoring {}: {error}", path.display());
            if let Change::File(_, content) = change {
                message.push_str(&format!(
                    "; write {} to it",
                    String::from_utf8_lossy(content)
                ));
            }
            eprintln!("{message}");
        }
    }
    sys::exit(0)
}

fn receive(pipe: &mut fs::File) -> io::Result<(u8, u32, Vec<u8>, Vec<u8>)> {
    let mut head = [0u8; 9];
    pipe.read_exact(&mut head)?;
    let id = u32::from_le_bytes([head[1], head[2], head[3], head[4]]);
    let mut path = vec![0; usize::from(u16::from_le_bytes([head[5], head[6]]))];
    let mut content = vec![0; usize::from(u16::from_le_bytes([head[7], head[8]]))];
    pipe.read_exact(&mut path)?;
    pipe.read_exact(&mut content)?;
    Ok((head[0], id, path, content))
}

/// A setting of the host (a file below /proc/sys) that gets its value back.
pub struct Setting {
    undo: Undo,
    id: u32,
    path: PathBuf,
    before: String,
}

impl Setting {
    /// Remembers the value of `name`, a path below /proc/sys, here and in the
    /// child. Nothing is changed yet.
    pub fn keep(undo: &Undo, name: &str) -> Result<Self, Trouble> {
        let path = Path::new("/proc/sys").join(name);
        let before = fs::read_to_string(&path)
            .map_err(Trouble::at(format!("reading {}", path.display())))?
            .trim()
            .to_owned();
        let id = undo.file(&path, &before)?;
        Ok(Self {
            undo: undo.clone(),
            id,
            path,
            before,
        })
    }

    /// Sets another. A host that doesn't allow that at all (a container's
    /// read-only /proc/sys) is a reason to leave the provocation out.
    pub fn change(&self, value: u64) -> Result<(), Trouble> {
        write(&self.path, value)
    }

    /// Sets another file, which changes this one too: writing this one's value
    /// back restores both.
    pub fn change_other(&self, name: &str, value: u64) -> Result<(), Trouble> {
        write(&Path::new("/proc/sys").join(name), value)
    }
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
