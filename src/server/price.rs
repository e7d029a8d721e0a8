//! The price of a request, in points of `limits.requests_per_uid`: proportional to the processor time that a whole
//! request takes, reading, answering and writing included. So the limit allows every algorithm the same share of a
//! processor.
//!
//! Measured on whole requests, sent one at a time over 50 connections: an HMAC validate takes about 10 us of a
//! processor, so that one point is about 0.1 us.

use jwtkeeper_core::jwt::{Algorithm, Family};
use jwtkeeper_core::keyring::{Effort, Keyring};
use jwtkeeper_wire::Cost;

/// The price of an HMAC validate.
pub(crate) const REQUEST: usize = 100;

/// The part of it that is not reading, waking up and writing: what it takes where many requests arrive together.
pub(crate) const WORK: usize = 10;

/// The price of a denied request: each has its line in the audit, and a client without rights must not fill the disk.
pub(crate) const DENIAL: usize = 100 * REQUEST;

/// The price of a change that the store keeps, beyond the rest of the request.
const CHANGE: usize = 4 * REQUEST;

/// The price of an administrator's revocation beyond a limit of entries: 10 in a second at the default.
pub(crate) const BEYOND_LIMIT: usize = 5000 * REQUEST;

/// The price of the health document beyond that of a request, without realms and for each realm: measured with 1 realm
/// (18 us of a processor in all) and with 51 (56 us).
const HEALTH: usize = 80;
const HEALTH_REALM: usize = 8;

/// The price of a JWKS document, for each key.
const JWKS_KEY: usize = 20;

/// The price of an operation's work, beyond [`REQUEST`]. The signature checks of a validate are charged as counted.
pub(crate) fn surcharge(cost: Cost, keyring: &Keyring) -> usize {
    let sign = || keyring.signing().map_or(0, |key| signing(key.verifying.algorithm));
    let part = |is_part: bool, price: &dyn Fn() -> usize| if is_part { price() } else { 0 };
    part(cost.signs, &sign) + part(cost.checks, &|| expected_check(keyring)) + part(cost.stores, &|| CHANGE)
}

/// The price of a JWKS document, beyond [`REQUEST`].
pub(crate) fn jwks(keyring: &Keyring) -> usize {
    JWKS_KEY * keyring.keys().count()
}

/// The price of the health document, beyond [`REQUEST`].
pub(crate) fn health(realms: usize) -> usize {
    HEALTH + HEALTH_REALM * realms
}

/// The price of the signature checks that were made, less the one that is part of an HMAC validate.
pub(crate) fn checks(effort: &Effort) -> usize {
    let all: usize = effort
        .checks()
        .map(|(algorithm, count)| checking(algorithm).saturating_mul(count as usize))
        .sum();
    all.saturating_sub(checking(Algorithm::HS256))
}

/// The price of the checks beyond the one that [`surcharge`] expected.
pub(crate) fn further_checks(effort: &Effort, keyring: &Keyring) -> usize {
    checks(effort).saturating_sub(expected_check(keyring))
}

/// One check. Which key a token claims is not known before it is read: the most expensive.
fn expected_check(keyring: &Keyring) -> usize {
    let all = keyring.keys().map(|(_, key)| checking(key.algorithm));
    all.max().unwrap_or(0).saturating_sub(checking(Algorithm::HS256))
}

fn checking(algorithm: Algorithm) -> usize {
    match algorithm.family() {
        Family::Hmac => 4,
        Family::Rsa => 170,
        Family::Ed => 265,
        Family::Ec if algorithm == Algorithm::ES384 => 1500,
        Family::Ec => 385,
    }
}

fn signing(algorithm: Algorithm) -> usize {
    match algorithm.family() {
        Family::Hmac => 0,
        Family::Rsa => 1850,
        Family::Ed => 90,
        Family::Ec if algorithm == Algorithm::ES384 => 650,
        Family::Ec => 140,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jwtkeeper_core::jwt::Compact;
    use jwtkeeper_core::keyring::load_private;

    /// A ring of HMAC keys, and a token that none of them signed.
    fn judged(keys: usize) -> Effort {
        let mut ring = Keyring::default();
        for number in 0..keys {
            let secret = format!("a secret of the tests, number {number:030}");
            let file = load_private(secret.into_bytes().into(), Algorithm::HS256, false).unwrap();
            match number {
                0 => ring.add_signing(file),
                _ => ring.add_retired(file),
            }
        }
        let secret = b"another secret, which signs the token: 0123456789".to_vec();
        let other = load_private(secret.into(), Algorithm::HS256, false).unwrap();
        let token = other.signing.sign("{}", None).unwrap();
        let mut buffer = Vec::new();
        let compact = Compact::parse(token.as_bytes(), None, &mut buffer).unwrap();
        let mut effort = Effort::default();
        assert!(ring.verify(&compact, &[], &[], &mut effort).is_err());
        effort
    }

    #[test]
    fn every_key_that_was_tried_is_charged() {
        let (one, hundred) = (checks(&judged(1)), checks(&judged(100)));
        assert!(one <= checking(Algorithm::HS256), "{one}");
        assert!(hundred >= 99 * checking(Algorithm::HS256), "{hundred}");
    }

    /// Validates per second that the daemon could answer on two processors, clients beside it, without a limit.
    const CAPACITY: [(Algorithm, usize); 4] = [
        (Algorithm::HS256, 203_000),
        (Algorithm::RS256, 74_000),
        (Algorithm::EdDSA, 55_000),
        (Algorithm::ES256, 41_600),
    ];

    #[test]
    fn the_default_limit_allows_every_algorithm_the_same_share() {
        let per_second = crate::config::Limits::default().requests_per_uid;
        for (algorithm, capacity) in CAPACITY {
            let price = REQUEST + checking(algorithm) - checking(Algorithm::HS256);
            let percent = per_second * REQUEST * 100 / price / capacity;
            assert!(
                (23..=27).contains(&percent),
                "{algorithm:?}: {percent} % of what is possible"
            );
        }
    }
}
