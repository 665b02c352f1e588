//! Fills the table of field offsets from the kernel's BTF.
//!
//! Every field is named as the kernel names it, with what it was called in
//! other versions, and with the size that the programs read. A field that has
//! another size than expected counts as absent: evidence is then missing
//! rather than wrong. Structs were read in 5.10, 6.1, 6.12, 6.18 and 7.3.

use forktrace_common::offsets::{MISSING, Offsets};

use super::btf::{Btf, Field};

/// `RLIMIT_NPROC` (include/uapi/asm-generic/resource.h); the same number on
/// every architecture that forktrace runs on.
const RLIMIT_NPROC: u32 = 6;

/// The offsets in this kernel, and the names of those that it doesn't have.
///
/// Always absent: `user_processes` since 5.14, and before it the fields of
/// ucounts; `pidns_pid_max` before 6.14; `args_fn` and `args_kthread_*` before
/// 5.19 or so.
pub fn resolve(btf: &Btf) -> (Offsets, Vec<&'static str>) {
    let mut missing = Vec::new();

    /// Struct literal of `Offsets`, so that the compiler knows of a field that
    /// nobody fills.
    macro_rules! table {
        ($($name:ident: $place:expr,)*) => {
            Offsets {
                $($name: match $place {
                    Some(offset) => offset,
                    None => {
                        missing.push(stringify!($name));
                        MISSING
                    }
                },)*
            }
        };
    }

    let at = |name, path, size| plain(btf, name, path, size);
    let reset_on_fork = flag(btf, "task_struct", "sched_reset_on_fork");
    let io_thread = flag(btf, "kernel_clone_args", "io_thread");
    let kthread = flag(btf, "kernel_clone_args", "kthread");
    let pids = Subsystem::new(btf, "pids_cgrp_id");
    let memory = Subsystem::new(btf, "memory_cgrp_id");

    let offsets = table! {
        // include/linux/sched.h
        task_flags: at("task_struct", "flags", INT),
        task_pid: at("task_struct", "pid", INT),
        task_tgid: at("task_struct", "tgid", INT),
        task_real_parent: at("task_struct", "real_parent", WORD),
        task_comm: at("task_struct", "comm", Size::Is(16)),
        task_signal: at("task_struct", "signal", WORD),
        task_pending_signal: at("task_struct", "pending.signal.sig[0]", WORD),
        task_cred: at("task_struct", "cred", WORD),
        task_real_cred: at("task_struct", "real_cred", WORD),
        task_nsproxy: at("task_struct", "nsproxy", WORD),
        task_mm: at("task_struct", "mm", WORD),
        task_fs: at("task_struct", "fs", WORD),
        task_files: at("task_struct", "files", WORD),
        task_cgroups: at("task_struct", "cgroups", WORD),
        task_policy: at("task_struct", "policy", INT),
        task_exit_state: at("task_struct", "exit_state", INT),
        task_seccomp_mode: at("task_struct", "seccomp.mode", INT),
        task_stack: at("task_struct", "stack", WORD),
        task_reset_on_fork_byte: reset_on_fork.map(|flag| flag.byte),
        task_reset_on_fork_mask: reset_on_fork.map(|flag| flag.mask),
        // include/linux/sched/signal.h
        signal_rlim_nproc: at("signal_struct", &format!("rlim[{RLIMIT_NPROC}].rlim_cur"), WORD),
        signal_flags: at("signal_struct", "flags", INT),
        signal_shared_pending: at("signal_struct", "shared_pending.signal.sig[0]", WORD),
        // include/linux/cred.h. kuid_t wraps an int, kernel_cap_t two of them
        // up to 6.2 and a u64 since.
        cred_uid: at("cred", "uid", INT),
        cred_euid: at("cred", "euid", INT),
        cred_user: at("cred", "user", WORD),
        cred_user_ns: at("cred", "user_ns", WORD),
        cred_ucounts: at("cred", "ucounts", WORD),
        cred_cap_effective: at("cred", "cap_effective", Size::Is(8)),
        // include/linux/sched/user.h: an atomic_t, gone since 5.14.
        user_processes: at("user_struct", "processes", INT),
        // include/linux/user_namespace.h
        ucounts_nproc: nproc(btf, "ucounts", "rlimit", "ucount"),
        ucounts_ns: at("ucounts", "ns", WORD),
        ucounts_uid: at("ucounts", "uid", INT),
        userns_nproc_max: nproc(btf, "user_namespace", "rlimit_max", "ucount_max"),
        userns_ucounts: at("user_namespace", "ucounts", WORD),
        userns_inum: at("user_namespace", "ns.inum", INT),
        userns_level: at("user_namespace", "level", INT),
        // include/linux/nsproxy.h, pid_namespace.h
        nsproxy_pid_ns_for_children: at("nsproxy", "pid_ns_for_children", WORD),
        pidns_pid_allocated: at("pid_namespace", "pid_allocated", INT),
        pidns_pid_max: at("pid_namespace", "pid_max", INT),
        pidns_parent: at("pid_namespace", "parent", WORD),
        pidns_inum: at("pid_namespace", "ns.inum", INT),
        pidns_level: at("pid_namespace", "level", INT),
        // include/linux/fs_struct.h
        fs_in_exec: at("fs_struct", "in_exec", INT),
        // include/linux/cgroup-defs.h
        cset_pids: pids.entry(btf, "css_set"),
        cset_memory: memory.entry(btf, "css_set"),
        cset_dfl_cgrp: at("css_set", "dfl_cgrp", WORD),
        css_cgroup: at("cgroup_subsys_state", "cgroup", WORD),
        css_parent: at("cgroup_subsys_state", "parent", WORD),
        cgroup_kn: at("cgroup", "kn", WORD),
        cgroup_level: at("cgroup", "level", INT),
        cgroup_root: at("cgroup", "root", WORD),
        cgroup_self_parent: at("cgroup", "self.parent", WORD),
        cgroup_pids: pids.entry(btf, "cgroup"),
        root_hierarchy_id: at("cgroup_root", "hierarchy_id", INT),
        // include/linux/kernfs.h. __parent since 6.15, with a bare `parent`
        // no more; id was a union of the same size up to 5.4.
        kn_name: at("kernfs_node", "name", WORD),
        kn_parent: at("kernfs_node", "__parent", WORD)
            .or_else(|| at("kernfs_node", "parent", WORD)),
        kn_id: at("kernfs_node", "id", Size::Is(8)),
        kn_priv: at("kernfs_node", "priv", WORD),
        // kernel/cgroup/pids.c: counter and limit are atomic64_t.
        pids_css: at("pids_cgroup", "css", Size::Any),
        pids_counter: at("pids_cgroup", "counter", Size::Is(8)),
        pids_limit: at("pids_cgroup", "limit", Size::Is(8)),
        pids_forkfail: pids_forkfail(btf),
        // include/linux/memcontrol.h, page_counter.h: usage is an
        // atomic_long_t, max a long, both in pages.
        memcg_css: at("mem_cgroup", "css", Size::Any),
        memcg_usage: at("mem_cgroup", "memory.usage", WORD),
        memcg_max: at("mem_cgroup", "memory.max", WORD),
        memcg_events_oom: memcg_events_oom(btf),
        // include/linux/mm_types.h: within an anonymous struct
        mm_total_vm: at("mm_struct", "total_vm", WORD),
        mm_data_vm: at("mm_struct", "data_vm", WORD),
        mm_stack_vm: at("mm_struct", "stack_vm", WORD),
        // include/linux/sched/task.h. fn since 5.19; before, kernel threads
        // have theirs in `stack`.
        args_flags: at("kernel_clone_args", "flags", Size::Is(8)),
        args_exit_signal: at("kernel_clone_args", "exit_signal", INT),
        args_cgroup: at("kernel_clone_args", "cgroup", INT),
        args_fn: at("kernel_clone_args", "fn", WORD),
        args_io_thread_byte: io_thread.map(|flag| flag.byte),
        args_io_thread_mask: io_thread.map(|flag| flag.mask),
        args_kthread_byte: kthread.map(|flag| flag.byte),
        args_kthread_mask: kthread.map(|flag| flag.mask),
        // include/linux/percpu_counter.h
        percpu_counter_count: at("percpu_counter", "count", Size::Is(8)),
        // include/linux/fdtable.h, fs.h
        files_fdt: at("files_struct", "fdt", WORD),
        fdtable_fd: at("fdtable", "fd", WORD),
        file_inode: at("file", "f_inode", WORD),
        inode_private: at("inode", "i_private", WORD),
    };
    (offsets, missing)
}

/// What size a field has to have.
#[derive(Clone, Copy)]
enum Size {
    Any,
    /// Bytes.
    Is(u32),
}

/// A 32-bit number, `kuid_t` and `atomic_t` included: what wraps a number
/// begins with it.
const INT: Size = Size::Is(4);
/// A pointer, a long, or `atomic_long_t`.
const WORD: Size = Size::Is(size_of::<usize>() as u32);

fn plain(btf: &Btf, name: &str, path: &str, size: Size) -> Option<u32> {
    let field = btf.field(name, path)?;
    let fits = match size {
        Size::Any => true,
        Size::Is(bytes) => field.size == bytes,
    };
    (fits && field.bits.is_none()).then_some(field.byte_offset)
}

/// A yes or no: the byte that holds it, and the bits of that byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Flag {
    byte: u32,
    mask: u32,
}

/// A flag, be it a bitfield or a number. A number is told by its low byte:
/// the kernel only stores 0 and 1 in these, and forktrace runs on
/// little-endian machines.
fn flag(btf: &Btf, name: &str, path: &str) -> Option<Flag> {
    let Field {
        byte_offset,
        size,
        bits,
    } = btf.field(name, path)?;
    let mask = match bits {
        Some(bits) if size == 1 => ((1_u32 << bits.width) - 1) << bits.shift,
        None if size <= 8 => 0xff,
        _ => return None,
    };
    Some(Flag {
        byte: byte_offset,
        mask,
    })
}

/// A cgroup controller's place in the arrays that have one entry for each.
/// The number depends on the configuration and on the version.
struct Subsystem(Option<i64>);

impl Subsystem {
    fn new(btf: &Btf, id: &str) -> Self {
        Self(btf.enumerator(Some("cgroup_subsys_id"), id))
    }

    fn entry(&self, btf: &Btf, name: &str) -> Option<u32> {
        plain(btf, name, &format!("subsys[{}]", self.0?), WORD)
    }
}

/// The entry for RLIMIT_NPROC, in an array of its own since 5.19 or so, among
/// the other ucounts from 5.14 until then. Before 5.14 the limit wasn't counted here:
/// there was no such enumerator, though there was the array.
fn nproc(btf: &Btf, name: &str, own: &str, shared: &str) -> Option<u32> {
    const NAME: &str = "UCOUNT_RLIMIT_NPROC";
    if let Some(index) = btf.enumerator(Some("rlimit_type"), NAME) {
        return plain(btf, name, &format!("{own}[{index}]"), WORD);
    }
    let index = btf.enumerator(Some("ucount_type"), NAME)?;
    plain(btf, name, &format!("{shared}[{index}]"), WORD)
}

/// Since 6.11 there are two counters for each cgroup, by kind of event; before,
/// `events_limit` counted in the forking task's cgroup too.
fn pids_forkfail(btf: &Btf) -> Option<u32> {
    match btf.enumerator(Some("pidcg_event"), "PIDCG_FORKFAIL") {
        Some(index) => plain(
            btf,
            "pids_cgroup",
            &format!("events_local[{index}]"),
            Size::Is(8),
        ),
        None => plain(btf, "pids_cgroup", "events_limit", Size::Is(8)),
    }
}

/// `memory_events_local` exists since 5.3.
fn memcg_events_oom(btf: &Btf) -> Option<u32> {
    let index = btf.enumerator(Some("memcg_memory_event"), "MEMCG_OOM")?;
    let path = format!("memory_events_local[{index}]");
    plain(btf, "mem_cgroup", &path, WORD)
}

#[cfg(test)]
mod tests {
    use super::super::btf::builder::*;
    use super::*;

    /// `long` and `int`.
    fn numbers(b: &mut Builder) -> (u32, u32) {
        (b.int("long int", 8, 1), b.int("int", 4, 1))
    }

    fn of(b: &Builder) -> Offsets {
        resolve(&Btf::parse(b.bytes()).unwrap()).0
    }

    #[test]
    fn nothing_known() {
        let mut b = Builder::new();
        numbers(&mut b);
        let (offsets, missing) = resolve(&Btf::parse(b.bytes()).unwrap());
        assert_eq!(offsets, Offsets::UNKNOWN);
        assert_eq!(missing, Offsets::NAMES);
    }

    #[test]
    fn the_process_count_before_5_14() {
        let mut b = Builder::new();
        let (_, int) = numbers(&mut b);
        let counts = b.array(int, 12);
        b.aggregate(
            STRUCT,
            "user_struct",
            8,
            false,
            &[("__count", int, 0), ("processes", int, 32)],
        );
        b.aggregate(STRUCT, "ucounts", 48, false, &[("ucount", counts, 0)]);
        b.enumeration(ENUM, "ucount_type", &[("UCOUNT_USER_NAMESPACES", 0)]);
        let offsets = of(&b);
        assert_eq!(offsets.user_processes, 4);
        assert_eq!(offsets.ucounts_nproc, MISSING);
        assert_eq!(offsets.userns_nproc_max, MISSING);
    }

    #[test]
    fn the_process_count_of_5_14() {
        let mut b = Builder::new();
        let (long, int) = numbers(&mut b);
        let atomic = b.aggregate(STRUCT, "", 8, false, &[("counter", long, 0)]);
        let atomic = b.refer(TYPEDEF, "atomic_long_t", atomic);
        let counts = b.array(atomic, 14);
        let maxima = b.array(long, 14);
        b.aggregate(
            STRUCT,
            "ucounts",
            120,
            false,
            &[("count", int, 0), ("ucount", counts, 64)],
        );
        b.aggregate(
            STRUCT,
            "user_namespace",
            112,
            false,
            &[("ucount_max", maxima, 0)],
        );
        b.enumeration(
            ENUM,
            "ucount_type",
            &[("UCOUNT_USER_NAMESPACES", 0), ("UCOUNT_RLIMIT_NPROC", 10)],
        );
        let offsets = of(&b);
        assert_eq!(offsets.ucounts_nproc, 88);
        assert_eq!(offsets.userns_nproc_max, 80);
        assert_eq!(offsets.user_processes, MISSING);
    }

    /// `io_thread` as an int up to 6.3, as a bit since.
    #[test]
    fn flags_of_both_kinds() {
        let mut b = Builder::new();
        let (_, int) = numbers(&mut b);
        b.aggregate(
            STRUCT,
            "kernel_clone_args",
            8,
            true,
            &[("io_thread", int, 32), ("kthread", int, 1 << 24 | 13)],
        );
        let offsets = of(&b);
        assert_eq!(
            (offsets.args_io_thread_byte, offsets.args_io_thread_mask),
            (4, 0xff)
        );
        assert_eq!(
            (offsets.args_kthread_byte, offsets.args_kthread_mask),
            (1, 0x20)
        );
    }

    #[test]
    fn renamed_fields_and_other_sizes() {
        let mut b = Builder::new();
        let (long, int) = numbers(&mut b);
        let events = b.array(long, 2);
        b.aggregate(
            STRUCT,
            "kernfs_node",
            16,
            false,
            &[("__parent", long, 64), ("id", int, 0)],
        );
        b.aggregate(
            STRUCT,
            "pids_cgroup",
            32,
            false,
            &[("events_local", events, 64), ("events_limit", long, 0)],
        );
        b.enumeration(
            ENUM,
            "pidcg_event",
            &[("PIDCG_MAX", 0), ("PIDCG_FORKFAIL", 1)],
        );
        let offsets = of(&b);
        assert_eq!(offsets.kn_parent, 8);
        assert_eq!(offsets.kn_id, MISSING, "four bytes where eight are read");
        assert_eq!(offsets.pids_forkfail, 16);
    }

    #[test]
    fn the_running_kernel() {
        let Ok(btf) = Btf::from_sys() else {
            println!("note: no BTF here, nothing tested");
            return;
        };
        let (offsets, missing) = resolve(&btf);
        for name in ["task_signal", "cred_uid", "kn_id", "args_flags"] {
            assert!(!missing.contains(&name), "{name}");
        }
        assert_ne!(
            offsets.user_processes == MISSING,
            offsets.ucounts_nproc == MISSING,
            "exactly one of the two counts"
        );
    }

    /// Prints the table for the BTF in the file `FORKTRACE_BTF`, to compare
    /// with other tools.
    #[test]
    #[ignore = "prints a table"]
    fn print() {
        let path = std::env::var_os("FORKTRACE_BTF").expect("FORKTRACE_BTF");
        let mut best = [std::time::Duration::MAX; 3];
        for _ in 0..20 {
            let started = std::time::Instant::now();
            let bytes = std::fs::read(&path).unwrap();
            let read = started.elapsed();
            let btf = Btf::parse(bytes).unwrap();
            let parsed = started.elapsed();
            resolve(&btf);
            for (best, now) in best.iter_mut().zip([read, parsed, started.elapsed()]) {
                *best = now.min(*best);
            }
        }
        println!("read, parsed, resolved after: {best:?}");
        let btf = Btf::from_file(path.as_ref()).unwrap();
        let (offsets, missing) = resolve(&btf);
        println!("{offsets:#?}\nmissing: {missing:?}");
    }
}
