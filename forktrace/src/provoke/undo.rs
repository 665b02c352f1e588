//! Puts back what is changed on a host, however this process ends.
//!
//! A guard ([`Setting`](super::setting::Setting), [`Tree`](super::cgroup::Tree)) restores each change
//! when it is dropped. For the end that no guard sees (SIGKILL), a child keeps a list of what has to be
//! put back: each change is announced to it before, and its restoration after, over a pipe, and when
//! the pipe ends it restores what is still on the list. It has a session of its own, so
//! that Ctrl-C and what kills a process group pass it by. A test machine, whose settings nobody needs
//! afterwards, goes without the child.

use std::{
    cell::RefCell,
    fs, io,
    io::{Read as _, Write as _},
    os::{fd::OwnedFd, unix::ffi::OsStringExt as _},
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

/// How long the child may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// The list, and the child that has a copy of it.
#[derive(Clone)]
pub struct Undo(Option<Rc<RefCell<Keeper>>>);

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
    ///
    /// # Errors
    /// There could be none.
    pub fn start() -> Result<Self, Trouble> {
        let (their_in, to) = sys::pipe()?;
        let (from, their_out) = sys::pipe()?;
        let Some(pid) = sys::fork("starting the process that restores settings")? else {
            keep([their_in, their_out])
        };
        Ok(Self(Some(Rc::new(RefCell::new(Keeper {
            pid,
            to: Some(fs::File::from(to)),
            from,
            next: 0,
            left: Vec::new(),
        })))))
    }

    /// Without a child: what no guard restores stays, and what one couldn't is said on standard error.
    pub fn by_guards_alone() -> Self {
        Self(None)
    }

    /// What could not be put back, one sentence each.
    pub fn left(&self) -> Vec<String> {
        let left = |keeper: &Rc<RefCell<Keeper>>| keeper.borrow().left.clone();
        self.0.as_ref().map(left).unwrap_or_default()
    }

    /// Before a folder is made.
    ///
    /// # Errors
    /// The child doesn't answer.
    pub fn folder(&self, path: &Path) -> Result<u32, Trouble> {
        self.ask(FOLDER, path, "")
    }

    /// Before a file is written to.
    ///
    /// # Errors
    /// The child doesn't answer.
    pub fn file(&self, path: &Path, content: &str) -> Result<u32, Trouble> {
        self.ask(FILE, path, content)
    }

    fn ask(&self, kind: u8, path: &Path, content: &str) -> Result<u32, Trouble> {
        match &self.0 {
            Some(keeper) => keeper.borrow_mut().ask(kind, path, content),
            None => Ok(0),
        }
    }

    /// After it was put back. A child that is gone is no trouble any more.
    pub fn done(&self, id: u32) {
        if let Some(keeper) = &self.0 {
            let _ = keeper.borrow_mut().send(DONE, id, b"", b"");
        }
    }

    /// Remembers what could not be put back; the child tries again at the end.
    pub fn failed(&self, sentence: String) {
        match &self.0 {
            Some(keeper) => keeper.borrow_mut().left.push(sentence),
            None => eprintln!("{sentence}"),
        }
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
        while !sys::readable(&self.from, Duration::from_millis(50)) {
            if Instant::now() >= end {
                return Err(Trouble::Odd(format!("{doing}: it did not answer")));
            }
        }
        let mut answer = [0u8];
        if rustix::io::read(&self.from, &mut answer) != Ok(1) || answer != [HEARD] {
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
fn keep(pipes: [OwnedFd; 2]) -> ! {
    let _ = rustix::process::setsid();
    // Above all not the other end of the pipe.
    let [mut pipe, answers] = sys::keep_only(pipes).map(fs::File::from);
    interrupt::ignore_in_child();
    sys::set_comm("forktrace-undo");
    sys::leave_input_and_output();
    let mut list: Vec<(u32, Change)> = Vec::new();
    while let Ok((kind, id, path, content)) = receive(&mut pipe) {
        let path = PathBuf::from(std::ffi::OsString::from_vec(path));
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
            Change::Folder(path) => remove(path),
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
