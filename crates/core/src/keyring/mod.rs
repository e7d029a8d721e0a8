//! The keys of a realm: what signs, what verifies, and which key a token may claim. Pure: key files
//! arrive as bytes.

mod confusable;
mod cookie;
mod effort;
mod identify;
mod jwk;
mod key;
mod load;
mod ring;
mod roca;
mod seal;
mod set;

pub use cookie::{CookieSecret, LockKey};
pub use effort::Effort;
pub use key::{KeyId, SigningKey, VerifyingKey};
pub use load::{KeyFault, PrivateFile, PublicFile, ends_in_space, load_private, load_public};
pub use ring::{Keyring, Locked, Proof, Role};
pub use seal::Seal;
