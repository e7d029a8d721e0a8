//! Clients of jwtkeeperd: [`blocking::Client`] (no threads, no runtime, survives fork) and, with the feature
//! `tokio`, [`tokio::Client`] (many calls at once on one connection).
//!
//! Both are thin drivers over one core without I/O: requests, replies, and what to try again. A client connects
//! when it is first used, connects again when the daemon was restarted, and puts a deadline on everything.
//!
//! With the feature `tower`, `session::SessionLayer` does for an app's requests what there is to do: it authenticates
//! them, and rotates their tokens. The feature `session` has its rules alone.
//!
//! ```no_run
//! use jwtkeeper_client::{Config, Issue, Verdict, blocking::Client};
//!
//! let client = Client::new(Config::from_env());
//! let minted = client.issue(Issue::new().claims(r#"{"sub":"42"}"#))?;
//! match client.validate(minted.token())? {
//!     Verdict::Valid { claims, .. } => assert_eq!(claims.get("sub"), Some("42".into())),
//!     Verdict::Invalid(reason) => println!("not authenticated: {reason}"),
//! }
//! # Ok::<(), jwtkeeper_client::Error>(())
//! ```

pub mod blocking;
#[cfg(feature = "tokio")]
pub mod tokio;

#[cfg(feature = "session")]
pub mod session;

mod answer;
mod call;
mod config;
mod error;
mod given;
mod greeting;
mod lock_cookie;
mod operations;
mod peer;

pub use answer::{Claims, Cookie, Document, Health, Imported, Minted, Reloaded, Revoked, Rotation, Status, Verdict};
pub use config::Config;
pub use error::{Error, ErrorKind};
pub use given::{Before, NewClaims};
pub use jwtkeeper_wire::{Cause, ClientCode, CodeRow, DEFAULT_REALM, DEFAULT_SOCKET, ErrorCode, Reason, State};
pub use lock_cookie::LockCookie;
pub use operations::*;
pub use peer::{BadServer, Server};
