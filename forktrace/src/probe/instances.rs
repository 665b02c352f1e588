//! Returns that kretprobes missed for want of an instance.
//!
//! A kretprobe has an instance for each call that is under way, and few of them
//! (kernel/trace/trace_kprobe.c leaves `maxactive` at 0, for which
//! kernel/kprobes.c `register_kretprobe` takes ten, or twice the processors; up to
//! 5.x without CONFIG_PREEMPTION one a processor). A call that finds none returns
//! unseen: where more calls sleep at once than there are instances, as with a seccomp
//! filter's supervisor, every other one does. Since 6.7 the kernel shows the number
//! of a perf link (dd8657894c11). It counts returns that succeed as well, so it is an
//! upper bound of what went unseen.

use std::{io, os::fd::RawFd};

use super::{bpf, fdinfo};

const BPF_OBJ_GET_INFO_BY_FD: libc::c_long = 15; // include/uapi/linux/bpf.h

/// `union bpf_attr` for BPF_OBJ_GET_INFO_BY_FD.
#[repr(C)]
struct Ask {
    link: u32,
    length: u32,
    info: u64,
}

/// `struct bpf_link_info` of a kprobe: the head, and `perf_event.kprobe`.
#[repr(C)]
#[derive(Default)]
struct Info {
    kind: u32,
    link: u32,
    program: u32,
    pad: u32,
    event: u32,
    reserved: u32,
    name: u64,
    name_length: u32,
    offset: u32,
    address: u64,
    missed: u64,
    cookie: u64,
}

/// The links of kretprobes, and what they had missed when they were added.
#[derive(Debug, Default)]
pub struct Returns {
    links: Vec<Link>,
}

#[derive(Debug)]
struct Link {
    descriptor: RawFd,
    before: u64,
}

impl Returns {
    /// Adds the links that this process holds of these programs, by the programs' ids.
    ///
    /// # Errors
    /// /proc can't be read, or a program has no link there.
    pub fn add(&mut self, programs: &[u32]) -> io::Result<()> {
        let links = links_of(programs)?;
        if links.is_empty() && !programs.is_empty() {
            return Err(io::Error::other(
                "/proc/self/fdinfo shows no link of theirs",
            ));
        }
        for descriptor in links {
            let before = missed(descriptor)?;
            self.links.push(Link { descriptor, before });
        }
        Ok(())
    }

    /// How many returns they have missed, failing or not.
    pub fn missed(&self) -> u64 {
        self.links
            .iter()
            .map(|link| missed(link.descriptor).map_or(0, |now| now.saturating_sub(link.before)))
            .sum()
    }
}

fn missed(link: RawFd) -> io::Result<u64> {
    let mut info = Info::default();
    let mut ask = Ask {
        link: link as u32,
        length: size_of::<Info>() as u32,
        info: (&raw mut info) as u64,
    };
    // SAFETY: the command's fields; `info` is as long as `length` says, and lives.
    unsafe { bpf::bpf(BPF_OBJ_GET_INFO_BY_FD, &mut ask) }?;
    Ok(info.missed)
}

/// Descriptors of this process that are links of these programs
/// (kernel/bpf/syscall.c `bpf_link_show_fdinfo`).
fn links_of(programs: &[u32]) -> io::Result<Vec<RawFd>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(fdinfo::FOLDER)? {
        let Some(descriptor) = entry?.file_name().to_str().and_then(|n| n.parse().ok()) else {
            continue;
        };
        // The folder's own descriptor is among them, and gone by the end.
        let Ok(text) = fdinfo::read(descriptor) else {
            continue;
        };
        if program_of(&text).is_some_and(|program| programs.contains(&program)) {
            found.push(descriptor);
        }
    }
    Ok(found)
}

/// The program of a link, by its descriptor's information; `None`: it is no link.
fn program_of(text: &str) -> Option<u32> {
    fdinfo::number::<u32>(text, "link_id:")?;
    fdinfo::number(text, "prog_id:")
}

#[cfg(test)]
mod tests {
    use super::program_of;

    #[test]
    fn a_links_program_is_read() {
        let link = "pos:\t0\nflags:\t02000000\nlink_type:\tperf\nlink_id:\t7\nprog_tag:\t18ac\nprog_id:\t42\n";
        assert_eq!(program_of(link), Some(42));
        let program = "pos:\t0\nprog_type:\t2\nprog_id:\t42\n";
        assert_eq!(program_of(program), None);
        assert_eq!(program_of("pos:\t0\n"), None);
    }
}
