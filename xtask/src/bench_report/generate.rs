//! A recording like one of weeks on a busy host, the same in every run.

use anyhow::{Context, Result};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

/// One in so many failures is repeated.
const REPEATED: u64 = 25;

/// Numbers that look random (xorshift64*).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % sides
    }
}

/// A cause, how often in a hundred, its errno, and whether it is a cgroup's.
const CAUSES: [(&str, u64, &str, Limit); 5] = [
    (
        "cgroup_pids_max",
        62,
        "EAGAIN",
        Limit::Cgroup("pids.max", "tasks"),
    ),
    ("rlimit_nproc", 20, "EAGAIN", Limit::User),
    (
        "cgroup_memory_max",
        12,
        "ENOMEM",
        Limit::Cgroup("memory.max", "bytes"),
    ),
    (
        "overcommit",
        4,
        "ENOMEM",
        Limit::Host("vm.overcommit_memory", "bytes"),
    ),
    ("pid_max", 2, "EAGAIN", Limit::Host("kernel.pid_max", "ids")),
];

enum Limit {
    Cgroup(&'static str, &'static str),
    User,
    Host(&'static str, &'static str),
}

const PROGRAMS: [&str; 12] = [
    "postgres",
    "java",
    "nginx",
    "node",
    "php-fpm",
    "python3",
    "cc1plus",
    "sshd",
    "cron",
    "redis-server",
    "bash",
    "ruby",
];

/// Writes `failures` failures, with the repeats of some.
pub(super) fn write(path: &Path, failures: u64) -> Result<()> {
    let file = File::create(path).with_context(|| format!("creating {}", path.display()))?;
    let mut out = BufWriter::with_capacity(1 << 20, file);
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    // 2026-11-01T00:00:00Z, in milliseconds since.
    let mut at = 0;
    writeln!(
        out,
        r#"{{"type":"session","schema":1,"version":"0.1.0","started":"{}","host":"web1","boot_id":"5c2e0e30-7a5c-4e7b-9e0f-2f3e0d6a1b11","kernel":"6.12.43","attach":"fexit","probes":[{{"target":"copy_process","style":"fexit"}}],"absent":[],"filters":{{}},"limits":{{"pid_max":4194304,"threads_max":255812,"threads":812,"overcommit_memory":0,"commit_limit":8589934592,"committed":4294967296}}}}"#,
        time(0)
    )?;
    let mut repeats = 0;
    for seq in 1..=failures {
        // Storms, and hours of little between them.
        at += if dice.roll(2000) == 0 {
            dice.roll(7_200_000)
        } else {
            dice.roll(60)
        };
        failure(&mut out, &mut dice, seq, at)?;
        if seq % REPEATED == 0 {
            let count = 1 + dice.roll(500);
            repeats += count;
            writeln!(
                out,
                r#"{{"type":"repeat","of":{seq},"count":{count},"first":"{}","last":"{}"}}"#,
                time(at),
                time(at + 900)
            )?;
        }
    }
    writeln!(
        out,
        r#"{{"type":"summary","ended":"{}","failures":{},"causes":{{}},"lost":0,"killed":0,"skipped":0}}"#,
        time(at + 1000),
        failures + repeats
    )?;
    out.flush()
        .with_context(|| format!("writing {}", path.display()))
}

fn failure(out: &mut impl Write, dice: &mut Dice, seq: u64, at: u64) -> Result<()> {
    let mut share = dice.roll(100);
    let (cause, _, errno, limit) = CAUSES
        .iter()
        .find(|(_, often, ..)| {
            let found = share < *often;
            share = share.saturating_sub(*often);
            found
        })
        .context("the shares add up to 100")?;
    let program = PROGRAMS[dice.roll(PROGRAMS.len() as u64) as usize];
    let unit = format!("{program}-{}.service", dice.roll(40));
    let pid = 1000 + dice.roll(4_000_000);
    let uid = 100 + dice.roll(60);
    let thread = dice.roll(3) == 0;
    let tid = if thread { pid + 7 } else { pid };
    let (name, scope, value, of, file) = match limit {
        Limit::Cgroup(name, of) => {
            let scope = format!("/system.slice/{unit}");
            let file = format!("\"/sys/fs/cgroup{scope}/{name}\"");
            let value = if *of == "bytes" {
                512 << 20
            } else {
                100 + dice.roll(5) * 100
            };
            (*name, scope, value, *of, file)
        }
        Limit::User => (
            "RLIMIT_NPROC",
            format!("uid {uid}"),
            4096,
            "tasks",
            "null".to_owned(),
        ),
        Limit::Host(name, of) => {
            let file = format!("\"/proc/sys/{}\"", name.replace('.', "/"));
            (*name, "host".to_owned(), 32768, *of, file)
        }
    };
    let usage = value - dice.roll(3);
    let what = if thread { "thread" } else { "process" };
    let time = time(at);
    let used = dice.roll(90_000);
    writeln!(
        out,
        concat!(
            r#"{{"type":"failure","seq":{seq},"time":"{time}","operation":"{what}","syscall":"clone","errno":"{errno}","#,
            r#""caller":{{"pid":{pid},"tid":{tid},"ppid":1,"comm":"{program}","uid":{uid},"euid":{uid},"user":"svc-{uid}","exe":"/usr/lib/{program}/bin/{program}"}},"#,
            r#""cgroup":{{"path":"/system.slice/{unit}","id":{id},"unit":"{unit}","container":null,"pod":null}},"#,
            r#""cause":"{cause}","certainty":"observed","#,
            r#""limit":{{"name":"{name}","scope":"{scope}","value":{value},"usage":{usage},"requested":1,"unit":"{of}","file":{file}}},"#,
            r#""candidates":[{{"name":"RLIMIT_NPROC","scope":"uid {uid}","value":96000,"usage":{used},"requested":1,"unit":"tasks"}},"#,
            r#"{{"name":"kernel.threads-max","scope":"host","value":255812,"usage":{used},"requested":1,"unit":"tasks","file":"/proc/sys/kernel/threads-max"}},"#,
            r#"{{"name":"kernel.pid_max","scope":"host","value":4194304,"usage":{used},"requested":1,"unit":"ids","usable":4194004,"file":"/proc/sys/kernel/pid_max"}},"#,
            r#"{{"name":"pids.max","scope":"/system.slice","value":28000,"usage":{used},"requested":1,"unit":"tasks","file":"/sys/fs/cgroup/system.slice/pids.max"}}],"#,
            r#""holders":[],"summary":"{program} (pid {pid}) could not create a {what}: {scope} has {usage} of {value} {of} that its {name} allows","#,
            r#""fix":[{{"now":"systemctl set-property --runtime {unit} TasksMax=1500","persistent":"systemctl edit {unit}, and there: [Service] TasksMax=1500","note":"it counts threads as well as processes, in the whole subtree"}}]}}"#,
        ),
        seq = seq,
        time = time,
        what = what,
        errno = errno,
        pid = pid,
        tid = tid,
        program = program,
        uid = uid,
        unit = unit,
        id = 4000 + uid,
        cause = cause,
        name = name,
        scope = scope,
        value = value,
        usage = usage,
        of = of,
        file = file,
        used = used,
    )?;
    Ok(())
}

/// RFC 3339 of so many milliseconds after the first of November 2026; the days
/// of the months are not needed beyond ten of them.
fn time(ms: u64) -> String {
    const MONTHS: [(&str, u64); 10] = [
        ("2026-11", 30),
        ("2026-12", 31),
        ("2027-01", 31),
        ("2027-02", 28),
        ("2027-03", 31),
        ("2027-04", 30),
        ("2027-05", 31),
        ("2027-06", 30),
        ("2027-07", 31),
        ("2027-08", 31),
    ];
    let mut day = ms / 86_400_000;
    let mut month = MONTHS[0].0;
    for (name, days) in MONTHS {
        month = name;
        if day < days {
            break;
        }
        day -= days;
    }
    let second = ms / 1000 % 86_400;
    format!(
        "{month}-{:02}T{:02}:{:02}:{:02}.{:03}456789Z",
        day.min(27) + 1,
        second / 3600,
        second / 60 % 60,
        second % 60,
        ms % 1000
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_json_and_each_run_writes_the_same() {
        let folder = std::env::temp_dir();
        let paths = [1, 2].map(|n| folder.join(format!("bench-report-{}-{n}", std::process::id())));
        for path in &paths {
            write(path, 1000).unwrap();
        }
        let [one, two] = paths
            .each_ref()
            .map(|path| std::fs::read_to_string(path).unwrap());
        for path in &paths {
            std::fs::remove_file(path).unwrap();
        }
        assert_eq!(one, two);
        let mut failures = 0;
        let mut bytes = 0;
        for line in one.lines() {
            let record: serde_json::Value = serde_json::from_str(line).unwrap();
            if record["type"] == "failure" {
                failures += 1;
                bytes += line.len();
            }
        }
        assert_eq!(failures, 1000);
        assert!(
            (1300..1700).contains(&(bytes / failures)),
            "{}",
            bytes / failures
        );
        assert_eq!(
            time(30 * 86_400_000 + 3_723_004),
            "2026-12-01T01:02:03.004456789Z"
        );
    }
}
