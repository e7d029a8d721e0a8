//! Cutoffs: revocations and flags of everything that began by a time.
//!
//! The clocks of hosts differ, so a time alone cannot tell a login shortly before a revocation from one shortly after
//! it. Each application of a cutoff therefore has a sequence number of its own. A token that is minted while a cutoff
//! still covers new tokens carries the number of the cutoff that its host knew, and is exempt from it. No clock is
//! pushed forward, and no login has to wait.

use crate::words::Millis;

/// The highest sequence number: scripts in Redis count in doubles.
pub const MAX_SEQUENCE: u64 = (1 << 53) - 1;

/// A cutoff. Both numbers only climb.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cutoff {
    /// Sessions (of a revocation) or tokens (of a flag) that began by then are covered, this moment included.
    pub start: Millis,
    /// The number of its last application; 0 where there is no cutoff.
    pub sequence: u64,
}

impl Cutoff {
    /// Returns true if it covers what began at `start` on a host that knew of the application `seen`.
    pub fn covers(self, start: Millis, seen: u64) -> bool {
        #[cfg(debug_assertions)]
        let (start, seen) = break_for_tests(start, seen);
        start <= self.start && seen < self.sequence
    }

    /// Returns true if there is none.
    pub fn is_none(self) -> bool {
        self.sequence == 0
    }

    /// Returns true if it covers all that `other` covers.
    pub fn includes(self, other: Self) -> bool {
        self.start >= other.start && self.sequence >= other.sequence
    }

    /// Both together.
    #[must_use]
    pub fn join(self, other: Self) -> Self {
        Self {
            start: self.start.max(other.start),
            sequence: self.sequence.max(other.sequence),
        }
    }

    /// The next application: it covers what began by `start`, also on hosts that know of this one.
    ///
    /// Where `start` lies before this cutoff by more than clocks differ, nothing that such a host made can have begun
    /// by then. The number is 0, joining changes nothing, and sessions that carry the present one stay.
    #[must_use]
    pub fn next(self, start: Millis, now: Millis, skew_ms: u64) -> Self {
        let sequence = if start.plus(skew_ms) < self.start {
            0
        } else {
            now.micros().max(self.sequence.saturating_add(1)).min(MAX_SEQUENCE)
        };
        Self { start, sequence }
    }
}

/// The positive controls of the history checker: a comparison that must never be made, in builds for tests alone. With `ids`
/// the start is that of an id that ran ahead of the clock; with `times` the order in which things happened is ignored.
#[cfg(debug_assertions)]
fn break_for_tests(start: Millis, seen: u64) -> (Millis, u64) {
    static BROKEN: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    let broken = BROKEN.get_or_init(|| std::env::var("JWTKEEPER_TEST_CUTOFFS_COMPARE").unwrap_or_default());
    match broken.as_str() {
        "ids" => (start.plus(3000), seen),
        "times" => (start, 0),
        _ => (start, seen),
    }
}

/// The start of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SessionStart {
    /// The wall clock of the host where it began.
    pub at: Millis,
    /// The application of the realm's cutoff that this host knew; 0 for none.
    pub seen_realm: u64,
    /// The same of the subject's cutoff.
    pub seen_subject: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    const SKEW: u64 = 2000;

    #[test]
    fn covers_what_began_by_then_unless_its_host_knew() {
        let cutoff = Cutoff::default().next(Millis(5000), Millis(4000), SKEW);
        assert_eq!(cutoff.sequence, 4_000_000);
        assert!(cutoff.covers(Millis(5000), 0));
        assert!(!cutoff.covers(Millis(5001), 0));
        assert!(!cutoff.covers(Millis(5000), cutoff.sequence));
        assert!(!Cutoff::default().covers(Millis(0), 0));
    }

    #[test]
    fn each_application_has_a_higher_number_whatever_the_clock_says() {
        let first = Cutoff::default().next(Millis(5000), Millis(3000), SKEW);
        let second = first.join(first.next(Millis(5000), Millis(2000), SKEW));
        assert_eq!(second.sequence, first.sequence + 1);
        assert!(second.covers(Millis(5000), first.sequence));
    }

    #[test]
    fn a_much_earlier_cutoff_spares_sessions_that_began_after_the_first() {
        let first = Cutoff::default().next(Millis(50_000), Millis(48_000), SKEW);
        let second = first.join(first.next(Millis(10_000), Millis(49_000), SKEW));
        assert!(!second.covers(Millis(49_500), first.sequence));
        assert!(second.covers(Millis(49_500), 0));
    }
}
