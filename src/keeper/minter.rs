//! Births: a UUIDv7 (RFC 9562 section 5.7) for each token, strictly increasing over all that this host mints, and later
//! than every cutoff known.

use std::sync::{Mutex, PoisonError};

use aws_lc_rs::rand;

use super::Refusal;
use crate::words::{Id, Millis};

/// Bits of the counter within a millisecond: it starts below half and so has room for 2^41 tokens.
const COUNTER_BITS: u32 = 42;

/// Makes births.
pub struct Minter {
    last: Mutex<Last>,
}

struct Last {
    ms: Millis,
    counter: u64,
}

impl Minter {
    /// A minter that mints nothing at or before `ms`.
    pub(super) fn new(ms: Millis) -> Self {
        Self {
            last: Mutex::new(Last { ms, counter: u64::MAX }),
        }
    }

    /// The last moment of minting.
    pub(super) fn last(&self) -> Millis {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).ms
    }

    /// The next birth: the latest of now, the last one, and a millisecond after `cutoff`. Refused when that is so far
    /// ahead of the clock that other hosts would not take the token (see `validate`).
    pub(super) fn next(&self, now: Millis, cutoff: Millis, skew_ms: u64) -> Result<Id, Refusal> {
        let mut random = [0; 16];
        rand::fill(&mut random).map_err(|_| Refusal::Crypto)?;
        let random = u128::from_be_bytes(random);
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let mut ms = now.max(last.ms).max(cutoff.plus(1));
        let mut counter = (random >> 64) as u64 & ((1 << (COUNTER_BITS - 1)) - 1);
        if ms == last.ms {
            match last.counter.checked_add(1).filter(|next| *next < 1 << COUNTER_BITS) {
                Some(next) => counter = next,
                None => ms = ms.plus(1),
            }
        }
        let latest = end_of_second(now).plus(skew_ms);
        if ms > latest {
            return Err(Refusal::ClockBehind {
                behind_ms: ms.since(latest),
            });
        }
        *last = Last { ms, counter };
        Ok(uuid_v7(ms, counter, random))
    }
}

/// The end of the second that `now` lies in: how late a jti may say that it was born, before the skew.
pub(super) fn end_of_second(now: Millis) -> Millis {
    Millis((now.0 / 1000 + 1) * 1000)
}

/// 48 bits of time, the counter in the next 42 free bits, 32 random bits.
fn uuid_v7(ms: Millis, counter: u64, random: u128) -> Id {
    let counter = u128::from(counter);
    let time = u128::from(ms.0 & ((1 << 48) - 1)) << 80;
    let high = (counter >> 30) << 64;
    let low = (counter & ((1 << 30) - 1)) << 32;
    let tail = random & u128::from(u32::MAX);
    Id::Uuid(time | 7 << 76 | high | 0b10 << 62 | low | tail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(id: &Id) -> String {
        id.to_string()
    }

    #[test]
    fn strictly_increasing_whatever_the_clock_does() {
        let minter = Minter::new(Millis(0));
        let mut last = String::new();
        for ms in [5_000, 5_000, 5_000, 5_001, 4_999, 5_000, 6_000] {
            let id = minter.next(Millis(ms), Millis(0), 2000).unwrap();
            assert!(text(&id) > last, "{id} after {last}");
            assert_eq!(uuid::Uuid::parse_str(&text(&id)).unwrap().get_version_num(), 7);
            last = text(&id);
        }
        assert_eq!(minter.last(), Millis(6_000));
    }

    #[test]
    fn later_than_every_cutoff() {
        let minter = Minter::new(Millis(0));
        let id = minter.next(Millis(10_500), Millis(12_500), 2000).unwrap();
        assert_eq!(id.birth(), Some(Millis(12_501)));
    }

    #[test]
    fn never_so_late_that_validate_would_refuse() {
        let minter = Minter::new(Millis(0));
        assert!(minter.next(Millis(10_500), Millis(12_999), 2000).is_ok());
        let refused = minter.next(Millis(10_500), Millis(13_000), 2000);
        assert!(matches!(refused, Err(Refusal::ClockBehind { behind_ms: 1 })));
        let after_restart = Minter::new(Millis(99_000));
        assert!(matches!(
            after_restart.next(Millis(10_000), Millis(0), 2000),
            Err(Refusal::ClockBehind { .. })
        ));
    }
}
