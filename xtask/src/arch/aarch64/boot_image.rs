//! A bootable image of the kernel: what its header says (Documentation/arch/arm64/booting.rst).

/// Whether it is one, by the magic number.
pub(crate) fn is_one(image: &[u8]) -> bool {
    image.get(0x38..0x3c) == Some(b"ARM\x64".as_slice())
}

/// Bytes of the kernel's pages, where the header says it.
pub(crate) fn page_size(image: &[u8]) -> Option<u32> {
    // The lowest byte of the flags.
    let flags = is_one(image).then(|| image.get(0x18))??;
    match flags >> 1 & 3 {
        1 => Some(4 << 10),
        2 => Some(16 << 10),
        3 => Some(64 << 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{is_one, page_size};

    #[test]
    fn the_header_is_read() {
        let mut image = [0; 64];
        assert!(!is_one(&image) && !is_one(b"MZ"));
        image[0x38..0x3c].copy_from_slice(b"ARMd");
        assert!(is_one(&image));
        // The first bit is of big-endian kernels, the fourth of where it may lie.
        for (flags, size) in [
            (0x8, None),
            (0xa, Some(4096)),
            (0xc, Some(16384)),
            (0xe, Some(65536)),
        ] {
            image[0x18] = flags;
            assert_eq!(page_size(&image), size);
        }
        assert_eq!(page_size(&image[..0x3b]), None);
    }
}
