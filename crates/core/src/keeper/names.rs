//! Whom a token speaks of, for records of what was done with it. Proven by whoever minted or admitted it, not here.

use super::Served;
use super::admission::read_own;
use crate::jwt::Compact;
use crate::types::Id;

/// The names in a token.
pub struct Names {
    /// Its jti.
    pub jti: Id,
    /// Its session.
    pub session: Id,
    /// Its subject.
    pub subject: Option<String>,
}

impl Names {
    /// Of claims.
    pub fn of_claims(served: &Served, claims: &[u8]) -> Option<Self> {
        let admitted = read_own(claims, &served.realm.policy).ok()?;
        Some(Self {
            subject: admitted.subject().map(str::to_owned),
            jti: admitted.jti,
            session: admitted.session,
        })
    }

    /// Of a token in hand.
    pub fn of_token(served: &Served, token: &[u8]) -> Option<Self> {
        let known = served.realm.keyring.signing().map(|key| key.header_segment());
        let mut buffer = Vec::new();
        let compact = Compact::parse(token, known, &mut buffer).ok()?;
        Self::of_claims(served, compact.claims)
    }
}
