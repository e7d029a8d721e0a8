//! Examine: what a token proves, and whether it is valid now, for administrators. Nothing is changed.

use jwtkeeper_wire::{Cause, Reason};

use super::validate::judge;
use super::verification::verify_token;
use super::{Keeper, RealmState, Rejection};
use crate::keyring::Effort;
use crate::types::{Id, Millis};

/// A token whose signature a key of the realm made, valid or not.
#[derive(Debug)]
pub struct Examined<'b> {
    /// The claims, byte for byte.
    pub claims: &'b [u8],
    /// The jti; that of a foreign token in its issuer's namespace.
    pub jti: Id,
    /// The session.
    pub session: Id,
    /// The start of the session.
    pub session_start: Millis,
    /// Why rotation is due, or why the token is not valid now.
    pub verdict: Result<Cause, Rejection>,
}

impl Keeper {
    /// Examines a token. The error is why its signature proves nothing: then nothing of it is believed. Reuse is
    /// neither counted nor acted on.
    pub fn examine<'b>(
        &self,
        served: &RealmState,
        now: Millis,
        token: &[u8],
        cookie: Option<&str>,
        buffer: &'b mut Vec<u8>,
        effort: &mut Effort,
    ) -> Result<Examined<'b>, Reason> {
        let mut verified = verify_token(served, token, cookie, buffer, effort)?;
        let verdict = judge(served, now, &mut verified);
        Ok(Examined {
            claims: verified.bytes,
            session_start: verified.start.at,
            jti: verified.jti,
            session: verified.session,
            verdict,
        })
    }
}
