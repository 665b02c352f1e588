//! `cgroup_memory_max`, `cgroup_kernel_memory_max`: a memory cgroup that is
//! full, and nobody in it to kill.

use std::fs;
use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use forktrace::cause::Cause;
use forktrace::provoke::sys;
use forktrace::record::{Errno, Unit};
use rustix::fs::{MemfdFlags, memfd_create};

use super::{Place, Reach, Run, Scenario, must_fail, skip};
use crate::actor::Actor;
use crate::arch::page;
use crate::attempt::{Attempt, Kind, attempt, short_of_memory};
use crate::cgroup::{Cgroup, Hierarchies, Tree};
use crate::expect::{Expect, Number, Scope, WantedLimit};
use crate::holders::WantedHolders;
use crate::setting::{self, Setting};
use crate::sleepers::Sleepers;

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "memory_own_9m",
        reach: Reach::Host,
        run: |place| full(place, "mo", 9 << 20, 0),
    },
    Scenario {
        name: "memory_grandparent_14m",
        reach: Reach::Host,
        run: |place| full(place, "mg", 14 << 20, 2),
    },
    Scenario {
        name: "memory_22_levels",
        reach: Reach::Host,
        run: |place| full(place, "md", 11 << 20, 21),
    },
    Scenario {
        name: "memory_victim",
        reach: Reach::Host,
        run: victim,
    },
    Scenario {
        name: "kernel_memory_v1",
        reach: Reach::Host,
        run: kernel_memory,
    },
];

pub(crate) fn hierarchy(place: &Place) -> Result<Hierarchies> {
    match place.cgroups.memory() {
        Some(hierarchy) => Ok(hierarchy),
        None => skip("no memory controller is mounted"),
    }
}

/// A cgroup `below` levels under the one that is limited, with the memory
/// controller on all the way.
pub(crate) fn under(tree: &Tree, hierarchy: &Hierarchies, below: usize) -> Result<Cgroup> {
    let names: Vec<String> = (1..=below).map(|n| format!("below-{n}")).collect();
    let leaf = tree.at(&names)?;
    if hierarchy.pids_is_v2 {
        let mut folder = tree.top().dir;
        for name in &names {
            fs::write(folder.join("cgroup.subtree_control"), "+memory")
                .with_context(|| format!("turn memory on below {}", folder.display()))?;
            folder.push(name);
        }
    }
    Ok(leaf)
}

pub(crate) fn limit_name(hierarchy: &Hierarchies) -> &'static str {
    if hierarchy.pids_is_v2 {
        "memory.max"
    } else {
        "memory.limit_in_bytes"
    }
}

/// The kernel reports each time that its OOM killer runs, at length.
pub(crate) fn quiet_console() -> Result<Setting> {
    setting::set("kernel/printk", 1)
}

pub(crate) fn set(file: &Path, value: u64) -> Result<()> {
    fs::write(file, value.to_string())
        .with_context(|| format!("write {value} to {}", file.display()))
}

/// A file in memory that is gone with the caller; to be made outside of the
/// cgroup, which takes in what is written to it.
pub(crate) fn ballast() -> Result<fs::File> {
    let file = memfd_create("ballast", MemfdFlags::CLOEXEC).context("memfd_create")?;
    Ok(file.into())
}

/// Writes until the cgroup takes no more.
pub(crate) fn fill(mut ballast: &fs::File) -> Result<()> {
    // Before the cgroup is full.
    let page = vec![1; page()];
    for _ in 0..(256 << 20) / page.len() {
        if ballast.write_all(&page).is_err() {
            return Ok(());
        }
    }
    bail!("256 MB went into the cgroup")
}

/// To be opened in time: in a full cgroup even that can be refused.
pub(crate) fn way_out(hierarchy: &Hierarchies) -> Result<fs::File> {
    let file = hierarchy.pids.join("cgroup.procs");
    let opened = fs::OpenOptions::new().write(true).open(&file);
    opened.with_context(|| format!("open {}", file.display()))
}

/// A page fault that the cgroup has no room for waits for ever, and what the heap asks of the kernel is refused:
/// what is allocated later comes from what is given back to the heap here.
pub(crate) fn touch_everything() {
    drop(std::hint::black_box(vec![1_u8; 64 << 10]));
    let _ = sys::lock_present();
}

fn must_be_granted(tried: Attempt) -> Result<()> {
    ensure!(tried.errno == 0, "refused with errno {}", tried.errno);
    Ok(())
}

/// Tries until refused: what the CPU has charged in advance lets a few pass.
/// `before` each of them.
fn until_refused(kind: Kind, mut before: impl FnMut() -> Result<()>) -> Result<Vec<Attempt>> {
    for _ in 0..60 {
        before()?;
        let tried = attempt(kind);
        if tried.errno != 0 {
            return Ok(vec![tried]);
        }
    }
    Ok(Vec::new())
}

/// `bytes`: on a kernel of small pages. Of larger ones everything takes more.
fn full(place: &Place, tag: &str, bytes: u64, below: usize) -> Result<Run> {
    let of_4k = page() as u64 >> 12;
    let bytes = bytes + ((of_4k - 1) << 20);
    // 64 pages a processor (mm/memcontrol.c `MEMCG_CHARGE_BATCH`), which give room again when they go back.
    let in_advance = (of_4k << 19).max(2 << 20);
    let hierarchy = hierarchy(place)?;
    let tree = hierarchy.tree(tag)?;
    let top = tree.top();
    if !hierarchy.pids_is_v2 {
        // Before it has cgroups below it; always on since 5.11, then read-only.
        let _ = fs::write(top.dir.join("memory.use_hierarchy"), "1");
    }
    let leaf = under(&tree, &hierarchy, below)?;
    let console = quiet_console()?;
    if !hierarchy.pids_is_v2 {
        // It counts for the cgroup that is full; inherited when made.
        set(&top.dir.join("memory.oom_control"), 1)?;
    }
    let limit_file = top.dir.join(limit_name(&hierarchy));
    set(&limit_file, bytes)?;
    let mut run = Run::default();
    let hoarder = hoarder(&leaf)?;
    run.holders = Some(WantedHolders {
        // What it shares with its parent is resident too.
        bytes: Some(HOARD..=HOARD + MOST_SHARED),
        ..WantedHolders::default()
    });
    let mut actors = Vec::new();
    for kind in Kind::ALL {
        let (actor, _) = Actor::start(format!("{tag}-{}", kind.label()), |link| {
            touch_everything();
            fs::write("/proc/self/oom_score_adj", "-1000")?;
            let leave = way_out(&hierarchy)?;
            let ballast = ballast()?;
            // One attempt that is granted has touched all that attempts touch. In the cgroup it can be refused where
            // earlier actors' children aren't freed yet.
            short_of_memory();
            must_be_granted(attempt(*kind))?;
            leaf.enter()?;
            link.step();
            // Earlier children are freed in the kernel's own time (RCU), and
            // what they held is room for the next: filled up again each time.
            let tried = until_refused(*kind, || fill(&ballast));
            // A report takes a page of a pipe, which is refused like the rest.
            (&leave).write_all(b"0")?;
            link.ready(tried?);
            Ok(())
        })?;
        actors.push((actor, *kind));
    }
    for (actor, kind) in &mut actors {
        let refused = actor.go()?.attempts;
        if refused.is_empty() {
            bail!("{} was granted 60 times", kind.label());
        }
        must_fail(&refused)?;
        for a in &refused {
            let mut expect = Expect::of(actor, a, Cause::CgroupMemoryMax)
                .limit(WantedLimit {
                    name: Some(limit_name(&hierarchy)),
                    scope: Scope::Exact(top.shown()),
                    value: Number::Exact(bytes),
                    usage: Number::Between(bytes - in_advance, bytes + (1 << 20)),
                    unit: Some(Unit::Bytes),
                    file: Some(limit_file.clone()),
                })
                .may_be_unknown();
            expect.errno = Errno::ENOMEM;
            expect.inferred = !hierarchy.pids_is_v2;
            run.expects.push(expect);
        }
    }
    run.keep(
        actors
            .into_iter()
            .map(|(actor, _)| actor)
            .collect::<Vec<_>>(),
    );
    run.keep(hoarder);
    run.keep(tree);
    run.keep(console);
    Ok(run)
}

/// What the hoarder has at least, in bytes.
const HOARD: u64 = 3 << 20;
/// What this program has at most, in bytes.
const MOST_SHARED: u64 = 24 << 20;

/// Holds memory and may not be killed.
fn hoarder(home: &Cgroup) -> Result<Actor> {
    let (actor, _) = Actor::start("hoarder", |link| {
        fs::write("/proc/self/oom_score_adj", "-1000")?;
        home.enter()?;
        let hoard = vec![1u8; HOARD as usize];
        touch_everything();
        link.step();
        std::hint::black_box(&hoard);
        Ok(())
    })?;
    Ok(actor)
}

/// Where there is a victim, it is killed and the creation goes on.
fn victim(place: &Place) -> Result<Run> {
    let hierarchy = hierarchy(place)?;
    if !hierarchy.pids_is_v2 {
        return skip("v1: the same killer");
    }
    let tree = hierarchy.tree("mv")?;
    let home = tree.top();
    let console = quiet_console()?;
    set(&home.dir.join("memory.max"), 12 << 20)?;
    // Holds memory and may be killed: it is not waited for.
    let (fat, _) = Actor::start("mv-fat", |link| {
        home.enter()?;
        sys::map(6 << 20)?.touch();
        link.step();
        Ok(())
    })?;
    let (mut caller, _) = Actor::start("mv-caller", |link| {
        touch_everything();
        fs::write("/proc/self/oom_score_adj", "-1000")?;
        let leave = way_out(&hierarchy)?;
        home.enter()?;
        attempt(Kind::PLAIN);
        link.step();
        let mut children = Vec::new();
        // Each holds a stack and more until it is waited for; 12 MB hold 150.
        for _ in 0..300 {
            let pid = crate::attempt::clone(libc::SIGCHLD);
            if pid < 0 {
                (&leave).write_all(b"0")?;
                bail!("a creation was refused with {pid} though there was a victim");
            }
            children.push(pid as i32);
            if sys::exists(fat.pid()) && children.len() < 300 {
                continue;
            }
            break;
        }
        (&leave).write_all(b"0")?;
        for pid in children {
            sys::reap(pid);
        }
        link.step();
        Ok(())
    })?;
    caller.go()?;
    run_quiet(caller, fat, tree, console)
}

fn run_quiet(caller: Actor, fat: Actor, tree: Tree, console: Setting) -> Result<Run> {
    let mut run = Run::default();
    run.quiet.push(caller.pid() as u32);
    run.keep(caller);
    run.keep(fat);
    run.keep(tree);
    run.keep(console);
    Ok(run)
}

/// v1's limit of kernel memory, which counted up to 5.15.
fn kernel_memory(place: &Place) -> Result<Run> {
    let hierarchy = hierarchy(place)?;
    if hierarchy.pids_is_v2 {
        return skip("v2 has no limit of kernel memory");
    }
    if place.kernel >= (5, 16) {
        return skip("without effect since 5.16");
    }
    let tree = hierarchy.tree("km")?;
    let home = tree.top();
    let mut run = Run::default();
    let mut callers = Vec::new();
    for kind in Kind::ALL {
        let (actor, _) = Actor::start(format!("km-{}", kind.label()), |link| {
            home.enter()?;
            attempt(*kind);
            link.step();
            link.ready(until_refused(*kind, || Ok(()))?);
            Ok(())
        })?;
        callers.push(actor);
    }
    let sleepers = Sleepers::start(11, || Ok(home.enter()?))?;
    let file = home.dir.join("memory.kmem.limit_in_bytes");
    let usage = fs::read_to_string(home.dir.join("memory.kmem.usage_in_bytes"))?;
    let limit: u64 = usage.trim().parse()?;
    set(&file, limit)?;
    for caller in &mut callers {
        let refused = caller.go()?.attempts;
        if refused.is_empty() {
            bail!("{} was granted 60 times", caller.comm());
        }
        for a in &refused {
            let mut expect = Expect::of(caller, a, Cause::CgroupKernelMemoryMax)
                .limit(WantedLimit {
                    name: Some("memory.kmem.limit_in_bytes"),
                    scope: Scope::Exact(home.shown()),
                    value: Number::Exact(limit),
                    usage: Number::Between(limit.saturating_sub(1 << 16), limit + (1 << 16)),
                    unit: Some(Unit::Bytes),
                    file: None,
                })
                .inferred();
            expect.errno = Errno::ENOMEM;
            run.expects.push(expect);
        }
    }
    run.keep(callers);
    run.keep(sleepers);
    run.keep(tree);
    Ok(run)
}
