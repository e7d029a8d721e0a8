//! What was counted: a histogram of the times between a request and its reply, and the rate.

use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use serde_json::{Value, json};

use crate::fault::{Doing, Result};

/// Times longer than this count as this long.
const LONGEST: u64 = 60_000_000_000;

/// Counts the replies that come between two moments.
pub(crate) struct Recorder {
    times: Histogram<u64>,
    from: Instant,
    until: Instant,
    last: Instant,
    all: u64,
    wrong: u64,
    first_wrong: Option<String>,
}

impl Recorder {
    /// Nothing counted yet.
    pub(crate) fn new(from: Instant, until: Instant) -> Result<Self> {
        Ok(Self {
            times: Histogram::new_with_bounds(1, LONGEST, 3).doing("a histogram")?,
            from,
            until,
            last: from,
            all: 0,
            wrong: 0,
            first_wrong: None,
        })
    }

    /// Whether requests are still to be sent.
    pub(crate) fn goes_on(&self, now: Instant) -> bool {
        now < self.until
    }

    /// A reply came. Those of the warm-up, and those after the end, are checked and not counted.
    pub(crate) fn reply(&mut self, asked: Instant, now: Instant, wrong: Option<String>) {
        self.all += 1;
        if let Some(wrong) = wrong {
            self.wrong += 1;
            self.first_wrong.get_or_insert(wrong);
        }
        if now >= self.from && now < self.until {
            let time = now.saturating_duration_since(asked).as_nanos();
            self.times.saturating_record(u64::try_from(time).unwrap_or(LONGEST));
            self.last = now;
        }
    }

    /// Adds what another thread counted of the same run.
    pub(crate) fn add(&mut self, other: Recorder) -> Result<()> {
        self.times.add(&other.times).doing("a histogram")?;
        self.last = self.last.max(other.last);
        self.all += other.all;
        self.wrong += other.wrong;
        if self.first_wrong.is_none() {
            self.first_wrong = other.first_wrong;
        }
        Ok(())
    }

    /// The figures; a fault if any reply was wrong. `exhausted`: the requests ran out before the time did; `cpu`: what
    /// the peer's processors spent on all replies.
    pub(crate) fn finish(self, exhausted: bool, cpu: Duration) -> Result<Measured> {
        if let Some(first) = self.first_wrong {
            return Err(format!("{} replies were wrong; the first: {first}", self.wrong).into());
        }
        if self.times.is_empty() {
            return Err("no reply came in time".into());
        }
        let end = if exhausted { self.last } else { self.until };
        let micros = |quantile: f64| self.times.value_at_quantile(quantile) as f64 / 1000.0;
        Ok(Measured {
            count: self.times.len(),
            rps: self.times.len() as f64 / end.duration_since(self.from).as_secs_f64(),
            p50_us: micros(0.5),
            p99_us: micros(0.99),
            p999_us: micros(0.999),
            cpu_us: cpu.as_secs_f64() * 1e6 / self.all.max(1) as f64,
        })
    }
}

/// The figures of one run.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Measured {
    /// Replies counted.
    pub(crate) count: u64,
    /// Replies in a second.
    pub(crate) rps: f64,
    /// Half of the replies took no longer, in microseconds.
    pub(crate) p50_us: f64,
    /// 99 of 100.
    pub(crate) p99_us: f64,
    /// 999 of 1000.
    pub(crate) p999_us: f64,
    /// What the peer's processors spent on each reply, in microseconds.
    pub(crate) cpu_us: f64,
}

impl Measured {
    /// The median of each figure over several runs.
    pub(crate) fn median(runs: &[Measured]) -> Measured {
        let of = |figure: fn(&Measured) -> f64| median(runs.iter().map(figure).collect());
        Measured {
            count: runs.iter().map(|run| run.count).sum(),
            rps: of(|run| run.rps),
            p50_us: of(|run| run.p50_us),
            p99_us: of(|run| run.p99_us),
            p999_us: of(|run| run.p999_us),
            cpu_us: of(|run| run.cpu_us),
        }
    }

    /// For the summary.
    pub(crate) fn json(&self) -> Value {
        json!({
            "count": self.count,
            "rps": self.rps.round(),
            "p50_us": round(self.p50_us),
            "p99_us": round(self.p99_us),
            "p999_us": round(self.p999_us),
            "cpu_us": round(self.cpu_us),
        })
    }
}

/// To two places.
pub(crate) fn round(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

/// The middle value; the mean of the middle two; 0 of nothing.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let at = |index: usize| values.get(index).copied().unwrap_or(0.0);
    match values.len() {
        0 => 0.0,
        n if n % 2 == 1 => at(n / 2),
        n => (at(n / 2 - 1) + at(n / 2)) / 2.0,
    }
}

/// A span in milliseconds.
pub(crate) fn ms(span: Duration) -> f64 {
    span.as_secs_f64() * 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_lies_in_the_middle() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), 2.5);
        assert_eq!(median(vec![]), 0.0);
    }

    #[test]
    fn the_warm_up_is_not_counted_but_checked() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let recorder = || Recorder::new(at(100), at(1100)).unwrap();
        let mut counted = recorder();
        counted.reply(at(0), at(50), None);
        counted.reply(at(500), at(502), None);
        counted.reply(at(1099), at(1200), None);
        let measured = counted.finish(false, Duration::from_micros(6)).unwrap();
        assert_eq!((measured.count, measured.rps.round()), (1, 1.0));
        assert!((measured.p50_us - 2000.0).abs() < 5.0);
        assert_eq!(measured.cpu_us.round(), 2.0); // of all three
        let mut checked = recorder();
        checked.reply(at(0), at(50), Some("no".to_owned()));
        checked.reply(at(500), at(502), None);
        assert!(checked.finish(false, Duration::from_micros(6)).is_err());
    }
}
