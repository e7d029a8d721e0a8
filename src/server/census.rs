//! How many connections there are, in all and of each uid.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

use super::Context;

/// The count.
#[derive(Default)]
pub(super) struct Census {
    present: Mutex<Present>,
    left: Notify,
}

#[derive(Default)]
struct Present {
    all: usize,
    of: HashMap<u32, usize>,
}

impl Census {
    /// Waits until there are fewer connections than `limit` says.
    pub(super) async fn room(&self, limit: impl Fn() -> usize) {
        loop {
            let left = self.left.notified();
            if self.present.lock().unwrap_or_else(PoisonError::into_inner).all < limit() {
                return;
            }
            left.await;
        }
    }
}

/// A connection, counted until dropped.
pub(super) struct Counted {
    context: Arc<Context>,
    uid: u32,
}

impl Counted {
    /// Counts a connection of `uid`; also says how many of that uid there are now.
    pub(super) fn new(context: Arc<Context>, uid: u32) -> (Self, usize) {
        let mut present = context.census.present.lock().unwrap_or_else(PoisonError::into_inner);
        present.all += 1;
        let of = present.of.entry(uid).or_default();
        *of += 1;
        let of = *of;
        drop(present);
        (Self { context, uid }, of)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut present = self
            .context
            .census
            .present
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        present.all = present.all.saturating_sub(1);
        if let Some(of) = present.of.get_mut(&self.uid) {
            *of -= 1;
            if *of == 0 {
                present.of.remove(&self.uid);
            }
        }
        drop(present);
        self.context.census.left.notify_one();
    }
}
