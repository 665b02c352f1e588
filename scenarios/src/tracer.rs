//! The forktrace that is tested: started, followed, ended.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use forktrace::provoke::sys::{self, Signal};
use forktrace::record::{Record, Session, Summary, write_line};

use crate::expect::Line;
use crate::machine::await_some;

/// How long forktrace may take to attach, and to end.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// A folder for what the tests write, removed on drop; any user can write.
pub(crate) struct Scratch {
    pub dir: PathBuf,
}

impl Scratch {
    pub(crate) fn new() -> Result<Self> {
        let dir = std::env::temp_dir().join(format!("forktrace-scenarios-{}", std::process::id()));
        let _ = fs::create_dir(std::env::temp_dir());
        fs::create_dir(&dir).with_context(|| format!("mkdir {}", dir.display()))?;
        fs::set_permissions(&dir, fs::Permissions::from_mode(0o1777))?;
        Ok(Self { dir })
    }

    /// A path in it where nothing is.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        let path = self.dir.join(name);
        let _ = fs::remove_file(&path);
        path
    }

    /// The binary, copied to where any user can execute it.
    pub(crate) fn binary(&self, from: &Path) -> Result<PathBuf> {
        let to = self.dir.join("forktrace");
        fs::copy(from, &to).with_context(|| format!("copy {}", from.display()))?;
        fs::set_permissions(&to, fs::Permissions::from_mode(0o755))?;
        Ok(to)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// The lines of a file that grows.
pub(crate) struct Tail {
    file: File,
    rest: Vec<u8>,
    at: u64,
}

impl Tail {
    /// `None` while there is no such file.
    pub(crate) fn open(path: &Path) -> Option<Self> {
        Some(Self {
            file: File::open(path).ok()?,
            rest: Vec::new(),
            at: 0,
        })
    }

    /// What has come since the last time.
    pub(crate) fn read(&mut self) -> Result<Vec<Line>> {
        self.file.seek(SeekFrom::Start(self.at))?;
        let n = self.file.read_to_end(&mut self.rest)?;
        self.at += n as u64;
        let mut lines = Vec::new();
        while let Some(end) = self.rest.iter().position(|b| *b == b'\n') {
            let line: Vec<u8> = self.rest.drain(..=end).collect();
            lines.push(parse(&line[..end])?);
        }
        Ok(lines)
    }

    /// Bytes after the last newline.
    pub(crate) fn torn(&self) -> usize {
        self.rest.len()
    }
}

/// One line: UTF-8, none of the characters that JSON has to escape, a record of
/// the schema with every field that is known and no other.
pub(crate) fn parse(line: &[u8]) -> Result<Line> {
    let raw = String::from_utf8(line.to_vec()).context("a record is no UTF-8")?;
    if raw.bytes().any(|b| b < 0x20) {
        bail!("a record holds a raw control character: {raw:?}");
    }
    let record: Record = serde_json::from_str(&raw).with_context(|| format!("no record: {raw}"))?;
    let mut again = Vec::new();
    write_line(&mut again, &record)?;
    if again.strip_suffix(b"\n") != Some(raw.as_bytes()) {
        bail!(
            "a record is written as {raw} and read as {}",
            String::from_utf8_lossy(&again)
        );
    }
    collect(&raw)?;
    Ok(Line { raw, record })
}

/// Appends the line to a file in the folder that FORKTRACE_RECORDINGS names, for
/// `forktrace/tests/schema.rs`. Opened for each: an [`crate::actor::Actor`]
/// has none of its parent's descriptors, and may read records too.
fn collect(line: &str) -> Result<()> {
    let Some(folder) = std::env::var_os("FORKTRACE_RECORDINGS") else {
        return Ok(());
    };
    let path = Path::new(&folder).join("lines.ndjson");
    let opened = File::options().append(true).create(true).open(&path);
    let mut file = opened.with_context(|| format!("open {}", path.display()))?;
    file.write_all(format!("{line}\n").as_bytes())?;
    Ok(())
}

/// JSON allows DEL and U+0080 to U+009F as they are, but terminals act on some
/// of them.
pub(crate) fn no_raw_controls(lines: &[Line]) -> Result<()> {
    for line in lines {
        if let Some(c) = line.raw.chars().find(|c| c.is_control()) {
            bail!("a record holds a raw {c:?}: {}", line.raw.escape_debug());
        }
    }
    Ok(())
}

/// All lines of a file.
pub(crate) fn parse_file(path: &Path) -> Result<Vec<Line>> {
    let mut tail = Tail::open(path).with_context(|| format!("no {}", path.display()))?;
    let lines = tail.read()?;
    if tail.torn() > 0 {
        bail!("{} bytes after the last line", tail.torn());
    }
    Ok(lines)
}

/// A program that runs, with its output in files.
pub(crate) struct Running {
    pub child: Child,
    pub stdout: PathBuf,
    pub stderr: PathBuf,
    ended: Option<ExitStatus>,
}

impl Running {
    /// Starts `command`; what it prints goes to files in the scratch folder.
    pub(crate) fn start(scratch: &Scratch, name: &str, command: &mut Command) -> Result<Self> {
        let stdout = scratch.path(&format!("{name}.out"));
        let stderr = scratch.path(&format!("{name}.err"));
        sys::dies_with_parent(command);
        let child = command
            .stdin(Stdio::null())
            .stdout(File::create(&stdout)?)
            .stderr(File::create(&stderr)?)
            .spawn()
            .with_context(|| format!("start {:?}", command.get_program()))?;
        Ok(Self {
            child,
            stdout,
            stderr,
            ended: None,
        })
    }

    pub(crate) fn pid(&self) -> i32 {
        self.child.id() as i32
    }

    /// Its status if it has ended.
    pub(crate) fn status(&mut self) -> Option<ExitStatus> {
        if self.ended.is_none() {
            self.ended = self.child.try_wait().ok().flatten();
        }
        self.ended
    }

    /// Waits for the end.
    pub(crate) fn wait(&mut self, patience: Duration) -> Result<ExitStatus> {
        match await_some(patience, || self.status()) {
            Some(status) => Ok(status),
            None => bail!("did not end within {} s", patience.as_secs()),
        }
    }

    /// Waits for the end and wants an exit status; anything else is an error with
    /// what it printed.
    pub(crate) fn wait_for_exit(&mut self, wanted: i32) -> Result<()> {
        let status = self.wait(PATIENCE)?;
        if status.code() == Some(wanted) {
            return Ok(());
        }
        let how = match (status.code(), status.signal()) {
            (Some(code), _) => format!("exit status {code}"),
            (_, Some(signal)) => format!("killed by signal {signal}"),
            _ => "ended".to_owned(),
        };
        bail!("{how}, wanted {wanted}; it said: {}", self.said().trim())
    }

    pub(crate) fn signal(&self, signal: Signal) {
        if self.ended.is_none() {
            sys::kill(self.pid(), signal);
        }
    }

    /// What it printed on standard error.
    pub(crate) fn said(&self) -> String {
        read_lossy(&self.stderr)
    }

    /// What it printed on standard output.
    pub(crate) fn printed(&self) -> String {
        read_lossy(&self.stdout)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.status().is_none() {
            self.signal(Signal::KILL);
            let _ = self.child.wait();
        }
    }
}

fn read_lossy(path: &Path) -> String {
    String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned()
}

/// Why there is no tracer.
pub(crate) enum NotStarted {
    /// Exit status 3: it can't run here; what it said.
    Refused(String),
    Failed(anyhow::Error),
}

/// A `forktrace record` with its recording.
pub(crate) struct Tracer {
    pub running: Running,
    pub session: Session,
    pub lines: Vec<Line>,
    tail: Tail,
}

impl Tracer {
    /// Starts `forktrace record -o FILE` with `arguments` and waits for the
    /// session line.
    pub(crate) fn record(
        scratch: &Scratch,
        binary: &Path,
        arguments: &[&str],
    ) -> std::result::Result<Self, NotStarted> {
        let file = scratch.path("x.ndjson");
        let mut command = Command::new(binary);
        command.arg("record").arg("-o").arg(&file).args(arguments);
        let running =
            Running::start(scratch, "record", &mut command).map_err(NotStarted::Failed)?;
        Self::follow(running, &file)
    }

    /// Waits for the session line of a forktrace that writes to `file`.
    pub(crate) fn follow(
        mut running: Running,
        file: &Path,
    ) -> std::result::Result<Self, NotStarted> {
        let mut tail = None;
        let found = await_some(PATIENCE, || {
            if tail.is_none() {
                tail = Tail::open(file);
            }
            if let Some(tail) = &mut tail {
                match tail.read() {
                    Ok(lines) if !lines.is_empty() => return Some(Ok(lines)),
                    Ok(_) => {}
                    Err(error) => return Some(Err(NotStarted::Failed(error))),
                }
            }
            let status = running.status()?;
            if status.code() == Some(3) {
                return Some(Err(NotStarted::Refused(running.said())));
            }
            Some(Err(NotStarted::Failed(anyhow::anyhow!(
                "forktrace ended ({status}) without a session line; it said: {}",
                running.said().trim()
            ))))
        });
        let lines = match found {
            Some(lines) => lines?,
            None => {
                return Err(NotStarted::Failed(anyhow::anyhow!(
                    "no session line in time; it said: {}",
                    running.said().trim()
                )));
            }
        };
        let Record::Session(session) = &lines[0].record else {
            return Err(NotStarted::Failed(anyhow::anyhow!(
                "the first line is no session: {}",
                lines[0].raw
            )));
        };
        let session = session.clone();
        match tail {
            Some(tail) => Ok(Self {
                running,
                session: *session,
                lines,
                tail,
            }),
            None => Err(NotStarted::Failed(anyhow::anyhow!("no recording"))),
        }
    }

    /// Reads on; answers from which line on it is new.
    pub(crate) fn read(&mut self) -> Result<usize> {
        let from = self.lines.len();
        self.lines.extend(self.tail.read()?);
        Ok(from)
    }

    /// Sends SIGTERM, waits for the end, and answers the summary.
    pub(crate) fn end(&mut self) -> Result<Summary> {
        self.end_by(Signal::TERM)
    }

    /// The same by another signal.
    pub(crate) fn end_by(&mut self, signal: Signal) -> Result<Summary> {
        self.running.signal(signal);
        self.ended()
    }

    /// Waits for an end with exit status 0 and answers the summary.
    pub(crate) fn ended(&mut self) -> Result<Summary> {
        self.running.wait_for_exit(0)?;
        self.read()?;
        if self.tail.torn() > 0 {
            bail!("{} bytes after the last line", self.tail.torn());
        }
        match self.lines.last().map(|l| &l.record) {
            Some(Record::Summary(summary)) => Ok(summary.clone()),
            _ => bail!("the last line is no summary"),
        }
    }
}

/// forktrace has one thread and no child.
pub(crate) fn only_one_task(pid: i32) -> Result<()> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task"))
        .context("forktrace is gone")?
        .count();
    ensure!(tasks == 1, "forktrace has {tasks} tasks");
    let path = format!("/proc/{pid}/task/{pid}/children");
    // Only where the kernel was built with CONFIG_PROC_CHILDREN.
    if let Ok(children) = fs::read_to_string(path) {
        ensure!(
            children.trim().is_empty(),
            "forktrace has children: {children}"
        );
    }
    Ok(())
}
