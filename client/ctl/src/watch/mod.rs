//! `watch`: health again and again, as top shows processes. On a terminal a screen of its own; elsewhere, and with
//! `--json`, a line for each look. A daemon that goes away is waited for; one that is not there at first is not.

mod look;
mod screen;
mod view;

use std::time::{Duration, Instant};

use jwtkeeper_client::Error;
use jwtkeeper_client::blocking::Client;
use nix::poll::{PollTimeout, poll};

use crate::outcome::{Failure, Outcome};
use crate::output::Output;
use look::{Look, Rates};
use screen::{Event, Screen};

/// The result of one observation: health and rates, or why there is none.
struct Seen {
    at: u64,
    look: Result<(Look, Rates), Error>,
}

pub(crate) fn run(
    client: &Client,
    output: &Output,
    interval: Duration,
    count: Option<u64>,
) -> Result<Outcome, Failure> {
    // The connection is made before anything is measured.
    client.ping()?;
    let first = Look::take(client)?;
    let mut watch = Watch {
        client,
        interval,
        left: count,
        last: None,
    };
    let seen = watch.next(Ok(first));
    match !output.json && screen::wanted() {
        true => watch.on_screen(output, seen),
        false => watch.in_lines(output, seen),
    }
}

struct Watch<'c> {
    client: &'c Client,
    interval: Duration,
    /// The number of looks left, this one included; none where there is no end.
    left: Option<u64>,
    last: Option<Look>,
}

impl Watch<'_> {
    /// Returns the next result, from an observation and the last one that was answered.
    fn next(&mut self, look: Result<Look, Error>) -> Seen {
        let look = look.map(|look| {
            let rates = look.since(self.last.as_ref());
            self.last = Some(look.clone());
            (look, rates)
        });
        Seen {
            at: crate::times::now(),
            look,
        }
    }

    fn look(&mut self) -> Seen {
        let look = Look::take(self.client);
        self.next(look)
    }

    /// Counts a look; whether it was the last.
    fn is_over(&mut self) -> bool {
        self.left = self.left.map(|left| left.saturating_sub(1));
        self.left == Some(0)
    }

    fn in_lines(&mut self, output: &Output, mut seen: Seen) -> Result<Outcome, Failure> {
        let mut said = Vec::new();
        loop {
            let began = Instant::now();
            if output.json {
                output.object(&view::Shape::of(&seen))?;
            } else {
                view::lines(&seen, &mut said)
                    .iter()
                    .try_for_each(|line| output.show(line))?;
            }
            if self.is_over() {
                return outcome(seen);
            }
            let rest = self.interval.saturating_sub(began.elapsed());
            poll(&mut [], timeout(rest)).map_err(std::io::Error::from)?;
            seen = self.look();
        }
    }

    fn on_screen(&mut self, output: &Output, mut seen: Seen) -> Result<Outcome, Failure> {
        let mut screen = Screen::enter()?;
        loop {
            let until = Instant::now() + self.interval;
            let (width, height) = screen.size();
            screen.draw(&view::frame(&seen, self.interval, height), width, output.colour)?;
            if self.is_over() {
                drop(screen);
                return outcome(seen);
            }
            loop {
                match screen.wait(until.saturating_duration_since(Instant::now()))? {
                    Event::Time => break,
                    Event::Quit => return Ok(Outcome::Yes),
                    Event::Resized => {
                        let (width, height) = screen.size();
                        screen.draw(&view::frame(&seen, self.interval, height), width, output.colour)?;
                    }
                }
            }
            seen = self.look();
        }
    }
}

/// Returns the outcome of the last observation.
fn outcome(seen: Seen) -> Result<Outcome, Failure> {
    let (look, _) = seen.look?;
    Ok(look.health.ready.into())
}

/// At least a millisecond, so that nobody turns in a circle.
fn timeout(time: Duration) -> PollTimeout {
    PollTimeout::try_from(time.max(Duration::from_millis(1))).unwrap_or(PollTimeout::MAX)
}
