//! Moments. Never read from a clock here: time is an argument everywhere below the process.

/// A moment in milliseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Millis(pub u64);

/// A moment (NumericDate, RFC 7519 section 2) or a span, in whole seconds.
pub type Seconds = i64;

impl Millis {
    /// The start of a second; moments before 1970 count as 1970.
    pub fn from_seconds(seconds: Seconds) -> Self {
        Millis(u64::try_from(seconds).unwrap_or(0).saturating_mul(1000))
    }

    /// The second that the moment lies in.
    pub fn seconds(self) -> Seconds {
        Seconds::try_from(self.0 / 1000).unwrap_or(Seconds::MAX)
    }

    /// The moment `ms` later.
    pub fn plus(self, ms: u64) -> Self {
        Millis(self.0.saturating_add(ms))
    }

    /// The moment in microseconds.
    pub fn micros(self) -> u64 {
        self.0.saturating_mul(1000)
    }

    /// Returns the milliseconds since `earlier`; 0 if it is later.
    pub fn since(self, earlier: Millis) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}
