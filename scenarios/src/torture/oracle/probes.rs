//! Where the oracle looks, and what it reads there.
//!
//! Each probe has one form or more in the language of tracefs's `kprobe_events`; the first that the
//! kernel takes is used. A function that this kernel has inlined has no probe, and what only it could
//! show stays undecided.

use forktrace::btf::Btf;
use forktrace::provoke::sys;

use crate::arch::{FIRST, FOURTH, THIRD};

/// A place to look at.
pub(super) struct Probe {
    /// The event's name, which [`super::derive`] knows.
    pub name: &'static str,
    pub forms: Vec<String>,
    pub filter: Option<&'static str>,
    /// Without it there is no oracle.
    pub needed: bool,
}

/// Instances of a return probe: more than there are tasks in any of the worlds.
const RETURNS: &str = "r1024:torture/";

struct Types<'a> {
    btf: &'a Btf,
    /// Levels of user or pid namespaces that are looked at. The kernel bounds how deep a fetch may go.
    levels: usize,
}

impl Types<'_> {
    fn at(&self, name: &str, field: &str) -> Option<u32> {
        Some(self.btf.field(name, field)?.byte_offset)
    }

    /// The kernfs id of the cgroup whose css `css` leads to, `ahead` bytes before that pointer.
    fn cgroup_id(&self, register: &str, ahead: u32) -> Option<String> {
        let cgroup = i64::from(self.at("cgroup_subsys_state", "cgroup")?) - i64::from(ahead);
        let kn = self.at("cgroup", "kn")?;
        let id = self.at("kernfs_node", "id")?;
        Some(format!("id=+{id}(+{kn}({cgroup:+}({register}))):u64"))
    }

    /// RLIMIT_NPROC's numbers at each level of user namespaces.
    fn nproc(&self) -> Option<String> {
        let ns = self.at("ucounts", "ns")?;
        let uid = self.at("ucounts", "uid")?;
        let count = self.at("ucounts", "rlimit[0]")?;
        let most = self.at("user_namespace", "rlimit_max[0]")?;
        let above = self.at("user_namespace", "ucounts")?;
        let inum = self.at("user_namespace", "ns.inum")?;
        let mut at = FIRST.to_owned();
        let mut text = format!("lim={THIRD}:u64");
        for level in 0..self.levels {
            text += &format!(
                " c{level}=+{count}({at}):s64 u{level}=+{uid}({at}):u32 \
                 m{level}=+{most}(+{ns}({at})):u64 n{level}=+{inum}(+{ns}({at})):u32"
            );
            at = format!("+{above}(+{ns}({at}))");
        }
        Some(text)
    }

    /// Each level of pid namespaces: ids in use, bound (6.14+: its own), name, level.
    fn pids(&self) -> Option<String> {
        let used = self.at("pid_namespace", "pid_allocated")?;
        let inum = self.at("pid_namespace", "ns.inum")?;
        let level = self.at("pid_namespace", "level")?;
        let parent = self.at("pid_namespace", "parent")?;
        let most = self.at("pid_namespace", "pid_max");
        let mut at = FIRST.to_owned();
        let mut text = String::new();
        for n in 0..self.levels {
            text +=
                &format!(" a{n}=+{used}({at}):u32 i{n}=+{inum}({at}):u32 l{n}=+{level}({at}):u32");
            match most {
                Some(most) => text += &format!(" m{n}=+{most}({at}):u32"),
                None => text += &format!(" m{n}=@pid_max:u32"),
            }
            at = format!("+{parent}({at})");
        }
        Some(text)
    }

    /// The cgroup that the kernel names at a refusal of pids.max: 6.11+ the one whose limit it is,
    /// with its numbers; before, the one that was forked in.
    fn refuser(&self) -> Option<String> {
        if let Some(file) = self.at("pids_cgroup", "events_local_file") {
            let field = |name| {
                let at = i64::from(self.at("pids_cgroup", name)?) - i64::from(file);
                Some(format!("{at:+}({FIRST})"))
            };
            return Some(format!(
                "{} c={}:s64 m={}:s64",
                self.cgroup_id(FIRST, file)?,
                field("counter")?,
                field("limit")?,
            ));
        }
        let file = self.at("pids_cgroup", "events_file")?;
        self.cgroup_id(FIRST, file)
    }

    fn memory(&self) -> Option<String> {
        let most = self.at("mem_cgroup", "memory.max")?;
        Some(format!(
            "{} m=+{most}({FIRST}):u64",
            self.cgroup_id(FIRST, 0)?
        ))
    }

    fn child(&self) -> Option<String> {
        let pid = self.at("task_struct", "pid")?;
        let tgid = self.at("task_struct", "tgid")?;
        Some(format!("pid=+{pid}({FIRST}):s32 tgid=+{tgid}({FIRST}):s32"))
    }
}

/// All of them, in no order.
pub(super) fn all(btf: &Btf) -> Vec<Probe> {
    // A fetch beyond the last level faults, which kernels before 5.14 count as a probe that was
    // missed: there the levels above the first are not looked at.
    let levels = if sys::kernel() < (5, 14) { 1 } else { 3 };
    let types = Types { btf, levels };
    let entry = |name: &'static str, function: &str, arguments: Option<String>| Probe {
        name,
        forms: arguments
            .into_iter()
            .chain([String::new()])
            .map(|arguments| format!("p:torture/{name} {function} {arguments}"))
            .collect(),
        filter: None,
        needed: false,
    };
    let answer = |name: &'static str, function: &str, kind: &str| Probe {
        name,
        forms: vec![format!("{RETURNS}{name} {function} ret=$retval:{kind}")],
        filter: None,
        needed: true,
    };
    let may_lack = |probe: Probe| Probe {
        needed: false,
        ..probe
    };
    let refusals = |probe: Probe| Probe {
        filter: Some("ret != 0"),
        ..probe
    };
    let mut overcommit = refusals(answer("vm", "__vm_enough_memory", "s32"));
    overcommit.forms.insert(
        0,
        format!("{RETURNS}vm __vm_enough_memory ret=$retval:s32 pages=$arg2:s64"),
    );
    vec![
        entry(
            "begin",
            "copy_process",
            // `flags` is the first member of its last argument (`struct kernel_clone_args`).
            Some(format!(
                "tasks=@nr_threads:s32 most=@max_threads:s32 flags=+0({FOURTH}):u64"
            )),
        ),
        answer("end", "copy_process", "s64"),
        // What the creation was of, where it succeeded.
        entry("born", "wake_up_new_task", types.child()),
        answer("creds", "copy_creds", "s32"),
        entry("over_in", "is_rlimit_overlimit", types.nproc()),
        may_lack(answer("over", "is_rlimit_overlimit", "u8")),
        answer("capable", "capable", "u8"),
        answer("sched", "sched_fork", "s32"),
        answer("lsm", "security_task_alloc", "s32"),
        overcommit,
        may_lack(refusals(answer("mmap", "dup_mmap", "s32"))),
        entry("pid_in", "alloc_pid", types.pids()),
        answer("pid", "alloc_pid", "s64"),
        entry("pids_in", "pids_can_fork", None),
        answer("pids", "pids_can_fork", "s32"),
        entry("refuser", "cgroup_file_notify", types.refuser()),
        answer("can", "cgroup_can_fork", "s32"),
        entry("oom_in", "mem_cgroup_out_of_memory", types.memory()),
        answer("oom", "mem_cgroup_out_of_memory", "u8"),
    ]
}
