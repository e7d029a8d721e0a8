//! `health`.

use jwtkeeper_wire::Answer;

use super::outcome::now;
use super::{Answered, Call, Dispatch};
use crate::health;
use crate::server::price;

impl Dispatch {
    pub(super) fn health(&mut self, call: &Call<'_>, out: &mut Vec<u8>) -> Answered {
        let snapshot = &*call.moment.snapshot;
        self.cost += price::health(snapshot.realms().count());
        let (ready, document) = health::report(&self.context, snapshot);
        let (generation, document) = (snapshot.generation, document.as_slice());
        let answer = Answer::Health {
            ready,
            generation,
            document,
        };
        now(call.put(answer, out))
    }
}
