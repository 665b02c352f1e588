//! Unpacks the kernel out of a bootable image.
//!
//! The header says where the payload lies ([`boot_image`]); scripts/extract-vmlinux in the kernel's
//! tree searches for it.
//! Debian packs cloud kernels with LZ4 up to 6.1 and with zstd since, others up to 6.1 with xz.

use crate::apt;
use crate::arch::boot_image;
use anyhow::{Context, Result, bail};
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

/// The kernel's own build packs with a window of 128 MB (`zstd --ultra -22`).
const WINDOW: u64 = 128 << 20;
/// No kernel is larger; what claims to be is corrupt.
const LARGEST: u64 = 1 << 30;

/// The kernel itself, an ELF file.
pub(super) fn kernel(image: &[u8]) -> Result<Vec<u8>> {
    let payload = boot_image::payload(image).context("no payload where the boot header says")?;
    // The build appends the unpacked size.
    let (packed, size) = payload
        .split_last_chunk::<4>()
        .context("no payload in the image")?;
    let size = u64::from(u32::from_le_bytes(*size));
    let unpacked = match packed {
        [0x28, 0xb5, 0x2f, 0xfd, ..] => zstd(packed)?,
        [0x02, 0x21, 0x4c, 0x18, blocks @ ..] => lz4(blocks)?,
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => xz(packed)?,
        other => bail!(
            "the kernel is packed in a way that xtask doesn't know (it begins with {:02x?}); \
             known are zstd, LZ4 and xz",
            other.get(..6).unwrap_or(other)
        ),
    };
    if unpacked.len() as u64 != size {
        bail!("unpacked {} bytes of {size}", unpacked.len());
    }
    Ok(unpacked)
}

fn zstd(packed: &[u8]) -> Result<Vec<u8>> {
    let mut decoder = ruzstd::decoding::StreamingDecoder::new_with_max_window_size(packed, WINDOW)?;
    let mut unpacked = Vec::new();
    decoder.by_ref().take(LARGEST).read_to_end(&mut unpacked)?;
    Ok(unpacked)
}

/// By the xz command, for the kernel's build has code filtered (`--x86`) before it is packed, which
/// the decoders in Rust don't undo.
fn xz(packed: &[u8]) -> Result<Vec<u8>> {
    let program = Path::new("/usr/bin/xz");
    if apt::find("xz").is_none() {
        let package = apt::Package::new("xz-utils", program);
        apt::require(&[package], "unpacking a kernel")?;
    }
    let mut unpack = Command::new("xz");
    unpack.args(["--decompress", "--stdout", "--single-stream"]);
    unpack.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut unpacking = unpack.spawn().context("starting xz")?;
    let (Some(mut to), Some(from)) = (unpacking.stdin.take(), unpacking.stdout.take()) else {
        bail!("xz has no pipes");
    };
    let mut unpacked = Vec::new();
    thread::scope(|scope| {
        // Where xz ends early, its status says so.
        scope.spawn(move || drop(to.write_all(packed)));
        from.take(LARGEST).read_to_end(&mut unpacked)
    })?;
    let status = unpacking.wait()?;
    if !status.success() {
        bail!("xz: {status}");
    }
    Ok(unpacked)
}

/// The old format of the lz4 command: blocks of up to 8 MB, each with its
/// packed size before it.
fn lz4(mut blocks: &[u8]) -> Result<Vec<u8>> {
    const BLOCK: usize = 8 << 20;
    let mut unpacked = Vec::new();
    while let Some((size, rest)) = blocks.split_first_chunk::<4>() {
        let (block, rest) = rest
            .split_at_checked(u32::from_le_bytes(*size) as usize)
            .context("LZ4: a block is cut")?;
        unpacked.extend(lz4_flex::block::decompress(block, BLOCK)?);
        blocks = rest;
    }
    Ok(unpacked)
}

#[cfg(test)]
pub(super) mod tests {
    use super::kernel;
    use crate::arch::boot_image::tests::image;

    pub(crate) fn zstd(bytes: &[u8]) -> Vec<u8> {
        ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest)
    }

    #[test]
    fn unpacks_what_debian_packs() {
        let kernel_bytes: Vec<u8> = (0..100_000_u32).map(|n| (n / 300) as u8).collect();
        let packed = image(&zstd(&kernel_bytes), kernel_bytes.len());
        assert_eq!(kernel(&packed).unwrap(), kernel_bytes);

        let mut lz4 = vec![0x02, 0x21, 0x4c, 0x18];
        for part in kernel_bytes.chunks(60_000) {
            let block = lz4_flex::block::compress(part);
            lz4.extend((block.len() as u32).to_le_bytes());
            lz4.extend(block);
        }
        let packed = image(&lz4, kernel_bytes.len());
        assert_eq!(kernel(&packed).unwrap(), kernel_bytes);
    }

    #[test]
    fn says_what_is_wrong() {
        let why = |image: &[u8]| kernel(image).unwrap_err().to_string();
        let whole = image(&zstd(b"kernel"), 7);
        assert_eq!(why(&whole), "unpacked 6 bytes of 7");
        assert!(why(&whole[..1030]).contains("no payload"));
        assert!(why(&image(b"\x1f\x8b\x08\0\0\0", 6)).contains("known are zstd, LZ4 and xz"));
        assert!(why(&image(b"\xfd7zXZ\0", 6)).contains("xz"));
        assert!(why(&image(&[0x02, 0x21, 0x4c, 0x18, 9, 0, 0, 0, 1], 1)).contains("cut"));
        assert!(why(b"").contains("no payload"));
    }
}
