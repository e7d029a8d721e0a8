//! JSON Web Tokens as the RFCs have them (7515, 7518, 7519), strictly. Pure: bytes in, meaning or a
//! refusal out; no policy, no clock, no denylist.

mod algorithm;
mod base64url;
mod claims;
mod compact;
mod explain;
mod header;
mod json;
mod signature;

pub use algorithm::{Algorithm, Family};
pub use base64url::encode as encode_base64url;
pub use claims::{Audience, Claims, OWN, OwnClaims, Version, read_claims};
pub use compact::{Compact, sign_compact, sign_compact_with};
pub use explain::explain;
pub use header::{Header, media_type};
pub use json::{Member, check_object, members};
pub use signature::{MAX_RSA, MIN_RSA, MacKey, Rejected, Signer, Verifier};

/// Not a JWT: some rule of form is broken. Which one is nobody's business but the log's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(pub &'static str);
