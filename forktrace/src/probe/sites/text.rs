//! Reads the kernel's machine code, by a BPF program that is run once for each few
//! kilobytes and attached to nothing. /proc/kcore would take more privilege.

use std::{
    io,
    ops::Range,
    os::fd::{AsFd as _, AsRawFd as _, RawFd},
};

use aya::{
    Ebpf,
    maps::{Array, MapData},
    programs::RawTracePoint,
};
use forktrace_common::text::{CHUNK, Text, Wanted};

use crate::probe::bpf;

/// Why the code can't be read.
#[derive(Debug, thiserror::Error)]
pub enum TextError {
    /// The object, its maps, or its program.
    #[error("{0}")]
    Program(String),
    /// The program can't be run.
    #[error("running a BPF program: {0}")]
    Run(#[source] io::Error),
    /// The program reads nothing (lockdown=confidentiality), or addresses are made up.
    #[error("the kernel doesn't give its machine code to BPF programs")]
    Hidden,
}

/// The program, ready to run.
pub(super) struct Reader {
    program: RawFd,
    wanted: Array<MapData, Wanted>,
    text: Array<MapData, Text>,
}

/// Larger than any function that is read.
const LONGEST: u64 = 32 << 10;

impl Reader {
    pub(super) fn open(ebpf: &mut Ebpf) -> Result<Self, TextError> {
        fn error(error: impl ToString) -> TextError {
            TextError::Program(error.to_string())
        }
        let lacking = |what: &str| TextError::Program(format!("the BPF object has no {what}"));
        let program = ebpf
            .program_mut("read_text")
            .ok_or_else(|| lacking("program read_text"))?;
        let program: &mut RawTracePoint = program.try_into().map_err(error)?;
        program.load().map_err(error)?;
        let program = program.fd().map_err(error)?.as_fd().as_raw_fd();
        let mut map = |name: &str| ebpf.take_map(name).ok_or_else(|| lacking(name));
        Ok(Self {
            program,
            wanted: Array::try_from(map("TEXT_WANTED")?).map_err(error)?,
            text: Array::try_from(map("TEXT")?).map_err(error)?,
        })
    }

    /// The code of a function.
    pub(super) fn read(&mut self, range: &Range<u64>) -> Result<Vec<u8>, TextError> {
        let mut code = Vec::new();
        let end = range.end.min(range.start.saturating_add(LONGEST));
        let mut address = range.start;
        while address < end {
            let len = (end - address).min(CHUNK as u64);
            self.wanted
                .set(0, Wanted { address, len }, 0)
                .map_err(|error| TextError::Program(error.to_string()))?;
            if bpf::run(self.program).map_err(TextError::Run)? != 0 {
                return Err(TextError::Hidden);
            }
            let text = self
                .text
                .get(&0, 0)
                .map_err(|error| TextError::Program(error.to_string()))?;
            code.extend(text.bytes.iter().take(len as usize));
            address += len;
        }
        Ok(code)
    }
}
