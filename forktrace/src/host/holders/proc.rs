//! Reads processes from a folder like /proc: one file open at a time, one
//! buffer, and no error for what has vanished meanwhile.
//!
//! Not by the procfs crate: it makes a map of all lines of a `status` file and
//! some twenty values of each, and here 30,000 of them are read while a host is
//! in trouble.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Longest part of a file that is read. A `status` file has about 1.5 KiB, and
/// more where a process has hundreds of groups.
const BUFFER: usize = 32 << 10;

/// What /proc/PID/status says of a process, or of a thread.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Process {
    /// Id of the process (thread group).
    pub pid: u32,
    /// Its parent's.
    pub ppid: u32,
    /// Name of the thread; of a process, of its first one. Bytes that are no
    /// UTF-8 become U+FFFD.
    pub comm: String,
    /// Real uid, as this process's user namespace numbers it.
    pub uid: u32,
    /// This thread has ended.
    pub ended: bool,
    /// Threads of the process, one that has ended and leads the others included.
    pub threads: u64,
    /// One of the kernel's own threads: kthreadd or a child of it (kernel/kthread.c), in the initial
    /// pid namespace.
    pub kernel: bool,
    /// Resident anonymous and shared memory (RssAnon and RssShmem), in bytes.
    pub resident: u64,
    /// Private writable address space and stack (VmData and VmStk), in bytes.
    pub private: u64,
}

impl Process {
    /// Has ended, all of it, and waits for its parent to ask how. (A first
    /// thread that has ended stays until the others have, and is none.)
    pub fn is_zombie(&self) -> bool {
        self.ended && self.threads <= 1
    }
}

/// The folder, and what reading from it needs.
pub(super) struct Proc {
    root: PathBuf,
    path: String,
    buffer: Vec<u8>,
    until: Option<Instant>,
    living: Option<u32>,
}

impl Proc {
    /// A folder that looks like /proc.
    pub(super) fn new(root: PathBuf) -> Self {
        Self {
            root,
            path: String::new(),
            buffer: vec![0; BUFFER],
            until: None,
            living: None,
        }
    }

    /// This process lived when the limit refused, however it is found now; `None`: that is known of
    /// none.
    pub(super) fn has_lived(&mut self, pid: Option<u32>) {
        self.living = pid;
    }

    /// That process.
    pub(super) fn living(&self) -> Option<u32> {
        self.living
    }

    /// Sets the time at which to give up; `None`: never.
    pub(super) fn give_up_at(&mut self, until: Option<Instant>) {
        self.until = until;
    }

    /// Whether that time has come.
    pub(super) fn is_late(&self) -> bool {
        self.until.is_some_and(|until| Instant::now() >= until)
    }

    /// Ids of all processes; `None` when the folder can't be read.
    pub(super) fn pids(&self) -> Option<impl Iterator<Item = u32> + use<>> {
        Some(numbers(fs::read_dir(&self.root).ok()?))
    }

    /// Ids of a process's threads; none when it is gone.
    pub(super) fn threads(&self, pid: u32) -> impl Iterator<Item = u32> + use<> {
        let path = self.root.join(pid.to_string()).join("task");
        fs::read_dir(path).into_iter().flat_map(numbers)
    }

    /// The process or thread with this id; `None` when it is gone.
    pub(super) fn status(&mut self, id: u32) -> Option<Process> {
        parse_status(self.content(id, "status")?)
    }

    /// The title of a process: its command line up to the first NUL. Empty for
    /// zombies and kernel threads. This can wait for the process's memory map,
    /// so it is asked for where a title is known to say something only.
    pub(super) fn title(&mut self, pid: u32) -> Option<Vec<u8>> {
        let text = self.content(pid, "cmdline")?;
        let end = memchr::memchr(0, text).unwrap_or(text.len());
        Some(text[..end].to_vec())
    }

    /// /proc/PID/cgroup: one line for each hierarchy.
    pub(super) fn cgroups(&mut self, pid: u32) -> Option<&[u8]> {
        self.content(pid, "cgroup")
    }

    /// Inode number of a namespace of the process: `kind` is `user` or `pid`.
    pub(super) fn namespace(&mut self, pid: u32, kind: &str) -> Option<u32> {
        let link = fs::read_link(self.namespace_file(pid, kind)).ok()?;
        let text = link.to_str()?;
        let inside = text.strip_prefix(kind)?.strip_prefix(":[")?;
        inside.strip_suffix(']')?.parse().ok()
    }

    /// The file of a namespace of the process.
    pub(super) fn namespace_file(&mut self, pid: u32, kind: &str) -> &Path {
        self.path.clear();
        // Writing to a String can't fail.
        let _ = write!(self.path, "{}/{pid}/ns/{kind}", self.root.display());
        Path::new(&self.path)
    }

    fn content(&mut self, id: u32, name: &str) -> Option<&[u8]> {
        self.path.clear();
        let _ = write!(self.path, "{}/{id}/{name}", self.root.display());
        let mut file = File::open(&self.path).ok()?;
        let mut filled = 0;
        loop {
            match file.read(self.buffer.get_mut(filled..)?) {
                Ok(0) => break,
                Ok(n) => filled += n,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // ESRCH: it ended between open and read.
                Err(_) => return None,
            }
        }
        self.buffer.get(..filled)
    }
}

fn numbers(entries: fs::ReadDir) -> impl Iterator<Item = u32> {
    entries
        .flatten()
        .filter_map(|entry| number(entry.file_name().as_bytes()))
}

/// A decimal number alone.
pub(super) fn number(digits: &[u8]) -> Option<u32> {
    // `parse` would take a sign.
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// fs/proc/array.c `proc_pid_status`. `None` without the lines that every task
/// has; memory is 0 for tasks without any.
pub fn parse_status(text: &[u8]) -> Option<Process> {
    let mut process = Process::default();
    let (mut tgid, mut state, mut uid) = (None, None, None);
    for line in text.split(|&b| b == b'\n') {
        let Some(colon) = memchr::memchr(b':', line) else {
            continue;
        };
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii_start());
        let kib = || {
            let digits = value.strip_suffix(b" kB")?.trim_ascii();
            let kib: u64 = std::str::from_utf8(digits).ok()?.parse().ok()?;
            kib.checked_mul(1 << 10)
        };
        match name {
            // A name can begin with spaces, which a tab divides from the colon.
            b"Name" => process.comm = comm(line[colon + 1..].strip_prefix(b"\t")?),
            b"State" => state = value.first().copied(),
            b"Tgid" => tgid = number(value),
            b"PPid" => process.ppid = number(value)?,
            b"Uid" => uid = number(value.split(u8::is_ascii_whitespace).next()?),
            b"RssAnon" | b"RssShmem" => {
                process.resident = process.resident.saturating_add(kib().unwrap_or(0));
            }
            b"VmData" | b"VmStk" => {
                process.private = process.private.saturating_add(kib().unwrap_or(0));
            }
            b"Threads" => {
                process.threads = number(value)?.into();
                // The rest is about signals and CPUs.
                break;
            }
            _ => {}
        }
    }
    process.pid = tgid?;
    process.uid = uid?;
    process.kernel = process.pid == 2 || process.ppid == 2;
    // Z: ended. X: being taken away this instant.
    process.ended = matches!(state?, b'Z' | b'X');
    Some(process)
}

/// The kernel writes a newline as `\n` and a backslash as `\\` here
/// (fs/proc/array.c `proc_task_name`), and nothing else otherwise than it is.
fn comm(escaped: &[u8]) -> String {
    let mut raw = Vec::with_capacity(escaped.len());
    let mut rest = escaped;
    while let Some((&byte, after)) = rest.split_first() {
        let (plain, used) = match (byte, after.first()) {
            (b'\\', Some(b'n')) => (b'\n', 2),
            (b'\\', Some(b'\\')) => (b'\\', 2),
            _ => (byte, 1),
        };
        raw.push(plain);
        rest = &rest[used..];
    }
    String::from_utf8_lossy(&raw).into_owned()
}

/// The cgroup that a line of /proc/PID/cgroup names, without the mark of one
/// that has been removed.
pub(super) fn cgroup_path(path: &[u8]) -> &Path {
    let path = path.strip_suffix(b" (deleted)").unwrap_or(path);
    Path::new(OsStr::from_bytes(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_file() {
        let text = b"Name:\tpo\\nst\\\\g\xff\nUmask:\t0022\nState:\tS (sleeping)\nTgid:\t812\n\
            Ngid:\t0\nPid:\t813\nPPid:\t1\nTracerPid:\t0\nUid:\t112\t0\t0\t0\nGroups:\t4 5 \n\
            VmPeak:\t  9 kB\nRssAnon:\t     100 kB\nRssFile:\t 7 kB\nRssShmem:\t      24 kB\n\
            VmData:\t     1000 kB\nVmStk:\t     132 kB\nThreads:\t3\nSigQ:\t0/1\n";
        let expected = Process {
            pid: 812,
            ppid: 1,
            comm: "po\nst\\g\u{fffd}".to_owned(),
            uid: 112,
            ended: false,
            threads: 3,
            kernel: false,
            resident: 124 << 10,
            private: 1132 << 10,
        };
        assert_eq!(parse_status(text), Some(expected));
    }

    #[test]
    fn zombies_and_first_threads_that_have_ended() {
        let of = |state: &str, threads: u64| {
            let text = format!(
                "Name:\t a\nState:\t{state}\nTgid:\t5\nPPid:\t2\nUid:\t0\t0\nThreads:\t{threads}\n"
            );
            parse_status(text.as_bytes()).unwrap()
        };
        assert!(of("Z (zombie)", 1).is_zombie());
        assert!(of("Z (zombie)", 0).is_zombie());
        assert!(!of("Z (zombie)", 2).is_zombie());
        assert!(!of("S (sleeping)", 1).is_zombie());
        assert_eq!(of("S (sleeping)", 1).comm, " a");
        assert!(of("I (idle)", 1).kernel);
    }

    #[test]
    fn what_is_no_status_file() {
        for text in [
            &b""[..],
            b"\n\n",
            b"Name:\ta\n",
            b"Tgid:\t-1\nUid:\t0\nState:\tS\n",
            b"Name:a\nTgid:\t1\nUid:\t0\nState:\tS\n",
            b"Tgid:\t1\nUid:\t0\nState:\t\n",
            b"Tgid:\t1\nUid:\t\nState:\tS\n",
            b"\xff:\n",
        ] {
            assert_eq!(parse_status(text), None, "{text:?}");
        }
    }

    #[test]
    fn this_process() {
        let mut proc = Proc::new(PathBuf::from("/proc"));
        let own = std::process::id();
        assert!(proc.pids().unwrap().any(|pid| pid == own));
        let status = proc.status(own).unwrap();
        assert_eq!(status.pid, own);
        assert!(status.threads >= 1 && status.resident > 0 && status.private > 0);
        assert!(proc.threads(own).any(|tid| tid == own));
        assert!(proc.namespace(own, "user").is_some());
        assert!(!proc.title(own).unwrap().is_empty());
        assert!(!proc.cgroups(own).unwrap().is_empty());
        assert_eq!(proc.status(u32::MAX), None);
        assert_eq!(proc.threads(u32::MAX).count(), 0);
    }

    #[test]
    fn removed_cgroups() {
        assert_eq!(cgroup_path(b"/a/b (deleted)"), Path::new("/a/b"));
        assert_eq!(cgroup_path(b"/a/b"), Path::new("/a/b"));
    }
}
