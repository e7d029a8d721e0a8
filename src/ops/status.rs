//! `status`.

use jwtkeeper_wire::Answer;

use super::outcome::now;
use super::{Answered, Call, Dispatch, No};
use crate::server::reply::put_refusal;

impl Dispatch {
    pub(super) fn status(&mut self, call: &Call<'_>, jti: &str, out: &mut Vec<u8>) -> Result<Answered, No> {
        let served = self.served(call)?;
        Ok(now(match self.context.keeper.status(served, call.moment.now, jti) {
            Ok(entry) => {
                let (state, until) = (entry.state, u64::try_from(entry.until).unwrap_or(0));
                call.put(Answer::Status { state, until }, out)
            }
            Err(refusal) => put_refusal(call.id, &refusal, out),
        }))
    }
}
