//! What is read to find who has set the limit.

use std::path::PathBuf;

use crate::host::{
    docker::Creator, lineage::Member, openrc, pam_limits, process::Bounds, setter::Service,
    shell_files, unit_files::Assignment, unit_limits::UnitPlace,
};

/// What is read for it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sources {
    /// The refused process, its parent, and so on; empty where both have ended.
    pub lineage: Vec<Member>,
    /// The process itself has ended: of its limits only the one that refused is known.
    pub ended: bool,
    /// What pid 1 has.
    pub init: Option<Bounds>,
    /// The unit's files, where there are some and they are of whom the unit is.
    pub unit: Option<UnitSays>,
    /// DefaultLimitNPROC= of the unit's manager.
    pub manager: Option<Assignment>,
    /// The service from which the caller's has the limit, where that is another: a user's manager, what
    /// starts containers.
    pub above: Option<Above>,
    /// What a login of this user gets, by each set of files that a service of PAM's may read.
    pub pam: Vec<pam_limits::Nproc>,
    /// The service of OpenRC's that the caller runs in.
    pub openrc: Option<openrc::Service>,
    /// A line of the files that each shell reads, where a shell is the first that has the limit.
    pub shell: Option<shell_files::Line>,
    /// What has had Docker create the caller's container.
    pub creator: Option<Creator>,
    /// No login reads limits.conf: the host has no PAM, or none of its services asks pam_limits.
    pub no_pam: bool,
    /// NixOS makes the host's files.
    pub nixos: bool,
}

impl Sources {
    /// The refused process.
    pub fn process(&self) -> Option<&Member> {
        self.lineage.first()
    }
}

/// What a unit's files say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnitSays {
    /// LimitNPROC=, where it is set.
    pub limit: Option<Assignment>,
    /// systemd starts it as another user (User=), and no PAM session is opened for that (PAMName=).
    pub becomes_user: bool,
    /// The drop-in that `systemctl edit` would hide from it ([`crate::host::unit_files`]).
    pub hidden: Option<PathBuf>,
    /// What is known of the unit itself.
    pub place: UnitPlace,
}

/// A service that others have their limits from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Above {
    /// Whose it is.
    pub service: Service,
    /// LimitNPROC= of its files, or DefaultLimitNPROC= of the manager's; `None` where neither is set.
    pub limit: Option<Assignment>,
    /// As of [`UnitSays`].
    pub hidden: Option<PathBuf>,
    /// As of [`UnitSays`].
    pub place: UnitPlace,
}
