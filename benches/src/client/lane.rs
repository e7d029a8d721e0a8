//! One connection's side of the closed loop: a slot for each request in flight, and the next request as soon as a slot
//! is free.

use std::time::Instant;

use crate::dialect::Dialect;
use crate::fault::Result;
use crate::measure::Recorder;

/// The requests of a run.
#[derive(Clone, Copy)]
pub(crate) struct Requests<'r> {
    /// Their bytes.
    pub(crate) list: &'r [Vec<u8>],
    /// Whether each may be sent once only; otherwise they are sent round and round.
    pub(crate) once: bool,
}

impl<'r> Requests<'r> {
    /// Requests that may be sent again and again.
    pub(crate) fn repeated(list: &'r [Vec<u8>]) -> Self {
        Self { list, once: false }
    }

    /// Requests that may be sent once only.
    pub(crate) fn once(list: &'r [Vec<u8>]) -> Self {
        Self { list, once: true }
    }

    fn at(&self, position: usize) -> Option<&'r [u8]> {
        let position = if self.once {
            position
        } else {
            position.checked_rem(self.list.len())?
        };
        self.list.get(position).map(Vec::as_slice)
    }
}

/// A request in flight.
#[derive(Clone, Copy)]
struct Slot {
    /// 0 when free.
    id: u64,
    asked: Instant,
}

/// The loop of one connection.
pub(super) struct Lane<'r> {
    requests: Requests<'r>,
    position: usize,
    stride: usize,
    slots: Vec<Slot>,
    sent: u64,
    replied: u64,
    /// Bytes that wait to be sent.
    pub(super) out: Vec<u8>,
}

/// The low bits of an id are its slot.
const SLOT_BITS: u32 = 16;

impl<'r> Lane<'r> {
    /// The lane of connection `index` of `connections`: each takes every so many-th request.
    pub(super) fn new(requests: Requests<'r>, index: usize, connections: usize, depth: usize, now: Instant) -> Self {
        Self {
            requests,
            position: index,
            stride: connections,
            slots: vec![Slot { id: 0, asked: now }; depth],
            sent: 0,
            replied: 0,
            out: Vec::new(),
        }
    }

    /// Fills every slot.
    pub(super) fn begin(&mut self, dialect: &impl Dialect, now: Instant) {
        for slot in 0..self.slots.len() {
            self.ask(dialect, slot, now);
        }
    }

    /// Whether nothing is in flight.
    pub(super) fn is_done(&self) -> bool {
        self.sent == self.replied
    }

    /// Whether the requests ran out.
    pub(super) fn is_exhausted(&self) -> bool {
        self.requests.at(self.position).is_none()
    }

    fn ask(&mut self, dialect: &impl Dialect, slot: usize, now: Instant) {
        let (Some(request), Some(place)) = (self.requests.at(self.position), self.slots.get_mut(slot)) else {
            return;
        };
        self.position += self.stride;
        self.sent += 1;
        *place = Slot {
            id: self.sent << SLOT_BITS | slot as u64,
            asked: now,
        };
        dialect.put(request, place.id, &mut self.out);
    }

    /// Takes every whole reply that `bytes` begin with and asks again; how many bytes they were.
    pub(super) fn replies(&mut self, dialect: &impl Dialect, bytes: &[u8], recorder: &mut Recorder) -> Result<usize> {
        let mut rest = bytes;
        let now = Instant::now();
        while let Some(taken) = dialect.take(rest)? {
            let in_order = (self.replied % self.slots.len() as u64) as usize;
            let index = taken.id.map_or(in_order, |id| (id & ((1 << SLOT_BITS) - 1)) as usize);
            let slot = self.slots.get_mut(index).filter(|slot| slot.id != 0);
            let slot = slot.filter(|slot| taken.id.is_none_or(|id| id == slot.id));
            let slot = slot.ok_or("a reply came to a request that is not in flight")?;
            recorder.reply(slot.asked, now, taken.wrong);
            slot.id = 0;
            self.replied += 1;
            if recorder.goes_on(now) {
                self.ask(dialect, index, now);
            }
            rest = rest.get(taken.length..).unwrap_or_default();
        }
        Ok(bytes.len() - rest.len())
    }
}
