//! Trust in the wall clock: a jump forward is believed only once it has lasted.

use jwtkeeper_core::types::Millis;

/// A jump of any length is believed after this long, in milliseconds.
const LONGEST_DOUBT_MS: u64 = 24 * 3600 * 1000;

/// The wall clock, as far as a clock that nobody can set bears it out.
///
/// A jump forward by J is believed after min(J, 24 h). So a clock that was a year ahead for two seconds leaves nothing
/// behind; one that was put right by a year is believed the next day.
#[derive(Debug)]
pub(crate) struct TrustedClock {
    believed: Millis,
    ahead_ms: u64,
    tolerance_ms: u64,
}

impl TrustedClock {
    /// A clock that was believed to show `believed` last; jumps up to `tolerance_ms` are believed at once.
    pub(crate) fn new(believed: Millis, tolerance_ms: u64) -> Self {
        Self {
            believed,
            ahead_ms: 0,
            tolerance_ms,
        }
    }

    /// Takes in what the wall clock shows now, `elapsed_ms` after the last call; returns the time that is believed.
    pub(crate) fn observe(&mut self, now: Millis, elapsed_ms: u64) -> Millis {
        let expected = self.believed.plus(elapsed_ms);
        let jump = now.since(expected);
        self.ahead_ms = if jump > self.tolerance_ms {
            self.ahead_ms.saturating_add(elapsed_ms)
        } else {
            0
        };
        // A clock that was set back is believed too: it makes nothing be forgotten.
        let is_believed = jump <= self.tolerance_ms || self.ahead_ms >= jump.min(LONGEST_DOUBT_MS);
        self.believed = if is_believed { now } else { expected };
        self.believed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3600 * 1000;
    const YEAR: u64 = 365 * 24 * HOUR;

    #[test]
    fn a_glitch_is_never_believed() {
        let mut clock = TrustedClock::new(Millis(1000), 2000);
        assert_eq!(clock.observe(Millis(2000), 1000), Millis(2000));
        assert_eq!(clock.observe(Millis(3000 + YEAR), 1000), Millis(3000));
        assert_eq!(clock.observe(Millis(4000 + YEAR), 1000), Millis(4000));
        assert_eq!(clock.observe(Millis(5000), 1000), Millis(5000));
    }

    #[test]
    fn a_jump_that_lasts_as_long_as_it_is_far_is_believed() {
        let mut clock = TrustedClock::new(Millis(0), 2000);
        assert_eq!(clock.observe(Millis(HOUR + 1), 1), Millis(1));
        assert_eq!(clock.observe(Millis(2 * HOUR - 1), HOUR - 2), Millis(HOUR - 1));
        assert_eq!(clock.observe(Millis(2 * HOUR), 1), Millis(2 * HOUR));
    }

    #[test]
    fn any_jump_is_believed_after_a_day() {
        let mut clock = TrustedClock::new(Millis(0), 2000);
        assert_eq!(clock.observe(Millis(YEAR), 1000), Millis(1000));
        let day = LONGEST_DOUBT_MS;
        assert_eq!(clock.observe(Millis(YEAR + day), day), Millis(YEAR + day));
    }

    #[test]
    fn drift_and_a_clock_set_back_are_believed_at_once() {
        let mut clock = TrustedClock::new(Millis(0), 2000);
        assert_eq!(clock.observe(Millis(3000), 1000), Millis(3000));
        assert_eq!(clock.observe(Millis(10), 1000), Millis(10));
    }
}
