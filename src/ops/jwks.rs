//! `jwks`.

use jwtkeeper_wire::Answer;

use super::outcome::now;
use super::{Answered, Call, Dispatch, No};
use crate::server::price;

impl Dispatch {
    pub(super) fn jwks(&mut self, call: &Call<'_>, out: &mut Vec<u8>) -> Result<Answered, No> {
        let keyring = &self.served(call)?.realm.keyring;
        self.cost += price::jwks(keyring);
        let document = serde_json::to_vec(&keyring.jwks()).unwrap_or_default(); // strings always serialise
        Ok(now(call.put(Answer::Jwks { document: &document }, out)))
    }
}
