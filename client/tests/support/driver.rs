//! The two clients behind one face, so that each case is written once and holds for both.

use jwtkeeper_client::{Config, Error, Operation, Verdict, blocking};

/// A client, whichever.
pub enum Driver {
    Blocking(Box<blocking::Client>),
    #[cfg(feature = "tokio")]
    Tokio(jwtkeeper_client::tokio::Client, tokio::runtime::Runtime),
}

impl Driver {
    pub fn call<O: Operation>(&self, operation: &O) -> Result<O::Output, Error> {
        match self {
            Self::Blocking(client) => client.call(operation),
            #[cfg(feature = "tokio")]
            Self::Tokio(client, runtime) => runtime.block_on(client.call(operation)),
        }
    }

    /// The lock cookie of a realm, as the client knows it.
    pub fn known_lock_cookie(&self, realm: &str) -> Option<jwtkeeper_client::LockCookie> {
        match self {
            Self::Blocking(client) => client.known_lock_cookie_of(realm),
            #[cfg(feature = "tokio")]
            Self::Tokio(client, _) => client.known_lock_cookie_of(realm),
        }
    }

    /// Returns the claim `sub` in the answer to a validate of `token`.
    pub fn subject(&self, token: &str) -> Result<String, Error> {
        let verdict = self.call(&jwtkeeper_client::Validate::new(token))?;
        Ok(subject(&verdict))
    }
}

/// The claim `sub` of a valid token.
pub fn subject(verdict: &Verdict) -> String {
    let subject = verdict.claims().and_then(|claims| claims.get("sub"));
    subject
        .expect("a valid token with a subject")
        .as_str()
        .unwrap()
        .to_owned()
}

/// Both clients with the same configuration, each with a fresh daemon from `daemon`.
pub fn each<D>(daemon: impl Fn() -> D, config: impl Fn(&D) -> Config, case: impl Fn(&D, &Driver)) {
    let fake = daemon();
    case(&fake, &Driver::Blocking(Box::new(blocking::Client::new(config(&fake)))));
    #[cfg(feature = "tokio")]
    {
        let fake = daemon();
        let client = jwtkeeper_client::tokio::Client::new(config(&fake));
        case(&fake, &Driver::Tokio(client, runtime()));
    }
}

#[cfg(feature = "tokio")]
pub fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}
