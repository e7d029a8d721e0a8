//! The jtis of new tokens: UUIDv7 (RFC 9562 section 5.7).

use aws_lc_rs::rand;

use super::Refusal;
use crate::types::{Id, Millis};

/// A new jti: 48 bits of time and 74 random bits.
pub(super) fn new_jti(now: Millis) -> Result<Id, Refusal> {
    let mut random = [0; 16];
    rand::fill(&mut random).map_err(|_| Refusal::Crypto)?;
    let time = u128::from(now.0 & ((1 << 48) - 1)) << 80;
    let version_and_variant = 0xf << 76 | 0b11 << 62;
    let random = u128::from_be_bytes(random) & ((1 << 80) - 1) & !version_and_variant;
    Ok(Id::Uuid(time | 7 << 76 | 0b10 << 62 | random))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jti_is_a_uuid_of_version_7_that_carries_the_time() {
        let (one, other) = (new_jti(Millis(5_000)).unwrap(), new_jti(Millis(5_000)).unwrap());
        assert_ne!(one, other);
        assert_eq!(one.birth(), Some(Millis(5_000)));
        let uuid = uuid::Uuid::parse_str(&one.to_string()).unwrap();
        assert_eq!(
            (uuid.get_version_num(), uuid.get_variant()),
            (7, uuid::Variant::RFC4122)
        );
    }
}
