//! `inspect`: why a token is valid, or is not, check by check. The verdict is the daemon's alone; here the token is
//! only decoded, and what else the daemon tells (the denylist, the realm's keys) is put beside the checks. Neither the
//! signature nor a cookie secret is shown.

mod checks;
mod details;
mod form;
mod view;

use jwtkeeper_client::blocking::Client;
use jwtkeeper_client::{DEFAULT_REALM, Error, ErrorKind, Reason, Status, Validate, Verdict};

use crate::args::Presented;
use crate::document::Document;
use crate::input;
use crate::outcome::{Failure, Outcome};
use crate::output::Output;
use crate::times::now;
use checks::{Check, Finding, findings};
use form::Decoded;

/// All that was found out.
struct Inspected {
    realm: String,
    decoded: Decoded,
    has_cookie: bool,
    verdict: Result<Verdict, Error>,
    document: Option<Document>,
    status: Told<Status>,
    /// Of the session, where that is not the token's own.
    session: Told<Status>,
    kids: Told<Vec<String>>,
    now: u64,
}

/// The answer to a question beside the verdict.
enum Told<T> {
    NotAsked,
    NotPermitted,
    /// It could not answer.
    Unknown,
    Says(T),
}

impl<T> Told<T> {
    fn from(answer: Result<T, Error>) -> Self {
        match answer {
            Ok(answer) => Self::Says(answer),
            Err(error) if error.kind() == ErrorKind::NotPermitted => Self::NotPermitted,
            Err(_) => Self::Unknown,
        }
    }
}

/// One line of the answer.
struct Row {
    check: Check,
    finding: Finding,
    detail: String,
}

pub(crate) fn run(
    client: &Client,
    output: &Output,
    given: &Presented,
    realm: Option<&str>,
) -> Result<Outcome, Failure> {
    let token = input::token(&given.token)?;
    let cookie = input::cookie(given.cookie.as_deref())?;
    let verdict = client.validate(Validate::new(&token).cookie(cookie.as_deref()));
    let mut inspected = Inspected {
        realm: realm.unwrap_or(DEFAULT_REALM).to_owned(),
        decoded: Decoded::of(&token),
        has_cookie: cookie.is_some(),
        verdict,
        document: None,
        status: Told::NotAsked,
        session: Told::NotAsked,
        kids: Told::NotAsked,
        now: now(),
    };
    inspected.ask_more(client);
    if inspected.verdict.is_ok() || !output.json {
        view::show(output, &inspected)?;
    }
    match inspected.verdict? {
        Verdict::Valid { .. } => Ok(Outcome::Yes),
        Verdict::Invalid(_) => Ok(Outcome::No),
    }
}

impl Inspected {
    /// Asks for what explains the verdict.
    fn ask_more(&mut self, client: &Client) {
        let reason = match &self.verdict {
            Ok(Verdict::Valid { .. }) => None,
            Ok(Verdict::Invalid(reason)) => Some(*reason),
            Err(_) => return,
        };
        self.document = client.health().ok().map(|health| Document::of(&health));
        if matches!(reason, Some(Reason::AlgorithmNotAllowed | Reason::UnknownKey)) {
            self.kids = Told::from(client.jwks().map(|jwks| details::kids(&jwks)));
        }
        // An id is believed only where the signature holds.
        if let (None | Some(Reason::Revoked), Some(jti)) = (reason, self.decoded.claim_text("jti")) {
            self.status = Told::from(client.status(&jti));
            if let Some(sid) = self.decoded.session().filter(|sid| *sid != jti) {
                self.session = Told::from(client.status(&sid));
            }
        }
    }

    fn reason(&self) -> Option<Reason> {
        match &self.verdict {
            Ok(Verdict::Invalid(reason)) => Some(*reason),
            _ => None,
        }
    }

    fn is_permitted(&self) -> bool {
        !matches!(&self.verdict, Err(error) if error.kind() == ErrorKind::NotPermitted)
    }

    fn rows(&self) -> Vec<Row> {
        let findings = findings(self.verdict.as_ref().ok(), &self.decoded);
        let row = |(check, finding)| Row {
            check,
            finding,
            detail: self.detail(check, finding),
        };
        findings.into_iter().map(row).collect()
    }
}
