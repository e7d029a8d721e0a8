//! Durations, counted by their size in plain atomics: who counts waits for nobody. A reader sees each number as of some
//! moment of its own.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Counts durations.
pub struct Histogram {
    /// The upper bounds of buckets, in microseconds, rising.
    bounds: &'static [u64],
    /// One for each bound, and one for what is longer than all.
    counts: Box<[AtomicU64]>,
    nanoseconds: AtomicU64,
}

/// Durations, counted.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Durations {
    /// Of each bucket: the longest that it takes, in seconds, and how many it took that no earlier one did.
    pub buckets: Vec<(f64, u64)>,
    /// All of them together, in seconds.
    pub seconds: f64,
}

impl Durations {
    /// Takes in what was counted elsewhere, with the same bounds.
    pub fn add(&mut self, other: &Self) {
        if self.buckets.is_empty() {
            self.buckets.clone_from(&other.buckets);
        } else {
            let both = self.buckets.iter_mut().zip(&other.buckets);
            both.for_each(|((_, count), (_, more))| *count += more);
        }
        self.seconds += other.seconds;
    }

    /// Returns their number.
    pub fn count(&self) -> u64 {
        self.buckets.iter().map(|(_, count)| count).sum()
    }
}

impl Histogram {
    /// One with these bounds, in microseconds, rising.
    pub fn new(bounds: &'static [u64]) -> Self {
        Self {
            bounds,
            counts: (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect(),
            nanoseconds: AtomicU64::new(0),
        }
    }

    /// Counts one.
    pub fn count(&self, took: Duration) {
        let fits = |bound: &u64| took <= Duration::from_micros(*bound);
        let bucket = self.bounds.iter().position(fits).unwrap_or(self.bounds.len());
        if let Some(count) = self.counts.get(bucket) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        let nanoseconds = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.nanoseconds.fetch_add(nanoseconds, Ordering::Relaxed);
    }

    /// Returns the counts so far.
    pub fn read(&self) -> Durations {
        let bounds = self.bounds.iter().map(|bound| *bound as f64 / 1e6);
        let counts = self.counts.iter().map(|count| count.load(Ordering::Relaxed));
        Durations {
            buckets: bounds.chain([f64::INFINITY]).zip(counts).collect(),
            seconds: self.nanoseconds.load(Ordering::Relaxed) as f64 / 1e9,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_falls_into_the_first_bucket_that_takes_it() {
        let histogram = Histogram::new(&[10, 100]);
        for micros in [0, 10, 11, 100, 101, 5_000_000] {
            histogram.count(Duration::from_micros(micros));
        }
        let read = histogram.read();
        assert_eq!(read.buckets, [(0.00001, 2), (0.0001, 2), (f64::INFINITY, 2)]);
        assert_eq!(read.count(), 6);
        assert!((read.seconds - 5.000222).abs() < 1e-9, "{}", read.seconds);
    }
}
