//! Expiry: buckets of time.

use std::sync::atomic::Ordering;

use super::entry::{Expiring, Mark, halves, whole};
use super::rotation::record_until;
use super::{ENDLESS, RealmIndex, is_past, lock, write};
use crate::types::{Id, Seconds};

/// Seconds to a bucket of expiry.
const BUCKET: i64 = 64;

/// Ids in one piece of a bucket: small, so that neither its growth nor its end holds anyone up.
const CHUNK: usize = 1024;

/// Ids whose entries expire in one span of time. Most are UUIDs of tokens and sessions, which are kept without a tag.
#[derive(Default)]
pub(super) struct Bucket {
    tokens: Chunks<[u64; 2]>,
    sessions: Chunks<[u64; 2]>,
    others: Chunks<(Expiring, Id)>,
}

/// Values in pieces of [`CHUNK`], the last of them not yet full.
struct Chunks<T>(Vec<Vec<T>>);

impl<T> Default for Chunks<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Chunks<T> {
    fn push(&mut self, value: T) {
        match self.0.last_mut() {
            Some(last) if last.len() < CHUNK => last.push(value),
            _ => self.0.push(vec![value]),
        }
    }
}

impl Bucket {
    fn add(&mut self, kind: Expiring, id: &Id) {
        match (kind, id) {
            (Expiring::Token, Id::Uuid(bits)) => self.tokens.push(halves(*bits)),
            (Expiring::Session, Id::Uuid(bits)) => self.sessions.push(halves(*bits)),
            _ => self.others.push((kind, id.clone())),
        }
    }

    /// Removes and returns one piece; `None` once the bucket is empty.
    fn take(&mut self) -> Option<Vec<(Expiring, Id)>> {
        let of = |kind| move |halves: [u64; 2]| (kind, Id::Uuid(whole(halves)));
        if let Some(tokens) = self.tokens.0.pop() {
            return Some(tokens.into_iter().map(of(Expiring::Token)).collect());
        }
        if let Some(sessions) = self.sessions.0.pop() {
            return Some(sessions.into_iter().map(of(Expiring::Session)).collect());
        }
        self.others.0.pop()
    }
}

impl RealmIndex {
    pub(super) fn expire(&self, kind: Expiring, id: &Id, until: u32) {
        if until == ENDLESS {
            return;
        }
        let bucket = i64::from(until) / BUCKET;
        lock(&self.buckets).entry(bucket).or_default().add(kind, id);
    }

    /// Returns true if there may be entries whose deadline lies before this second.
    pub(super) fn has_entries_before(&self, second: Seconds) -> bool {
        let first = lock(&self.buckets).keys().next().copied();
        first.is_some_and(|bucket| bucket.saturating_mul(BUCKET) < second)
    }

    /// Forgets a slice of what may be forgotten by `now`. Returns false if there was nothing left.
    pub(super) fn purge_slice(&self, now: Seconds) -> bool {
        let Some(due) = self.due(now / BUCKET) else {
            return false;
        };
        for (kind, id) in due {
            self.forget(kind, &id, now);
        }
        true
    }

    /// Returns one piece of the ids that expire before a bucket.
    fn due(&self, end: i64) -> Option<Vec<(Expiring, Id)>> {
        let mut buckets = lock(&self.buckets);
        loop {
            let mut first = buckets.first_entry().filter(|first| *first.key() < end)?;
            match first.get_mut().take() {
                Some(due) => return Some(due),
                None => drop(first.remove()),
            }
        }
    }

    /// Gives back the room of what was forgotten, shard by shard.
    pub(super) fn shrink(&self) {
        for shard in &self.shards {
            write(shard).shrink();
        }
    }

    fn forget(&self, kind: Expiring, id: &Id, now: Seconds) {
        let past = |until| is_past(until, now);
        let mut shard = write(self.shard(id));
        let gone = match kind {
            Expiring::Token => {
                let gone = shard.tokens.get(id).is_some_and(|standing| past(standing.until));
                if gone {
                    shard.tokens.remove(id);
                }
                gone
            }
            Expiring::Session => {
                let gone = shard.sessions.get(id).is_some_and(|standing| past(standing.until));
                if gone {
                    shard.sessions.remove(id);
                }
                gone
            }
            Expiring::Subject => {
                let gone = shard.subjects.get_mut(id).is_some_and(|marks| {
                    // Each goes at its own deadline, as its row does.
                    for mark in [&mut marks.hard, &mut marks.soft] {
                        if past(mark.until) {
                            *mark = Mark::default();
                        }
                    }
                    marks.hard.until.max(marks.soft.until) == 0
                });
                if gone {
                    shard.subjects.remove(id);
                }
                gone
            }
            Expiring::Rotation => {
                let gone = shard.rotations.get(id).is_some_and(|rotation| past(rotation.until));
                let rotation = gone.then(|| shard.rotations.remove(id)).flatten();
                drop(shard);
                if let Some(rotation) = rotation {
                    self.forget_head(&rotation);
                }
                gone
            }
            Expiring::Record => {
                if let Some(rotation) = shard.rotations.get_mut(id)
                    && record_until(rotation.grace_until) < now
                {
                    rotation.record = None;
                }
                false
            }
        };
        if gone {
            self.count_of(kind).fetch_sub(1, Ordering::AcqRel);
        }
    }
}
