//! Times as people read them: RFC 3339 in UTC, and how far away they are.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The first second that RFC 3339 cannot write: the year 10000.
const END: u64 = 253_402_300_800;

/// Now, in seconds since the epoch.
#[allow(clippy::disallowed_methods)] // what people read is relative to the clock
pub(crate) fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs()
}

/// A NumericDate as RFC 3339.
pub(crate) fn time(seconds: u64) -> String {
    match UNIX_EPOCH.checked_add(Duration::from_secs(seconds)) {
        Some(time) if seconds < END => humantime::format_rfc3339_seconds(time).to_string(),
        _ => format!("second {seconds}"),
    }
}

/// A NumericDate as RFC 3339, and how far it is from now.
pub(crate) fn when(seconds: u64, now: u64) -> String {
    format!("{} ({})", time(seconds), distance(seconds, now))
}

/// Returns the distance of a time from now.
pub(crate) fn distance(seconds: u64, now: u64) -> String {
    match seconds.checked_sub(now) {
        Some(0) => "now".to_owned(),
        Some(ahead) => format!("in {}", span(ahead)),
        None => format!("{} ago", span(now - seconds)),
    }
}

/// A span in its two largest units, cut.
pub(crate) fn span(seconds: u64) -> String {
    const UNITS: [(&str, u64); 4] = [("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)];
    let mut rest = seconds;
    let counted = UNITS.map(|(unit, length)| {
        let count = rest / length;
        rest %= length;
        (count, unit)
    });
    let first = counted.iter().position(|(count, _)| *count > 0);
    let Some(first) = first else { return "0 s".to_owned() };
    let two = counted.iter().skip(first).take(2).filter(|(count, _)| *count > 0);
    two.map(|(count, unit)| format!("{count} {unit}"))
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_two_units() {
        for (seconds, expected) in [
            (0, "0 s"),
            (59, "59 s"),
            (60, "1 min"),
            (61, "1 min 1 s"),
            (3 * 3_600, "3 h"),
            (3 * 3_600 + 59, "3 h"),
            (2 * 3_600 + 59 * 60, "2 h 59 min"),
            (86_400 + 3_600, "1 d 1 h"),
            (40 * 86_400 + 59, "40 d"),
        ] {
            assert_eq!(span(seconds), expected);
        }
    }

    #[test]
    fn times_are_near_or_far() {
        assert_eq!(when(1_700_000_000, 1_700_000_000), "2023-11-14T22:13:20Z (now)");
        assert_eq!(distance(1_300, 1_000), "in 5 min");
        assert_eq!(distance(1_000, 1_300), "5 min ago");
        assert_eq!(when(u64::MAX, u64::MAX - 1), format!("second {} (in 1 s)", u64::MAX));
        assert_eq!(time(END), format!("second {END}"));
    }
}
