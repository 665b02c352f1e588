//! How much the kernel's verifier has had to do for a forktrace: half of its start, and with `--errno all` most of it.
//! By what the verifier counts itself, which no load of the machine changes.

use std::fs;

use anyhow::{Context, Result, ensure};
use rustix::system::uname;

/// The case's name.
pub(crate) const CASE: &str = "verified_instructions";

/// Instructions that the verifier may walk through for a session, by what is asked of it, the last that is counts: some
/// two fifths more than it does at most (68,069 and 105,314 on 7.3 by fexit, and by kprobe on 6.1 228,187, and 410,211
/// with all of it).
const MOST: [(&[&str], u64); 4] = [
    (&[], 95_000),
    (&["--seccomp"], 150_000),
    (&["--errno"], 320_000),
    (&["--seccomp", "--errno"], 570_000),
];

/// All of forktrace's programs together; `None` before Linux 5.16, which doesn't say.
pub(crate) fn check(pid: i32, options: &[&str]) -> Option<Result<()>> {
    let count = instructions(pid).transpose()?;
    Some(count.and_then(|count| within(count, options)))
}

/// Twice as many programs are verified where the kernel preempts itself wherever it may.
fn within(count: u64, options: &[&str]) -> Result<()> {
    let preempts = uname().version().to_string_lossy().contains("PREEMPT_RT");
    let (_, most) = MOST
        .into_iter()
        .rfind(|(asked, _)| asked.iter().all(|option| options.contains(option)))
        .context("no bound")?;
    let most = if preempts { 2 * most } else { most };
    ensure!(
        count <= most,
        "the verifier has walked through {count} instructions, {most} at most were expected"
    );
    Ok(())
}

/// Summed over the programs that the process holds (kernel/bpf/syscall.c `bpf_prog_show_fdinfo`).
fn instructions(pid: i32) -> Result<Option<u64>> {
    let folder = format!("/proc/{pid}/fdinfo");
    let mut sum = None;
    for entry in fs::read_dir(&folder).context(folder)? {
        // A descriptor that is closed meanwhile is no program's.
        let text = fs::read_to_string(entry?.path()).unwrap_or_default();
        let count = text
            .lines()
            .find_map(|line| line.strip_prefix("verified_insns:"));
        if let Some(count) = count {
            *sum.get_or_insert(0) += count.trim().parse::<u64>()?;
        }
    }
    Ok(sum)
}
