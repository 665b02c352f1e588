//! A session of forktrace's over one cgroup.

use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// The tracer while it runs.
pub(super) struct Traced {
    child: Child,
    lines: PathBuf,
}

/// Refusals of one kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refused {
    pub seq: u64,
    /// Which of the catalogue's programs it was.
    pub program: Option<String>,
    pub comm: String,
    pub operation: String,
    pub call: String,
    pub errno: String,
    pub count: u64,
}

impl Traced {
    /// Returns when it is attached.
    pub(super) fn start(forktrace: &Path, cgroup: &str, lines: PathBuf) -> Result<Self> {
        let out = File::create(&lines).with_context(|| format!("creating {}", lines.display()))?;
        let child = Command::new(forktrace)
            .args(["live", "--format", "json", "--cgroup", cgroup])
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(Stdio::inherit())
            .spawn()
            .context("starting forktrace")?;
        let mut traced = Self { child, lines };
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(30) {
            if fs::read_to_string(&traced.lines)?.contains('\n') {
                return Ok(traced);
            }
            if let Some(status) = traced.child.try_wait()? {
                bail!("forktrace ended: {status}");
            }
            sleep(Duration::from_millis(20));
        }
        bail!("forktrace was not attached in 30 s")
    }

    /// Everything that was refused.
    pub(super) fn stop(mut self) -> Result<Vec<Refused>> {
        let pid = i32::try_from(self.child.id())?;
        // SAFETY: kill has no preconditions; the child has not been waited for.
        unsafe { libc::kill(pid, libc::SIGINT) };
        let begun = Instant::now();
        while self.child.try_wait()?.is_none() {
            if begun.elapsed() > Duration::from_secs(20) {
                bail!("forktrace did not end");
            }
            sleep(Duration::from_millis(20));
        }
        read(&fs::read_to_string(&self.lines)?)
    }
}

impl Drop for Traced {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_file(&self.lines);
    }
}

/// Failures, and the repeats that count like them.
fn read(lines: &str) -> Result<Vec<Refused>> {
    let mut all: Vec<Refused> = Vec::new();
    for line in lines.lines() {
        let record: Value = serde_json::from_str(line).context("reading forktrace's records")?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        match record["type"].as_str() {
            Some("failure") => all.push(Refused {
                seq: record["seq"].as_u64().unwrap_or_default(),
                program: record["caller"]["program"].as_str().map(str::to_owned),
                comm: text(&record["caller"]["comm"]),
                operation: text(&record["operation"]),
                call: text(&record["syscall"]),
                errno: text(&record["errno"]),
                count: 1,
            }),
            Some("repeat") => {
                let of = record["of"].as_u64();
                if let Some(first) = all.iter_mut().find(|one| Some(one.seq) == of) {
                    first.count += record["count"].as_u64().unwrap_or_default();
                }
            }
            _ => {}
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    #[test]
    fn repeats_count() {
        let lines = concat!(
            r#"{"type":"session"}"#,
            "\n",
            r#"{"type":"failure","seq":1,"caller":{"comm":"a","program":"bash"},"operation":"process","syscall":"clone","errno":"EAGAIN"}"#,
            "\n",
            r#"{"type":"repeat","of":1,"count":4}"#,
            "\n"
        );
        let all = super::read(lines).unwrap();
        assert_eq!((all.len(), all[0].count), (1, 5));
        assert_eq!(all[0].program.as_deref(), Some("bash"));
    }
}
