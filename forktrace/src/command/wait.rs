//! Waiting for a cgroup or a unit that isn't there yet.

use std::{
    io::{self, Write as _},
    time::Duration,
};

use forktrace::{
    tracer::{Options, missing_capabilities},
    view::clean,
};
use tokio::time::{Instant, sleep};

use super::{setup, trace::Signals};
use crate::{cli::TraceArgs, exit::NotThere};

/// How often it is looked for. A look walks through all cgroups, where it is a unit.
const PAUSE: Duration = Duration::from_millis(200);

/// The options, once what the filters name is there; `None` where a signal or the end of the time
/// came first. A command is not waited with: it may be what makes the cgroup, and has no filter then.
pub(super) async fn options(
    args: &TraceArgs,
    signals: &mut Signals,
    deadline: Option<Instant>,
) -> anyhow::Result<Option<Options>> {
    let mut said = false;
    loop {
        let missing = match setup::options(args) {
            Ok(options) => return Ok(Some(options)),
            Err(error) => match error.downcast::<NotThere>() {
                Ok(missing) => missing,
                Err(error) => return Err(error),
            },
        };
        // It could not be traced when it comes.
        if !args.command.is_empty() || !missing_capabilities().is_empty() {
            return Err(missing.into());
        }
        if !said {
            said = true;
            let _ = writeln!(
                io::stderr(),
                "forktrace: {}; waiting for it, and nothing is traced until then (Ctrl-C ends)",
                clean(&missing.to_string())
            );
        }
        tokio::select! {
            biased;
            () = signals.asked_to_end() => return Ok(None),
            () = sleep(PAUSE) => {}
        }
        if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            let _ = writeln!(io::stderr(), "forktrace: it has not come");
            return Ok(None);
        }
    }
}
