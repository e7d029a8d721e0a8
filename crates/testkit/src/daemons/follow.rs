//! A daemon whose file is changed one way, time and again, under load: how long it takes until the change is in effect.

use std::fmt;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use jwtkeeper_client::{Issue, blocking};

use super::load::{Load, Mark, client, issuer, secret};
use super::namespace::{Users, inside};
use super::ways::{Way, write};
use super::{Daemon, PATIENCE, SECRET, Setup};

/// The time that a file written in place must rest, in these tests.
pub const SETTLE: Duration = Duration::from_millis(200);

/// A daemon, the file that changes, and the way.
pub struct Follow {
    pub way: Way,
    pub daemon: Daemon,
    file: PathBuf,
    /// The configuration, where that is what changes.
    configuration: Option<String>,
    pub load: Load,
}

impl Follow {
    /// One with this `[reload]`. In namespaces of its own, after a script, where there is one.
    pub fn start(way: Way, reload: &str, script: Option<&str>) -> Self {
        let setup = Setup::bare().top(&format!("[reload]\n{reload}"));
        let mounted = setup.path("files");
        let (file, secret_file) = match way {
            Way::ConfigMap => (mounted.join("jwtkeeper.toml"), setup.path("secret")),
            Way::BindMount => (setup.path("source").join("secret"), mounted.join("secret")),
            _ => (mounted.join("secret"), mounted.join("secret")),
        };
        let setup = setup.lines(&format!(
            "[realms.default]\nalgorithm = \"HS256\"\nissuer = \"{}\"\nsecret_file = \"{}\"",
            issuer(0),
            secret_file.display()
        ));
        let mut configuration = None;
        match way {
            Way::ConfigMap => {
                write(&secret_file, SECRET);
                let text = fs::read_to_string(setup.configure()).unwrap();
                way.lay_out(&file, &text);
                configuration = Some(text);
            }
            Way::BindMount => {
                way.lay_out(&file, &secret(0));
                fs::create_dir(&mounted).unwrap();
                write(&secret_file, &secret(0)); // what the store is made with, and then hidden
            }
            _ => way.lay_out(&file, &secret(0)),
        }
        setup.init();
        let mut command = setup.command(&[]);
        if way == Way::ConfigMap {
            command = Command::new(command.get_program());
            command.arg("--config").arg(&file);
        }
        let mut scripts = script.unwrap_or_default().to_owned();
        if way == Way::BindMount {
            scripts.push_str(&format!(
                "\nmount --bind '{}' '{}'",
                file.display(),
                secret_file.display()
            ));
        }
        if !scripts.is_empty() {
            command = inside(
                &command,
                &scripts,
                if script.is_some() { Users::Own } else { Users::Shared },
            );
        }
        let mark = if way == Way::ConfigMap {
            Mark::Issuer
        } else {
            Mark::Secret
        };
        let load = Load::new(mark, setup.socket());
        Self {
            way,
            daemon: Daemon::start_with(setup, command),
            file,
            configuration,
            load,
        }
    }

    /// Changes the file as many times while so many call; how long each took from when it was whole.
    pub fn changes(&self, rounds: impl Iterator, callers: usize) -> Figures {
        let all = || rounds.map(|_| self.change()).collect();
        let spans = self.load.during(callers, all);
        self.load.assert_right();
        Figures(spans)
    }

    fn change(&self) -> Duration {
        let client = client(&self.daemon.setup.socket());
        let token = client.issue(Issue::new()).unwrap().token().to_owned();
        let (state, next) = (self.load.last(), self.load.last() + 1);
        let (before, after) = (self.text(state), self.text(next));
        self.load.may_be(next);
        let (made, seen) = std::thread::scope(|scope| {
            let seen = scope.spawn(|| refused(&client, &token));
            let made = self.way.change(&self.file, &before, &after);
            (made, seen.join().unwrap())
        });
        self.load.is(next);
        self.load.assert_right();
        assert!(seen >= made.begun, "in effect before it was whole");
        seen.saturating_duration_since(made.whole) // a tool may tell of its end later than it is seen
    }

    fn text(&self, number: u64) -> String {
        match &self.configuration {
            Some(text) => text.replace(&issuer(0), &issuer(number)),
            None => secret(number),
        }
    }
}

/// Asks about a valid token until it is no more; says when that was.
pub fn refused(client: &blocking::Client, token: &str) -> Instant {
    let end = Instant::now() + PATIENCE;
    while client.validate(token).unwrap().is_valid() {
        assert!(Instant::now() < end, "the change was never seen");
    }
    Instant::now()
}

/// Spans of time, and what is to be said of them.
pub struct Figures(pub Vec<Duration>);

impl Figures {
    /// Without what is known to pass anyway.
    pub fn less(&self, span: Duration) -> Self {
        Self(self.0.iter().map(|one| one.saturating_sub(span)).collect())
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let Some(last) = sorted.last() else {
            return write!(f, "none");
        };
        // The nearest rank.
        let at = |percent: usize| sorted[(sorted.len() * percent).div_ceil(100) - 1].as_secs_f64() * 1e3;
        let max = last.as_secs_f64() * 1e3;
        write!(f, "p50 {:.1} ms, p99 {:.1} ms, max {max:.1} ms", at(50), at(99))
    }
}
