//! `issue`.

use std::time::Duration;

use jwtkeeper_wire::{Answer, Op};

use super::Operation;
use crate::answer::Minted;
use crate::given::NewClaims;

/// Mint a token. Answered by [`Minted`](crate::Minted).
#[derive(Clone, Default)]
pub struct Issue<'a> {
    realm: Option<&'a str>,
    claims: Option<NewClaims<'a>>,
    ttl: Option<Duration>,
}

with_realm!(Issue);

impl<'a> Issue<'a> {
    /// A token with the realm's own claims and expiry.
    pub fn new() -> Self {
        Self::default()
    }

    /// With these claims merged in: a JSON object.
    #[must_use]
    pub fn claims(mut self, claims: impl Into<NewClaims<'a>>) -> Self {
        self.claims = Some(claims.into());
        self
    }

    /// Sets the lifetime in whole seconds (a part of one counts as one), up to the realm's `max_lifetime`.
    #[must_use]
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = Some(ttl);
        self
    }
}

impl Operation for Issue<'_> {
    type Output = Minted;

    fn op<'s>(&'s self, realm: &'s str) -> Op<'s> {
        Op::Issue {
            realm: self.realm.unwrap_or(realm),
            claims: self.claims.as_ref().map_or(&[], |claims| &claims.0),
            ttl: self.ttl.map(whole_seconds),
        }
    }

    fn output(&self, answer: Answer<'_>) -> Option<Minted> {
        match answer {
            Answer::Issued(minted) => Some(minted.into()),
            _ => None,
        }
    }
}

/// A part of a second counts as one: a ttl is never cut to 0.
fn whole_seconds(ttl: Duration) -> u64 {
    ttl.as_secs().saturating_add(u64::from(ttl.subsec_nanos() > 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ttl(ttl: Duration) -> Option<u64> {
        match Issue::new().ttl(ttl).op("") {
            Op::Issue { ttl, .. } => ttl,
            _ => None,
        }
    }

    #[test]
    fn a_ttl_is_never_cut_to_nothing() {
        assert_eq!(ttl(Duration::from_millis(1)), Some(1));
        assert_eq!(ttl(Duration::from_secs(60)), Some(60));
        assert_eq!(ttl(Duration::from_millis(60_001)), Some(61));
        assert_eq!(ttl(Duration::ZERO), Some(0));
        assert_eq!(ttl(Duration::MAX), Some(u64::MAX));
    }
}
