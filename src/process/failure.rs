//! Why the daemon ends before its time, and with which exit status (sysexits.h).

use std::process::ExitCode;

use super::activation::ActivationError;
use crate::audit::AuditError;
use crate::config::Faults;
use crate::reload::StartError;
use crate::server::BindError;
use jwtkeeper_store::OpenError;

/// The command line is wrong.
const USAGE: u8 = 2;
/// Something that must be put right before the daemon can serve.
const CONFIGURATION: u8 = 78;
/// Something that is not to be had now.
const UNAVAILABLE: u8 = 69;

/// Why the daemon did not start.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)] // the texts say it
pub enum Failure {
    #[error("{0}")]
    Faults(Faults),
    #[error(transparent)]
    Start(#[from] StartError),
    #[error(transparent)]
    Store(#[from] OpenError),
    #[error("the state_dir {0} is on NFS, whose locks and fsync cannot be trusted; use a local file system")]
    OnNfs(String),
    #[error(transparent)]
    Bind(#[from] BindError),
    #[error(transparent)]
    Audit(#[from] AuditError),
    #[error(transparent)]
    Activation(#[from] ActivationError),
    #[error("{0}")]
    Metrics(String),
    #[error("{0}")]
    Sandbox(String),
    #[error("{0}")]
    NotReady(String),
    #[error("{0}")]
    Usage(String),
    #[error("cannot {what}: {error}")]
    System { what: &'static str, error: std::io::Error },
}

impl Failure {
    /// The exit status.
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.status())
    }

    /// The same as a number.
    pub(super) fn status(&self) -> u8 {
        match self {
            Failure::Usage(_) => USAGE,
            Failure::Faults(_) | Failure::OnNfs(_) | Failure::Sandbox(_) | Failure::NotReady(_) => CONFIGURATION,
            Failure::Start(StartError::Faults(_)) => CONFIGURATION,
            Failure::Store(OpenError::Missing(_) | OpenError::Exists(_) | OpenError::Corrupt { .. }) => CONFIGURATION,
            Failure::Activation(_) | Failure::Audit(AuditError::Sink(_)) => CONFIGURATION,
            Failure::Bind(BindError::NotASocket(_) | BindError::Foreign { .. }) => CONFIGURATION,
            Failure::Store(OpenError::InUse(_) | OpenError::Io { .. })
            | Failure::Start(StartError::Store(_))
            | Failure::Bind(BindError::InUse(_) | BindError::Directory { .. } | BindError::Io { .. })
            | Failure::Audit(AuditError::Thread(_))
            | Failure::Metrics(_)
            | Failure::System { .. } => UNAVAILABLE,
        }
    }

    /// A call of the system that failed.
    pub(super) fn system(what: &'static str) -> impl FnOnce(std::io::Error) -> Self {
        move |error| Failure::System { what, error }
    }
}

impl From<Faults> for Failure {
    fn from(faults: Faults) -> Self {
        Failure::Faults(faults)
    }
}
