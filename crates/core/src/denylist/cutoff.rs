//! Cutoffs: revocations and flags of everything that began by a time.
//!
//! The clocks of hosts differ, so a time alone cannot tell a login shortly before a revocation from one shortly after
//! it. Each application of a cutoff therefore has a sequence number of its own. A token that is minted while a cutoff
//! still covers new tokens carries the number of the cutoff that its host knew, and is exempt from it. No clock is
//! pushed forward, and no login has to wait.

use smallvec::SmallVec;

use crate::types::Millis;

/// The highest sequence number: scripts in Redis count in doubles.
pub const MAX_SEQUENCE: u64 = (1 << 53) - 1;

/// The most steps of a cutoff. There is one, but where a cutoff by a time follows others within moments.
const MAX_STEPS: usize = 8;

/// An application of a cutoff: it covers what began by `start` on a host that did not know of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// The time, this moment included.
    pub start: Millis,
    /// The number of the application, at least 1.
    pub sequence: u64,
}

impl Step {
    fn includes(self, other: Step) -> bool {
        self.start >= other.start && self.sequence >= other.sequence
    }
}

/// A cutoff: all its applications, without those that a later one with a later start includes. So starts descend and
/// sequence numbers climb.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cutoff(SmallVec<[Step; 1]>);

impl Cutoff {
    /// A single application; none for the sequence number 0.
    pub fn new(start: Millis, sequence: u64) -> Self {
        [Step { start, sequence }].into_iter().collect()
    }

    /// The applications.
    pub fn steps(&self) -> &[Step] {
        &self.0
    }

    /// The latest time by which anything that it covers began; 0 where there is no cutoff.
    pub fn start(&self) -> Millis {
        self.0.first().map_or(Millis(0), |step| step.start)
    }

    /// The number of its last application; 0 where there is no cutoff.
    pub fn sequence(&self) -> u64 {
        self.0.last().map_or(0, |step| step.sequence)
    }

    /// Returns true if it covers what began at `start` on a host that knew of the application `seen`.
    pub fn covers(&self, start: Millis, seen: u64) -> bool {
        #[cfg(debug_assertions)]
        let (start, seen) = break_for_tests(start, seen);
        self.0.iter().any(|step| start <= step.start && seen < step.sequence)
    }

    /// Returns true if there is none.
    pub fn is_none(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns true if it covers all that `other` covers.
    pub fn includes(&self, other: &Self) -> bool {
        other
            .0
            .iter()
            .all(|other| self.0.iter().any(|step| step.includes(*other)))
    }

    /// Joins another in.
    pub fn join(&mut self, other: &Self) {
        if !self.includes(other) {
            *self = self.0.iter().chain(&other.0).copied().collect();
        }
    }

    /// The next application: it covers what began by `start`, also on hosts that know of this one.
    #[must_use]
    pub fn next(&self, start: Millis, now: Millis) -> Self {
        let sequence = now.micros().max(self.sequence().saturating_add(1));
        Self::new(start, sequence.min(MAX_SEQUENCE))
    }
}

impl FromIterator<Step> for Cutoff {
    /// Joins applications. Where there are too many, the two of the earliest starts become one that includes both.
    fn from_iter<I: IntoIterator<Item = Step>>(steps: I) -> Self {
        let mut steps: Vec<Step> = steps.into_iter().collect();
        steps.sort_by_key(|step| std::cmp::Reverse((step.start, step.sequence)));
        let mut joined: SmallVec<[Step; 1]> = SmallVec::new();
        let mut last = 0;
        for step in steps {
            if step.sequence > last {
                last = step.sequence;
                joined.push(step);
            }
        }
        while joined.len() > MAX_STEPS {
            joined.pop();
            if let Some(step) = joined.last_mut() {
                step.sequence = last;
            }
        }
        Self(joined)
    }
}

/// The positive controls of the history checker: a comparison that must never be made, in builds for tests alone. With
/// `ids` the start is that of an id that ran ahead of the clock; with `times` the order in which things happened is
/// ignored.
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

    #[test]
    fn covers_what_began_by_then_unless_its_host_knew() {
        let cutoff = Cutoff::default().next(Millis(5000), Millis(4000));
        assert_eq!(cutoff.sequence(), 4_000_000);
        assert!(cutoff.covers(Millis(5000), 0));
        assert!(!cutoff.covers(Millis(5001), 0));
        assert!(!cutoff.covers(Millis(5000), cutoff.sequence()));
        assert!(!Cutoff::default().covers(Millis(0), 0));
    }

    #[test]
    fn each_application_has_a_higher_number_whatever_the_clock_says() {
        let mut cutoff = Cutoff::default().next(Millis(5000), Millis(3000));
        let first = cutoff.sequence();
        cutoff.join(&cutoff.next(Millis(5000), Millis(2000)));
        assert_eq!(cutoff.steps().len(), 1);
        assert_eq!(cutoff.sequence(), first + 1);
        assert!(cutoff.covers(Millis(5000), first));
    }

    #[test]
    fn an_earlier_cutoff_spares_what_began_after_it_and_after_the_first() {
        let mut cutoff = Cutoff::default().next(Millis(5000), Millis(3000));
        let first = cutoff.sequence();
        cutoff.join(&cutoff.next(Millis(4999), Millis(3100)));
        assert!(!cutoff.covers(Millis(5000), first));
        assert!(cutoff.covers(Millis(4999), first));
        assert!(cutoff.covers(Millis(5000), first - 1));
        assert!(!cutoff.covers(Millis(4999), cutoff.sequence()));
    }

    #[test]
    fn too_many_applications_are_joined_and_none_of_them_is_lost() {
        let all = (1..=20).map(|number| Cutoff::new(Millis(1000 - number), number));
        let mut joined = Cutoff::default();
        for cutoff in all.clone() {
            joined.join(&cutoff);
            assert!(joined.steps().len() <= MAX_STEPS);
            assert_eq!(joined.sequence(), cutoff.sequence());
        }
        assert!(all.into_iter().all(|cutoff| joined.includes(&cutoff)));
        assert!(joined.covers(Millis(999), 0) && !joined.covers(Millis(1000), 0));
    }
}
