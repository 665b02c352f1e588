//! Provokes refused forks on real kernels and checks what forktrace says of
//! them. Static, so that it runs in a machine with nothing else; as PID 1 it is
//! that machine's init.

mod actor;
mod arch;
mod attempt;
mod behaviour;
mod bench;
mod bench_holders;
mod bench_latency;
mod bench_peers;
mod bench_storm;
mod bpf;
mod bpf_lsm;
mod bpf_scheduler;
mod bpf_types;
mod brief;
mod cgroup;
mod complaints;
mod expect;
mod held;
mod holders;
mod init;
mod io_uring;
mod machine;
mod memory;
mod oom;
mod program32;
#[cfg(test)]
mod promises;
mod provoke;
mod pthread;
mod refuse_attach;
mod report;
mod runner;
mod scenario;
mod session;
mod setting;
mod sleepers;
mod soak;
mod storm;
mod torture;
mod tracer;
mod verified;
mod zombies;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(version, about, max_term_width = 80)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Everything, in a test machine: changes settings of the whole host
    Vm {
        /// The binary to test
        #[arg(long)]
        forktrace: PathBuf,
        /// Only this attach style (may be given several times)
        #[arg(long = "style")]
        styles: Vec<String>,
        /// Only what has this in its name (may be given several times)
        #[arg(long)]
        only: Vec<String>,
        /// Nothing that has this in its name (may be given several times)
        #[arg(long)]
        except: Vec<String>,
        /// Only this kind of tests (may be given several times)
        #[arg(long = "kind", value_enum)]
        kinds: Vec<runner::Kind>,
        /// In the sessions, each cause once or twice instead of all scenarios
        #[arg(long)]
        brief: bool,
    },
    /// What leaves this host as it was: own cgroups, users, namespaces
    Native {
        /// The binary to test
        #[arg(long)]
        forktrace: PathBuf,
        /// Only this attach style (may be given several times)
        #[arg(long = "style")]
        styles: Vec<String>,
        /// Only what has this in its name (may be given several times)
        #[arg(long)]
        only: Vec<String>,
    },
    /// Instructions by operation, in a machine whose clock counts them
    Bench {
        /// The binary to measure
        #[arg(long)]
        forktrace: PathBuf,
        /// none, fexit, kprobe or tracepoint
        #[arg(long)]
        style: String,
        /// An argument for forktrace (may be given several times)
        #[arg(long, allow_hyphen_values = true)]
        option: Vec<String>,
    },
    /// The measuring itself
    BenchOperations {
        /// What to call what is measured
        #[arg(long)]
        label: String,
        /// Only these, and the fork that fails
        operations: Vec<String>,
    },
    /// How long it takes to count who fills a limit, on this host
    BenchHolders {
        /// Tasks to make, at most
        #[arg(long)]
        tasks: u64,
    },
    /// The same by another tool, `@PID@` in the command standing for this process
    BenchPeers {
        /// What to call it
        #[arg(long)]
        peer: String,
        #[arg(last = true)]
        words: Vec<String>,
    },
    /// What a storm of refused forks costs
    BenchStorm {
        /// The binary to measure
        #[arg(long)]
        forktrace: PathBuf,
        /// none, fexit, kprobe or tracepoint
        #[arg(long)]
        style: String,
        /// Who is refused: one process, processes, users
        #[arg(long)]
        keys: String,
        #[arg(long)]
        refusals: u32,
    },
    /// How long after a refusal its line can be read
    BenchLatency {
        /// The binary to measure
        #[arg(long)]
        forktrace: PathBuf,
        #[arg(long)]
        style: String,
        #[arg(long)]
        samples: u32,
    },
    /// Storms and quiet in turn: memory and descriptors stay flat, counts are exact
    Soak {
        /// The binary to test
        #[arg(long)]
        forktrace: PathBuf,
        /// Force an attach style
        #[arg(long)]
        style: Option<String>,
        #[arg(long)]
        minutes: u64,
    },
    /// Random worlds that refuse tasks, judged by an oracle; in a test machine
    Torture {
        /// The binary to test
        #[arg(long)]
        forktrace: PathBuf,
        /// Force an attach style
        #[arg(long, default_value = "auto")]
        style: String,
        /// The worlds follow from it
        #[arg(long)]
        seed: u64,
        #[arg(long)]
        minutes: u64,
        /// Stop after about so many
        #[arg(long, default_value_t = u64::MAX)]
        refusals: u64,
        /// Only worlds with this in their name (may be given several times)
        #[arg(long)]
        only: Vec<String>,
        /// Only this phase of the seed
        #[arg(long)]
        phase: Option<u64>,
    },
    /// One scenario by hand, unchecked; without a name, lists them
    Provoke {
        /// The scenario's name
        name: Option<String>,
        /// Attempts by each caller
        #[arg(long, default_value_t = 1)]
        count: u32,
    },
    /// What the tests run under `forktrace live --`
    #[command(hide = true)]
    Helper {
        what: String,
        argument: Option<String>,
    },
}

fn main() -> ExitCode {
    if std::process::id() == 1 {
        init::main();
    }
    let done = match Arguments::parse().command {
        Command::Vm {
            forktrace,
            styles,
            only,
            except,
            kinds,
            brief,
        } => runner::run(
            runner::Where::TestMachine,
            &forktrace,
            runner::Choice {
                styles,
                only,
                except,
                kinds,
                brief,
            },
        ),
        Command::Native {
            forktrace,
            styles,
            only,
        } => runner::run(
            runner::Where::Host,
            &forktrace,
            runner::Choice {
                styles,
                only,
                ..runner::Choice::default()
            },
        ),
        Command::Bench {
            forktrace,
            style,
            option,
        } => bench::run(&forktrace, &style, &option).map(|()| true),
        Command::BenchOperations { label, operations } => {
            bench::operations(&label, &operations).map(|()| true)
        }
        Command::BenchHolders { tasks } => bench_holders::run(tasks).map(|()| true),
        Command::BenchPeers { peer, words } => bench_peers::run(&peer, &words).map(|()| true),
        Command::BenchStorm {
            forktrace,
            style,
            keys,
            refusals,
        } => bench_storm::run(&forktrace, &style, &keys, refusals).map(|()| true),
        Command::BenchLatency {
            forktrace,
            style,
            samples,
        } => bench_latency::run(&forktrace, &style, samples).map(|()| true),
        Command::Soak {
            forktrace,
            style,
            minutes,
        } => soak::run(&forktrace, style.as_deref(), minutes).map(|()| true),
        Command::Torture {
            forktrace,
            style,
            seed,
            minutes,
            refusals,
            only,
            phase,
        } => torture::run(
            &forktrace,
            &torture::Plan {
                style: &style,
                seed,
                minutes,
                refusals,
                only: &only,
                phase,
            },
        )
        .map(|()| true),
        Command::Provoke { name, count } => provoke::run(name.as_deref(), count),
        Command::Helper { what, argument } => behaviour::helper(&what, argument.as_deref()),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::from(2)
        }
    }
}
