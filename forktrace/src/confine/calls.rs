//! The system calls that a tracer never makes.

use super::filter::{Rule, When};
use crate::arch::calls as machines;

/// What is opened for writing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Files {
    /// Nothing.
    None,
    /// Files that weren't there (`O_CREAT | O_EXCL`), in the place of which others are renamed or
    /// removed.
    New,
}

/// What of the system calls is left that not every tracer makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Left {
    /// What is opened for writing.
    pub files: Files,
    /// Others are signalled.
    pub signals: bool,
    /// Connections are taken, by a socket that listens already. None is made either way.
    pub accepts: bool,
}

/// Whatever the arguments. Processes and threads; other processes; other programs; the network;
/// the machine; files; who this is.
#[rustfmt::skip]
const NEVER: &[libc::c_long] = &[
    libc::SYS_clone, libc::SYS_clone3, libc::SYS_execve, libc::SYS_execveat, libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_ptrace, libc::SYS_process_vm_readv, libc::SYS_process_vm_writev,
    libc::SYS_process_madvise, libc::SYS_pidfd_getfd, libc::SYS_kcmp,
    libc::SYS_perf_event_open, libc::SYS_userfaultfd, libc::SYS_memfd_create,
    libc::SYS_io_uring_setup, libc::SYS_io_uring_enter, libc::SYS_io_uring_register,
    libc::SYS_add_key, libc::SYS_request_key, libc::SYS_keyctl, libc::SYS_shmat,
    libc::SYS_socket, libc::SYS_socketpair, libc::SYS_connect, libc::SYS_bind, libc::SYS_listen,
    libc::SYS_mount, libc::SYS_umount2, libc::SYS_pivot_root, libc::SYS_chroot,
    libc::SYS_open_tree, libc::SYS_move_mount, libc::SYS_fsopen, libc::SYS_fsconfig,
    libc::SYS_fsmount, libc::SYS_fspick, libc::SYS_mount_setattr,
    libc::SYS_init_module, libc::SYS_finit_module, libc::SYS_delete_module,
    libc::SYS_kexec_load, libc::SYS_kexec_file_load, libc::SYS_reboot, libc::SYS_swapon, libc::SYS_swapoff, libc::SYS_acct,
    libc::SYS_quotactl, libc::SYS_sethostname, libc::SYS_setdomainname, libc::SYS_syslog,
    libc::SYS_settimeofday, libc::SYS_clock_settime, libc::SYS_clock_adjtime, libc::SYS_adjtimex,
    libc::SYS_fanotify_init, libc::SYS_personality,
    // Takes its flags from memory, which no filter can read.
    libc::SYS_openat2,
    libc::SYS_open_by_handle_at, libc::SYS_truncate, libc::SYS_mkdirat, libc::SYS_mknodat,
    libc::SYS_linkat, libc::SYS_symlinkat, libc::SYS_fchmod, libc::SYS_fchmodat, FCHMODAT2,
    libc::SYS_fchown, libc::SYS_fchownat, libc::SYS_utimensat, libc::SYS_setxattr,
    libc::SYS_lsetxattr, libc::SYS_fsetxattr, libc::SYS_removexattr, libc::SYS_lremovexattr,
    libc::SYS_fremovexattr,
    libc::SYS_capset, libc::SYS_setuid, libc::SYS_setgid, libc::SYS_setreuid, libc::SYS_setregid,
    libc::SYS_setresuid, libc::SYS_setresgid, libc::SYS_setgroups, libc::SYS_setfsuid,
    libc::SYS_setfsgid,
];

/// Its number is one on all machines, since Linux 6.6; not every C library has it.
const FCHMODAT2: libc::c_long = 452;

/// Only where files are begun.
const OF_FILES: &[libc::c_long] = &[libc::SYS_unlinkat, libc::SYS_renameat2, libc::SYS_renameat];

/// Only where somebody is signalled.
const OF_SIGNALS: &[libc::c_long] = &[
    libc::SYS_kill,
    libc::SYS_tkill,
    libc::SYS_rt_sigqueueinfo,
    libc::SYS_rt_tgsigqueueinfo,
    libc::SYS_pidfd_send_signal,
];

/// Only where somebody may connect.
const OF_CONNECTIONS: &[libc::c_long] = &[libc::SYS_accept, libc::SYS_accept4];

/// Calls that open a file, and which argument has the flags.
const OPENING: &[(libc::c_long, u8)] = &[(libc::SYS_openat, 2)];

/// Mappings that could be executed: the third argument.
const MAPPING: &[libc::c_long] = &[libc::SYS_mmap, libc::SYS_mprotect, libc::SYS_pkey_mprotect];

/// Commands of bpf(2) that make, load, pin or attach (`enum bpf_cmd`, include/uapi/linux/bpf.h).
/// Reading maps and iterators is left.
const BPF_COMMANDS: &[u32] = &[
    0,  // BPF_MAP_CREATE
    5,  // BPF_PROG_LOAD
    6,  // BPF_OBJ_PIN
    7,  // BPF_OBJ_GET
    8,  // BPF_PROG_ATTACH
    13, // BPF_PROG_GET_FD_BY_ID
    14, // BPF_MAP_GET_FD_BY_ID
    17, // BPF_RAW_TRACEPOINT_OPEN
    18, // BPF_BTF_LOAD
];

/// What would type into the terminal (ioctl_tty(2), ioctl_console(2)).
const TERMINAL_INPUT: &[u32] = &[libc::TIOCSTI as u32, libc::TIOCLINUX as u32];

/// All rules.
pub(super) fn refused(left: Left) -> Vec<Rule> {
    let always = |call: &libc::c_long| Rule::new(*call, When::Always);
    let mut rules: Vec<Rule> = NEVER.iter().chain(machines::NEVER).map(always).collect();
    let opened = |flags| match left.files {
        Files::None => When::ForWriting { flags },
        Files::New => When::ForWritingWhatThereIs { flags },
    };
    rules.extend(
        OPENING
            .iter()
            .chain(machines::OPENING)
            .map(|&(call, flags)| Rule::new(call, opened(flags))),
    );
    if left.files == Files::None {
        rules.extend(OF_FILES.iter().chain(machines::OF_FILES).map(always));
    }
    if !left.accepts {
        rules.extend(OF_CONNECTIONS.iter().map(always));
    }
    if !left.signals {
        rules.extend(OF_SIGNALS.iter().map(always));
        // What abort(3) does.
        let own = std::process::id();
        let others = When::Not {
            argument: 0,
            value: own,
        };
        rules.push(Rule::new(libc::SYS_tgkill, others));
    }
    let exec = When::Any {
        argument: 2,
        bits: libc::PROT_EXEC as u32,
    };
    rules.extend(MAPPING.iter().map(|&call| Rule::new(call, exec)));
    let one_of = |argument, values| When::OneOf { argument, values };
    rules.push(Rule::new(libc::SYS_bpf, one_of(0, BPF_COMMANDS)));
    rules.push(Rule::new(libc::SYS_ioctl, one_of(1, TERMINAL_INPUT)));
    rules
}
