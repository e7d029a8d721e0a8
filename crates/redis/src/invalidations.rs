//! Invalidations: the keys that Redis reports as changed. Each is kept once, until it is read again.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use redis::{PushInfo, PushKind, Value};
use tokio::sync::Notify;

/// More changes than this are not remembered one by one.
const MOST_KEYS: usize = 100_000;
/// No key of ours is longer: a prefix, and an id in base64url.
pub(super) const LONGEST_KEY: usize = 4096;

/// The invalidations that were received and not handled yet.
#[derive(Default)]
pub(super) struct Heard {
    /// These changed.
    pub(super) keys: HashSet<Vec<u8>>,
    /// All of some database is gone.
    pub(super) emptied: bool,
    /// Nothing more will be heard.
    pub(super) gone: bool,
}

/// Invalidations of one connection.
#[derive(Default)]
pub(super) struct Invalidations {
    heard: Mutex<Heard>,
    any: Notify,
}

impl Invalidations {
    /// Takes note of what the connection says.
    pub(super) fn hear(&self, push: PushInfo) {
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        match push.kind {
            PushKind::Invalidate => match push.data.into_iter().next() {
                Some(Value::Array(keys)) => {
                    let bytes = |key| redis::from_redis_value(key).ok();
                    let keys = keys.into_iter().filter_map(bytes);
                    heard.keys.extend(keys.filter(|key: &Vec<u8>| key.len() <= LONGEST_KEY));
                    if heard.keys.len() > MOST_KEYS {
                        heard.keys = HashSet::new();
                        heard.emptied = true; // to read everything tells of all of them
                    }
                }
                _ => heard.emptied = true,
            },
            PushKind::Disconnection => heard.gone = true,
            _ => return,
        }
        drop(heard);
        self.any.notify_one();
    }

    /// Ends when there may be something to look at.
    pub(super) async fn any(&self) {
        self.any.notified().await;
    }

    /// All that was heard.
    pub(super) fn take(&self) -> Heard {
        std::mem::take(&mut *self.heard.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
