//! Putting claims together: the realm's first, in one order, then the private ones as the caller wrote them, so that
//! numbers of any size, floats, order and text come back as they went in.

use serde_json::value::RawValue;

use super::Refusal;
use crate::denylist::SessionStart;
use crate::jwt::{Malformed, Member, OWN, Version, explain, members};
use crate::realm::{OwnClaim, Policy};
use crate::types::{Id, Millis, Seconds};

/// The claims that a caller asks for.
pub(super) struct Wanted<'a> {
    /// `exp`, where the caller sets it.
    pub(super) exp: Option<Seconds>,
    /// The realm's claims that the caller may set and does.
    pub(super) own: Vec<(OwnClaim, &'a RawValue)>,
    /// Everything else, in order.
    pub(super) private: Vec<Member<'a>>,
}

impl<'a> Wanted<'a> {
    /// Reads a caller's claims; empty bytes are none.
    pub(super) fn read(bytes: &'a [u8], policy: &Policy) -> Result<Self, Refusal> {
        let mut wanted = Wanted {
            exp: None,
            own: Vec::new(),
            private: Vec::new(),
        };
        if bytes.is_empty() {
            return Ok(wanted);
        }
        for (name, value) in members(bytes).map_err(|malformed| form(bytes, malformed))? {
            if name == OWN {
                return Err(Refusal::ReservedByDaemon(OWN));
            }
            match OwnClaim::parse(&name) {
                Some(claim) if policy.allow_overrides.contains(&claim) => wanted.own.push((claim, value)),
                Some(OwnClaim::Iss) if policy.issuer.is_some() => return Err(Refusal::IssuerIsFixed),
                Some(claim) => return Err(Refusal::ReservedByRealm(claim.name())),
                None if name == "exp" => {
                    let exp = value.get().parse().map_err(|_| Refusal::ClaimValue {
                        claim: "exp",
                        problem: "must be an integer of seconds since 1970",
                    })?;
                    wanted.exp = Some(exp);
                }
                None => wanted.private.push((name, value)),
            }
        }
        Ok(wanted)
    }

    /// The private claims of a token that is being rotated.
    pub(super) fn carried(bytes: &'a [u8]) -> Result<Self, Refusal> {
        let all = members(bytes).map_err(|malformed| form(bytes, malformed))?;
        let private = all.into_iter().filter(|(name, _)| is_private(name)).collect();
        Ok(Wanted {
            exp: None,
            own: Vec::new(),
            private,
        })
    }
}

/// Names the cause and the place, for the app that wrote the claims.
pub(super) fn form(bytes: &[u8], malformed: Malformed) -> Refusal {
    let first = bytes.trim_ascii_start().first();
    let cause = match explain(bytes, |_| true) {
        Some(cause) => cause,
        None if first != Some(&b'{') => "it is another kind of value".to_owned(),
        None => malformed.0.to_owned(),
    };
    Refusal::ClaimsForm(cause)
}

fn is_private(name: &str) -> bool {
    OwnClaim::parse(name).is_none() && name != "exp" && name != OWN
}

/// The daemon's own claim in the making; only members that a reader needs are written.
#[derive(Default)]
pub(super) struct OwnDraft<'a> {
    /// The session of a successor.
    pub(super) session: Option<&'a Id>,
    /// The start of the session, where a reader would take it for another.
    pub(super) start: Option<Millis>,
    /// The cutoffs that do not cover the session.
    pub(super) seen: SessionStart,
    /// The application of the subject's flag that does not cover the token.
    pub(super) seen_flag: u64,
    /// The hash of the lock cookie.
    pub(super) lock: Option<String>,
}

impl OwnDraft<'_> {
    /// The claim's value; `None` where it would be empty.
    pub(super) fn value(&self) -> Option<String> {
        let mut draft = Draft::new();
        if let Some(session) = self.session {
            draft.string("sid", &session.to_string());
        }
        if let Some(start) = self.start {
            draft.number("start", start.0);
        }
        let seen = [
            ("seen_realm", self.seen.seen_realm),
            ("seen_subject", self.seen.seen_subject),
            ("seen_flag", self.seen_flag),
        ];
        for (name, sequence) in seen.into_iter().filter(|(_, sequence)| *sequence > 0) {
            draft.number(name, sequence);
        }
        if let Some(lock) = &self.lock {
            draft.string("lock", lock);
        }
        (draft.text.len() > 1).then(|| draft.finish())
    }
}

/// A claims set in the making.
#[derive(Clone)]
pub(super) struct Draft {
    text: String,
}

impl Draft {
    pub(super) fn new() -> Self {
        Self {
            text: String::from("{"),
        }
    }

    /// Adds a claim whose value is this JSON text.
    pub(super) fn raw(&mut self, name: &str, json: &str) {
        if self.text.len() > 1 {
            self.text.push(',');
        }
        self.text.push_str(&json_string(name));
        self.text.push(':');
        self.text.push_str(json);
    }

    /// Adds a string.
    pub(super) fn string(&mut self, name: &str, value: &str) {
        self.raw(name, &json_string(value));
    }

    /// Adds an integer.
    pub(super) fn number(&mut self, name: &str, value: impl std::fmt::Display) {
        self.raw(name, &value.to_string());
    }

    /// Adds the daemon's own claim.
    pub(super) fn own(&mut self, own: &OwnDraft<'_>) {
        own.value().iter().for_each(|value| self.raw(OWN, value));
    }

    /// Adds `aud`: one as a string, several as a list, none not at all.
    pub(super) fn audience(&mut self, audience: &[String]) {
        match audience {
            [] => {}
            [one] => self.string("aud", one),
            many => {
                let list: Vec<_> = many.iter().map(|name| json_string(name)).collect();
                self.raw("aud", &format!("[{}]", list.join(",")));
            }
        }
    }

    /// Adds `ver`.
    pub(super) fn version(&mut self, version: &Version<'_>) {
        match version {
            Version::Number(number) => self.number("ver", number),
            Version::Text(text) => self.string("ver", text),
            Version::None | Version::Other => {}
        }
    }

    /// The whole text.
    pub(super) fn finish(mut self) -> String {
        self.text.push('}');
        self.text
    }
}

fn json_string(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
