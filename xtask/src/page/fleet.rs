//! A recording of many hosts over five days, made up: the same user's limit on all of them, units, containers,
//! and what is odd on one.

use anyhow::Result;
use serde_json::{Value, json};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

const BEGIN: u64 = 1_763_683_200;
const DAYS: u64 = 5;

/// xorshift.
struct Random(u64);

impl Random {
    fn below(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % below
    }
}

pub(super) fn write(path: &Path, hosts: u64, failures: u64) -> Result<()> {
    let mut out = BufWriter::new(File::create(path)?);
    let mut random = Random(88_172_645_463_325_252);
    for host in 0..hosts {
        let name = format!("db-{host}.example.net");
        let session = json!({"type": "session", "schema": 1, "version": "0.1.0", "started": time(BEGIN * 1000),
            "host": name, "boot_id": format!("boot-{host}"), "kernel": "6.12.1", "attach": "fexit", "probes": [],
            "absent": [], "filters": {}, "limits": {}});
        line(&mut out, &session)?;
        let own = failures / hosts + u64::from(host < failures % hosts);
        for seq in 1..=own {
            let at = BEGIN * 1000 + seq * DAYS * 86_400_000 / (own + 1);
            // A night in which most of it happens.
            let at = if random.below(3) > 0 {
                BEGIN * 1000 + 150_000_000 + random.below(9_000_000)
            } else {
                at
            };
            line(&mut out, &failure(host, seq, at, &mut random))?;
        }
    }
    out.flush()?;
    Ok(())
}

fn line(out: &mut impl Write, value: &Value) -> Result<()> {
    serde_json::to_writer(&mut *out, value)?;
    out.write_all(b"\n")?;
    Ok(())
}

fn failure(host: u64, seq: u64, at: u64, random: &mut Random) -> Value {
    let kind = random.below(8);
    let value = 40 + host + 20 * random.below(3);
    let unit = ["postgresql.service", "nginx.service", "cron.service"][random.below(3) as usize];
    let slice = format!("/system.slice/{unit}");
    let container = format!(
        "{:064x}",
        u128::from(host * 7 + random.below(40)) << 80 | 0xfeed
    );
    let pod = format!(
        "0a1b2c3d-0a1b-2c3d-4e5f-{:012x}",
        host * 7 + random.below(40)
    );
    let kube = format!(
        "/kubepods.slice/kubepods-pod{}.slice/cri-containerd-{container}.scope",
        pod.replace('-', "_")
    );
    let (cause, name, scope, cgroup) = match kind {
        0..=2 => ("rlimit_nproc", "RLIMIT_NPROC", "uid 101".to_owned(), slice),
        3..=5 => ("cgroup_pids_max", "pids.max", slice.clone(), slice),
        6 => ("cgroup_pids_max", "pids.max", kube.clone(), kube),
        _ if host == 3 => ("pid_max", "kernel.pid_max", "host".to_owned(), slice),
        _ => ("cgroup_memory_max", "memory.max", slice.clone(), slice),
    };
    let program = ["java", "postgres", "sh", "runc"][random.below(4) as usize];
    let in_pod = kind == 6;
    let now = format!("echo {} > /sys/fs/cgroup{scope}/{name}", value * 2);
    json!({"type": "failure", "seq": seq, "time": time(at), "operation": "process", "syscall": "clone",
        "errno": if cause == "cgroup_memory_max" { "ENOMEM" } else { "EAGAIN" },
        "caller": {"pid": 1000 + seq % 5000, "tid": 1000 + seq % 5000, "ppid": 1, "comm": program, "uid": 101, "euid": 101,
            "user": "app", "exe": format!("/usr/bin/{program}")},
        "cgroup": {"path": cgroup, "id": 7, "unit": if in_pod { Value::Null } else { unit.into() },
            "container": if in_pod { container.into() } else { Value::Null },
            "pod": if in_pod { pod.into() } else { Value::Null }},
        "cause": cause, "certainty": "observed",
        "limit": {"name": name, "scope": scope, "value": value, "usage": value - random.below(2), "requested": 1,
            "unit": "tasks", "file": "/sys/fs/cgroup/pids.max"},
        "candidates": [], "holders": [{"kind": "program", "name": program, "tasks": value - 3, "zombies": 0}],
        "summary": format!("{name} of {scope} is {value}, and all of it is in use"),
        "fix": [{"now": now, "persistent": "TasksMax= of the unit", "note": null}]})
}

/// Milliseconds since 1970, as records have times: within that month.
fn time(ms: u64) -> String {
    let seconds = ms / 1000 - 1_761_955_200;
    let (day, rest) = (1 + seconds / 86_400, seconds % 86_400);
    format!(
        "2025-11-{day:02}T{:02}:{:02}:{:02}.{:03}Z",
        rest / 3600,
        rest / 60 % 60,
        rest % 60,
        ms % 1000
    )
}
