//! A scheduler in BPF (sched_ext) of one rule: new tasks of callers with a
//! certain nice value are refused. It schedules nobody else
//! (Documentation/scheduler/sched-ext.rst).

use std::ffi::CStr;
use std::fs;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::bpf::{self, Load, instruction};
use crate::bpf_types::{Struct, Types};
use crate::machine;

const FOLDER: &str = "/sys/kernel/sched_ext";
/// What it calls itself.
pub(crate) const NAME: &str = "forktrace_test";
/// Whose callers' creations are refused.
pub(crate) const NICE: i32 = 7;

const BPF_MAP_CREATE: i64 = 0;
const BPF_MAP_UPDATE_ELEM: i64 = 2;
const BPF_MAP_DELETE_ELEM: i64 = 3;
const BPF_BTF_LOAD: i64 = 18;
const BPF_PROG_TYPE_STRUCT_OPS: u32 = 27;
const BPF_MAP_TYPE_STRUCT_OPS: u32 = 26;
/// Only tasks that ask for SCHED_EXT are scheduled by it (kernel/sched/ext).
const SCX_OPS_SWITCH_PARTIAL: u64 = 1 << 3;
/// `static_prio` of nice 0 (include/linux/sched/prio.h).
const DEFAULT_PRIO: i32 = 120;

/// `union bpf_attr` of BPF_MAP_CREATE (include/uapi/linux/bpf.h).
#[repr(C)]
#[derive(Default)]
struct Create {
    map_type: u32,
    key_size: u32,
    value_size: u32,
    max_entries: u32,
    map_flags: u32,
    inner_map_fd: u32,
    numa_node: u32,
    map_name: [u8; 16],
    map_ifindex: u32,
    btf_fd: u32,
    btf_key_type_id: u32,
    btf_value_type_id: u32,
    btf_vmlinux_value_type_id: u32,
    reserved: u32,
}

/// The same of BPF_BTF_LOAD.
#[repr(C)]
#[derive(Default)]
struct LoadTypes {
    btf: u64,
    log: u64,
    size: u32,
    log_size: u32,
    log_level: u32,
    reserved: u32,
}

/// The same of BPF_MAP_*_ELEM.
#[repr(C)]
#[derive(Default)]
struct Element {
    map_fd: u64,
    key: u64,
    value: u64,
    flags: u64,
}

/// Whether this kernel takes such schedulers.
pub(crate) fn possible() -> bool {
    Path::new(FOLDER).exists()
}

/// Refuses with `errno` until dropped.
pub(crate) struct Scheduler {
    map: OwnedFd,
    _program: OwnedFd,
    _types: OwnedFd,
}

impl Scheduler {
    pub(crate) fn new(errno: i32) -> Result<Self> {
        if state() != "disabled" {
            bail!("sched_ext is {}", state());
        }
        let kernel = Types::of_kernel()?;
        let find = |name: &str| {
            kernel
                .find(name)
                .with_context(|| format!("the kernel has no struct {name}"))
        };
        let operations = find("sched_ext_ops")?;
        let value = find("bpf_struct_ops_sched_ext_ops")?;
        let (task, arguments) = (find("task_struct")?, find("scx_init_task_args")?);
        let program = init_task(&operations, &task, &arguments, errno)?;
        let types = any_types().context("load types")?;
        let mut create = Create {
            map_type: BPF_MAP_TYPE_STRUCT_OPS,
            key_size: 4,
            value_size: value.size,
            max_entries: 1,
            btf_fd: types.as_raw_fd() as u32,
            btf_vmlinux_value_type_id: value.id,
            ..Create::default()
        };
        let map = bpf::opened(BPF_MAP_CREATE, &mut create).context("create its map")?;
        let this = Self {
            map,
            _program: program,
            _types: types,
        };
        this.register(&operations, &value)?;
        Ok(this)
    }

    /// Fills `struct sched_ext_ops`, and so makes it the scheduler.
    fn register(&self, operations: &Struct, value: &Struct) -> Result<()> {
        let mut bytes = vec![0u8; value.size as usize];
        let data = value.offset("data")?;
        let mut put = |member: &str, what: &[u8]| -> Result<()> {
            let at = (data + operations.offset(member)?) as usize;
            bytes[at..at + what.len()].copy_from_slice(what);
            Ok(())
        };
        let program = self._program.as_raw_fd() as u64;
        put("init_task", &program.to_ne_bytes())?;
        put("flags", &SCX_OPS_SWITCH_PARTIAL.to_ne_bytes())?;
        put("name", NAME.as_bytes())?;
        self.element(BPF_MAP_UPDATE_ELEM, bytes.as_ptr() as u64)
            .context("register it")
    }

    fn element(&self, command: i64, value: u64) -> std::io::Result<()> {
        let key = 0_u32;
        let mut element = Element {
            map_fd: self.map.as_raw_fd() as u64,
            key: &raw const key as u64,
            value,
            flags: 0,
        };
        bpf::call(command, &mut element).map(drop)
    }
}

impl Drop for Scheduler {
    fn drop(&mut self) {
        // Registered, it outlives its descriptors. Taking it out goes on in the
        // background, and the next one would be refused meanwhile.
        let removed = self.element(BPF_MAP_DELETE_ELEM, 0);
        let gone = machine::await_some(Duration::from_secs(20), || {
            (state() == "disabled").then_some(())
        });
        if gone.is_none() {
            eprintln!("the scheduler is {} ({removed:?})", state());
        }
    }
}

fn state() -> String {
    let text = fs::read_to_string(format!("{FOLDER}/state")).unwrap_or_default();
    text.trim().to_owned()
}

/// `init_task(p, args)`: asked about every task when the scheduler is loaded, and
/// about each new one (`args->fork`).
fn init_task(
    operations: &Struct,
    task: &Struct,
    arguments: &Struct,
    errno: i32,
) -> Result<OwnedFd> {
    let (number, _) = operations.member("init_task")?;
    let offset = |of: &Struct, member: &str| -> Result<i16> {
        i16::try_from(of.offset(member)?).context("too far for an instruction")
    };
    let fork = offset(arguments, "fork")?;
    let priority = offset(task, "static_prio")?;
    let instructions = [
        // r2 = args, r3 = p.
        instruction(0x79, 0x12, 8, 0),
        instruction(0x79, 0x13, 0, 0),
        // Not a fork: granted.
        instruction(0x71, 0x24, fork, 0),
        instruction(0x15, 0x04, 2, 0),
        // Another nice value: granted.
        instruction(0x61, 0x35, priority, 0),
        instruction(0x15, 0x05, 2, DEFAULT_PRIO + NICE),
        instruction(0xb7, 0, 0, 0),
        instruction(0x95, 0, 0, 0),
        instruction(0xb7, 0, 0, -errno),
        instruction(0x95, 0, 0, 0),
    ];
    let license: &CStr = c"GPL";
    let mut load = Load {
        prog_type: BPF_PROG_TYPE_STRUCT_OPS,
        insn_cnt: instructions.len() as u32,
        insns: instructions.as_ptr() as u64,
        license: license.as_ptr() as u64,
        expected_attach_type: number,
        attach_btf_id: operations.id,
        ..Load::default()
    };
    bpf::opened(bpf::PROG_LOAD, &mut load).context("load its init_task")
}

/// Types of the map's own, which it has to have whatever they are: an integer.
fn any_types() -> std::io::Result<OwnedFd> {
    let names = b"\0int\0\0\0\0";
    let header = [0x1_eb9f_u32, 24, 0, 16, 16, names.len() as u32];
    let integer = [1, 1 << 24, 4, 32];
    let numbers = header.iter().chain(&integer);
    let mut bytes: Vec<u8> = numbers.flat_map(|n| n.to_ne_bytes()).collect();
    bytes.extend(names);
    let mut load = LoadTypes {
        btf: bytes.as_ptr() as u64,
        size: bytes.len() as u32,
        ..LoadTypes::default()
    };
    bpf::opened(BPF_BTF_LOAD, &mut load)
}
