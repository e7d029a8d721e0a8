//! The deadlines of a connection's peer: for the rest of a frame, and for another request.

use std::pin::Pin;

use tokio::time::{Instant, Sleep, sleep_until};

use crate::config::Limits;

/// The peer's time. One timer, set anew only when it must ring earlier.
pub(super) struct Clock {
    pub(super) alarm: Pin<Box<Sleep>>,
    /// Since when the peer has asked nothing.
    pub(super) quiet: Instant,
    /// Since when a frame is half there.
    half: Option<Instant>,
}

impl Clock {
    pub(super) fn new(limits: &Limits) -> Self {
        let now = Instant::now();
        Self {
            alarm: Box::pin(sleep_until(now + limits.frame_timeout.min(limits.idle_timeout))),
            quiet: now,
            half: None,
        }
    }

    /// The peer's turn: after a half frame it must go on soon. `asked`: whether a whole one came since the last time.
    pub(super) fn wait_for_peer(&mut self, half: bool, asked: bool, limits: &Limits) {
        if !half && !asked {
            self.half = None;
            return;
        }
        let now = Instant::now();
        if asked {
            self.quiet = now;
        }
        self.half = half.then(|| self.half.filter(|_| !asked).unwrap_or(now));
        if self.half.is_some() && self.alarm.deadline() > now + limits.frame_timeout {
            self.alarm.as_mut().reset(now + limits.frame_timeout);
        }
    }

    /// Our turn, or we have just answered: the peer's time stands still.
    pub(super) fn stand_still(&mut self) {
        self.quiet = Instant::now();
        self.half = None;
    }

    /// Returns true if the peer took too long; otherwise the alarm is set anew.
    pub(super) fn is_late(&mut self, limits: &Limits, nothing_pending: bool) -> bool {
        let now = Instant::now();
        if !nothing_pending {
            self.quiet = now;
        }
        let end = match self.half {
            Some(half) => half + limits.frame_timeout,
            None => self.quiet + limits.idle_timeout,
        };
        self.alarm.as_mut().reset(end);
        now >= end
    }
}
