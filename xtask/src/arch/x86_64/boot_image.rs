//! A bootable image of the kernel: what its header says (Documentation/arch/x86/boot.rst).

use anyhow::{Context, Result, bail};

/// Whether it is one, by the boot protocol's signature.
pub(crate) fn is_one(image: &[u8]) -> bool {
    image.get(0x202..0x206) == Some(b"HdrS".as_slice())
}

/// What `uname -r` says on this kernel.
pub(crate) fn release(image: &[u8]) -> Result<String> {
    let text = number(image, 0x20e, 2)
        .and_then(|at| image.get(at as usize + 0x200..))
        .context("no boot header")?;
    let end = text.iter().position(|byte| *byte <= b' ');
    let text = text.get(..end.unwrap_or(0)).unwrap_or_default();
    if text.is_empty() || !text.is_ascii() {
        bail!("no version in the boot header");
    }
    Ok(String::from_utf8_lossy(text).into_owned())
}

/// The kernel as it is packed, and the size that it unpacks to behind it.
pub(crate) fn payload(image: &[u8]) -> Option<&[u8]> {
    // As long as the kernel can be: 0 stands for 4.
    let sectors = match number(image, 0x1f1, 1)? {
        0 => 4,
        sectors => sectors,
    };
    let start = (sectors + 1) * 512 + number(image, 0x248, 4)?;
    let end = start + number(image, 0x24c, 4)?;
    image.get(start as usize..end as usize)
}

/// A little-endian number of the boot header.
fn number(image: &[u8], at: usize, bytes: usize) -> Option<u64> {
    let bytes = image.get(at..at + bytes)?;
    Some(
        bytes
            .iter()
            .rev()
            .fold(0, |value, byte| value << 8 | u64::from(*byte)),
    )
}

#[cfg(test)]
pub(crate) mod tests {
    use super::{payload, release};

    /// A bootable image with this payload, of which the size is added.
    pub(crate) fn image(payload: &[u8], size: usize) -> Vec<u8> {
        let mut image = vec![0; 1024];
        image[0x1f1] = 1;
        image[0x20e..0x210].copy_from_slice(&0x100_u16.to_le_bytes());
        image[0x300..0x310].copy_from_slice(b"7.4-rc1 (me) #1 ");
        let end = payload.len() as u32 + 4;
        image[0x248..0x24c].copy_from_slice(&16_u32.to_le_bytes());
        image[0x24c..0x250].copy_from_slice(&end.to_le_bytes());
        image.extend([0; 16]);
        image.extend(payload);
        image.extend((size as u32).to_le_bytes());
        image.extend([0xaa; 32]);
        image
    }

    #[test]
    fn the_header_is_read() {
        let image = image(b"packed", 7);
        assert_eq!(payload(&image).unwrap(), b"packed\x07\0\0\0");
        assert_eq!(release(&image).unwrap(), "7.4-rc1");
        assert!(payload(&image[..1030]).is_none() && payload(b"").is_none());
        assert!(release(&[0; 600]).is_err() && release(b"").is_err());
    }
}
