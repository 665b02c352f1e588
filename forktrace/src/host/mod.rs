//! Questions about this machine, asked of /proc, /sys and /etc only: no daemon,
//! no helper command, no NSS.

pub mod ancestry;
pub mod cgroup;
pub mod clock;
pub mod holders;
pub mod identity;
pub mod limits;
pub mod mappings;
pub mod passwd;
