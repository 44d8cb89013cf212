//! Many numbers as one short text: their bytes by weight, compressed, in base64.

use std::io::{Read, Write};

use base64::{Engine, engine::general_purpose::STANDARD};
use flate2::{Compression, read::ZlibDecoder, write::ZlibEncoder};

/// Bytes of a number.
const BYTES: usize = size_of::<u64>();

/// Why a text is not the numbers that it should be.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// Not base64.
    #[error("it is not base64: {0}")]
    Base64(#[from] base64::DecodeError),
    /// Not compressed as it should be.
    #[error("it can't be unpacked: {0}")]
    Content(#[from] std::io::Error),
    /// More or fewer than there should be.
    #[error("it does not hold {0} numbers")]
    Count(usize),
}

/// Numbers as text. Their bytes of equal weight stand together, since neighbours have the same as a rule.
pub(super) fn pack(numbers: &[u64]) -> String {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    for weight in 0..BYTES {
        let plane: Vec<u8> = numbers
            .iter()
            .map(|one| one.to_le_bytes()[weight])
            .collect();
        // Compressing into a vector can't fail, here and below.
        let _ = encoder.write_all(&plane);
    }
    STANDARD.encode(encoder.finish().unwrap_or_default())
}

/// From text: so many numbers. However well a stranger's text is compressed, no more than these are unpacked.
///
/// # Errors
/// [`PackError`] when the text is something else.
pub(super) fn unpack(text: &str, count: usize) -> Result<Vec<u64>, PackError> {
    let packed = STANDARD.decode(text)?;
    let mut bytes = Vec::new();
    let most = (count * BYTES) as u64 + 1;
    ZlibDecoder::new(&*packed)
        .take(most)
        .read_to_end(&mut bytes)?;
    if bytes.len() != count * BYTES {
        return Err(PackError::Count(count));
    }
    let number = |place: usize| {
        u64::from_le_bytes(std::array::from_fn(|weight| bytes[weight * count + place]))
    };
    Ok((0..count).map(number).collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_was_packed_is_unpacked(numbers: Vec<u64>) {
            prop_assert_eq!(unpack(&pack(&numbers), numbers.len()).unwrap(), numbers);
        }

        #[test]
        fn no_text_makes_it_panic(text in "[A-Za-z0-9+/=]{0,40}", count in 0_usize..9) {
            let _ = unpack(&text, count);
        }
    }

    #[test]
    fn like_numbers_take_little_and_other_counts_are_refused() {
        let numbers: Vec<u64> = (0..10_000).map(|number| number % 7 + (3 << 40)).collect();
        let packed = pack(&numbers);
        assert!(packed.len() < 1_000, "{}", packed.len());
        for count in [0, 1, 9_999, 10_001] {
            let error = unpack(&packed, count).unwrap_err();
            assert!(matches!(error, PackError::Count(_)), "{count}: {error}");
        }
        assert!(matches!(unpack("%", 1), Err(PackError::Base64(_))));
        assert!(matches!(unpack("AAAA", 1), Err(PackError::Content(_))));
    }
}
