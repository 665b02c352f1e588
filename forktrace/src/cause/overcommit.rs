//! Memory overcommit: fork promises the private writable memory of the caller
//! a second time, and the policy refuses the promise. Free memory plays no role.
//!
//! mm/util.c `__vm_enough_memory`, asked for each accountable mapping by
//! kernel/fork.c (7.x: mm/mmap.c) `dup_mmap`. vfork, posix_spawn and threads
//! share the address space and are never refused here; the stacks of the last
//! two are promises of their own, made before (mm/mprotect.c `mprotect_fixup`).

use crate::{
    cause::{
        Cause, Context, Entry, Finding, Subject, Verdict, commit_limit,
        entry::{AboutMemory, Of},
        knob::sysctl,
        limits,
        page::{Page, check, myth, remedy, step},
        thread_stack,
        words::fix,
    },
    evidence::{
        CgroupLimit, Evidence, Overcommit, OvercommitMode, Sign, Stage, thread_stack::Check,
    },
    model::{Certainty, Errno, Fix, Limit, LimitKind, Operation, bytes},
};

pub(super) const ENTRY: Entry = Entry {
    seen,
    exhausted,
    fix: fixes,
    summary,
    limits: &[LimitKind::CommitLimit, LimitKind::RamAndSwap],
    memory: AboutMemory::Always,
    of: Of::CreationsAndStacks,
    ..Entry::of_creations(&PAGE)
};

fn seen(e: &Evidence) -> Option<Finding> {
    if e.thread_stack.is_some() {
        return thread_stack::seen(e, Check::Overcommit);
    }
    if e.errno != Errno::ENOMEM || e.stage != Stage::SighandToNamespaces || e.shares_vm {
        return None;
    }
    let overcommit = e.overcommit.as_ref()?;
    match e.signs.overcommit_refused {
        Sign::Seen => Finding::observed(limit(overcommit)),
        Sign::NotSeen => None,
        // Nobody would have seen a memory cgroup refuse, and one had no room.
        Sign::Unwatched if !e.signs.memory_watched && e.full_memory().is_some() => None,
        Sign::Unwatched => by_numbers(e, overcommit),
    }
}

fn exhausted(e: &Evidence) -> Option<Finding> {
    if e.thread_stack.is_some() {
        return thread_stack::exhausted(e, Check::Overcommit);
    }
    if e.errno != Errno::ENOMEM || e.shares_vm {
        return None;
    }
    // A memory cgroup on its last pages could be the one just as well.
    let spoke = |cgroup: &&CgroupLimit| {
        cgroup.events != Some(0) && (e.memory_delta != Some(0) || !tells_of_refusals(cgroup))
    };
    if e.memory.iter().filter(spoke).any(nearly_full) {
        return None;
    }
    by_numbers(e, e.overcommit.as_ref()?)
}

/// Whether the numbers would refuse the copy, whatever memory cgroups say.
pub(super) fn would_refuse(e: &Evidence) -> bool {
    let of_copy = e.errno == Errno::ENOMEM && !e.shares_vm && e.thread_stack.is_none();
    of_copy
        && e.overcommit
            .as_ref()
            .and_then(|o| by_numbers(e, o))
            .is_some()
}

/// Whether they do whatever the kernel's counter keeps back.
pub(super) fn surely_refuses(e: &Evidence) -> bool {
    e.overcommit
        .as_ref()
        .is_some_and(Overcommit::surely_refuses_copy)
}

/// The kernel's comparison, made again at the return. Where the caller's mappings
/// couldn't be read, the size of all that is private and writable stands in for what
/// a fork promises; beside a pid namespace without init that isn't good enough.
fn by_numbers(e: &Evidence, overcommit: &Overcommit) -> Option<Finding> {
    let refuses = match overcommit.refuses_copy() {
        Some(refuses) => refuses || overcommit.nearly_refuses_copy(),
        None => e.dead_pid_ns().is_none() && overcommit.seems_to_refuse_copy(),
    };
    Finding::inferred(refuses.then(|| limit(overcommit))?)
}

/// In v2 no charge fails before the OOM killer was asked, which each cgroup above counts too
/// (mm/memcontrol.c `mem_cgroup_oom`, `memcg_memory_event`). Full of page cache it is all the time.
fn tells_of_refusals(cgroup: &CgroupLimit) -> bool {
    let file = cgroup.file.as_deref().unwrap_or_default();
    file.ends_with("/memory.max")
}

/// Less room than a fork's first allocations can need (a kernel stack, page
/// tables): the numbers don't show what refused.
fn nearly_full(cgroup: &CgroupLimit) -> bool {
    const FORK_NEEDS: u64 = 1 << 20;
    cgroup
        .limit
        .is_some_and(|limit| cgroup.usage + FORK_NEEDS >= limit)
}

fn limit(o: &Overcommit) -> Limit {
    match o.mode {
        OvercommitMode::Never | OvercommitMode::Always => limits::commit_limit(o),
        OvercommitMode::Heuristic => limits::ram_and_swap(o),
    }
}

fn summary(v: &Verdict, subject: &Subject<'_>) -> String {
    let Some(limit) = &v.limit else {
        return format!("{}the overcommit policy refused it", subject.opening());
    };
    let asked = limit.requested.map(bytes).unwrap_or_default();
    if subject.operation == Operation::ThreadStack {
        return stack_summary(limit, &asked, subject);
    }
    match (limit.usage, limit.bound()) {
        (Some(usage), Some(bound)) => {
            let asked = limit.requested.unwrap_or(0);
            let refused = match v.certainty {
                Certainty::Observed => mapping_refused(usage, asked, bound),
                _ => copy_refused(usage, asked, bound),
            };
            format!(
                "{}strict overcommit (vm.overcommit_memory=2): {refused}",
                subject.opening()
            )
        }
        (_, Some(bound)) => format!(
            "{}heuristic overcommit (vm.overcommit_memory=0): it has one mapping of up to {asked}, more than RAM and swap together ({})",
            subject.opening(),
            bytes(bound)
        ),
        _ => format!("{}the overcommit policy refused it", subject.opening()),
    }
}

/// What was seen is one mapping of the copy: `dup_mmap` asks for each by itself, and what is promised by then has the
/// mappings before it. The limit can be another by now.
fn mapping_refused(usage: u64, asked: u64, bound: u64) -> String {
    let over = usage.saturating_add(asked) >= bound;
    let [usage, asked, bound] = [usage, asked, bound].map(bytes);
    if over {
        format!(
            "copying its private memory came to a mapping of {asked}, which would take the host from {usage} promised (what was copied before it included) over the {bound} allowed"
        )
    } else {
        format!(
            "copying its private memory came to a mapping of {asked}, which was refused; {usage} were promised by then, and {bound} are allowed now"
        )
    }
}

/// The copy fits by these numbers where the kernel's counter keeps something back
/// ([`Overcommit::nearly_refuses_copy`]).
fn copy_refused(usage: u64, asked: u64, bound: u64) -> String {
    let fits = usage.saturating_add(asked) < bound;
    let [usage, asked, bound] = [usage, asked, bound].map(bytes);
    if fits {
        format!(
            "{usage} of the {bound} allowed are promised, and copying its {asked} of private memory comes nearer to that than the kernel counts exactly"
        )
    } else {
        format!(
            "copying its {asked} of private memory would take the host from {usage} promised over the {bound} allowed"
        )
    }
}

fn stack_summary(limit: &Limit, asked: &str, subject: &Subject<'_>) -> String {
    match (limit.usage, limit.bound()) {
        (Some(usage), Some(bound)) => format!(
            "{}strict overcommit (vm.overcommit_memory=2): its {asked} would take the host from {} promised over the {} allowed",
            subject.opening(),
            bytes(usage),
            bytes(bound)
        ),
        (_, bound) => format!(
            "{}heuristic overcommit (vm.overcommit_memory=0): it is {asked}, more than RAM and swap together ({})",
            subject.opening(),
            bytes(bound.unwrap_or(0))
        ),
    }
}

fn fixes(v: &Verdict, subject: &Subject<'_>, context: &Context) -> Vec<Fix> {
    let stack = subject.operation == Operation::ThreadStack;
    let limit = v.limit.as_ref().filter(|limit| limit.usage.is_some());
    match limit {
        Some(limit) => strict_fixes(limit, stack, context),
        None => heuristic_fixes(stack, context),
    }
}

/// Smaller stacks are the way out that harms nobody.
const SMALLER_STACKS: &str = "make the stacks smaller: pthread_attr_setstacksize (Java: -Xss, Rust: \
    RUST_MIN_STACK), or ulimit -s before a program starts that sets no size itself";
const STACKS_ARE_PROMISES: &str = "each thread's stack is a promise of its full size, used or not";

/// With the numbers that CommitLimit would have to be made of, where they are known.
fn strict_fixes(limit: &Limit, stack: bool, context: &Context) -> Vec<Fix> {
    let (persistent, note) = if stack {
        (SMALLER_STACKS, STACKS_ARE_PROMISES)
    } else {
        (
            "/etc/sysctl.d/: a higher vm.overcommit_ratio (or vm.overcommit_kbytes), or add swap",
            "strict overcommit counts promises, not pages in use: free memory doesn't help, swap and a higher ratio do",
        )
    };
    let memory = context.last_memory.as_ref();
    let whole = context.whole_copy.filter(|_| !stack);
    let raised = memory.and_then(|memory| commit_limit::raised(limit, memory, whole, context));
    let (now, persistent, file) = match raised {
        Some((now, lasting)) => (now, lasting.way, lasting.note),
        // What it has now isn't known.
        None => (None, persistent.to_owned(), None),
    };
    let mut fixes = vec![fix(now, persistent, note.to_owned())];
    fixes.extend(file.map(|note| fix(None, None, note)));
    let (promised, refused) = (limit.usage.unwrap_or(0), limit.requested.unwrap_or(0));
    let rest = |whole: &u64| whole.saturating_sub(promised).saturating_sub(refused);
    if let Some(whole) = whole.filter(|whole| rest(whole) > refused) {
        fixes.push(fix(None, None, rest_of_copy(whole)));
    }
    if !stack {
        fixes.push(fix(
            None,
            "start programs with vfork or posix_spawn: they copy no address space".to_owned(),
            None,
        ));
    }
    fixes
}

/// The mappings that come behind the refused one have to fit as well.
fn rest_of_copy(whole: u64) -> String {
    format!(
        "the rest of its private memory is promised after that mapping, and has to fit too: with the whole \
         copy the host would have promised up to {}",
        bytes(whole)
    )
}

fn heuristic_fixes(stack: bool, context: &Context) -> Vec<Fix> {
    let (persistent, note, file) = if stack {
        (SMALLER_STACKS.to_owned(), STACKS_ARE_PROMISES, None)
    } else {
        let lasting = sysctl::lasting("vm.overcommit_memory", Some(1), context);
        (
            format!("{}, or add swap, or make the mapping smaller", lasting.way),
            "the heuristic mode looks at one mapping at a time",
            lasting.note,
        )
    };
    let file = file.map(|note| fix(None, None, note));
    vec![fix(
        "sysctl -w vm.overcommit_memory=1".to_owned(),
        persistent,
        note.to_owned(),
    )]
    .into_iter()
    .chain(file)
    .collect()
}

const PAGE: Page = Page {
    cause: Cause::Overcommit,
    known_as: &[
        "vm.overcommit_memory",
        "overcommit_memory",
        "vm.overcommit_ratio",
        "vm.overcommit_kbytes",
        "CommitLimit",
        "Committed_AS",
        "vm.admin_reserve_kbytes",
        "vm.user_reserve_kbytes",
    ],
    errno: &["ENOMEM"],
    errno_note: Some(
        "pthread_create makes EAGAIN of it, when a thread's stack is what is refused.",
    ),
    scope: "the host",
    summary: "the overcommit policy refuses to promise the caller's memory a second time",
    about: &[
        "fork promises the child a copy of all private writable memory of the caller, though \
         hardly any of it will be copied. vm.overcommit_memory decides whether the kernel makes \
         that promise. A large process (PostgreSQL's `could not fork new process for connection`, \
         Redis, a JVM, Node.js) is refused while RAM is free.",
        "Mode 2 (strict): the promises of all processes together may not reach CommitLimit, less \
         a reserve. Mode 0 (heuristic, the default): a single mapping may not be larger than RAM \
         and swap together; nothing is added up. Mode 1: never refused.",
        "vfork, posix_spawn and threads share the address space and promise no copy of it. A new \
         thread's stack is a promise of its own, though, made by mprotect before clone, and so \
         are the 32 KiB that glibc's posix_spawn maps, since 2.29 for system and popen too.",
    ],
    checks: &[check(
        "mm/util.c",
        "__vm_enough_memory",
        "5.10 to 7.3",
        "Asked by `dup_mmap` for each accountable mapping. Mode 2: `vm_committed_as` with the \
         mapping against CommitLimit, less admin_reserve_kbytes (not for CAP_SYS_ADMIN of the \
         host) and the smaller of user_reserve_kbytes and 1/32 of the caller's size (root too). \
         Mode 0: the mapping's pages against all of RAM and swap.",
    )],
    exempt: "Nobody in mode 2; CAP_SYS_ADMIN may use the admin reserve too. Nobody in mode 0.",
    confirm: &[
        step(
            "See the mode, and in mode 2 how much is promised of how much.",
            &[
                "sysctl vm.overcommit_memory vm.overcommit_ratio vm.overcommit_kbytes",
                "grep -E '^(Commit|MemTotal|SwapTotal)' /proc/meminfo",
            ],
        ),
        step(
            "What a fork of the process asks for: all accountable mappings, and the largest.",
            &[
                "awk '/^Size:/ {s = $2}",
                "  /^VmFlags:/ && / ac/ && !/ dc/ {n += s; if (s > m) m = s}",
                "  END {print n \" kB, largest \" m+0 \" kB\"}' /proc/$PID/smaps",
            ],
        ),
        step(
            "Newer kernels (6.1.192 does, 5.10.262 doesn't) log it, a few lines at most.",
            &["dmesg -T | grep 'enough memory for the allocation'"],
        ),
    ],
    fix_now: &[
        step(
            "Mode 2: raise CommitLimit. The ratio is in percent of RAM; setting it resets \
             vm.overcommit_kbytes.",
            &["echo $N > /proc/sys/vm/overcommit_ratio"],
        ),
        step(
            "Or add swap, which counts in full in modes 2 and 0, even if it is never used.",
            &[
                "fallocate -l 8G /swapfile && chmod 600 /swapfile &&",
                "  mkswap /swapfile && swapon /swapfile",
            ],
        ),
        step(
            "Mode 0: the way out is mode 1, or a smaller mapping.",
            &["sysctl -w vm.overcommit_memory=1"],
        ),
    ],
    fix_for_good: &[
        remedy(
            "sysctl.d",
            "Keep mode 2 where it was chosen, with a limit that fits.",
        )
        .run(&[
            "echo \"vm.overcommit_ratio = $N\" > /etc/sysctl.d/90-overcommit.conf",
            "sysctl --system",
        ]),
        remedy(
            "program",
            "Start programs with posix_spawn or vfork; keep the process that forks small; map \
             what children don't need with MAP_SHARED, or mark it MADV_DONTFORK. PostgreSQL: \
             fewer connections, by a pooler.",
        ),
        remedy(
            "containers, Kubernetes",
            "The policy is the host's: no namespace or cgroup has one of its own. Set it on each \
             node.",
        ),
    ],
    folklore: &[
        myth(
            "free shows memory, so it isn't memory.",
            "Strict overcommit counts promises, not pages in use. Free memory plays no role.",
        ),
        myth(
            "In mode 0, fork fails when memory is low (Redis).",
            "No more: Committed_AS of four times the RAM forked fine on 5.10 to 7.3. Mode 0 \
             looks at one mapping at a time, and at the total of RAM and swap, not at what is \
             free.",
        ),
        myth(
            "Root may always commit.",
            "CAP_SYS_ADMIN has the admin reserve; the rest binds root as well.",
        ),
        myth(
            "A low nproc or pid_max can show as ENOMEM too.",
            "These give EAGAIN.",
        ),
    ],
    related: &[
        Cause::CgroupMemoryMax,
        Cause::PidNamespaceDead,
        Cause::RlimitAs,
        Cause::RlimitStack,
    ],
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Memory;

    #[test]
    fn what_is_said_of_a_copy_follows_from_the_numbers() {
        const MIB: u64 = 1 << 20;
        let over = copy_refused(240 * MIB, 3 * MIB, 242 * MIB);
        assert!(
            over.contains("from 240 MiB promised over the 242 MiB"),
            "{over}"
        );
        let near = copy_refused(240 * MIB, MIB, 242 * MIB);
        assert!(near.starts_with("240 MiB of the 242 MiB allowed"), "{near}");
        assert!(!near.contains("over the"), "{near}");
    }

    #[test]
    fn a_mapping_that_was_refused_is_not_all_of_the_private_memory() {
        const MIB: u64 = 1 << 20;
        let over = mapping_refused(240 * MIB, 3 * MIB, 242 * MIB);
        assert!(over.contains("a mapping of 3.0 MiB"), "{over}");
        assert!(over.ends_with("over the 242 MiB allowed"), "{over}");
        // Raised since.
        let raised = mapping_refused(240 * MIB, 3 * MIB, 400 * MIB);
        assert!(raised.ends_with("and 400 MiB are allowed now"), "{raised}");
    }

    /// Two hundred threads' stacks of 8 MiB each; the sixtieth is refused.
    #[test]
    fn advice_has_room_for_what_comes_behind_the_refused_mapping() {
        const MIB: u64 = 1 << 20;
        let mut limit = limit(&Overcommit {
            mode: OvercommitMode::Never,
            committed: 3500 * MIB,
            commit_limit: 4000 * MIB,
            admin_reserve: 0,
            user_reserve: 0,
            ram_and_swap: 8000 * MIB,
            total_vm: 1700 * MIB,
            private_writable: 1600 * MIB,
            huge: 0,
            largest_mapping: None,
            refused: None,
            accounted: None,
        });
        limit.usage = Some(3980 * MIB);
        limit.requested = Some(8 * MIB);
        limit.usable = limit.value;
        let fixes = |whole_copy| {
            let context = Context {
                last_memory: Some(Memory {
                    total: Some(8000 * MIB),
                    swap_total: Some(0),
                    huge_pages: Some(0),
                    overcommit_kbytes: Some(4000 << 10),
                    ..Memory::default()
                }),
                whole_copy,
                ..Context::default()
            };
            strict_fixes(&limit, false, &context)
        };
        let kbytes = |fixes: &[Fix]| -> u64 {
            let command = fixes[0].now.as_deref().unwrap();
            command.split(' ').nth(1).unwrap().parse().unwrap()
        };
        let whole = 5100 * MIB;
        assert!(kbytes(&fixes(None)) * 1024 < whole);
        let all = fixes(Some(whole));
        assert!(kbytes(&all) * 1024 > whole);
        let note = |fixes: &[Fix]| {
            fixes
                .iter()
                .any(|fix| fix.note == Some(rest_of_copy(whole)))
        };
        assert!(note(&all) && !note(&fixes(None)));
        // One mapping is nearly all of it.
        assert!(!note(&fixes(Some(3988 * MIB))));
    }
}
