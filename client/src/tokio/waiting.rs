//! The callers that wait for replies on a connection. An id is given out once, so a reply can reach the caller who
//! asked and no other; a caller who gave up leaves its place behind, where its reply is dropped when it comes.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::{Notify, oneshot};

use crate::error::Fault;

/// The number of replies that may be outstanding, given up ones included. A daemon that lets so many pile up is not
/// answering, and the connection is closed.
const MOST: usize = 65_536;

#[derive(Default)]
pub(super) struct Waiting {
    state: Mutex<State>,
    delivered: AtomicU64,
    closing: Notify,
}

#[derive(Default)]
struct State {
    last_id: u64,
    places: HashMap<u64, oneshot::Sender<Bytes>>,
    closed: bool,
    fault: Option<Fault>,
}

impl Waiting {
    /// An id and a place for its reply; `None` when the connection is closed.
    pub(super) fn register(&self) -> Option<(u64, oneshot::Receiver<Bytes>)> {
        let mut state = self.lock();
        if state.places.len() >= MOST {
            state.close(None);
            self.closing.notify_one();
        }
        if state.closed {
            return None;
        }
        state.last_id += 1;
        let id = state.last_id;
        let (sender, receiver) = oneshot::channel();
        state.places.insert(id, sender);
        Some((id, receiver))
    }

    /// Takes back a place whose request was never sent.
    pub(super) fn unregister(&self, id: u64) {
        self.lock().places.remove(&id);
    }

    /// Hands a reply to who waits for it. An id that was not given out, or was answered, is a fault.
    pub(super) fn deliver(&self, id: u64, body: Bytes) -> Result<(), Fault> {
        let mut state = self.lock();
        if state.closed {
            return Ok(()); // to a call of a connection that was given up
        }
        let place = state.places.remove(&id).ok_or(Fault::UnknownId)?;
        drop(state);
        self.delivered.fetch_add(1, Ordering::Relaxed);
        let _given_up = place.send(body);
        Ok(())
    }

    /// Returns the number of replies that have come.
    pub(super) fn delivered(&self) -> u64 {
        self.delivered.load(Ordering::Relaxed)
    }

    pub(super) fn is_open(&self) -> bool {
        !self.lock().closed
    }

    /// Ends the connection: whoever waits is told, and nobody can begin to.
    pub(super) fn close(&self, fault: Option<Fault>) {
        self.lock().close(fault);
        self.closing.notify_one();
    }

    /// Until [`Waiting::close`] is called.
    pub(super) async fn closed(&self) {
        self.closing.notified().await;
    }

    /// Why the connection was closed, where the peer broke the protocol.
    pub(super) fn fault(&self) -> Option<Fault> {
        self.lock().fault
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn close(&mut self, fault: Option<Fault>) {
        self.closed = true;
        self.fault = self.fault.or(fault);
        self.places.clear();
    }
}
