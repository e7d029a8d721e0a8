//! Output on stdout: answers, for people or as one JSON object. Tokens and cookie secrets are printed only
//! where they are the answer.

use std::io::{self, Write};

use jwtkeeper_client::{Cause, Claims, Cookie, Health, Imported, Minted, Reason, State, Status};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::document::Document;
use crate::paint::{self, Line, Paint};
use crate::summary;
use crate::times::{now, when};

/// The destination of answers.
pub(crate) struct Output {
    pub(crate) json: bool,
    pub(crate) colour: bool,
}

#[derive(Serialize)]
struct ValidShape<'a> {
    valid: bool,
    claims: &'a RawValue,
    rotation: Option<String>,
}

#[derive(Serialize)]
struct InvalidShape {
    valid: bool,
    reason: String,
}

#[derive(Serialize)]
struct MintedShape<'a> {
    token: &'a str,
    jti: &'a str,
    expires_at: u64,
    cookie: Option<CookieShape<'a>>,
}

#[derive(Serialize)]
struct CookieShape<'a> {
    name: &'a str,
    value: &'a str,
    set_cookie: &'a str,
    expires_at: u64,
    domain: Option<&'a str>,
    path: Option<&'a str>,
    secure: bool,
    http_only: bool,
    same_site: &'a str,
}

impl<'a> From<&'a Cookie> for CookieShape<'a> {
    fn from(cookie: &'a Cookie) -> Self {
        Self {
            name: &cookie.name,
            value: cookie.value(),
            set_cookie: cookie.set_cookie(),
            expires_at: cookie.expires_at,
            domain: cookie.domain.as_deref(),
            path: cookie.path.as_deref(),
            secure: cookie.secure,
            http_only: cookie.http_only,
            same_site: &cookie.same_site,
        }
    }
}

#[derive(Serialize)]
struct StatusShape {
    state: String,
    until: Option<u64>,
    /// The age of the copy of a shared store.
    #[serde(skip_serializing_if = "Option::is_none")]
    age_ms: Option<u64>,
}

#[derive(Serialize)]
struct ImportedShape {
    entries: u64,
    pending: u64,
}

#[derive(Serialize)]
struct HealthShape<'a> {
    ready: bool,
    generation: u64,
    details: &'a RawValue,
}

#[derive(Serialize)]
struct GenerationShape {
    generation: u64,
}

#[derive(Serialize)]
struct DoneShape {
    done: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

impl Output {
    /// For people, unless `json`.
    pub(crate) fn new(json: bool) -> Self {
        Self {
            json,
            colour: paint::wanted(),
        }
    }

    pub(crate) fn valid(&self, claims: &Claims, rotation: Option<Cause>) -> io::Result<()> {
        let claims = raw(claims.as_bytes());
        if self.json {
            let rotation = rotation.map(|cause| cause.to_string());
            return self.object(&ValidShape {
                valid: true,
                claims,
                rotation,
            });
        }
        self.line("valid")?;
        if let Some(cause) = rotation {
            let meaning = cause.row().map_or("", |row| row.meaning);
            self.line(&format!("rotation due: {cause}. {meaning}"))?;
        }
        self.line(claims.get())
    }

    pub(crate) fn invalid(&self, reason: Reason) -> io::Result<()> {
        if self.json {
            return self.object(&InvalidShape {
                valid: false,
                reason: reason.to_string(),
            });
        }
        self.line(&format!("invalid: {}", explained(reason)))
    }

    /// For people the token stands alone in the first line, so that a shell can take it.
    pub(crate) fn minted(&self, minted: &Minted) -> io::Result<()> {
        if self.json {
            return self.object(&MintedShape {
                token: minted.token(),
                jti: &minted.jti,
                expires_at: minted.expires_at,
                cookie: minted.cookie.as_ref().map(CookieShape::from),
            });
        }
        self.line(minted.token())?;
        match &minted.cookie {
            Some(cookie) => self.line(&format!("Set-Cookie: {}", cookie.set_cookie())),
            None => Ok(()),
        }
    }

    pub(crate) fn done(&self, what: &str) -> io::Result<()> {
        match self.json {
            true => self.object(&DoneShape {
                done: true,
                reason: None,
            }),
            false => self.line(what),
        }
    }

    /// Prints the result of a command that a person did not confirm.
    pub(crate) fn nothing_done(&self) -> io::Result<()> {
        match self.json {
            true => self.object(&DoneShape {
                done: false,
                reason: None,
            }),
            false => Ok(()),
        }
    }

    pub(crate) fn not_done(&self, reason: Reason) -> io::Result<()> {
        match self.json {
            true => self.object(&DoneShape {
                done: false,
                reason: Some(reason.to_string()),
            }),
            false => self.line(&format!("not a token of this realm: {}", explained(reason))),
        }
    }

    pub(crate) fn status(&self, status: Status, health: Option<&Health>) -> io::Result<()> {
        let Status { state, until } = status;
        let age_ms = health.and_then(|health| Document::of(health).store.age_ms);
        if self.json {
            return self.object(&StatusShape {
                state: state.to_string(),
                until,
                age_ms,
            });
        }
        let paint = match state {
            State::None => Paint::Good,
            State::Hard => Paint::Bad,
            _ => Paint::Odd,
        };
        let until = until.map_or(String::new(), |seconds| format!(" until {}", when(seconds, now())));
        let meaning = state.row().map_or("", |row| row.meaning);
        let line = Line::new().with(paint.on(state.to_string()));
        self.show(&line.with(format!("{until}. {meaning}")))?;
        match age_ms {
            Some(ms) => self.line(&format!("as Redis said it {ms} ms ago")),
            None => Ok(()),
        }
    }

    pub(crate) fn imported(&self, imported: Imported) -> io::Result<()> {
        let Imported { entries, pending } = imported;
        if self.json {
            return self.object(&ImportedShape { entries, pending });
        }
        self.line(&format!("{entries} entries are in this host's store"))?;
        match pending {
            0 => Ok(()),
            pending => self.line(&format!("{pending} of them are still to be put into Redis: ask again")),
        }
    }

    pub(crate) fn health(&self, health: &Health) -> io::Result<()> {
        let details = raw(health.document.as_bytes());
        let Health { ready, generation, .. } = *health;
        if self.json {
            return self.object(&HealthShape {
                ready,
                generation,
                details,
            });
        }
        let lines = summary::health(health, now());
        lines.iter().try_for_each(|line| self.show(line))
    }

    /// A reload by a daemon that does not report what changed.
    pub(crate) fn older_reload(&self, generation: u64) -> io::Result<()> {
        match self.json {
            true => self.object(&GenerationShape { generation }),
            false => self.line(&format!("reloaded, generation {generation}")),
        }
    }

    pub(crate) fn jwks(&self, document: &jwtkeeper_client::Document) -> io::Result<()> {
        match self.json {
            true => self.object(raw(document.as_bytes())),
            false => self.pretty(document),
        }
    }

    pub(crate) fn object(&self, object: &(impl Serialize + ?Sized)) -> io::Result<()> {
        let text = serde_json::to_string(object)?;
        writeln!(io::stdout().lock(), "{text}")
    }

    /// A line for a terminal: what others wrote must not steer it.
    pub(crate) fn line(&self, text: &str) -> io::Result<()> {
        self.show(&Line::new().with(text))
    }

    /// A line with its colours, where there are any.
    pub(crate) fn show(&self, line: &Line) -> io::Result<()> {
        writeln!(io::stdout().lock(), "{}", line.text(self.colour, usize::MAX))
    }

    fn pretty(&self, document: &jwtkeeper_client::Document) -> io::Result<()> {
        let value: serde_json::Value = document.parse()?;
        serde_json::to_string_pretty(&value)?
            .lines()
            .try_for_each(|line| self.line(line))
    }
}

fn explained(reason: Reason) -> String {
    let meaning = reason.row().map_or("", |row| row.meaning);
    format!("{reason}. {meaning}")
}

/// JSON of the daemon's as it came, so that integers of any size and the order of members stay.
fn raw(json: &[u8]) -> &RawValue {
    serde_json::from_slice(json).unwrap_or(RawValue::NULL)
}
