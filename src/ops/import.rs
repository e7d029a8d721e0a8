//! `import`.

use jwtkeeper_wire::Answer;

use super::outcome::{later, plain, unavailable};
use super::{Answered, Call, Dispatch};
use crate::server::reply::put;

impl Dispatch {
    pub(super) fn import(&self, call: &Call<'_>) -> Answered {
        let (id, now) = (call.id, call.moment.now);
        let context = self.context.clone();
        later(async move {
            let denylist = context.keeper.denylist();
            let realms = denylist.index().realms();
            if let Some(why) = realms.iter().find_map(|realm| denylist.stale(realm)) {
                return unavailable(id, &why);
            }
            let kept = denylist.keep_all(now).await;
            let health = denylist.health();
            if let Some(why) = &health.fault {
                // What the shared store lacks is not known.
                return unavailable(id, why);
            }
            match kept {
                Ok(_) => {
                    let (entries, pending) = (health.entries, health.shared.map_or(0, |shared| shared.pending));
                    plain(|out| put(id, Answer::Imported { entries, pending }, out))
                }
                Err(error) => unavailable(id, &error.to_string()),
            }
        })
    }
}
