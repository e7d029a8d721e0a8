//! A load of validates on one thread, as benches/languages has one in each language: reads a token from stdin,
//! validates it for `--seconds` (2 unless told otherwise), and prints what that came to as one line of JSON. With
//! `--begin` it prints `begun` after the first answer.
#![allow(clippy::print_stdout, reason = "printing figures is its job")]

use std::time::{Duration, Instant};

use jwtkeeper_client::{Config, blocking::Client};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let begin = arguments.iter().any(|argument| argument == "--begin");
    let seconds = arguments.iter().skip_while(|argument| *argument != "--seconds").nth(1);
    let length = Duration::from_secs_f64(seconds.map_or(Ok(2.0), |text| text.parse())?);

    let token = std::io::read_to_string(std::io::stdin())?;
    let token = token.trim_end();
    let client = Client::new(Config::from_env());
    let mut times = Vec::new();
    let mut errors = 0;
    let start = Instant::now();
    while start.elapsed() < length {
        let call = Instant::now();
        let valid = client.validate(token).is_ok_and(|verdict| verdict.is_valid());
        times.push(call.elapsed().as_nanos() as f64 / 1000.0);
        errors += usize::from(!valid);
        if begin && times.len() == 1 {
            println!("begun");
        }
    }
    let taken = start.elapsed().as_secs_f64();
    times.sort_by(f64::total_cmp);
    let at = |share: f64| times.get((times.len() as f64 * share) as usize).copied().unwrap_or(0.0);
    println!(
        r#"{{"calls":{},"errors":{errors},"seconds":{taken:.3},"p50_us":{:.1},"p99_us":{:.1},"max_us":{:.1},"ffi_ns":null}}"#,
        times.len(),
        at(0.5),
        at(0.99),
        times.last().copied().unwrap_or(0.0),
    );
    Ok(())
}
