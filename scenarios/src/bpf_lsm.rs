//! A security module of one rule, written in BPF: what a user asks for is
//! refused with a given errno.

use std::ffi::CStr;
use std::fs;
use std::os::fd::OwnedFd;
use std::path::Path;

use anyhow::{Context, Result};
use forktrace::btf::Btf;
use forktrace::provoke::sys;

use crate::bpf::{self, Load, instruction};
use crate::scenario::skip;

const BPF_RAW_TRACEPOINT_OPEN: i64 = 17;
const BPF_PROG_TYPE_LSM: u32 = 29;
const BPF_LSM_MAC: u32 = 27;
const GET_CURRENT_UID_GID: i32 = 15;
const ENOTSUPP: i32 = 524; // include/linux/errno.h

/// `union bpf_attr` of BPF_RAW_TRACEPOINT_OPEN (include/uapi/linux/bpf.h).
#[repr(C)]
struct Open {
    name: u64,
    prog_fd: u32,
    reserved: u32,
}

/// Whether programs of this kind are asked on this kernel.
pub(crate) fn active() -> bool {
    const FOLDER: &str = "/sys/kernel/security";
    fs::create_dir_all(FOLDER).ok();
    // Mounted by nobody in a test machine.
    let read = || fs::read_to_string("/sys/kernel/security/lsm");
    let list = read().or_else(|_| {
        let _ = sys::mount("securityfs", Path::new(FOLDER), "securityfs", "");
        read()
    });
    list.is_ok_and(|list| list.trim().split(',').any(|name| name == "bpf"))
}

/// Whether this kernel has a hook (include/linux/lsm_hook_defs.h), by its name there.
pub(crate) fn has_hook(name: &str) -> bool {
    Btf::from_sys().is_ok_and(|btf| btf.function_id(&function(name)).is_some())
}

fn function(hook: &str) -> String {
    format!("bpf_lsm_{hook}")
}

/// Refuses the uid with `errno` until dropped.
pub(crate) struct Refusal {
    _link: OwnedFd,
    _program: OwnedFd,
}

impl Refusal {
    /// Its creations.
    pub(crate) fn new(uid: u32, errno: i32) -> Result<Self> {
        Self::at("task_alloc", uid, errno)
    }

    /// What this hook is asked about.
    pub(crate) fn at(hook: &str, uid: u32, errno: i32) -> Result<Self> {
        let btf = Btf::from_sys().context("the kernel's types")?;
        let function = function(hook);
        let id = btf.function_id(&function);
        let program = [
            instruction(0x85, 0, 0, GET_CURRENT_UID_GID),
            // w0 != uid: over one instruction.
            instruction(0x56, 0, 2, uid as i32),
            instruction(0xb7, 0, 0, -errno),
            instruction(0x95, 0, 0, 0),
            instruction(0xb7, 0, 0, 0),
            instruction(0x95, 0, 0, 0),
        ];
        let license: &CStr = c"GPL";
        let mut load = Load {
            prog_type: BPF_PROG_TYPE_LSM,
            insn_cnt: program.len() as u32,
            insns: program.as_ptr() as u64,
            license: license.as_ptr() as u64,
            expected_attach_type: BPF_LSM_MAC,
            attach_btf_id: id.with_context(|| format!("the kernel has no {function}"))?,
            ..Load::default()
        };
        let program =
            bpf::opened(bpf::PROG_LOAD, &mut load).context("load a program of type lsm")?;
        let mut open = Open {
            name: 0,
            prog_fd: std::os::fd::AsRawFd::as_raw_fd(&program) as u32,
            reserved: 0,
        };
        let link = match bpf::opened(BPF_RAW_TRACEPOINT_OPEN, &mut open) {
            Err(error) if error.raw_os_error() == Some(ENOTSUPP) => {
                return skip("this kernel lets no program attach to a function");
            }
            link => link.context("attach it")?,
        };
        Ok(Self {
            _link: link,
            _program: program,
        })
    }
}
