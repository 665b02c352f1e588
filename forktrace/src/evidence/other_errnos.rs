//! What refuses with other errnos than EAGAIN and ENOMEM, as it stood at the
//! failing return.

use crate::model::LimitKind;

/// A kind of namespace that `user.max_*_namespaces` limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NsKind {
    /// CLONE_NEWUSER.
    User,
    /// CLONE_NEWPID.
    Pid,
    /// CLONE_NEWUTS.
    Uts,
    /// CLONE_NEWIPC.
    Ipc,
    /// CLONE_NEWNET.
    Net,
    /// CLONE_NEWNS.
    Mnt,
    /// CLONE_NEWCGROUP.
    Cgroup,
    /// CLONE_NEWTIME.
    Time,
}

impl NsKind {
    /// The sysctl that limits them.
    pub fn limit(self) -> LimitKind {
        match self {
            Self::User => LimitKind::MaxUserNamespaces,
            Self::Pid => LimitKind::MaxPidNamespaces,
            Self::Uts => LimitKind::MaxUtsNamespaces,
            Self::Ipc => LimitKind::MaxIpcNamespaces,
            Self::Net => LimitKind::MaxNetNamespaces,
            Self::Mnt => LimitKind::MaxMntNamespaces,
            Self::Cgroup => LimitKind::MaxCgroupNamespaces,
            Self::Time => LimitKind::MaxTimeNamespaces,
        }
    }

    /// As in `/proc/PID/ns`.
    pub fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Pid => "pid",
            Self::Uts => "uts",
            Self::Ipc => "ipc",
            Self::Net => "net",
            Self::Mnt => "mnt",
            Self::Cgroup => "cgroup",
            Self::Time => "time",
        }
    }
}

/// A user's namespaces of one kind, where no more are allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NsLimit {
    /// Which namespaces are counted.
    pub kind: NsKind,
    /// Namespaces that exist, without the one that was refused.
    pub usage: u64,
    /// The bound that the user namespace `userns` sets for each of its users.
    pub limit: u64,
    /// Whose namespaces (initial user namespace's number).
    pub uid: u32,
    /// Inode number of the user namespace in which they are counted.
    pub userns: u32,
    /// Its nesting depth; 0 is the initial one.
    pub level: u32,
}

/// Open files of the whole host (/proc/sys/fs/file-nr).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenFiles {
    /// Files that are allocated.
    pub now: u64,
    /// fs.file-max.
    pub max: u64,
}

/// What refuses with other errnos, in numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OtherErrnos {
    /// `user.max_user_namespaces` is full, and CLONE_NEWUSER was asked for.
    pub user_full: Option<NsLimit>,
    /// Of the other kinds that were asked for, the first full one in the order
    /// in which the kernel makes them.
    pub other_full: Option<NsLimit>,
    /// How many of these other kinds are full.
    pub others_full: u32,
    /// Nesting depth of the caller's user namespace.
    pub user_ns_level: u32,
    /// CAP_SYS_ADMIN in the caller's own user namespace.
    pub own_sys_admin: bool,
    /// The caller is the init of a pid namespace.
    pub init: bool,
    /// Children go to another pid namespace than the caller's.
    pub other_pid_ns: bool,
    /// Children go to another time namespace than the caller's.
    pub other_time_ns: bool,
    /// RLIMIT_NOFILE, soft; `None`: unlimited, or not known.
    pub nofile: Option<u64>,
    /// fs.nr_open, read just after the failure.
    pub nr_open: Option<u64>,
    /// Read just after an ENFILE.
    pub open_files: Option<OpenFiles>,
    /// The caller's root is no mount's root, as far as can be read just after an
    /// EPERM.
    pub chrooted: bool,
    /// Slots of the caller's table of open files.
    pub fd_slots: u64,
    /// How many ids clone3 asked for.
    pub set_tid_size: usize,
    /// The first of them, that of the child's own pid namespace before those above it.
    pub set_tid: Vec<i32>,
    /// kernel.unprivileged_userns_clone is 0 (a patch of Debian's), read just
    /// after the failure.
    pub userns_clone_off: bool,
}
