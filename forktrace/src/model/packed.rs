//! What build.rs packed into the program.

use std::io::{self, Read as _};

use flate2::read::GzDecoder;

/// Unpacks what `pack` of build.rs made.
pub(crate) fn unpack(packed: &[u8]) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    GzDecoder::new(packed).read_to_end(&mut bytes)?;
    Ok(bytes)
}
