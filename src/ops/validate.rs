//! `validate`.

use jwtkeeper_core::keeper::{Rejection, Verdict};
use jwtkeeper_core::keyring::Effort;
use jwtkeeper_wire::Answer;

use super::outcome::{Facts, later};
use super::rejection::reject;
use super::{Answered, Call, Dispatch, No};
use crate::server::price;
use crate::server::reply::put;

impl Dispatch {
    pub(super) fn validate(
        &mut self,
        call: &Call<'_>,
        token: &[u8],
        cookie: Option<&str>,
        out: &mut Vec<u8>,
    ) -> Result<Answered, No> {
        let served = self.served(call)?;
        let (id, now) = (call.id, call.moment.now);
        let mut effort = Effort::default();
        let verdict = self
            .context
            .keeper
            .validate(served, now, token, cookie, &mut self.scratch, &mut effort);
        self.cost += price::checks(&effort);
        let outcome = match verdict {
            Verdict::Valid { claims, rotation } => put(id, Answer::Valid { claims, rotation }, out),
            Verdict::Invalid(rejection @ Rejection { reuse: Some(_), .. }) => {
                let (context, served) = (self.context.clone(), served.clone());
                return Ok(later(
                    async move { reject(&context, &served, now, id, &rejection).await },
                ));
            }
            Verdict::Invalid(Rejection { reason, reuse: None }) => put(id, Answer::Invalid { reason }, out),
        };
        Ok(Answered::Now(outcome, Facts::default()))
    }
}
