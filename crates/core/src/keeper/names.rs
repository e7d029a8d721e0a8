//! Whom a token speaks of, for records of what was done with it. Proven by whoever minted or verified it, not here.

use super::RealmState;
use super::verification::read_own;
use crate::jwt::Compact;
use crate::types::Id;

/// The names in a token.
pub struct Names {
    /// The jti.
    pub jti: Id,
    /// The session.
    pub session: Id,
    /// The subject.
    pub subject: Option<String>,
}

impl Names {
    /// Of claims.
    pub fn of_claims(served: &RealmState, claims: &[u8]) -> Option<Self> {
        let verified = read_own(claims, &served.realm.policy).ok()?;
        Some(Self {
            subject: verified.subject().map(str::to_owned),
            jti: verified.jti,
            session: verified.session,
        })
    }

    /// Of a token in hand.
    pub fn of_token(served: &RealmState, token: &[u8]) -> Option<Self> {
        let known = served.realm.keyring.signing().map(|key| key.header_segment());
        let mut buffer = Vec::new();
        let compact = Compact::parse(token, known, &mut buffer).ok()?;
        Self::of_claims(served, compact.claims)
    }
}
