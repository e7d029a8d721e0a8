//! Expiry: buckets of time.

use std::sync::atomic::Ordering;

use super::entry::{Expiring, Mark, halves, whole};
use super::rotation::record_until;
use super::{RealmIndex, lock, write};
use crate::words::{Id, Seconds};

/// Seconds to a bucket of expiry.
const BUCKET: i64 = 64;

/// What ends in one span of time: most are tokens and sessions by their UUIDs, which take no more than that.
#[derive(Default)]
pub(super) struct Bucket {
    tokens: Vec<[u64; 2]>,
    sessions: Vec<[u64; 2]>,
    others: Vec<(Expiring, Id)>,
}

impl Bucket {
    fn add(&mut self, kind: Expiring, id: &Id) {
        match (kind, id) {
            (Expiring::Token, Id::Uuid(bits)) => self.tokens.push(halves(*bits)),
            (Expiring::Session, Id::Uuid(bits)) => self.sessions.push(halves(*bits)),
            _ => self.others.push((kind, id.clone())),
        }
    }

    fn each(self) -> impl Iterator<Item = (Expiring, Id)> {
        let of = |kind| move |halves| (kind, Id::Uuid(whole(halves)));
        let tokens = self.tokens.into_iter().map(of(Expiring::Token));
        let sessions = self.sessions.into_iter().map(of(Expiring::Session));
        tokens.chain(sessions).chain(self.others)
    }
}

impl RealmIndex {
    pub(super) fn expire(&self, kind: Expiring, id: &Id, until: u32) {
        let bucket = i64::from(until) / BUCKET;
        lock(&self.buckets).entry(bucket).or_default().add(kind, id);
    }

    pub(super) fn purge(&self, now: Seconds) {
        let mut buckets = lock(&self.buckets);
        let later = buckets.split_off(&(now / BUCKET));
        let due = std::mem::replace(&mut *buckets, later);
        drop(buckets);
        let past = |until: u32| Seconds::from(until) < now;
        for (kind, id) in due.into_values().flat_map(Bucket::each) {
            let mut shard = write(self.shard(&id));
            let gone = match kind {
                Expiring::Token => {
                    let gone = shard.tokens.get(&id).is_some_and(|standing| past(standing.until));
                    if gone {
                        shard.tokens.remove(&id);
                    }
                    gone
                }
                Expiring::Session => {
                    let gone = shard.sessions.get(&id).is_some_and(|standing| past(standing.until));
                    if gone {
                        shard.sessions.remove(&id);
                    }
                    gone
                }
                Expiring::Subject => {
                    let gone = shard.subjects.get_mut(&id).is_some_and(|marks| {
                        // Each goes at its own deadline, as its row does.
                        for mark in [&mut marks.hard, &mut marks.soft] {
                            if past(mark.until) {
                                *mark = Mark::default();
                            }
                        }
                        marks.hard.until.max(marks.soft.until) == 0
                    });
                    if gone {
                        shard.subjects.remove(&id);
                    }
                    gone
                }
                Expiring::Rotation => {
                    let gone = shard.rotations.get(&id).is_some_and(|rotation| past(rotation.until));
                    if gone {
                        shard.rotations.remove(&id);
                    }
                    gone
                }
                Expiring::Record => {
                    if let Some(rotation) = shard.rotations.get_mut(&id)
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
}
