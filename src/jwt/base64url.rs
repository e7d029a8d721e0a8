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
    STRICT
        .decode_vec(text, out)
        .map_err(|_| Malformed("a segment is not canonical base64url"))
}
