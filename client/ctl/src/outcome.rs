//! The end of a command: its exit code, and the one line on stderr that says what is wrong and what to do.

use std::fmt;
use std::io::{self, Write};
use std::path::PathBuf;

use jwtkeeper_client::{Error, ErrorKind};

use crate::held::Held;
use crate::replace::Fault;

/// The end of a command that was answered.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Yes,
    No,
}

impl Outcome {
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Yes => 0,
            Self::No => 1,
        }
    }
}

impl From<bool> for Outcome {
    fn from(yes: bool) -> Self {
        if yes { Self::Yes } else { Self::No }
    }
}

/// Why a command has no answer.
pub(crate) enum Failure {
    Daemon(Error),
    Input(String, io::Error),
    Usage(&'static str),
    Output(io::Error),
    NoKey,
    /// The faults of the files that a reload refused.
    Refused(Vec<String>),
    /// A report that could not be read.
    Report,
    File(Fault),
    AnotherKind {
        file: PathBuf,
        held: Held,
        new: Held,
    },
}

impl Failure {
    pub(crate) fn code(&self) -> u8 {
        match self {
            Self::Usage(_) | Self::Input(..) => 2,
            Self::Output(_) | Self::NoKey | Self::Report => 69,
            Self::File(fault) => fault.code(),
            Self::AnotherKind { .. } | Self::Refused(_) => 78,
            Self::Daemon(error) => match error.kind() {
                ErrorKind::BadRequest => 2,
                ErrorKind::NotPermitted => 77,
                ErrorKind::ReloadRefused => 78,
                _ => 69,
            },
        }
    }

    fn advice(&self) -> &'static str {
        match self {
            Self::Daemon(error) => match error.kind() {
                ErrorKind::Unreachable => "is jwtkeeperd running, and is --socket its socket?",
                ErrorKind::Timeout => "see its log, or allow more with --timeout",
                ErrorKind::Unavailable => "see `jwtkeeperctl health`",
                ErrorKind::NotPermitted if error.code().is_some() => "[[access]] says who may",
                ErrorKind::Protocol => "is --socket jwtkeeperd's, and of this version?",
                ErrorKind::Internal => "see its log",
                _ => "",
            },
            Self::Input(..) => "give the value itself, @FILE, or - for stdin",
            Self::Usage(_) => "see --help",
            Self::File(fault) => fault.advice(),
            Self::AnotherKind { .. } => "name another file or another --algorithm; --force replaces it all the same",
            Self::Report => "is jwtkeeperd of this version? see its log",
            Self::Output(_) | Self::NoKey | Self::Refused(_) => "",
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Daemon(error)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        Self::File(fault)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Daemon(error) => write!(f, "{error}"),
            Self::Input(name, error) => write!(f, "cannot read {name}: {error}"),
            Self::Usage(what) => write!(f, "{what}"),
            Self::Output(error) => write!(f, "cannot write the answer: {error}"),
            Self::NoKey => write!(
                f,
                "no key could be made: the crypto library failed; nothing was changed"
            ),
            Self::Report => f.write_str("the daemon's report of the reload could not be read"),
            Self::Refused(faults) => write!(f, "refused: {}", faults.join("; ")),
            Self::File(fault) => write!(f, "{fault}"),
            Self::AnotherKind { file, held, new } => {
                write!(
                    f,
                    "{} holds {held}, which {new} must not replace; it was left as it is",
                    file.display()
                )
            }
        }
    }
}

/// One line on stderr; of a refused reload one for each fault. A reader of stdout that has gone is no news.
pub(crate) fn complain(failure: &Failure) {
    if matches!(failure, Failure::Output(error) if error.kind() == io::ErrorKind::BrokenPipe) {
        return;
    }
    let refused: Vec<&str> = match failure {
        Failure::Refused(faults) => faults.iter().map(String::as_str).collect(),
        Failure::Daemon(error) if error.kind() == ErrorKind::ReloadRefused => error.lines().collect(),
        _ => Vec::new(),
    };
    for line in &refused {
        let line: String = line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let _nobody_reads = writeln!(io::stderr(), "jwtkeeperctl: refused: {line}");
    }
    if !refused.is_empty() {
        return;
    }
    let advice = match failure.advice() {
        "" => String::new(),
        advice => format!(" ({advice})"),
    };
    let _nobody_reads = writeln!(io::stderr(), "jwtkeeperctl: {failure}{advice}");
}
