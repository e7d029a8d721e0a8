//! `introspect`: a token's claims, whether it is active and why not, its session, and its entry in the denylist.

use jwtkeeper_core::keeper::Examined;
use jwtkeeper_core::keyring::Effort;
use jwtkeeper_wire::{Answer, Cause};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::outcome::now;
use super::{Answered, Call, Dispatch, No};
use crate::server::price;
use crate::server::reply::put_refusal;

/// The answer. The members of [`Registered`] are those of RFC 7662 section 2.2.
#[derive(Default, Serialize)]
struct Document<'a> {
    active: bool,
    /// The name of the reason, of a token that is not active.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    /// The name of the cause for which rotation is due.
    #[serde(skip_serializing_if = "Option::is_none")]
    rotation: Option<&'static str>,
    #[serde(flatten)]
    registered: Registered<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<String>,
    /// Seconds since the epoch, with milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    session_start: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    denylist: Option<Entry>,
    /// The claims as they are in the token.
    #[serde(skip_serializing_if = "Option::is_none")]
    claims: Option<&'a RawValue>,
}

/// Claims that have a member of their own.
#[derive(Default, Deserialize, Serialize)]
struct Registered<'a> {
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    iss: Option<&'a RawValue>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    sub: Option<&'a RawValue>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    aud: Option<&'a RawValue>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    exp: Option<&'a RawValue>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    nbf: Option<&'a RawValue>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    iat: Option<&'a RawValue>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    jti: Option<&'a RawValue>,
}

/// The entry of the token's jti.
#[derive(Serialize)]
struct Entry {
    /// `none`, `soft`, `hard` or `rotated`.
    state: &'static str,
    /// Seconds since the epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<i64>,
}

impl Dispatch {
    pub(super) fn introspect(
        &mut self,
        call: &Call<'_>,
        token: &[u8],
        cookie: Option<&str>,
        out: &mut Vec<u8>,
    ) -> Result<Answered, No> {
        let (served, keeper) = (self.served(call)?, &self.context.keeper);
        let (mut buffer, mut effort) = (Vec::new(), Effort::default());
        let examined = keeper.examine(served, call.moment.now, token, cookie, &mut buffer, &mut effort);
        self.cost += price::checks(&effort);
        let document = match &examined {
            Ok(examined) if examined.jti.is_absent() => document(examined, None),
            Ok(examined) => match keeper.status(served, call.moment.now, &examined.jti.to_string()) {
                Ok(entry) => document(
                    examined,
                    Some(Entry {
                        state: entry.state.row().map_or("", |row| row.name),
                        until: (entry.until != 0).then_some(entry.until),
                    }),
                ),
                Err(refusal) => return Ok(now(put_refusal(call.id, &refusal, out))),
            },
            // A forged token tells nothing but that.
            Err(reason) => Document {
                reason: reason.row().map(|row| row.name),
                ..Document::default()
            },
        };
        let document = serde_json::to_vec(&document).unwrap_or_default(); // strings and numbers always serialise
        Ok(now(call.put(Answer::Introspection { document: &document }, out)))
    }
}

fn document<'e>(examined: &'e Examined<'_>, denylist: Option<Entry>) -> Document<'e> {
    let (cause, reason) = match &examined.verdict {
        Ok(cause) => (cause.row().filter(|_| *cause != Cause::None), None),
        Err(rejection) => (None, rejection.reason.row()),
    };
    Document {
        active: examined.verdict.is_ok(),
        reason: reason.map(|row| row.name),
        rotation: cause.map(|row| row.name),
        // The claims were read strictly before: they are a JSON object.
        registered: serde_json::from_slice(examined.claims).unwrap_or_default(),
        session: (!examined.session.is_absent()).then(|| examined.session.to_string()),
        session_start: Some(examined.session_start.0 as f64 / 1000.0),
        denylist,
        claims: serde_json::from_slice(examined.claims).ok(),
    }
}
