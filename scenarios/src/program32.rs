//! A 32-bit program: a process that makes the system calls that it is asked for, as 32-bit code makes them.

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, Result};

use crate::arch::code32::{CODE, ELF_FLAGS, ELF_MACHINE};

/// Where it lies: no lower than `vm.mmap_min_addr`, and a multiple of all sizes of pages.
const BASE: u32 = 0x1_0000;
/// Bytes of what an ELF file of 32 bits begins with: its own header, and that of its one segment.
const HEADERS: usize = 52 + 32;
/// Behind the code: a path, the arguments of execve, and `struct clone_args`, one after the other.
const DATA: usize = 256;
const PATH: &[u8] = b"/proc/self/exe\0\0";
/// Bytes of the arguments: two pointers, the second of them null, and what makes what follows aligned.
const ARGUMENTS: usize = 16;
/// Bytes of `struct clone_args`, the same in 32 bits as in 64 (include/uapi/linux/sched.h).
const CLONE_ARGS: usize = 88;
const _: () = assert!(HEADERS + CODE.len() <= DATA);

/// Its name, and what a record calls its caller.
pub(crate) const COMM: &str = "program32";

/// Numbers of calls, the same on both machines (arch/x86/entry/syscalls/syscall_32.tbl,
/// arch/arm64/tools/syscall_32.tbl).
pub(crate) mod number {
    pub(crate) const FORK: u32 = 2;
    pub(crate) const EXECVE: u32 = 11;
    pub(crate) const CLONE: u32 = 120;
    pub(crate) const VFORK: u32 = 190;
    pub(crate) const SETRESUID: u32 = 208;
    pub(crate) const CLONE3: u32 = 435;
}

/// Where execve finds its path, and its arguments.
pub(crate) const EXECVE: [u32; 5] = {
    let path = BASE + DATA as u32;
    [path, path + PATH.len() as u32, 0, 0, 0]
};

/// Where clone3 finds what it is asked for.
pub(crate) const CLONE3: [u32; 5] = {
    let at = DATA + PATH.len() + ARGUMENTS;
    [BASE + at as u32, CLONE_ARGS as u32, 0, 0, 0]
};

/// One that runs; ends when dropped.
pub(crate) struct Program32 {
    child: Child,
    to: Option<ChildStdin>,
    from: ChildStdout,
    file: PathBuf,
}

impl Program32 {
    /// Starts one, whose clone3 asks for `flags`; `setup` runs in it before the program. `None`: this kernel
    /// executes no 32-bit programs.
    pub(crate) fn start(
        flags: u64,
        setup: impl Fn() -> Result<()> + Send + Sync + 'static,
    ) -> Result<Option<Self>> {
        let file = std::env::temp_dir().join(format!("forktrace-{}", std::process::id()));
        fs::create_dir_all(&file)?;
        let file = file.join(COMM);
        fs::write(&file, elf(flags)).with_context(|| format!("writing {}", file.display()))?;
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755))?;
        let mut command = Command::new(&file);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        // SAFETY: the child has one thread, and forks no other.
        unsafe {
            command.pre_exec(move || setup().map_err(std::io::Error::other));
        }
        let mut child = match command.spawn() {
            Ok(child) => child,
            Err(error) if error.raw_os_error() == Some(libc::ENOEXEC) => return Ok(None),
            Err(error) => return Err(error).context("starting a 32-bit program"),
        };
        let to = child.stdin.take();
        let from = child.stdout.take().context("no pipe from the program")?;
        Ok(Some(Self {
            child,
            to,
            from,
            file,
        }))
    }

    /// Its pid.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Lets it make a call; what the kernel answers. `creates`: a child that comes of it ends at once.
    pub(crate) fn call(&mut self, number: u32, arguments: [u32; 5], creates: bool) -> Result<i32> {
        let mut words = [0; 8];
        words[0] = number;
        words[1..6].copy_from_slice(&arguments);
        words[6] = u32::from(creates);
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        let to = self.to.as_mut().context("it has ended")?;
        to.write_all(&bytes).context("asking a 32-bit program")?;
        let mut answer = [0; 4];
        self.from
            .read_exact(&mut answer)
            .context("hearing a 32-bit program")?;
        Ok(i32::from_le_bytes(answer))
    }
}

impl Drop for Program32 {
    fn drop(&mut self) {
        // The end of its input is its end.
        self.to = None;
        let _ = self.child.wait();
        let _ = fs::remove_file(&self.file);
        let _ = self.file.parent().map(fs::remove_dir);
    }
}

/// The program's file: one segment, that is read and executed.
fn elf(flags: u64) -> Vec<u8> {
    const EXECUTABLE: u16 = 2;
    const LOADED: u32 = 1;
    const READ_AND_EXECUTED: u32 = 5;
    let mut file = b"\x7fELF\x01\x01\x01".to_vec();
    file.resize(16, 0);
    let half = |file: &mut Vec<u8>, value: u16| file.extend(value.to_le_bytes());
    let word = |file: &mut Vec<u8>, value: u32| file.extend(value.to_le_bytes());
    half(&mut file, EXECUTABLE);
    half(&mut file, ELF_MACHINE);
    word(&mut file, 1);
    // Where it begins, and where the segments' headers are; it has no sections.
    word(&mut file, BASE + HEADERS as u32);
    word(&mut file, 52);
    word(&mut file, 0);
    word(&mut file, ELF_FLAGS);
    for value in [52, 32, 1, 0, 0, 0] {
        half(&mut file, value);
    }
    let size = (DATA + PATH.len() + ARGUMENTS + CLONE_ARGS) as u32;
    let segment = [LOADED, 0, BASE, BASE, size, size, READ_AND_EXECUTED, BASE];
    for value in segment {
        word(&mut file, value);
    }
    file.extend(CODE);
    file.resize(DATA, 0);
    file.extend(PATH);
    word(&mut file, EXECVE[0]);
    file.resize(DATA + PATH.len() + ARGUMENTS, 0);
    file.extend(flags.to_le_bytes());
    file.resize(size as usize, 0);
    file
}
