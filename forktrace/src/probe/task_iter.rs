//! The BPF task iterator (kernel/bpf/task_iter.c, 5.8+), from which holders are counted: loaded when
//! a session starts, read from whenever a count is wanted.
//!
//! Reading takes a new file descriptor each time, and 32 KiB of the kernel's memory while it lasts;
//! nothing runs in the kernel otherwise.

use std::{
    fs::File,
    io::{self, ErrorKind, Read},
    ops::ControlFlow,
    os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd},
    path::Path,
};

use aya::{
    Btf, Ebpf,
    maps::{Array, MapData},
    programs::Program,
};
use forktrace_common::{
    offsets::{MISSING, Offsets},
    settings::Settings,
    task::{Query, Task, of},
};

use super::{bpf::bpf_fd, kernel::Kernel, object, uninterrupted::uninterrupted, why::Why};
use crate::host::holders::Tasks;

/// The program, and the map that says whose tasks it lists.
const PROGRAM: &str = "iter_task";
const MAP: &str = "TASKS_OF";

/// The kernel's function that stands for the iterator in its types.
pub const FUNCTION: &str = "bpf_iter_task";

/// What one system call reads at most, in bytes; the kernel's own buffer has 32 KiB.
const BUFFER: usize = 400 * Task::BYTES;

/// bpf(2), include/uapi/linux/bpf.h.
const BPF_LINK_CREATE: libc::c_long = 28;
const BPF_ITER_CREATE: libc::c_long = 33;
const BPF_TRACE_ITER: u32 = 28;

/// The iterator, ready to be read from.
pub struct TaskIter {
    link: OwnedFd,
    query: Array<MapData, Query>,
    offsets: Offsets,
    buffer: Vec<u8>,
}

impl TaskIter {
    /// Loads the program of an object that has been created. `btf`: the running kernel's own types.
    ///
    /// # Errors
    /// Why the kernel doesn't take it, in words: no privilege, lockdown, no types, fields that it
    /// lacks.
    pub fn open(ebpf: &mut Ebpf, btf: Option<&Btf>, offsets: &Offsets) -> Result<Self, String> {
        let btf = btf.ok_or("the kernel has no BTF")?;
        if !has(offsets, of::HOST) {
            return Err("the kernel lacks a field that it reads".to_owned());
        }
        let Some(Program::Iter(program)) = ebpf.program_mut(PROGRAM) else {
            return Err(format!("the BPF object has no iterator {PROGRAM}"));
        };
        program
            .load("task", btf)
            .map_err(|error| Why::from(error).into_text())?;
        let fd = program.fd().map_err(|error| error.to_string())?;
        let link = link(fd.as_fd()).map_err(|error| format!("linking it: {error}"))?;
        let map = ebpf
            .take_map(MAP)
            .ok_or_else(|| format!("the BPF object has no map {MAP}"))?;
        Ok(Self {
            link,
            query: Array::try_from(map).map_err(|error| error.to_string())?,
            offsets: *offsets,
            buffer: vec![0; BUFFER],
        })
    }

    /// The iterator alone, where nothing is traced: to measure and to test it.
    ///
    /// # Errors
    /// As [`Self::open`], what keeps the object's maps from being made, and a file of types that is
    /// none.
    pub fn alone(btf: Option<&Path>) -> Result<Self, String> {
        let kernel = Kernel::discover(btf).map_err(|error| error.to_string())?;
        let own = kernel.types_of_aya(&[FUNCTION]);
        let (offsets, settings) = (&kernel.offsets, Settings::default());
        let (object, symbols) = (kernel.object(), &kernel.symbols);
        let ebpf = object::create(object, offsets, symbols, &settings, 64 << 10, false);
        let mut ebpf = ebpf.map_err(|error| format!("creating the BPF maps: {error}"))?;
        Self::open(&mut ebpf, own.as_ref(), offsets)
    }
}

impl Tasks for TaskIter {
    fn each(
        &mut self,
        query: &Query,
        see: &mut dyn FnMut(&Task) -> ControlFlow<()>,
    ) -> io::Result<()> {
        if !has(&self.offsets, query.of) {
            return Err(ErrorKind::Unsupported.into());
        }
        uninterrupted(|| self.query.set(0, query, 0)).map_err(io::Error::other)?;
        let file = File::from(iterate(self.link.as_fd())?);
        read(file, &mut self.buffer, see)
    }
}

/// Reads to the end, a buffer of [`BUFFER`] bytes at a time: a task can come in two parts.
fn read(
    mut from: impl Read,
    buffer: &mut [u8],
    see: &mut dyn FnMut(&Task) -> ControlFlow<()>,
) -> io::Result<()> {
    let mut kept = 0;
    loop {
        let filled = match from.read(&mut buffer[kept..]) {
            Ok(0) => return Ok(()),
            Ok(n) => kept + n,
            // A million tasks have been passed over: on it goes.
            Err(error)
                if matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::WouldBlock) =>
            {
                continue;
            }
            Err(error) => return Err(error),
        };
        let (whole, _) = buffer[..filled].as_chunks::<{ Task::BYTES }>();
        for bytes in whole {
            if see(&task(bytes)).is_break() {
                return Ok(());
            }
        }
        let used = whole.len() * Task::BYTES;
        buffer.copy_within(used..filled, 0);
        kept = filled - used;
    }
}

/// Whether the kernel has what the program reads for such a query.
fn has(offsets: &Offsets, wanted: u32) -> bool {
    let o = offsets;
    let needed: &[u64] = match wanted {
        of::USER => &[
            o.cred_ucounts,
            o.ucounts_ns,
            o.ucounts_uid,
            o.userns_inum,
            o.userns_ucounts,
        ],
        of::PID_NAMESPACE => &[
            o.task_thread_pid,
            o.pid_level,
            o.pid_numbers,
            o.upid_ns,
            o.pidns_inum,
            o.pidns_parent,
        ],
        of::PIDS_CGROUP => &[o.cset_pids, o.css_cgroup],
        _ => &[
            o.task_cgroups,
            o.cset_dfl_cgrp,
            o.cgroup_kn,
            o.kn_id,
            o.kn_parent,
            o.task_pid,
            o.task_tgid,
            o.task_group_leader,
            o.task_real_parent,
            o.task_signal,
            o.signal_nr_threads,
            o.task_real_cred,
            o.cred_uid,
            o.task_flags,
            o.task_exit_state,
            o.task_comm,
        ],
    };
    !needed.contains(&MISSING)
}

fn task(bytes: &[u8; Task::BYTES]) -> Task {
    // SAFETY: as many bytes as a `Task` has, which is integers without padding.
    unsafe { bytes.as_ptr().cast::<Task>().read_unaligned() }
}

/// A link of the iterator: `link_create.prog_fd`, `target_fd`, `attach_type` of `union bpf_attr`.
fn link(program: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    bpf(
        BPF_LINK_CREATE,
        [program.as_raw_fd() as u32, 0, BPF_TRACE_ITER, 0],
    )
}

/// A reading from the first task on: `iter_create.link_fd`.
fn iterate(link: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    bpf(BPF_ITER_CREATE, [link.as_raw_fd() as u32, 0, 0, 0])
}

/// aya makes a link for one reading, and gives it up with that.
fn bpf(command: libc::c_long, mut attr: [u32; 4]) -> io::Result<OwnedFd> {
    // SAFETY: both commands take four words at most, none of them a pointer, and make a descriptor.
    unsafe { bpf_fd(command, &mut attr) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives a few bytes at a time, and is interrupted in between.
    struct Bits<'a>(&'a [u8], bool);

    impl Read for Bits<'_> {
        fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
            self.1 = !self.1;
            if self.1 {
                return Err(ErrorKind::WouldBlock.into());
            }
            let n = to.len().min(self.0.len()).min(50);
            let (now, later) = self.0.split_at(n);
            to[..n].copy_from_slice(now);
            self.0 = later;
            Ok(n)
        }
    }

    #[test]
    fn tasks_in_parts() {
        let mut bytes = Vec::new();
        for tid in 1..=9_u32 {
            let mut one = [0; Task::BYTES];
            let at = std::mem::offset_of!(Task, tid);
            one[at..at + 4].copy_from_slice(&tid.to_ne_bytes());
            bytes.extend(one);
        }
        let tids = |bytes: &[u8], most| {
            let mut tids = Vec::new();
            let mut buffer = vec![0; 2 * Task::BYTES];
            let all = read(Bits(bytes, false), &mut buffer, &mut |task| {
                tids.push(task.tid);
                match tids.len() < most {
                    true => ControlFlow::Continue(()),
                    false => ControlFlow::Break(()),
                }
            });
            all.map(|()| tids)
        };
        assert_eq!(tids(&bytes, 100).unwrap(), [1, 2, 3, 4, 5, 6, 7, 8, 9]);
        assert_eq!(tids(&bytes, 3).unwrap(), [1, 2, 3]);
        assert_eq!(tids(&bytes[..Task::BYTES * 2 - 1], 100).unwrap(), [1]);
    }

    #[test]
    fn a_kernel_without_the_fields() {
        let mut offsets = Offsets::UNKNOWN;
        for of in [
            of::HOST,
            of::UID,
            of::USER,
            of::PID_NAMESPACE,
            of::PIDS_CGROUP,
        ] {
            assert!(!has(&offsets, of), "{of}");
        }
        offsets.cset_pids = 8;
        offsets.css_cgroup = 0;
        assert!(has(&offsets, of::PIDS_CGROUP));
    }
}
