//! The clock of a server, compared with ours at each probe, so that a request can name the latest time at which the
//! server may run it. The two clocks may differ by any amount.

use std::sync::{Mutex, PoisonError};

use super::age::uptime_ms;

/// A server's clock as it was read last.
#[derive(Default)]
pub(super) struct ServerClock(Mutex<Option<Reading>>);

#[derive(Clone, Copy)]
struct Reading {
    /// The server's time, in milliseconds.
    server: u64,
    /// The moment of [`uptime_ms`] at which its answer had arrived.
    arrived: u64,
}

impl ServerClock {
    /// Takes note of the time that the server has just answered.
    pub(super) fn set(&self, server: u64) {
        let arrived = uptime_ms();
        self.replace(Some(Reading { server, arrived }));
    }

    /// Forgets the clock: another server may answer from now on.
    pub(super) fn forget(&self) {
        self.replace(None);
    }

    /// The time by the server's clock at a moment of [`uptime_ms`], or earlier by as much as its answer was under way:
    /// what is due then is never run late. 0 for a clock that was not read yet, so that the server answers its time.
    pub(super) fn at(&self, moment: u64) -> u64 {
        let reading = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        reading.map_or(0, |reading| {
            let ahead = moment.saturating_sub(reading.arrived);
            let behind = reading.arrived.saturating_sub(moment);
            reading.server.saturating_add(ahead).saturating_sub(behind)
        })
    }

    fn replace(&self, reading: Option<Reading>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = reading;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_told_by_the_clock_of_the_server() {
        let clock = ServerClock::default();
        assert_eq!(clock.at(1000), 0, "not read yet");
        for server in [5, 1_700_000_000_000] {
            clock.replace(Some(Reading { server, arrived: 1000 }));
            assert_eq!(clock.at(3000), server + 2000);
            assert_eq!(clock.at(999), server - 1);
        }
        clock.replace(Some(Reading {
            server: 5,
            arrived: 1000,
        }));
        assert_eq!(clock.at(0), 0);
        clock.forget();
        assert_eq!(clock.at(3000), 0);
    }
}
