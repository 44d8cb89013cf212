//! Bytes as text in a result: compressed, in base64.

use std::io::{Read, Write as _};

use base64::{Engine, engine::general_purpose::STANDARD};
use flate2::{Compression, read::DeflateDecoder, write::DeflateEncoder};

/// A text that unpacks to more is refused: it is no result of this program's.
const MOST_BYTES: u64 = 1 << 31;

/// Why a packed text can't be read.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    /// Not base64.
    #[error("what is packed in the result is not base64: {0}")]
    Base64(#[from] base64::DecodeError),
    /// Not compressed so.
    #[error("what is packed in the result can't be unpacked: {0}")]
    Content(#[from] std::io::Error),
    /// Larger than any result has it.
    #[error("what is packed in the result is larger than {MOST_BYTES} bytes")]
    TooLarge,
}

/// DEFLATE, in base64. The same bytes always give the same text.
pub fn pack(bytes: &[u8]) -> String {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    // Writing to a vector can't fail.
    let _ = encoder.write_all(bytes);
    STANDARD.encode(encoder.finish().unwrap_or_default())
}

/// What [`pack`] packed.
///
/// # Errors
/// [`UnpackError`] when the text is something else.
pub fn unpack(text: &str) -> Result<Vec<u8>, UnpackError> {
    let packed = STANDARD.decode(text)?;
    let mut bytes = Vec::new();
    let mut decoder = DeflateDecoder::new(packed.as_slice()).take(MOST_BYTES + 1);
    decoder.read_to_end(&mut bytes)?;
    match bytes.len() as u64 > MOST_BYTES {
        true => Err(UnpackError::TooLarge),
        false => Ok(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_packed_is_unpacked_and_another_text_is_refused() {
        let bytes = vec![3; 1_000_000];
        assert!(pack(&bytes).len() < 2_000);
        assert_eq!(unpack(&pack(&bytes)).unwrap(), bytes);
        assert!(unpack(&pack(&[])).unwrap().is_empty());
        assert!(matches!(unpack("%"), Err(UnpackError::Base64(_))));
        assert!(matches!(unpack("AAAA"), Err(UnpackError::Content(_))));
    }
}
