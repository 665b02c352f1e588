//! The maps, and the frozen globals that user space fills before loading.

use aya_ebpf::{
    macros::map,
    maps::{Array, HashMap, LruHashMap, PerCpuArray, RingBuf},
};
use forktrace_common::{
    count::{Count, Key, room, total},
    machine::Machine,
    offsets::{Offsets, Symbols},
    settings::Settings,
};

use forktrace_common::{
    left_behind::{self, Room},
    note::Note,
    oom::Choice,
    stack::Request,
    task::Query,
    text::{Text, Uncharge, Wanted},
};

use crate::{tracepoint::Entered, within::FRAMES};

#[unsafe(no_mangle)]
pub(crate) static OFFSETS: Offsets = Offsets::UNKNOWN;

#[unsafe(no_mangle)]
pub(crate) static SYMBOLS: Symbols = Symbols {
    nr_threads: 0,
    max_threads: 0,
    pid_max: 0,
    vm_committed_as: 0,
    sysctl_overcommit_memory: 0,
    sysctl_overcommit_ratio: 0,
    sysctl_overcommit_kbytes: 0,
    sysctl_admin_reserve_kbytes: 0,
    sysctl_user_reserve_kbytes: 0,
    totalram_pages: 0,
    total_swap_pages: 0,
    sysctl_max_map_count: 0,
    ucounts_hashtable: 0,
    copy_process: 0,
    copy_process_end: 0,
};

#[unsafe(no_mangle)]
pub(crate) static SETTINGS: Settings = Settings {
    tgid: 0,
    uid_set: 0,
    uid: 0,
    comm_set: 0,
    comm: [0; 16],
    cgroup: 0,
    seccomp_return: 0,
    thread_stacks: 0,
    errnos: 0,
    have_task_pt_regs: 0,
    detail_per_second: 0,
    two_programs: 0,
    two_tracepoints: 0,
    hierarchy: 0,
};

#[unsafe(no_mangle)]
pub(crate) static MACHINE: Machine = Machine {
    is_arm64: 0,
    page_shift: 0,
    thread_size: 0,
    regs_bytes: 0,
    regs_number: 0,
    regs_answer: 0,
    regs_mode: 0,
    regs_arg0: 0,
    regs_arg1: 0,
    regs_arg2: 0,
    regs_arg3: 0,
    regs32_arg0: 0,
    regs32_arg1: 0,
    nr_clone: 0,
    nr_fork: 0,
    nr_vfork: 0,
    nr_mmap: 0,
    nr_mprotect: 0,
};

/// Reads a word that user space has written before the program was loaded.
#[inline(always)]
pub(crate) fn frozen<T: Copy>(word: *const T) -> T {
    // SAFETY: the macros below pass fields of live statics. Volatile, because
    // the value that the compiler sees is not the one that user space writes.
    unsafe { core::ptr::read_volatile(word) }
}

/// One offset of [`OFFSETS`].
macro_rules! offset {
    ($field:ident) => {
        $crate::maps::frozen(&raw const $crate::maps::OFFSETS.$field)
    };
}
/// One address of [`SYMBOLS`].
macro_rules! symbol {
    ($field:ident) => {
        $crate::maps::frozen(&raw const $crate::maps::SYMBOLS.$field)
    };
}
/// One of the [`SETTINGS`].
macro_rules! setting {
    ($field:ident) => {
        $crate::maps::frozen(&raw const $crate::maps::SETTINGS.$field)
    };
}
/// One fact of the [`MACHINE`].
macro_rules! machine {
    ($field:ident) => {
        $crate::maps::frozen(&raw const $crate::maps::MACHINE.$field)
    };
}
pub(crate) use {machine, offset, setting, symbol};

/// Detailed failures to user space. Resized at load.
#[map]
pub(crate) static EVENTS: RingBuf = RingBuf::with_byte_size(1 << 20, 0);

/// Exact totals by `forktrace_common::count::total`.
#[map]
pub(crate) static TOTALS: PerCpuArray<u64> = PerCpuArray::with_max_entries(total::SLOTS, 0);

/// CLOCK_MONOTONIC, nanoseconds: since when each entry of a creation is seen (style tracepoint); 0: not yet.
#[map]
pub(crate) static ENTRIES_SINCE: Array<u64> = Array::with_max_entries(1, 0);

/// Whether failing returns count, and the number of the reading that they are for: 0 before all probes
/// are attached, and while the last counts are read.
#[map]
pub(crate) static COUNTING: Array<u64> = Array::with_max_entries(1, 0);

/// Counts by key.
#[map]
pub(crate) static COUNTS: HashMap<Key, Count> = HashMap::with_max_entries(room::PROCESSES, 0);

/// Counts of failures that [`COUNTS`] has no key for, or no longer.
#[map]
pub(crate) static GROUPS: HashMap<Key, Count> = HashMap::with_max_entries(room::GROUPS, 0);

/// Counts of failures that [`GROUPS`] has no room for: all checks times all errnos that they answer.
#[map]
pub(crate) static CHECKS: HashMap<Key, Count> = HashMap::with_max_entries(room::CHECKS, 0);

/// Each CPU has entries of its own, for what is begun on it, and gives up its oldest when it has none
/// left. Of entries in common the first CPUs that take some take all, 128 each, and every other gives up
/// what it took last, though the rest is idle (kernel/bpf/bpf_lru_list.c `bpf_lru_list_pop_free_to_local`; since
/// 6.16, and in some older stable ones, fewer where there are many CPUs).
const BPF_F_NO_COMMON_LRU: u32 = 1 << 1; // include/uapi/linux/bpf.h

/// A map of what tasks leave behind. User space makes it larger where there are many CPUs.
const fn left_behind<K, V>(room: Room) -> LruHashMap<K, V> {
    LruHashMap::with_max_entries(room.least, BPF_F_NO_COMMON_LRU)
}

/// What a stage of the current creation has left for its failing return, by
/// thread id. An entry lives for microseconds; LRU, so that leftovers can't
/// fill the map.
#[map]
pub(crate) static NOTES: LruHashMap<u32, Note> = left_behind(left_behind::NOTES);

/// Creations under way, by thread id (tracepoint style).
#[map]
pub(crate) static ENTERED: LruHashMap<u32, Entered> = left_behind(left_behind::ENTERED);

/// Tasks in execve that setuid has marked, by thread id (tracepoint style).
#[map]
pub(crate) static EXECS: LruHashMap<u32, u32> = left_behind(left_behind::EXECS);

/// Mappings of threads' stacks, by thread id: the one that the thread has just
/// made and has not made accessible yet, or the one that it is refused. LRU,
/// because a thread need not go on with what it has mapped.
#[map]
pub(crate) static STACKS: LruHashMap<u32, Request> = left_behind(left_behind::STACKS);

/// What `oom_kill_process()` is at, by the thread id of who runs it; gone when it returns.
#[map]
pub(crate) static CHOICES: LruHashMap<u32, Choice> = left_behind(left_behind::CHOICES);

/// Victims of the OOM killer that have been reported, by process id and the time at which they were
/// started: threads of one process can be marked one by one.
#[map]
pub(crate) static VICTIMS: LruHashMap<[u64; 2], u32> = left_behind(left_behind::VICTIMS);

/// Whose tasks the task iterator lists.
#[map]
pub(crate) static TASKS_OF: Array<Query> = Array::with_max_entries(1, 0);

/// Frames of the stack that is looked at, by who looks.
#[map]
pub(crate) static STACK: PerCpuArray<[u64; FRAMES]> = PerCpuArray::with_max_entries(2, 0);

/// How to read what `pids_can_fork` gives back.
#[map]
pub(crate) static UNCHARGE: Array<Uncharge> = Array::with_max_entries(1, 0);

/// Which of the kernel's machine code to read, and what was read.
#[map]
pub(crate) static TEXT_WANTED: Array<Wanted> = Array::with_max_entries(1, 0);
#[map]
pub(crate) static TEXT: Array<Text> = Array::with_max_entries(1, 0);
