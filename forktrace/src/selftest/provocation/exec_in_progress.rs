//! A task that asks for a sharer of its file-system state while a thread of
//! its process is within execve(2).
//!
//! The execve is of a script whose interpreter is at the end of a long chain
//! of symbolic links, and not there: it fails, late, and runs nothing. The
//! links are on a tmpfs in a mount namespace of their own.

use std::{
    ffi::CString,
    fs,
    os::unix::{
        ffi::OsStrExt as _,
        fs::{PermissionsExt as _, symlink},
    },
    path::Path,
    ptr, thread,
    time::{Duration, Instant},
};

use super::{Provocation, Provoked, number};
use crate::{
    cause::Cause,
    record::Errno,
    selftest::{actor::Actor, expect::Expected, sys, trouble::Trouble, world::World},
};

pub const ALL: &[Provocation] = &[Provocation::own(Cause::ExecInProgress, run)];

/// The kernel follows up to 40 links (MAXSYMLINKS, include/linux/namei.h).
const LINKS: usize = 38;
/// `./` that a link's target begins with; a target has up to 4095 bytes.
const DOTS: usize = 2000;
/// A state so short has to be met; several times, because in the tracepoint
/// style it can be over when it is looked at.
const REFUSALS: u64 = 3;
const PATIENCE: Duration = Duration::from_secs(10);

fn run(world: &World) -> Result<Provoked, Trouble> {
    let (actor, _) = Actor::start(&world.comm, |link| {
        let script = slow_script().map_err(Trouble::into_skip)?;
        link.tell(&[]);
        // Ends with the process.
        thread::Builder::new()
            .stack_size(64 << 10)
            .spawn(move || exec_for_ever(&script))
            .map_err(Trouble::at("starting a thread"))?;
        link.tell(&[until_refused()]);
        Ok(())
    })?;
    let refusals = number(&actor.go()?, 0)?;
    if refusals == 0 {
        return Err(Trouble::Skip(format!(
            "no creation met an execve within {} s",
            PATIENCE.as_secs()
        )));
    }
    let mut expected = Expected::new(Cause::ExecInProgress, Errno::EAGAIN, refusals);
    expected.some_unknown = true;
    Ok(Provoked::new(expected).keep(actor))
}

fn slow_script() -> Result<CString, Trouble> {
    sys::own_mounts()?;
    let folder = Path::new("/tmp");
    sys::mount("tmpfs", folder, "tmpfs", 0)?;
    let doing = "making links on a tmpfs";
    for n in 0..LINKS {
        let target = format!("{}l{}", "./".repeat(DOTS), n + 1);
        symlink(target, folder.join(format!("l{n}"))).map_err(Trouble::at(doing))?;
    }
    let script = folder.join("script");
    let text = format!("#!{}\n", folder.join("l0").display());
    fs::write(&script, text).map_err(Trouble::at(doing))?;
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).map_err(Trouble::at(doing))?;
    CString::new(script.as_os_str().as_bytes()).map_err(|e| Trouble::Odd(e.to_string()))
}

fn exec_for_ever(script: &CString) {
    let arguments = [script.as_ptr(), ptr::null()];
    loop {
        // SAFETY: a string and an ended list; the exec fails.
        unsafe { libc::execv(script.as_ptr(), arguments.as_ptr()) };
    }
}

fn until_refused() -> u64 {
    let end = Instant::now() + PATIENCE;
    let mut refusals = 0;
    while refusals < REFUSALS && Instant::now() < end {
        // EAGAIN by an exhausted limit would be told with its own cause.
        if sys::attempt(libc::CLONE_FS) == libc::EAGAIN {
            refusals += 1;
        }
    }
    refusals
}
