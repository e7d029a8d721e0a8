//! The self-test: mints a token in a realm and validates it, as requests do. It leaves nothing behind.

use jwtkeeper_wire::Reason;

use super::{Keeper, RealmState, Refusal, Verdict};
use crate::keyring::Effort;
use crate::types::Millis;

/// Why a realm cannot do its work.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)] // the texts say it
pub enum SelfTestError {
    #[error("no token can be issued: {0}")]
    NotIssued(#[from] Refusal),
    #[error("a token that was issued a moment ago is not valid: {0}")]
    NotValid(Reason),
}

impl Keeper {
    /// Returns true if a token can be issued now, and is valid then. A realm that only validates has nothing to show.
    pub fn self_test(&self, served: &RealmState, now: Millis) -> Result<(), SelfTestError> {
        if served.realm.keyring.signing().is_none() {
            return Ok(());
        }
        let cutoff = || served.index.realm_cutoff();
        let before = cutoff();
        match self.mint_and_validate(served, now) {
            // Somebody revoked all sessions meanwhile, this one too.
            Err(SelfTestError::NotValid(Reason::Revoked) | SelfTestError::NotIssued(Refusal::Unconfirmed))
                if cutoff() != before =>
            {
                Ok(())
            }
            other => other,
        }
    }

    fn mint_and_validate(&self, served: &RealmState, now: Millis) -> Result<(), SelfTestError> {
        let minted = self.mint(served, now, b"", None)?.sign(served)?;
        let cookie = minted.cookie.as_ref().map(|cookie| cookie.as_str());
        match self.validate(
            served,
            now,
            minted.token.as_bytes(),
            cookie,
            &mut Vec::new(),
            &mut Effort::default(),
        ) {
            Verdict::Valid { .. } => Ok(()),
            Verdict::Invalid(rejection) => Err(SelfTestError::NotValid(rejection.reason)),
        }
    }
}
