//! One validate from each language, beside the Rust blocking client: the same token, one thread, one connection, each a
//! process of its own, in turn.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde::Deserialize;

use crate::fault::{Doing, Result};
use crate::measure::median;
use crate::peers::daemon::Home;
use crate::work;

/// Who the others are held against.
pub(crate) const RUST: &str = "rust";
/// What benches/languages/run knows.
const LANGUAGES: [&str; 8] = [RUST, "c", "go", "php", "ruby", "python", "node", "node-sync"];

/// What one run of a load says.
#[derive(Deserialize)]
struct Said {
    calls: u64,
    errors: u64,
    seconds: f64,
    p50_us: f64,
    p99_us: f64,
    ffi_ns: Option<f64>,
}

/// The medians of one language's runs.
pub(crate) struct Cost {
    pub(crate) language: &'static str,
    pub(crate) per_second: f64,
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
    /// How many times as long as the Rust client's run beside it a call took.
    pub(crate) to_rust: f64,
    /// The mean of one call through the foreign function interface that does nothing.
    pub(crate) ffi_ns: Option<f64>,
}

/// Runs each language in each round.
pub(crate) fn measure(home: &Home, build: &Path, rounds: usize, length: Duration) -> Result<Vec<Cost>> {
    home.empty_store()?;
    let daemon = home.start()?;
    let tokens = work::tokens(&daemon, "", 1)?;
    let token = tokens.first().map(|token| token.text.as_str()).unwrap_or_default();
    let mut said: Vec<Vec<Said>> = LANGUAGES.map(|_| Vec::new()).into();
    for round in 0..rounds {
        // Another language goes first in each round.
        for turn in 0..LANGUAGES.len() {
            let number = (round + turn) % LANGUAGES.len();
            if let (Some(language), Some(said)) = (LANGUAGES.get(number), said.get_mut(number)) {
                said.push(run(language, home, build, token, length)?);
            }
        }
    }
    let rust: Vec<f64> = said.first().into_iter().flatten().map(Said::mean).collect();
    let cost = |(language, said): (&&'static str, &Vec<Said>)| {
        let all = |figure: &dyn Fn(&Said) -> f64| median(said.iter().map(figure).collect());
        Cost {
            language,
            per_second: all(&|said| said.calls as f64 / said.seconds),
            p50_us: all(&|said| said.p50_us),
            p99_us: all(&|said| said.p99_us),
            to_rust: median(said.iter().zip(&rust).map(|(said, rust)| said.mean() / rust).collect()),
            ffi_ns: said.first().and_then(|said| said.ffi_ns),
        }
    };
    Ok(LANGUAGES.iter().zip(&said).map(cost).collect())
}

impl Said {
    /// Seconds a call.
    fn mean(&self) -> f64 {
        self.seconds / self.calls as f64
    }
}

fn run(language: &str, home: &Home, build: &Path, token: &str, length: Duration) -> Result<Said> {
    let what = || format!("the load in {language}");
    let program: PathBuf = [env!("CARGO_MANIFEST_DIR"), "languages", "run"].iter().collect();
    let (name, sync) = match language.strip_suffix("-sync") {
        Some(name) => (name, true),
        None => (language, false),
    };
    let mut process = Command::new(program)
        .args([name, "--seconds", &length.as_secs_f64().to_string()])
        .args(sync.then_some("--sync"))
        .env("JWTKEEPER_BUILD", build)
        .env("JWTKEEPER_SOCKET", home.socket())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .doing(what())?;
    let mut input = process.stdin.take().ok_or("no stdin")?;
    input.write_all(format!("{token}\n").as_bytes()).doing(what())?;
    drop(input);
    let output = process.wait_with_output().doing(what())?;
    if !output.status.success() {
        return Err(format!("{}: {}", what(), output.status).into());
    }
    let said: Said = serde_json::from_slice(&output.stdout).doing(what())?;
    match said.errors {
        0 => Ok(said),
        errors => Err(format!("{}: {errors} of {} calls failed", what(), said.calls).into()),
    }
}
