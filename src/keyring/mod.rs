//! Floor 3: the keys of a realm: what signs, what verifies, and which key a token may claim. Pure: key files
//! arrive as bytes.

mod cookie;
mod jwk;
mod key;
mod load;
mod ring;
mod seal;

pub use cookie::{CookieSecret, LockKey};
pub use key::{KeyId, SigningKey, VerifyingKey};
pub use load::{KeyFault, PrivateFile, ends_in_space, load_private, load_public};
pub use ring::{Keyring, Locked, Proof, Role};
pub use seal::Seal;
