//! The data set of a primary. A sentinel key shows whether it is still the one that was read (SWAPDB and a restore tell
//! nobody), and which daemons are repairing it: one that starts meanwhile must wait for them.

use std::ops::RangeInclusive;
use std::time::Duration;

use redis::{ErrorKind, Pipeline, RedisError, Value};

use super::connection::Connection;
use super::discovery::slot;
use super::fleet::{Fleet, random_id};
use super::link::has_moved;
use super::node::{Node, has_slot};

/// Names of sentinels begin so; no prefix of entries may.
pub const SENTINELS: &str = "jwtkeeper-dataset:";

/// The time that an announced repair is believed in after its daemon's last word, in milliseconds.
const ANNOUNCED_MS: u64 = 5000;

/// So many tags reach every slot.
const MOST_TAGS: u32 = 500_000;

/// The data set as a daemon saw it last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sighting {
    id: String,
    /// Grows with each look of any daemon: a smaller count shows that an older copy was restored.
    count: u64,
}

/// The outcome of one look at the sentinel.
pub(super) struct Look {
    /// The data set is another one than before.
    pub(super) replaced: bool,
    /// The number of other daemons that are repairing it.
    pub(super) repairing: u64,
    /// The time left for daemons to notice that the data set is new.
    pub(super) grace: Duration,
}

/// The name of the sentinel of a node that has these slots: it lies in one of them.
pub(super) fn key(slots: &[RangeInclusive<u16>]) -> String {
    let name = |number| format!("{SENTINELS}{{{number}}}");
    let own = (0..MOST_TAGS).map(name).find(|key| has_slot(slots, slot(key)));
    own.unwrap_or_else(|| name(0))
}

/// Looks at the sentinel of a node, and announces whether this daemon is repairing. `None` while its slot is moving.
pub(super) async fn look(
    fleet: &Fleet,
    node: &Node,
    connection: &mut Connection,
    repairing: bool,
) -> Result<Option<Look>, RedisError> {
    let key = node.sentinel();
    let known = fleet.sighting(&key);
    let mut call = fleet.scripts.dataset.key(&key);
    call.arg(random_id()).arg(&fleet.instance);
    call.arg(u8::from(repairing)).arg(ANNOUNCED_MS);
    call.arg(fleet.terms.repair_grace.as_millis() as u64);
    call.arg(known.as_ref().map_or("", |known| &known.id));
    call.arg(known.as_ref().map_or(0, |known| known.count));
    let mut pipeline = Pipeline::new();
    pipeline.invoke_script(&call);
    let answers = fleet.scripts.run(&mut pipeline, connection).await?;
    let answer = match answers.into_iter().next() {
        Some(Err(error)) if has_moved(&error) => {
            fleet.look_again.notify_one();
            return Ok(None);
        }
        answer => answer.unwrap_or(Ok(Value::Nil))?,
    };
    let odd = |_| RedisError::from((ErrorKind::UnexpectedReturnType, "the sentinel cannot be read"));
    let (id, count, replaced, repairing, grace): (String, u64, bool, u64, u64) =
        redis::from_redis_value(answer).map_err(odd)?;
    // Without an id Redis has none, and takes none: it is out of memory.
    fleet.set_sighting(key, (!id.is_empty()).then_some(Sighting { id, count }));
    let grace = Duration::from_millis(grace);
    Ok(Some(Look {
        replaced,
        repairing,
        grace,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_slot_has_a_sentinel() {
        for slot_alone in [0, 1, 8191, 16383, 5461] {
            assert_eq!(slot(&key(&[slot_alone..=slot_alone])), slot_alone);
        }
    }
}
