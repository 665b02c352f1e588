//! Torture: random worlds in which the kernel refuses tasks, and a judge that doesn't know
//! forktrace.
//!
//! Beside forktrace runs an [`oracle`], which sees what the kernel's checks answer. Each phase plays
//! one of the [`world`]s, then both are [`judge`]d against each other, refusal by refusal.

mod clock;
mod judge;
mod oracle;
mod reported;
mod rng;
mod tally;
mod world;

use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use forktrace::provoke::sys;
use judge::{Truth, Verdict, judge};
use oracle::{Oracle, Owner, Refusal};
use reported::{BySeq, Records};
use rng::Rng;
use tally::Tally;
use world::{Note, Stage, WORLDS, World};

use crate::cgroup::Hierarchies;
use crate::scenario::Place;
use crate::tracer::{NotStarted, Scratch, Tracer};

/// forktrace reports counts each second.
const SETTLE: Duration = Duration::from_secs(30);
/// Of one kind in a phase so many findings are printed; the sums count all.
const MOST_TOLD: usize = 3;

/// What to run.
pub(crate) struct Plan<'a> {
    pub style: &'a str,
    pub seed: u64,
    /// Whichever is reached first.
    pub minutes: u64,
    pub refusals: u64,
    /// Only worlds with one of these in their names.
    pub only: &'a [String],
    /// The one phase to play.
    pub phase: Option<u64>,
}

/// Plays phases, prints each finding, and ends with a line of sums. The bar is xtask's.
pub(crate) fn run(forktrace: &Path, plan: &Plan<'_>) -> Result<()> {
    sys::own_mounts()?;
    let place = Place::find(1)?;
    ensure!(
        place.cgroups.pids_is_v2,
        "the worlds are made of cgroups v2"
    );
    let scratch = Scratch::new()?;
    let binary = scratch.binary(forktrace)?;
    let arguments: &[&str] = match plan.style {
        "auto" => &[],
        style => &["--attach", style],
    };
    let tracer = match Tracer::record(&scratch, &binary, arguments) {
        Ok(tracer) => tracer,
        Err(NotStarted::Refused(said)) => bail!("exit status 3: {}", said.trim()),
        Err(NotStarted::Failed(error)) => return Err(error),
    };
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let mut run = Run {
        plan,
        place,
        tracer,
        oracle: Oracle::new()?,
        known: BySeq::default(),
        paths: HashMap::new(),
        next_uid: 5000,
        tally: Tally::default(),
        ahead: clock::ahead(),
    };
    run.know_cgroups()?;
    println!(
        "torture: seed {}, {} on {}; the oracle sees {}",
        plan.seed,
        run.tracer.session.attach,
        release.trim(),
        run.oracle.probes().join(" ")
    );
    let done = run.phases();
    let line = run.tally.line(release.trim(), plan.style);
    match &done {
        Ok(()) => {
            let summary = run.tracer.end()?;
            println!(
                "torture: the summary: {} failures, {} lost, {} skipped, {} killed",
                summary.failures, summary.lost, summary.skipped, summary.killed
            );
        }
        Err(_) => println!(
            "torture: forktrace said: {}",
            run.tracer.running.said().trim()
        ),
    }
    println!("{line}");
    done
}

struct Run<'a> {
    plan: &'a Plan<'a>,
    place: Place,
    tracer: Tracer,
    oracle: Oracle,
    known: BySeq,
    paths: HashMap<u64, String>,
    next_uid: u32,
    tally: Tally,
    ahead: i128,
}

/// What a phase leaves for the judge.
struct Scene {
    notes: Vec<Note>,
    limited: BTreeSet<String>,
    uids: HashMap<u32, u32>,
    race: bool,
}

impl Run<'_> {
    fn phases(&mut self) -> Result<()> {
        let end = Instant::now() + Duration::from_secs(60 * self.plan.minutes);
        let worlds: Vec<&World> = WORLDS.iter().filter(|w| self.is_wanted(w.name)).collect();
        ensure!(!worlds.is_empty(), "no world of that name");
        let phases = match self.plan.phase {
            Some(one) => one..one + 1,
            None => 0..u64::MAX,
        };
        for n in phases {
            let refused = self.tally.get("refusals_still") + self.tally.get("refusals_race");
            if Instant::now() >= end || refused >= self.plan.refusals {
                break;
            }
            let mut rng = Rng::part(self.plan.seed, n);
            let world = choose(&worlds, &mut rng);
            self.phase(n, world, rng)
                .with_context(|| format!("phase {n}, {}", world.name))?;
        }
        Ok(())
    }

    fn is_wanted(&self, name: &str) -> bool {
        self.plan.only.is_empty() || self.plan.only.iter().any(|only| name.contains(&**only))
    }

    fn phase(&mut self, n: u64, world: &World, rng: Rng) -> Result<()> {
        let began = Instant::now();
        let mut stage = Stage::new(rng, &self.place, &mut self.paths, &mut self.next_uid);
        let played = (world.play)(&mut stage);
        let scene = Scene {
            notes: stage.notes,
            limited: stage.limited,
            uids: stage.uids,
            race: stage.race,
        };
        let (keep, broken) = match played {
            Ok(keep) => (keep, None),
            Err(error) => (Vec::new(), Some(error)),
        };
        let mut refusals = Vec::new();
        let mut records = Records::default();
        self.settle(&mut refusals, &mut records)?;
        drop(keep);
        let truths: Vec<Truth> = refusals.iter().map(|r| self.truth(r, &scene)).collect();
        let verdict = judge(&truths, &records, &self.known);
        if let Some(error) = broken {
            // It is judged all the same, but it isn't the world that was meant.
            self.tally.add("broken", 1);
            println!(
                "BROKEN\tseed={}\tphase={n}\t{}\t{error:#}",
                self.plan.seed, world.name
            );
        }
        self.tally.take(&verdict, scene.race);
        self.tally.add("hidden", self.hidden(&truths, &verdict));
        let mut shown: HashMap<_, usize> = HashMap::new();
        for wrong in &verdict.wrong {
            let kind = (wrong.fault, wrong.certainty);
            let n_th = shown.entry(kind).or_default();
            *n_th += 1;
            if *n_th <= MOST_TOLD {
                println!(
                    "WRONG\tseed={} phase={n} {} {}\t{:?} x{} {:?}\treported: {}\tseen: {}",
                    self.plan.seed,
                    world.name,
                    if scene.race { "race" } else { "still" },
                    wrong.fault,
                    wrong.count,
                    wrong.certainty,
                    wrong.reported,
                    wrong.seen
                );
            }
        }
        println!(
            "phase {n}\t{}\t{}\t{} refused, {} reported, {} wrong, {} missed, {} extra, {} unknown, {} undecided\t{:.1} s",
            world.name,
            if scene.race { "race" } else { "still" },
            verdict.refusals,
            records.failures.len(),
            verdict.wrong.len(),
            verdict.missed,
            verdict.extra,
            verdict.unknown,
            verdict.undecided,
            began.elapsed().as_secs_f64()
        );
        Ok(())
    }

    /// Verdicts `unknown` that the oracle itself is the reason of: whether a refusal of memory is a creation's
    /// says the stack, and before 5.15 it ends at a function whose return a kretprobe watches
    /// (arch/x86/kernel/unwind_orc.c; since then `unwind_recover_ret_addr`).
    fn hidden(&self, truths: &[Truth], verdict: &Verdict) -> u64 {
        const BY_STACK: [&str; 2] = ["overcommit", "cgroup_memory_max"];
        // The style tracepoint looks at no stack.
        if self.place.kernel >= (5, 15) || self.tracer.session.attach == "tracepoint" {
            return 0;
        }
        let by_stack = |truth: &&Truth| truth.cause.is_some_and(|cause| BY_STACK.contains(&cause));
        verdict
            .unknown
            .min(truths.iter().filter(by_stack).count() as u64)
    }

    /// Waits until forktrace has reported as many as there were, or has had the time to.
    fn settle(&mut self, refusals: &mut Vec<Refusal>, records: &mut Records) -> Result<()> {
        let end = Instant::now() + SETTLE;
        loop {
            let observed = self.oracle.look()?;
            refusals.extend(observed.refusals);
            self.tally.add("gaps", observed.gaps);
            self.tally.add("other_errnos", observed.others);
            self.tracer.read()?;
            let before = records.failures.len();
            records.take(self.tracer.lines.drain(..), self.ahead)?;
            self.known.learn(&records.failures[before..]);
            if records.total() >= refusals.len() as u64 || Instant::now() >= end {
                return Ok(());
            }
            if let Some(status) = self.tracer.running.status() {
                bail!("forktrace ended: {status}");
            }
            sleep(Duration::from_millis(50));
        }
    }

    /// What is known of a refusal: by the oracle, and by the world where the oracle leaves it open.
    fn truth(&mut self, refusal: &Refusal, scene: &Scene) -> Truth {
        let of_process = |note: &&Note| {
            (note.process == refusal.process || note.process == world::ANYONE as u32)
                && note.from <= refusal.begin
        };
        let note = scene.notes.iter().rev().find(of_process);
        let said = note.and_then(|note| note.cause);
        let owner = note.and_then(|note| note.owner.clone());
        let mut truth = Truth {
            tid: refusal.tid,
            process: refusal.process,
            begin: refusal.begin,
            end: refusal.end,
            errno: refusal.errno,
            cause: refusal.cause.or(said),
            owners: self.owners(refusal, scene),
            value: refusal.value.filter(|_| !scene.race),
            usage: refusal.usage.filter(|_| !scene.race),
            seen: refusal.seen.clone(),
        };
        if let Some(said) = said
            && let Some(owner) = &owner
            && truth.owners.is_empty()
            && truth.cause == Some(said)
        {
            truth.owners.push(owner.clone());
        }
        let agrees = said.is_none_or(|said| truth.cause == Some(said))
            && owner.is_none_or(|owner| truth.owners.contains(&owner));
        if !agrees {
            self.tally.add("contradictions", 1);
            if self.tally.get("contradictions") < 10 {
                println!("ORACLE\tthe world says {note:?}\tthe oracle {refusal:?}");
            }
        }
        truth
    }

    /// What a record may call the owner.
    fn owners(&self, refusal: &Refusal, scene: &Scene) -> Vec<String> {
        let path = |id: &u64| self.paths.get(id).cloned();
        let owner = match &refusal.owner {
            Some(Owner::Cgroup(id)) => path(id),
            Some(Owner::Above(id)) => path(id).and_then(|path| only_limited(&path, scene)),
            Some(Owner::Uid(uid)) => Some(format!("uid {uid}")),
            Some(Owner::UserNamespace(n)) => Some(format!("user namespace {n}")),
            Some(Owner::PidNamespace(n)) => Some(format!("pid namespace {n}")),
            Some(Owner::Host) => Some("host".to_owned()),
            // Before 5.14 there is one count for each user, wherever it is.
            None if refusal.cause == Some("rlimit_nproc")
                && !self.oracle.probes().contains(&"over") =>
            {
                scene
                    .uids
                    .get(&refusal.process)
                    .map(|uid| format!("uid {uid}"))
            }
            None => None,
        };
        owner.into_iter().collect()
    }

    /// The cgroups that there are before any world.
    fn know_cgroups(&mut self) -> Result<()> {
        use std::os::unix::fs::MetadataExt;
        let Hierarchies { pids, .. } = &self.place.cgroups;
        for entry in std::fs::read_dir(pids)? {
            let entry = entry?;
            let meta = entry.metadata()?;
            if meta.is_dir() {
                let name = entry.file_name().to_string_lossy().into_owned();
                self.paths.insert(meta.ino(), format!("/{name}"));
            }
        }
        Ok(())
    }
}

/// Of the cgroup and those above it the one that has a limit, where one alone has.
fn only_limited(path: &str, scene: &Scene) -> Option<String> {
    let above = |limited: &&String| {
        path.strip_prefix(&***limited)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let mut all = scene.limited.iter().filter(above);
    match (all.next(), all.next()) {
        (Some(one), None) => Some(one.clone()),
        _ => None,
    }
}

/// One of them, by their weights.
fn choose<'a>(worlds: &[&'a World], rng: &mut Rng) -> &'a World {
    let sum: u64 = worlds.iter().map(|world| world.weight).sum();
    let mut at = rng.between(1, sum);
    for world in worlds {
        if at <= world.weight {
            return world;
        }
        at -= world.weight;
    }
    worlds[0]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_limit_above_is_the_one() {
        let scene = |limited: &[&str]| Scene {
            notes: Vec::new(),
            limited: limited.iter().map(|&path| path.to_owned()).collect(),
            uids: HashMap::new(),
            race: false,
        };
        let found = |limited: &[&str]| only_limited("/a/b/c", &scene(limited));
        assert_eq!(found(&["/a/b", "/a/bb", "/x"]).as_deref(), Some("/a/b"));
        assert_eq!(found(&["/a/b/c"]).as_deref(), Some("/a/b/c"));
        assert_eq!(found(&["/a", "/a/b"]), None);
        assert_eq!(found(&["/a/b/c/d"]), None);
    }

    #[test]
    fn every_world_comes_up() {
        let worlds: Vec<&World> = WORLDS.iter().collect();
        let mut rng = Rng::new(3);
        let names: BTreeSet<&str> = (0..2000).map(|_| choose(&worlds, &mut rng).name).collect();
        assert_eq!(names.len(), WORLDS.len());
    }
}
