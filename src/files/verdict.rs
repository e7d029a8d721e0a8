//! The stability of new states of files: a complete file renamed into place takes effect at once, any other after
//! `settle`.

use std::cmp::Ordering;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::look::{Identity, ReadError, Stamp};
use super::{Digest, Look, Renamed};

/// The conditions of a pass.
pub(super) struct Terms {
    pub(super) now: Instant,
    pub(super) settle: Duration,
    pub(super) renamed: Renamed,
}

#[derive(Default)]
pub(super) struct Known {
    pub(super) noted: Option<Noted>,
    pub(super) resting: Option<Resting>,
    /// Since when it has been another than the one that was taken note of.
    pub(super) unsettled: Option<Instant>,
    /// When its state would have taken effect, had it not been held for others that change with it.
    pub(super) held: Option<Instant>,
}

/// The state that was taken note of.
pub(super) struct Noted {
    pub(super) digest: Digest,
    pub(super) identity: Option<Identity>,
    pub(super) links: Vec<(PathBuf, PathBuf)>,
}

/// Another state, since when it rests.
pub(super) struct Resting {
    pub(super) digest: Digest,
    pub(super) stamp: Option<Stamp>,
    pub(super) since: Instant,
    /// True if its rename could not be confirmed: it waits for `settle` like any other.
    pub(super) doubted: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It counts.
    Taken,
    /// It counts if nothing was written to it since its name was seen to be moved.
    Moved,
    /// It counts if it rests until then.
    Waits(Instant),
    /// It changed while the others were read: all that belongs to it counts as it was before.
    Unsteady,
}

impl Terms {
    /// Returns the stability of an observed state.
    pub(super) fn judge(&self, known: &mut Known, look: &Look) -> Verdict {
        if let Some(noted) = known.noted.as_mut().filter(|noted| noted.digest == look.digest) {
            // The same content in another file: what is written there from now on is written where it lies.
            noted.identity = look.stamp().map(|stamp| stamp.identity);
            noted.links.clone_from(&look.trail.links);
            known.resting = None;
            known.unsettled = None;
            known.held = None;
            return Verdict::Taken;
        }
        known.unsettled.get_or_insert(self.now);
        if let Some(verdict) = self.put_in_place(known, look) {
            return verdict;
        }
        let changing = matches!(look.content, Err(ReadError::Changing));
        let (since, doubted) = match &known.resting {
            Some(resting) if !changing && resting.is(look) => (resting.since, resting.doubted),
            _ => (self.now, false),
        };
        known.resting = Some(Resting {
            digest: look.digest,
            stamp: look.stamp(),
            since,
            doubted,
        });
        let until = since + self.settle;
        if since < self.now && self.now >= until {
            Verdict::Taken
        } else {
            Verdict::Waits(until)
        }
    }

    /// Returns true if the file was complete when it was renamed into place: it is another than those seen there
    /// before, and it was moved there, or a new link leads to it that was made after it was written.
    fn put_in_place(&self, known: &Known, look: &Look) -> Option<Verdict> {
        let stamp = look.stamp()?;
        let noted = known.noted.as_ref();
        let doubted = known
            .resting
            .as_ref()
            .is_some_and(|resting| resting.is(look) && resting.doubted);
        let rested = known.resting.as_ref().filter(|resting| !resting.is(look));
        let seen = [
            noted.and_then(|noted| noted.identity),
            rested.and_then(|resting| resting.stamp).map(|stamp| stamp.identity),
        ];
        if seen.contains(&Some(stamp.identity)) {
            return None;
        }
        let before = noted.map_or(&[][..], |noted| &noted.links);
        let links = look.trail.links.iter().filter(|link| !before.contains(link));
        let links: Vec<_> = links.map(|(link, _)| (link, stamp.written_before(link))).collect();
        if links.iter().any(|(_, written)| *written == Some(Ordering::Less)) {
            return Some(Verdict::Taken);
        }
        // Within one tick it cannot be told which came first; that the link was moved there tells it.
        let mut same_tick = links.iter().filter(|(_, written)| *written == Some(Ordering::Equal));
        let moved = self.renamed.contains(look.trail.end()) || same_tick.any(|(link, _)| self.renamed.contains(*link));
        (moved && !doubted).then_some(Verdict::Moved)
    }
}

impl Resting {
    fn is(&self, look: &Look) -> bool {
        self.digest == look.digest && self.stamp == look.stamp()
    }
}
