//! Limits for log lines that clients or a shared store can cause: the first lines of an event are written at once,
//! then one per interval with the count of those suppressed. The count is also written when the event stops.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Lines that are written at once.
const BURST: u32 = 5;

/// The time in which one more line is permitted once the burst is used.
const INTERVAL: Duration = Duration::from_secs(10);

/// Keys that are limited on their own. Those beyond share one limit, so that many keys are no way around it.
const MOST_KEYS: usize = 64;

/// Characters of a key that are kept, and shown.
const KEY_LENGTH: usize = 64;

/// All limits that have suppressed a line.
static LIMITS: Mutex<Vec<&'static LogLimit>> = Mutex::new(Vec::new());

/// Writes a line at a level unless its event was logged too often. `key` names what is limited on its own (a session,
/// say).
#[macro_export]
macro_rules! limited {
    ($level:ident, $event:literal, key = $key:expr, $($line:tt)+) => {{
        static LIMIT: $crate::LogLimit = $crate::LogLimit::new($event);
        match LIMIT.permit($key, std::time::Instant::now()) {
            Some(0) => tracing::$level!($($line)+),
            Some(suppressed) => tracing::$level!(suppressed, $($line)+),
            None => {}
        }
    }};
    ($level:ident, $event:literal, $($line:tt)+) => {
        $crate::limited!($level, $event, key = "", $($line)+)
    };
}
/// The limit of one event.
pub struct LogLimit {
    event: &'static str,
    keys: Mutex<Option<Keys>>,
}

/// A count of lines that were not written.
#[derive(Debug, PartialEq, Eq)]
pub struct Suppressed {
    /// The event whose lines they are.
    pub event: &'static str,
    /// The key, if the event has keys; "others" for those that share a limit.
    pub key: String,
    /// The number of lines.
    pub count: u64,
}

#[derive(Default)]
struct Keys {
    own: HashMap<String, Allowance>,
    others: Allowance,
    is_registered: bool,
}

/// The lines that one key may still write.
struct Allowance {
    lines: u32,
    /// When the allowance last grew, or was full.
    grew: Option<Instant>,
    suppressed: u64,
}

impl Default for Allowance {
    fn default() -> Self {
        Self {
            lines: BURST,
            grew: None,
            suppressed: 0,
        }
    }
}

impl LogLimit {
    /// A limit for an event, named in the line that tells how many lines were suppressed.
    pub const fn new(event: &'static str) -> Self {
        Self {
            event,
            keys: Mutex::new(None),
        }
    }

    /// Returns how many lines were suppressed since the last one, if a line may be written now.
    pub fn permit(&'static self, key: &str, now: Instant) -> Option<u64> {
        let mut keys = self.keys();
        let keys = keys.get_or_insert_default();
        let permitted = keys.allowance(key, now).permit(now);
        if permitted.is_none() && !std::mem::replace(&mut keys.is_registered, true) {
            LIMITS.lock().unwrap_or_else(PoisonError::into_inner).push(self);
        }
        permitted
    }

    /// Takes the counts that are due: those whose event has written no line for an interval; all of them at the end.
    fn take_due(&self, now: Instant, is_end: bool) -> Vec<Suppressed> {
        let mut keys = self.keys();
        let Some(keys) = keys.as_mut() else { return Vec::new() };
        let others = ("others", &mut keys.others);
        let own = keys.own.iter_mut().map(|(key, allowance)| (key.as_str(), allowance));
        own.chain([others])
            .filter_map(|(key, allowance)| {
                let count = allowance.take_due(now, is_end)?;
                let key = key.to_owned();
                Some(Suppressed {
                    event: self.event,
                    key,
                    count,
                })
            })
            .collect()
    }

    fn keys(&self) -> MutexGuard<'_, Option<Keys>> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Keys {
    fn allowance(&mut self, key: &str, now: Instant) -> &mut Allowance {
        let key: String = key.chars().take(KEY_LENGTH).collect();
        if self.own.len() >= MOST_KEYS && !self.own.contains_key(&key) {
            self.own.retain(|_, allowance| !allowance.is_full(now));
            if self.own.len() >= MOST_KEYS {
                return &mut self.others;
            }
        }
        self.own.entry(key).or_default()
    }
}

impl Allowance {
    /// Adds a line for each interval that has passed.
    fn grow(&mut self, now: Instant) {
        let Some(grew) = self.grew.filter(|_| self.lines < BURST) else {
            self.grew = Some(now);
            return;
        };
        let passed = now.saturating_duration_since(grew).as_secs() / INTERVAL.as_secs();
        let passed = u32::try_from(passed).unwrap_or(BURST).min(BURST);
        self.lines = (self.lines + passed).min(BURST);
        self.grew = Some(grew + INTERVAL * passed);
    }

    fn permit(&mut self, now: Instant) -> Option<u64> {
        self.grow(now);
        if self.lines == 0 {
            self.suppressed += 1;
            return None;
        }
        self.lines -= 1;
        Some(std::mem::take(&mut self.suppressed))
    }

    fn take_due(&mut self, now: Instant, is_end: bool) -> Option<u64> {
        if self.suppressed == 0 {
            return None;
        }
        self.grow(now);
        if self.lines == 0 && !is_end {
            return None;
        }
        self.lines = self.lines.saturating_sub(1);
        Some(std::mem::take(&mut self.suppressed))
    }

    /// Returns true if forgetting it would change nothing.
    fn is_full(&mut self, now: Instant) -> bool {
        self.grow(now);
        self.lines == BURST && self.suppressed == 0
    }
}

/// Logs how many lines were suppressed of events that have stopped; of all events at the end.
pub fn report_suppressed(now: Instant, is_end: bool) {
    let limits = LIMITS.lock().unwrap_or_else(PoisonError::into_inner).clone();
    for Suppressed { event, key, count } in limits.iter().flat_map(|limit| limit.take_due(now, is_end)) {
        if key.is_empty() {
            tracing::warn!(event, suppressed = count, "repeated log lines were suppressed");
        } else {
            tracing::warn!(event, key, suppressed = count, "repeated log lines were suppressed");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit() -> &'static LogLimit {
        Box::leak(Box::new(LogLimit::new("an event")))
    }

    fn permitted(limit: &'static LogLimit, key: &str, now: Instant, times: usize) -> Vec<u64> {
        (0..times).filter_map(|_| limit.permit(key, now)).collect()
    }

    #[test]
    fn a_flood_writes_a_burst_then_one_line_per_interval_with_the_count() {
        let (limit, began) = (limit(), Instant::now());
        assert_eq!(permitted(limit, "", began, 100_000), [0; BURST as usize]);
        let later = began + INTERVAL;
        assert_eq!(permitted(limit, "", later, 1000), [100_000 - u64::from(BURST)]);
        assert_eq!(permitted(limit, "", later + INTERVAL, 1), [999]);
    }

    #[test]
    fn the_count_is_reported_once_the_event_stops() {
        let (limit, began) = (limit(), Instant::now());
        permitted(limit, "", began, 100);
        assert_eq!(limit.take_due(began + INTERVAL / 2, false), []);
        let due = limit.take_due(began + INTERVAL, false);
        let counts: Vec<_> = due.iter().map(|due| (due.event, due.key.as_str(), due.count)).collect();
        assert_eq!(counts, [("an event", "", 95)]);
        assert_eq!(limit.take_due(began + INTERVAL * 2, true), [], "reported once");
    }

    #[test]
    fn the_count_is_reported_at_the_end_of_the_process() {
        let (limit, began) = (limit(), Instant::now());
        permitted(limit, "", began, 6);
        assert_eq!(limit.take_due(began, true).first().map(|due| due.count), Some(1));
    }

    #[test]
    fn a_quiet_spell_restores_the_burst() {
        let (limit, began) = (limit(), Instant::now());
        permitted(limit, "", began, 100);
        limit.take_due(began + INTERVAL, false);
        let later = began + INTERVAL * (BURST + 1);
        assert_eq!(permitted(limit, "", later, 100), [0; BURST as usize]);
    }

    #[test]
    fn a_flood_of_one_key_hides_no_other() {
        let (limit, now) = (limit(), Instant::now());
        permitted(limit, "flooding", now, 1000);
        assert_eq!(permitted(limit, "another", now, 1), [0]);
    }

    /// Many keys write no more than their number allows, in bounded memory, and every line is counted.
    #[test]
    fn keys_beyond_the_limit_share_one() {
        let (limit, now) = (limit(), Instant::now());
        let total = 1000;
        let written: usize = (0..total)
            .map(|n| permitted(limit, &format!("key {n}"), now, 10).len())
            .sum();
        assert_eq!(written, (MOST_KEYS + 1) * BURST as usize);
        assert_eq!(limit.keys().as_ref().map(|keys| keys.own.len()), Some(MOST_KEYS));
        let counted: u64 = limit.take_due(now, true).iter().map(|due| due.count).sum();
        assert_eq!(counted as usize + written, total * 10);
    }
}
