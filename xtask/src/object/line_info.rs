//! Drops the numbers of source lines from `.BTF.ext`: half of an object, packed, and each start would parse them and
//! hand them to the kernel, which keeps them in its memory to print them beside a verifier's log.

use super::toolchain::Toolchain;
use crate::run;
use anyhow::{Context, Result, ensure};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::Path;
use std::process::Command;

/// Changes the object in its file. Its relocations of `.BTF.ext` go too: each number stands there already, counted
/// from its section's begin, and neither aya nor libbpf reads them.
pub(super) fn drop(toolchain: &Toolchain, object: &Path) -> Result<()> {
    let tool = || Command::new(toolchain.llvm_bin.join("llvm-objcopy"));
    let of_section = |path: &Path| {
        let mut argument = OsString::from(".BTF.ext=");
        argument.push(path);
        argument
    };
    let section = object.with_extension("btf-ext");
    run::quiet(tool().args([
        OsStr::new("--dump-section"),
        &of_section(&section),
        object.as_os_str(),
    ]))?;
    let bytes = fs::read(&section).with_context(|| format!("reading {}", section.display()))?;
    fs::write(&section, without(bytes)?)?;
    run::quiet(tool().args([
        OsStr::new("--update-section"),
        &of_section(&section),
        OsStr::new("--remove-section=.rel.BTF.ext"),
        object.as_os_str(),
    ]))
}

/// A header's fields by their offsets, each a u32 (`btf_ext_header` in libbpf's libbpf_internal.h). Of a part there are
/// two, where it begins, counted from the header's end, and its length.
const HEADER: usize = 4;
const FUNC_INFO: usize = 8;
const LINE_INFO: usize = 16;
const CORE_RELO: usize = 24;

fn without(mut bytes: Vec<u8>) -> Result<Vec<u8>> {
    let field = |at: usize| -> Result<usize> {
        let field = bytes.get(at..at + 4).context("a header that is cut off")?;
        Ok(u32::from_le_bytes(field.try_into()?) as usize)
    };
    ensure!(
        bytes.starts_with(&[0x9f, 0xeb, 1]),
        "not a BTF.ext, version 1"
    );
    let part = |at: usize| -> Result<(usize, usize)> { Ok((field(at)?, field(at + 4)?)) };
    let header = field(HEADER)?;
    ensure!(
        header >= CORE_RELO + 8,
        "a header without CO-RE relocations"
    );
    let (functions, lines) = (part(FUNC_INFO)?, part(LINE_INFO)?);
    let end = functions.0 + functions.1;
    ensure!(
        lines.0 == end && header + lines.0 + lines.1 == bytes.len(),
        "line info isn't the last part of .BTF.ext"
    );
    ensure!(
        part(CORE_RELO)?.1 == 0,
        "the object has CO-RE relocations, which stand behind line info"
    );
    bytes.truncate(header + end);
    bytes[LINE_INFO + 4..LINE_INFO + 8].fill(0);
    bytes[CORE_RELO..CORE_RELO + 4].copy_from_slice(&u32::try_from(end)?.to_le_bytes());
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::without;

    fn section(parts: [(u32, u32); 3], body: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0x9f, 0xeb, 1, 0];
        bytes.extend(32u32.to_le_bytes());
        for (offset, length) in parts {
            bytes.extend(offset.to_le_bytes());
            bytes.extend(length.to_le_bytes());
        }
        bytes.extend(body);
        bytes
    }

    #[test]
    fn functions_stay_and_lines_go() {
        let whole = section([(0, 4), (4, 8), (12, 0)], b"FUNClineline");
        let wanted = section([(0, 4), (4, 0), (4, 0)], b"FUNC");
        assert_eq!(without(whole).unwrap(), wanted);
    }

    #[test]
    fn what_it_does_not_know_is_refused() {
        let relocations = section([(0, 4), (4, 4), (8, 4)], b"FUNClineCORE");
        assert!(without(relocations).is_err());
        let short = section([(0, 4), (4, 8), (12, 0)], b"FUNCline");
        assert!(without(short).is_err());
        assert!(without(b"\x9f\xeb\x01\0".to_vec()).is_err());
        assert!(without(b"ELF".to_vec()).is_err());
    }
}
