//! Entries of the denylist, and the maps that hold them.

use std::collections::HashMap;

use super::clamp;
use super::rotation::Rotation;
use crate::denylist::change::{Level, Revocation};
use crate::denylist::cutoff::Cutoff;
use crate::types::{Id, Millis};

/// The number of a scan of a shared store.
pub type ScanEpoch = u16;

#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    pub(super) level: Level,
    /// The store has it.
    pub(super) saved: bool,
    /// The last scan that found this entry in a shared store; 0 for none.
    pub(super) shared: ScanEpoch,
    pub(super) until: u32,
}

#[derive(Default, Clone)]
pub(super) struct Mark {
    pub(super) cutoff: Cutoff,
    /// The highest sequence number that a shared store has shown.
    pub(super) confirmed: u64,
    pub(super) saved: bool,
    pub(super) shared: ScanEpoch,
    pub(super) until: u32,
}

impl Mark {
    pub(super) fn join(&mut self, raise: &Revocation) -> bool {
        let until = clamp(raise.until);
        let grew = !self.cutoff.includes(&raise.cutoff) || until > self.until;
        self.cutoff.join(&raise.cutoff);
        self.until = self.until.max(until);
        if grew {
            (self.saved, self.shared) = (false, 0);
        }
        grew
    }

    pub(super) fn covers(&self, raise: &Revocation) -> bool {
        self.saved && self.cutoff.includes(&raise.cutoff) && self.until >= clamp(raise.until)
    }

    pub(super) fn mark_saved(&mut self, raise: &Revocation) {
        self.saved |= self.cutoff == raise.cutoff && self.until == clamp(raise.until);
    }
}

impl Mark {
    /// The number that exempts what begins at `start`; 0 where the cutoff does not reach that far.
    pub(super) fn exemption(&self, start: Millis, is_shared: bool) -> u64 {
        match is_shared {
            _ if start > self.cutoff.start() => 0,
            // Another host may be about to apply the same number: only what the store has shown is unique.
            true => self.confirmed,
            false => self.cutoff.sequence(),
        }
    }
}

#[derive(Default)]
pub(super) struct Marks {
    pub(super) hard: Mark,
    pub(super) soft: Mark,
}

impl Marks {
    pub(super) fn of(&mut self, level: Level) -> &mut Mark {
        match level {
            Level::Hard => &mut self.hard,
            Level::Soft => &mut self.soft,
        }
    }
}

#[derive(Default)]
pub(super) struct Shard {
    pub(super) tokens: Map<Entry>,
    pub(super) sessions: Map<Entry>,
    pub(super) subjects: HashMap<Id, Marks>,
    pub(super) rotations: HashMap<Id, Rotation>,
    /// The sessions of successors that were not rotated themselves: a rotation knows its own.
    pub(super) origins: HashMap<Id, Id>,
    /// The last token of each session that was rotated.
    pub(super) heads: HashMap<Id, Id>,
}

impl Shard {
    /// Gives back the room of entries that have gone.
    pub(super) fn shrink(&mut self) {
        for map in [&mut self.tokens, &mut self.sessions] {
            shrink(&mut map.uuids);
            shrink(&mut map.texts);
        }
        shrink(&mut self.subjects);
        shrink(&mut self.rotations);
        shrink(&mut self.origins);
        shrink(&mut self.heads);
    }
}

/// Halves a map until a quarter of it is full. One that is smaller is not worth the work.
fn shrink<K: Eq + std::hash::Hash, V>(map: &mut HashMap<K, V>) {
    if map.capacity() > 64 && map.len() < map.capacity() / 4 {
        map.shrink_to(map.len() * 2);
    }
}

/// Values by id: UUIDs compactly, by their own 128 bits; other ids by their text.
pub(super) struct Map<V> {
    pub(super) uuids: HashMap<[u64; 2], V>,
    pub(super) texts: HashMap<Box<str>, V>,
}

impl<V> Default for Map<V> {
    fn default() -> Self {
        Self {
            uuids: HashMap::new(),
            texts: HashMap::new(),
        }
    }
}

/// Splits a UUID into two halves: unlike `u128`, they need no 16-byte alignment.
pub(super) fn halves(bits: u128) -> [u64; 2] {
    [(bits >> 64) as u64, bits as u64]
}

pub(super) fn whole([high, low]: [u64; 2]) -> u128 {
    u128::from(high) << 64 | u128::from(low)
}

impl<V: Copy> Map<V> {
    pub(super) fn get(&self, id: &Id) -> Option<V> {
        match id {
            Id::Uuid(bits) => self.uuids.get(&halves(*bits)).copied(),
            Id::Text(text) => self.texts.get(text).copied(),
        }
    }

    pub(super) fn insert(&mut self, id: &Id, value: V) -> Option<V> {
        match id {
            Id::Uuid(bits) => self.uuids.insert(halves(*bits), value),
            Id::Text(text) => self.texts.insert(text.clone(), value),
        }
    }

    /// Calls `take` with the id of each value that `keep` accepts.
    pub(super) fn each(&self, keep: impl Fn(&V) -> bool, mut take: impl FnMut(&Id)) {
        for (id, value) in &self.uuids {
            if keep(value) {
                take(&Id::Uuid(whole(*id)));
            }
        }
        for (text, value) in &self.texts {
            if keep(value) {
                take(&Id::Text(text.clone()));
            }
        }
    }

    pub(super) fn get_mut(&mut self, id: &Id) -> Option<&mut V> {
        match id {
            Id::Uuid(bits) => self.uuids.get_mut(&halves(*bits)),
            Id::Text(text) => self.texts.get_mut(text),
        }
    }

    pub(super) fn remove(&mut self, id: &Id) {
        match id {
            Id::Uuid(bits) => drop(self.uuids.remove(&halves(*bits))),
            Id::Text(text) => drop(self.texts.remove(text)),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expiring {
    Token,
    Session,
    Subject,
    Rotation,
    Record,
}
