//! Lifetimes of tokens minted so far: every `max_lifetime` that was ever in effect.

use std::collections::HashMap;

use super::{RealmIndex, lock};
use crate::denylist::MARGIN;
use crate::types::{Millis, Seconds};

/// A signer's clock is believed to be ahead by a day at most, in seconds.
const AHEAD: Seconds = 24 * 60 * 60;

#[derive(Default)]
pub(super) struct Lifetimes {
    current: u64,
    /// The store does not know all of it yet.
    is_new: bool,
    /// Every value that was in effect, and when last.
    last: HashMap<u64, Millis>,
}

impl Lifetimes {
    /// Takes note that tokens of this lifetime were minted at `at`; says whether that was news.
    pub(super) fn raise_last(&mut self, value: u64, at: Millis) -> bool {
        let last = self.last.entry(value).or_default();
        let grew = *last < at;
        *last = (*last).max(at);
        self.is_new |= grew;
        grew
    }
}

impl RealmIndex {
    /// Until when an entry must stand that knows no token's `exp`: the last moment at which a token minted by now can
    /// live, over every `max_lifetime` that was ever in effect; and the margin.
    pub fn retention(&self, now: Millis) -> Seconds {
        let lifetimes = lock(&self.lifetimes);
        let span = |at: Millis, value: u64| {
            at.seconds()
                .saturating_add(1)
                .saturating_add(Seconds::try_from(value).unwrap_or(Seconds::MAX))
        };
        let earlier = lifetimes.last.iter().map(|(value, at)| span(*at, *value)).max();
        span(now, lifetimes.current)
            .max(earlier.unwrap_or(0))
            .saturating_add(MARGIN)
    }

    /// Takes note that a `max_lifetime` is in effect; what was in effect before was so until now.
    pub fn set_lifetime(&self, value: u64, now: Millis) {
        let mut lifetimes = lock(&self.lifetimes);
        let before = std::mem::replace(&mut lifetimes.current, value);
        for value in [before, value] {
            if value > 0 {
                let last = lifetimes.last.entry(value).or_default();
                *last = (*last).max(now);
            }
        }
    }

    /// Takes note of a token of this realm that is not yet valid and expires then. One from further ahead than `AHEAD`
    /// is ignored: a single token must not make every entry of the realm last for years.
    pub fn note_future(&self, exp: Seconds, now: Millis) {
        let mut lifetimes = lock(&self.lifetimes);
        let current = lifetimes.current;
        let issued = exp.saturating_sub(Seconds::try_from(current).unwrap_or(Seconds::MAX));
        if issued <= now.seconds().saturating_add(AHEAD) {
            lifetimes.raise_last(current, Millis::from_seconds(issued));
        }
    }

    /// Returns true once after lifetimes became known that the store must keep.
    pub fn take_new_lifetimes(&self) -> bool {
        std::mem::take(&mut lock(&self.lifetimes).is_new)
    }

    /// The `max_lifetime` that is in effect, or was when an earlier life ended; 0 for none.
    pub fn max_lifetime(&self) -> u64 {
        lock(&self.lifetimes).current
    }

    /// Takes note of what an earlier life knew: when a value was last in effect. What is in effect now stays so.
    pub fn load_lifetime(&self, value: u64, last: Millis) {
        let mut lifetimes = lock(&self.lifetimes);
        let known = lifetimes.last.entry(value).or_default();
        *known = (*known).max(last);
    }

    /// The `max_lifetime` values that still matter, and when each was last in effect.
    pub fn lifetimes(&self) -> Vec<(u64, Millis)> {
        lock(&self.lifetimes)
            .last
            .iter()
            .map(|(value, last)| (*value, *last))
            .collect()
    }
}
