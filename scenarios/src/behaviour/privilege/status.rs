//! What a process may do, by its /proc/PID/status.

use std::fs;

use anyhow::{Context, Result, ensure};

/// Of /proc/PID/status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Privilege {
    pub inheritable: u64,
    pub permitted: u64,
    pub effective: u64,
    pub bounding: u64,
    pub ambient: u64,
    pub no_new_privs: u64,
    pub seccomp: u64,
}

impl Privilege {
    pub(super) fn of(pid: &str) -> Result<Self> {
        Self::parse(&fs::read_to_string(format!("/proc/{pid}/status"))?)
    }

    pub(super) fn parse(status: &str) -> Result<Self> {
        let number = |name: &str, radix| {
            let value = status.lines().find_map(|line| line.strip_prefix(name));
            let value = value.with_context(|| format!("no {name} in {status}"))?;
            Ok::<u64, anyhow::Error>(u64::from_str_radix(value.trim(), radix)?)
        };
        Ok(Self {
            inheritable: number("CapInh:", 16)?,
            permitted: number("CapPrm:", 16)?,
            effective: number("CapEff:", 16)?,
            bounding: number("CapBnd:", 16)?,
            ambient: number("CapAmb:", 16)?,
            no_new_privs: number("NoNewPrivs:", 10)?,
            seccomp: number("Seccomp:", 10)?,
        })
    }

    /// Nothing but these, and fenced.
    pub(super) fn check(&self, capabilities: u64, bounding: u64) -> Result<()> {
        let wanted = Self {
            inheritable: 0,
            permitted: capabilities,
            effective: capabilities,
            bounding,
            ambient: 0,
            no_new_privs: 1,
            seccomp: 2,
        };
        ensure!(*self == wanted, "{self:x?}, wanted {wanted:x?}");
        Ok(())
    }
}
