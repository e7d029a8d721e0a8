//! base64url without padding (RFC 7515 section 2), canonical only: no padding, no white space, no other
//! alphabet, no non-zero trailing bits, so that a token has exactly one text.

use base64::Engine;
use base64::engine::{GeneralPurpose, GeneralPurposeConfig};

use super::Malformed;

const STRICT: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::URL_SAFE,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(base64::engine::DecodePaddingMode::RequireNone)
        .with_decode_allow_trailing_bits(false),
);

/// The text of `bytes`.
pub fn encode(bytes: &[u8]) -> String {
    STRICT.encode(bytes)
}

/// Appends the text of `bytes` to `out`.
pub(super) fn encode_to(bytes: &[u8], out: &mut String) {
    STRICT.encode_string(bytes, out);
}

/// Appends the bytes of `text` to `out`.
pub(super) fn decode_to(text: &[u8], out: &mut Vec<u8>) -> Result<(), Malformed> {
    base64_simd::URL_SAFE_NO_PAD
        .decode_append(text, out)
        .map_err(|_| Malformed("a segment is not canonical base64url"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]
        /// The vectors of one implementation take exactly what the plain one takes.
        #[test]
        fn both_decoders_agree(text in "[A-Da-d0-1_=+/ \\-.é]{0,9}|[A-Za-z0-9_-]{0,140}[A-Za-z0-9_=+/-]{0,2}") {
            let mut fast = Vec::new();
            let plain = STRICT.decode(&text).ok();
            let fast = decode_to(text.as_bytes(), &mut fast).ok().map(|()| fast);
            prop_assert_eq!(fast, plain);
        }
    }

    #[test]
    fn only_the_canonical_text() {
        for text in [
            "QQ==", "QQ=", "QR", "QUJ=", "QUK", "Q", "Q Q", "QQ\n", "+w", "/w", "QUI\0", "====", "A===",
        ] {
            assert!(decode_to(text.as_bytes(), &mut Vec::new()).is_err(), "{text:?}");
        }
        let mut out = b"x".to_vec();
        decode_to(b"", &mut out).unwrap();
        decode_to(b"QQ", &mut out).unwrap();
        assert_eq!(out, b"xA");
    }
}
