//! A seal on what is kept where others may write: only who has the signing key can have made it.

use aws_lc_rs::{constant_time, hkdf, hmac};

use jwtkeeper_sys::with_scrubbed_stack_of;

use super::SigningKey;

/// The label of the key of seals.
const LABEL: &[u8] = b"jwtkeeper rotation record";

/// The bytes of stack to overwrite after a seal: HKDF and HMAC keep several keys on it.
const SEALING: usize = 24 * 1024;

/// A seal.
pub type Seal = [u8; 16];

impl SigningKey {
    /// The seal on these parts: the first 16 bytes of HMAC-SHA256 over each of them after its length (u64,
    /// little-endian), keyed by HKDF-SHA256 (RFC 5869) over the key's material. `None` where crypto fails.
    pub fn seal(&self, parts: &[&[u8]]) -> Option<Seal> {
        with_scrubbed_stack_of::<SEALING, _>(|| self.mac_of(parts))
    }

    fn mac_of(&self, parts: &[&[u8]]) -> Option<Seal> {
        let prk = hkdf::Salt::new(hkdf::HKDF_SHA256, LABEL).extract(self.material().expose());
        let key = hmac::Key::from(prk.expand(&[LABEL], hmac::HMAC_SHA256).ok()?);
        let mut context = hmac::Context::with_key(&key);
        for part in parts {
            context.update(&(part.len() as u64).to_le_bytes());
            context.update(part);
        }
        context.sign().as_ref().first_chunk().copied()
    }

    /// Returns true if this is the seal on these parts.
    pub fn has_sealed(&self, parts: &[&[u8]], seal: &Seal) -> bool {
        self.seal(parts)
            .is_some_and(|right| constant_time::verify_slices_are_equal(&right, seal).is_ok())
    }
}
