//! Provokes refused forks on real kernels and checks what forktrace says of
//! them. Static, so that it runs in a machine with nothing else; as PID 1 it is
//! that machine's init.

mod actor;
mod attempt;
mod behaviour;
mod bench;
mod bench_holders;
mod bpf;
mod bpf_lsm;
mod cgroup;
mod expect;
mod holders;
mod init;
mod io_uring;
mod oom;
mod provoke;
mod pthread;
mod report;
mod runner;
mod scenario;
mod seccomp;
mod sys;
mod tracer;

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
        /// Only scenarios whose name contains this
        #[arg(long)]
        only: Option<String>,
        /// Leave out what doesn't depend on the kernel: arguments, exit
        /// statuses, signals, full disks
        #[arg(long)]
        no_behaviour: bool,
    },
    /// What leaves this host as it was: own cgroups, users, namespaces
    Native {
        /// The binary to test
        #[arg(long)]
        forktrace: PathBuf,
        /// Only this attach style (may be given several times)
        #[arg(long = "style")]
        styles: Vec<String>,
        /// Only scenarios whose name contains this
        #[arg(long)]
        only: Option<String>,
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
    /// How long it takes to count who fills a limit, on this host
    BenchHolders {
        /// Tasks to make, at most
        #[arg(long)]
        tasks: u64,
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
            no_behaviour,
        } => runner::run(
            runner::Where::TestMachine,
            &forktrace,
            &styles,
            only.as_deref(),
            !no_behaviour,
        ),
        Command::Native {
            forktrace,
            styles,
            only,
        } => runner::run(
            runner::Where::Host,
            &forktrace,
            &styles,
            only.as_deref(),
            true,
        ),
        Command::Bench {
            forktrace,
            style,
            option,
        } => bench::run(&forktrace, &style, &option).map(|()| true),
        Command::BenchHolders { tasks } => bench_holders::run(tasks).map(|()| true),
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
