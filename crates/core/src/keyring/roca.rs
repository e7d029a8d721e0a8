//! ROCA (CVE-2017-15361): RSA keys of a chip library whose primes have so few forms that they can be factored. The
//! modulus gives them away: modulo each small prime it is a power of 65537.

use crate::jwt::Rejected;

/// The primes of the published test, without those whose every residue is a power of 65537.
const PRIMES: [u64; 17] = [11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157];

/// Refuses a modulus (big-endian) with the fingerprint. One sound key in about 2^28 has it too.
pub(super) fn check(modulus: &[u8]) -> Result<(), Rejected> {
    let residue = |prime: u64| {
        modulus
            .iter()
            .fold(0, |rest, byte| (rest << 8 | u64::from(*byte)) % prime)
    };
    let is_power = |prime: u64| {
        let powers = std::iter::successors(Some(1), |power| Some(power * 65_537 % prime));
        let rest = residue(prime);
        powers.take(prime as usize).any(|power| power == rest)
    };
    if PRIMES.into_iter().all(is_power) {
        return Err(Rejected::Because(
            "the RSA key has the ROCA fingerprint (CVE-2017-15361) and can be factored; make another key",
        ));
    }
    Ok(())
}
