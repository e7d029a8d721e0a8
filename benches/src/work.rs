//! What the peers are asked to do: claims, tokens and jtis, the same in every run.

use jwtkeeper_core::types::{Id, Millis};
use jwtkeeper_wire::{Answer, Op, RevokeTarget};
use serde_json::Value;

use crate::fault::{Doing, Result};
use crate::peers::daemon::{Daemon, request};

/// The secret of the HS256 realm.
pub(crate) const SECRET: &[u8; 32] = b"a secret for the bench, no other";
/// Different tokens in a run of validates.
pub(crate) const TOKENS: usize = 64;
/// Revoked tokens that the denylist holds while others are validated.
pub(crate) const DENIED: usize = 1000;

/// Private claims of a user, always of the same length.
pub(crate) fn claims(user: usize) -> String {
    format!(r#"{{"sub":"u{user:06}","role":"editor"}}"#)
}

/// A token and its claims.
pub(crate) struct Token {
    /// Compact serialization.
    pub(crate) text: String,
    /// A JSON object.
    pub(crate) claims: String,
}

/// An issue for each of `count` users.
pub(crate) fn issues(realm: &str, count: usize) -> Result<Vec<Vec<u8>>> {
    let issue = |user| {
        request(Op::Issue {
            realm,
            claims: claims(user).as_bytes(),
            ttl: None,
        })
    };
    (0..count).map(issue).collect()
}

/// Tokens that the daemon mints now.
pub(crate) fn tokens(daemon: &Daemon, realm: &str, count: usize) -> Result<Vec<Token>> {
    daemon.ask_all(&issues(realm, count)?, |answer| match answer {
        Answer::Issued(minted) => Ok(Token {
            text: minted.token.to_owned(),
            claims: String::from_utf8(minted.claims.to_vec()).doing("a token's claims")?,
        }),
        _ => Err("the daemon did not issue a token".into()),
    })
}

/// A validate of each token, and the length that all their claims have.
pub(crate) fn validates(realm: &str, tokens: &[Token]) -> Result<(Vec<Vec<u8>>, usize)> {
    let length = tokens.first().map_or(0, |token| token.claims.len());
    if tokens.iter().any(|token| token.claims.len() != length) {
        return Err("the tokens' claims differ in length".into());
    }
    for token in tokens {
        let claims: Value = serde_json::from_str(&token.claims).doing("a token's claims")?;
        for name in ["iss", "aud", "exp", "nbf", "iat", "jti", "sub"] {
            claims.get(name).ok_or_else(|| format!("a token has no {name}"))?;
        }
    }
    let validate = |token: &Token| {
        request(Op::Validate {
            realm,
            token: token.text.as_bytes(),
            cookie: None,
        })
    };
    let list = tokens.iter().map(validate).collect::<Result<_>>()?;
    Ok((list, length))
}

/// A rotate of each token.
pub(crate) fn rotates(tokens: &[Token]) -> Result<Vec<Vec<u8>>> {
    let rotate = |token: &Token| {
        request(Op::Rotate {
            realm: "",
            token: token.text.as_bytes(),
            cookie: None,
            claims: None,
        })
    };
    tokens.iter().map(rotate).collect()
}

/// A revoke of each jti.
pub(crate) fn revokes(jtis: impl Iterator<Item = Id>) -> Result<Vec<Vec<u8>>> {
    let revoke = |jti: Id| {
        request(Op::Revoke {
            realm: "",
            target: RevokeTarget::Jti(&jti.to_string()),
        })
    };
    jtis.map(revoke).collect()
}

/// Jtis of tokens born in the hour before `now` (UUIDv7), in no order; another `seed`, other jtis.
pub(crate) fn jtis(now: Millis, seed: u64) -> impl Iterator<Item = Id> {
    const HOUR_MS: u64 = 3_600_000;
    let mut random = Random(seed);
    std::iter::repeat_with(move || {
        let born = u128::from(now.0.saturating_sub(random.next() % HOUR_MS));
        let low = u128::from(random.next()) << 64 | u128::from(random.next());
        let fields = (0xfff << 64) | ((1 << 62) - 1);
        Id::Uuid(born << 80 | 7 << 76 | 0b10 << 62 | low & fields)
    })
}

/// The jtis that a full store holds.
pub(crate) fn denied(now: Millis) -> impl Iterator<Item = Id> {
    jtis(now, 3)
}

/// SplitMix64: the same numbers from the same seed.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

/// The wall clock.
#[allow(
    clippy::disallowed_methods,
    reason = "a program of its own: nobody could hand it the time"
)]
pub(crate) fn now() -> Result<Millis> {
    let now = std::time::SystemTime::now();
    let since = now.duration_since(std::time::UNIX_EPOCH).doing("the clock")?;
    Ok(Millis(u64::try_from(since.as_millis()).doing("the clock")?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn jtis_are_uuids_of_the_last_hour_and_all_different() {
        let now = Millis(1_800_000_000_000);
        let jtis: HashSet<_> = jtis(now, 1).take(5000).collect();
        assert_eq!(jtis.len(), 5000);
        for jti in &jtis {
            assert!(now.since(jti.birth().unwrap()) < 3_600_000);
        }
        let other = super::jtis(now, 2).next().unwrap();
        assert!(!jtis.contains(&other));
    }

    #[test]
    fn every_user_has_claims_of_one_length() {
        assert_eq!(claims(0).len(), claims(999_999).len());
    }
}
