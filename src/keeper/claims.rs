//! Putting claims together: the realm's first, in one order, then the private ones as the caller wrote them, so that
//! numbers of any size, floats, order and text come back as they went in.

use serde_json::value::RawValue;

use super::Refusal;
use crate::jwt::{Member, Version, members};
use crate::realm::{OwnClaim, Policy};
use crate::words::Seconds;

/// Claims that the daemon sets and nobody else.
const DAEMONS_OWN: [&str; 3] = ["sid", "born", "lck"];

/// What a caller asks to be in a token.
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
        for (name, value) in members(bytes).map_err(|malformed| Refusal::ClaimsForm(malformed.0))? {
            if let Some(own) = DAEMONS_OWN.into_iter().find(|own| *own == name) {
                return Err(Refusal::ReservedByDaemon(own));
            }
            match OwnClaim::parse(&name) {
                Some(claim) if policy.allow_overrides.contains(&claim) => wanted.own.push((claim, value)),
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
        let all = members(bytes).map_err(|malformed| Refusal::ClaimsForm(malformed.0))?;
        let private = all.into_iter().filter(|(name, _)| is_private(name)).collect();
        Ok(Wanted {
            exp: None,
            own: Vec::new(),
            private,
        })
    }
}

fn is_private(name: &str) -> bool {
    OwnClaim::parse(name).is_none() && name != "exp" && !DAEMONS_OWN.contains(&name)
}

/// A claims set in the making.
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
