//! Details beside each check: the values that it is about, and the remedy.

use jwtkeeper_client::{Cause, Document as Jwks, Reason, State, Status, Verdict};
use serde_json::Value;

use super::checks::{Check, Finding};
use super::{Inspected, Told};
use crate::times::{span, time, when};

/// The kids of a JWK Set.
pub(super) fn kids(jwks: &Jwks) -> Vec<String> {
    let jwks: Value = jwks.parse().unwrap_or_default();
    let keys = jwks.get("keys").and_then(Value::as_array);
    keys.into_iter()
        .flatten()
        .filter_map(|key| key.get("kid")?.as_str().map(str::to_owned))
        .collect()
}

impl Inspected {
    /// The text of a check; empty where there is nothing to say.
    pub(super) fn detail(&self, check: Check, finding: Finding) -> String {
        if !self.is_permitted() {
            return "not permitted".to_owned();
        }
        let failed = finding == Finding::Failed;
        match check {
            Check::Form => self.form(finding),
            Check::Key => self.key(failed),
            Check::Signature => self.signature(finding),
            Check::Claims => self.claims(finding),
            // What was not looked at is not explained.
            _ if matches!(finding, Finding::NotReached | Finding::Unknown) => String::new(),
            Check::Lifetime => self.lifetime(failed),
            Check::Expiry => self.expiry(failed),
            Check::NotBefore => self.not_before(failed),
            Check::Issuer => self.named("iss", failed.then_some("not the realm's issuer")),
            Check::Audience => self.named("aud", failed.then_some("none is the realm's audience")),
            Check::Lock => self.lock(failed),
            Check::Denylist => self.denylist(failed),
        }
    }

    fn form(&self, finding: Finding) -> String {
        let bytes = self.decoded.bytes;
        match finding {
            Finding::Ok => format!("3 parts, {bytes} bytes"),
            Finding::Failed => self.decoded.fault.clone().unwrap_or_default(),
            _ if self.reason() == Some(Reason::Malformed) => {
                format!("no rule is seen to be broken; are its {bytes} bytes more than the realm's max_token?")
            }
            _ => String::new(),
        }
    }

    fn key(&self, failed: bool) -> String {
        let named = |name| {
            self.decoded
                .header(name)
                .map(|value| format!("{name} {}", bare(&value)))
        };
        let said: Vec<_> = ["alg", "kid"].into_iter().filter_map(named).collect();
        let mut said = if said.is_empty() {
            vec!["no alg".to_owned()]
        } else {
            said
        };
        if failed {
            said.push(format!("the realm has {}", self.keys(false)));
            said.extend(match &self.kids {
                Told::Says(kids) if kids.is_empty() => Some("it publishes no kid".to_owned()),
                Told::Says(kids) => Some(format!("it publishes kid {}", kids.join(", "))),
                Told::NotPermitted => Some("its kids: not permitted".to_owned()),
                Told::Unknown | Told::NotAsked => None,
            });
        }
        said.join("; ")
    }

    /// The realm's keys, as health lists them.
    fn keys(&self, fingerprints: bool) -> String {
        let realm = self.document.as_ref().and_then(|document| document.realm(&self.realm));
        let Some(realm) = realm else {
            return "keys that health does not list".to_owned();
        };
        let one = |key: &crate::document::Key| match fingerprints {
            true => format!("{} {} {}", key.role, key.algorithm, key.fingerprint),
            false => format!("{} ({})", key.algorithm, key.role),
        };
        realm.keys.iter().map(one).collect::<Vec<_>>().join(", ")
    }

    fn signature(&self, finding: Finding) -> String {
        match finding {
            Finding::Ok if self.cause() == Some(Cause::RetiredKey) => "by a retired key".to_owned(),
            Finding::Ok => "by a key of the realm".to_owned(),
            Finding::Failed => {
                let lock = match self.has_cookie {
                    true => "or the cookie is not its own",
                    false => "or it is locked, and its cookie is missing (--cookie)",
                };
                format!("by none of the realm's keys, {lock}; they are {}", self.keys(true))
            }
            _ => String::new(),
        }
    }

    fn claims(&self, finding: Finding) -> String {
        match finding {
            Finding::Ok => "exp and jti are there, and types are right".to_owned(),
            Finding::Failed => self.decoded.claims_fault.clone().unwrap_or_default(),
            Finding::Unknown if self.reason() == Some(Reason::Malformed) => {
                "no rule is seen to be broken; is an id too long, or the jti younger than its iat?".to_owned()
            }
            _ => String::new(),
        }
    }

    fn lifetime(&self, failed: bool) -> String {
        let Some(exp) = self.decoded.date("exp") else {
            return String::new();
        };
        let from = self.decoded.date("iat");
        let span = span(exp.saturating_sub(from.unwrap_or(self.now)));
        let from = if from.is_some() { "iat" } else { "now" };
        let than = if failed {
            ", more than the realm's max_lifetime"
        } else {
            ""
        };
        format!("{span} from {from} to exp{than}")
    }

    fn expiry(&self, failed: bool) -> String {
        let Some(exp) = self.decoded.date("exp") else {
            return String::new();
        };
        let why = match failed && exp > self.now {
            true => "; its session's whole lifetime has passed (session_lifetime)",
            false => "",
        };
        format!("exp {}{why}", when(exp, self.now))
    }

    fn not_before(&self, failed: bool) -> String {
        let dates = ["nbf", "iat"].map(|name| self.decoded.date(name).map(|date| (name, date)));
        let dates: Vec<_> = dates.into_iter().flatten().collect();
        let ahead = dates.iter().any(|(_, date)| *date > self.now);
        let mut said: Vec<_> = dates
            .iter()
            .map(|(name, date)| format!("{name} {}", when(*date, self.now)))
            .collect();
        if failed && !ahead {
            said.push("the start of its session lies in the future".to_owned());
        }
        if said.is_empty() {
            "neither nbf nor iat".to_owned()
        } else {
            said.join(", ")
        }
    }

    fn named(&self, claim: &str, wrong: Option<&str>) -> String {
        let value = self.decoded.claim(claim);
        let value = value.map_or_else(|| format!("no {claim}"), |value| format!("{claim} {value}"));
        match wrong {
            Some(wrong) => format!("{value}: {wrong}"),
            None => value,
        }
    }

    fn lock(&self, failed: bool) -> String {
        match (failed, self.has_cookie) {
            (true, true) => "the cookie is not its own, or it is not locked and the realm requires that",
            (true, false) => "its cookie is missing (--cookie), or it is not locked and the realm requires that",
            (false, _) if self.cause() == Some(Cause::Unlocked) => "not locked the way the realm locks now",
            (false, true) => "nothing wrong with its cookie",
            (false, false) => "none is required",
        }
        .to_owned()
    }

    /// Why it is revoked, as far as the denylist of jtis tells; else what stands.
    fn denylist(&self, failed: bool) -> String {
        let own = match &self.status {
            Told::Says(status) => self.stands("its jti", status),
            Told::NotPermitted => return "status: not permitted".to_owned(),
            Told::Unknown | Told::NotAsked => return String::new(),
        };
        let session = match &self.session {
            Told::Says(status) if self.is_revoked(status) => Some(self.stands("its session", status)),
            _ => None,
        };
        match (failed, own, session) {
            (_, own, Some(Some(session))) => own.map_or(session.clone(), |own| format!("{own}; {session}")),
            (_, Some(own), _) => own,
            (true, None, _) => {
                "not by its jti: its session, its subject's logins or the realm's logins were revoked, or its successor"
                    .to_owned()
            }
            (false, None, _) => "nothing stands".to_owned(),
        }
    }

    /// Revoked, and not only rotated with its grace over: the time of that lies in the past.
    fn is_revoked(&self, status: &Status) -> bool {
        status.state == State::Hard && status.until.is_none_or(|until| until > self.now)
    }

    fn stands(&self, what: &str, status: &Status) -> Option<String> {
        let until = status
            .until
            .map_or(String::new(), |until| format!(" until {}", time(until)));
        match status.state {
            State::None => None,
            State::Soft => Some(format!("{what} is flagged{until}")),
            State::Hard if self.is_revoked(status) => Some(format!("{what} is revoked{until}")),
            State::Hard => {
                let over = status
                    .until
                    .map_or(String::new(), |until| format!(" at {}", when(until, self.now)));
                Some(format!("{what} was rotated, and its grace ended{over}"))
            }
            State::Rotated => Some(format!("{what} was rotated, and leads to its successor{until}")),
            other => Some(format!("{what}: {other}{until}")),
        }
    }

    fn cause(&self) -> Option<Cause> {
        match &self.verdict {
            Ok(Verdict::Valid { rotation, .. }) => *rotation,
            _ => None,
        }
    }
}

/// A string without quotes, all else as JSON.
fn bare(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
