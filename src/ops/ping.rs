//! `ping`.

use jwtkeeper_wire::Answer;

use super::outcome::now;
use super::{Answered, Call, Dispatch};

impl Dispatch {
    pub(super) fn ping(call: &Call<'_>, out: &mut Vec<u8>) -> Answered {
        now(call.put(Answer::Pong, out))
    }
}
