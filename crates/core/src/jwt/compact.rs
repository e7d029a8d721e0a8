//! The compact serialization (RFC 7515 section 7.1): exactly three segments, each canonical base64url.

use super::base64url;
use super::{Header, Malformed, Signer};

/// A token taken apart. Nothing in it is to be believed before the signature has been verified.
pub struct Compact<'t, 'b> {
    /// The header's segment, as text.
    pub header_segment: &'t [u8],
    /// The bytes that the signature covers: header and claims segments with the dot between.
    pub signing_input: &'t [u8],
    /// The claims, decoded.
    pub claims: &'b [u8],
    /// The signature, decoded.
    pub signature: &'b [u8],
}

impl<'t, 'b> Compact<'t, 'b> {
    /// Takes `token` apart. `buffer` is emptied and holds what is decoded; time and memory stay proportional
    /// to the token's length, whatever it holds.
    /// A header segment equal to `known` is taken for canonical.
    pub fn parse(token: &'t [u8], known: Option<&str>, buffer: &'b mut Vec<u8>) -> Result<Self, Malformed> {
        const SEGMENTS: Malformed = Malformed("not exactly three segments");
        let mut dots = memchr::memchr_iter(b'.', token);
        let (Some(first), Some(second), None) = (dots.next(), dots.next(), dots.next()) else {
            return Err(SEGMENTS);
        };
        let header_segment = token.get(..first).ok_or(SEGMENTS)?;
        let claims_segment = token.get(first + 1..second).ok_or(SEGMENTS)?;
        let signature_segment = token.get(second + 1..).ok_or(SEGMENTS)?;
        let signing_input = token.get(..second).ok_or(SEGMENTS)?;

        buffer.clear();
        if known.is_none_or(|known| known.as_bytes() != header_segment) {
            // The header is decoded for its form alone: what it says is read by `header`.
            base64url::decode_to(header_segment, buffer)?;
            buffer.clear();
        }
        base64url::decode_to(claims_segment, buffer)?;
        let claims_length = buffer.len();
        base64url::decode_to(signature_segment, buffer)?;
        let (claims, signature) = buffer.split_at_checked(claims_length).ok_or(SEGMENTS)?;
        Ok(Self {
            header_segment,
            signing_input,
            claims,
            signature,
        })
    }

    /// Reads the header.
    pub fn header(&self) -> Result<Header, Malformed> {
        let mut bytes = Vec::with_capacity(self.header_segment.len());
        base64url::decode_to(self.header_segment, &mut bytes)?;
        Header::read(&bytes)
    }
}

/// Signs `claims` (a JSON text) under a header whose segment is `header_segment`; `None` when the signer fails.
pub fn sign_compact(header_segment: &str, claims: &str, signer: &Signer) -> Option<String> {
    sign_compact_with(header_segment, claims, |message| signer.sign(message))
}

/// As [`sign_compact`], for a signature that is made otherwise.
pub fn sign_compact_with(
    header_segment: &str,
    claims: &str,
    sign: impl FnOnce(&[u8]) -> Option<Vec<u8>>,
) -> Option<String> {
    let mut token = String::with_capacity(header_segment.len() + claims.len() * 4 / 3 + 120);
    token.push_str(header_segment);
    token.push('.');
    base64url::encode_to(claims.as_bytes(), &mut token);
    let signature = sign(token.as_bytes())?;
    token.push('.');
    base64url::encode_to(&signature, &mut token);
    Some(token)
}
