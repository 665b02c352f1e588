//! Questions about this machine, asked of /proc, /sys and /etc only: no daemon,
//! no helper command, no NSS.

pub mod ancestry;
pub mod at_start;
pub mod cgroup;
pub mod clock;
pub mod deadline;
pub mod docker;
pub mod etc;
pub mod failed_units;
pub mod first_ids;
pub mod growth;
pub mod holders;
pub mod huge_pages;
pub mod identity;
pub mod kernel_log;
pub mod limit_file;
pub mod limits;
pub mod lineage;
pub mod located;
#[cfg(test)]
mod made_up;
pub mod mappings;
mod members;
pub mod memory;
pub mod nixos;
pub mod oom_score;
pub mod open_files;
pub mod openrc;
pub mod own_namespaces;
pub mod pam_limits;
pub mod passwd;
pub mod past;
pub mod pods;
pub mod process;
pub mod readings;
pub mod remembered;
pub mod sched_ext;
pub mod setter;
pub mod settings;
pub mod shell_files;
pub mod sysctl_files;
pub mod target_cgroup;
pub mod unit_files;
pub mod unit_limits;
pub mod user_namespace;
