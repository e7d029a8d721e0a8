//! A closed loop of validate calls: each connection asks again when it was answered. It measures the whole path
//! that an app's thread sees, the socket included.

use std::time::{Duration, Instant};

use jwtkeeper_client::blocking::Client;
use jwtkeeper_client::{Error, Issue, Validate, Verdict};
use serde::Serialize;

use crate::input;
use crate::outcome::{Failure, Outcome};
use crate::output::Output;

#[derive(Serialize)]
struct Measured {
    calls: usize,
    connections: usize,
    seconds: f64,
    per_second: f64,
    p50_microseconds: f64,
    p99_microseconds: f64,
}

pub(crate) fn run(
    client: &Client,
    output: &Output,
    token: Option<&str>,
    connections: usize,
    duration: Duration,
) -> Result<Outcome, Failure> {
    let (token, cookie) = match token {
        Some(given) => (input::token(given)?, None),
        None => {
            let minted = client.issue(Issue::new())?;
            let cookie = minted.cookie.as_ref().map(|cookie| cookie.value().to_owned());
            (minted.token().to_owned(), cookie)
        }
    };
    let validate = Validate::new(&token).cookie(cookie.as_deref());
    let verdict = client.call(&validate)?;

    let began = Instant::now();
    let times = load(client, &validate, connections, duration)?;
    let seconds = began.elapsed().as_secs_f64();
    let measured = Measured {
        calls: times.len(),
        connections,
        seconds,
        per_second: times.len() as f64 / seconds,
        p50_microseconds: percentile(&times, 50),
        p99_microseconds: percentile(&times, 99),
    };
    report(output, &measured)?;
    match verdict {
        Verdict::Valid { .. } => Ok(Outcome::Yes),
        Verdict::Invalid(reason) => {
            if !output.json {
                output.line(&format!("the token is invalid: {reason}"))?;
            }
            Ok(Outcome::No)
        }
    }
}

/// All times, in order of their length.
fn load(
    client: &Client,
    validate: &Validate<'_>,
    connections: usize,
    duration: Duration,
) -> Result<Vec<Duration>, Error> {
    let begin = Instant::now();
    let one = || -> Result<Vec<Duration>, Error> {
        let mut times = Vec::new();
        loop {
            let began = Instant::now();
            if began - begin >= duration {
                return Ok(times);
            }
            let _verdict = client.call(validate)?;
            times.push(began.elapsed());
        }
    };
    let mut all = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..connections).map(|_| scope.spawn(one)).collect();
        let mut all = Vec::new();
        for thread in threads {
            match thread.join() {
                Ok(times) => all.append(&mut times?),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        Ok(all)
    })?;
    all.sort_unstable();
    Ok(all)
}

/// The nearest rank, in microseconds; 0 when nothing was measured.
fn percentile(times: &[Duration], percent: usize) -> f64 {
    let rank = (times.len() * percent).div_ceil(100).saturating_sub(1);
    times.get(rank).map_or(0.0, |time| time.as_secs_f64() * 1e6)
}

fn report(output: &Output, measured: &Measured) -> Result<(), Failure> {
    if output.json {
        return Ok(output.object(measured)?);
    }
    let Measured {
        calls,
        connections,
        seconds,
        per_second,
        ..
    } = measured;
    output.line(&format!(
        "{per_second:.0} validate/s: {calls} calls on {connections} connections in {seconds:.1} s"
    ))?;
    Ok(output.line(&format!(
        "p50 {:.1} µs, p99 {:.1} µs",
        measured.p50_microseconds, measured.p99_microseconds
    ))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_the_nearest_rank() {
        let times: Vec<Duration> = (1..=200).map(Duration::from_micros).collect();
        assert_eq!(percentile(&times, 50).round(), 100.0);
        assert_eq!(percentile(&times, 99).round(), 198.0);
        assert_eq!(percentile(&[], 99), 0.0);
    }
}
