//! A kernel's description of its own types (BTF), out of its image.

use super::payload;
use crate::arch::boot_image;
use anyhow::{Context, Result};
use object::read::elf::ElfFile64;
use object::{LittleEndian, Object, ObjectSection};
use std::fs;
use std::path::Path;

/// What the kernel has in /sys/kernel/btf/vmlinux when it runs.
pub(crate) struct Types {
    /// What `uname -r` says on it.
    pub release: String,
    /// Raw BTF.
    pub btf: Vec<u8>,
}

/// Reads a bootable image.
pub(crate) fn of(image: &Path) -> Result<Types> {
    let bytes = fs::read(image).with_context(|| format!("reading {}", image.display()))?;
    from(&bytes).with_context(|| format!("taking the kernel's types out of {}", image.display()))
}

fn from(image: &[u8]) -> Result<Types> {
    let kernel = payload::kernel(image)?;
    let elf = ElfFile64::<LittleEndian>::parse(kernel.as_slice())?;
    let section = elf
        .section_by_name(".BTF")
        .context("built without CONFIG_DEBUG_INFO_BTF: it has no section .BTF")?;
    Ok(Types {
        release: boot_image::release(image)?,
        btf: section.data()?.to_vec(),
    })
}

#[cfg(test)]
mod tests {
    use super::super::payload::tests::zstd;
    use super::from;
    use crate::arch::boot_image::tests::image;

    /// An ELF file with one section and the names of its sections.
    fn elf(name: &str, data: &[u8]) -> Vec<u8> {
        let names = format!("\0.names\0{name}\0");
        let data_at = 64;
        let names_at = data_at + data.len();
        let headers_at = names_at + names.len();
        let mut file = b"\x7fELF\x02\x01\x01".to_vec();
        file.resize(16, 0);
        file.extend([2, 0, 62, 0, 1, 0, 0, 0]);
        file.extend([0; 16]);
        file.extend((headers_at as u64).to_le_bytes());
        file.extend([0; 4]);
        for half in [64_u16, 0, 0, 64, 3, 1] {
            file.extend(half.to_le_bytes());
        }
        file.extend(data);
        file.extend(names.as_bytes());
        let mut section = |name: u32, kind: u32, at: usize, size: usize| {
            file.extend([name, kind].map(u32::to_le_bytes).concat());
            file.extend([0; 16]);
            file.extend([at as u64, size as u64].map(u64::to_le_bytes).concat());
            file.extend([0; 24]);
        };
        section(0, 0, 0, 0);
        section(1, 3, names_at, names.len());
        section(8, 1, data_at, data.len());
        file
    }

    fn packed(elf: &[u8]) -> Vec<u8> {
        image(&zstd(elf), elf.len())
    }

    #[test]
    fn takes_the_section() {
        let types = from(&packed(&elf(".BTF", b"types"))).unwrap();
        assert_eq!(
            (types.release.as_str(), types.btf.as_slice()),
            ("7.4-rc1", b"types".as_slice())
        );
    }

    #[test]
    fn says_what_is_missing() {
        let why = |elf: &[u8]| format!("{:#}", from(&packed(elf)).err().unwrap());
        assert!(why(&elf(".data", b"x")).contains("CONFIG_DEBUG_INFO_BTF"));
        assert!(!why(b"no ELF").is_empty());
    }
}
