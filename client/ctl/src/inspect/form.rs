//! A token taken apart, to say which rule of its form is broken (docs/protocol.md, "Reasons"). It decides nothing: the
//! verdict is the daemon's. Nothing of the signature is kept.

use std::fmt;

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine};
use base64::{DecodeError, alphabet};
use serde::de::{Deserializer, Error, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

/// Members of an object, each value as it was written.
pub(super) type Members = Vec<(String, Box<RawValue>)>;

/// A decoded token.
pub(super) struct Decoded {
    pub(super) bytes: usize,
    pub(super) header: Option<Members>,
    pub(super) claims: Option<Members>,
    /// The first rule of the form that is broken.
    pub(super) fault: Option<String>,
    /// The first rule of the claims that is broken.
    pub(super) claims_fault: Option<String>,
}

impl Decoded {
    pub(super) fn of(token: &str) -> Self {
        let parts: Vec<&str> = token.split('.').collect();
        let part = |at: usize| parts.get(at).copied().unwrap_or_default();
        let (header, claims) = (object(part(0)), object(part(1)));
        let segments = ["header", "claims", "signature"]
            .iter()
            .zip(&parts)
            .find_map(|(name, part)| segment(part).err().map(|why| format!("the {name} part {why}")));
        let fault = parts_fault(token, parts.len()).or(segments).or_else(|| match &header {
            Ok(header) => header_fault(header),
            Err(why) => Some(format!("the header part {why}")),
        });
        let claims_fault = match &claims {
            Ok(claims) => claims_fault(claims),
            Err(why) => Some(format!("the claims part {why}")),
        };
        Self {
            bytes: token.len(),
            header: header.ok(),
            claims: claims.ok(),
            fault,
            claims_fault,
        }
    }

    pub(super) fn header(&self, name: &str) -> Option<Value> {
        find(self.header.as_ref()?, name)
    }

    pub(super) fn claim(&self, name: &str) -> Option<Value> {
        find(self.claims.as_ref()?, name)
    }

    pub(super) fn claim_text(&self, name: &str) -> Option<String> {
        self.claim(name)?.as_str().map(str::to_owned)
    }

    /// The session that a successor names in the daemon's own claim.
    pub(super) fn session(&self) -> Option<String> {
        self.claim("jwtkeeper")?.get("sid")?.as_str().map(str::to_owned)
    }

    /// A NumericDate, floored.
    pub(super) fn date(&self, name: &str) -> Option<u64> {
        date(&self.claim(name)?)
    }
}

/// A NumericDate that is not before 1970, floored.
pub(super) fn date(value: &Value) -> Option<u64> {
    let fraction = || {
        value
            .as_f64()
            .filter(|seconds| *seconds >= 0.0)
            .map(|seconds| seconds as u64)
    };
    value.as_u64().or_else(fraction)
}

fn find(members: &Members, name: &str) -> Option<Value> {
    let (_, value) = members.iter().find(|(own, _)| own == name)?;
    serde_json::from_str(value.get()).ok()
}

fn parts_fault(token: &str, count: usize) -> Option<String> {
    match count {
        3 => None,
        _ if token.is_empty() => Some("it is empty".to_owned()),
        1 => Some("it has no dots, and should have three parts between two".to_owned()),
        5 => Some("it has 5 parts instead of 3: an encrypted token (JWE)?".to_owned()),
        count => Some(format!("it has {count} parts instead of 3")),
    }
}

/// A segment's bytes, or what is wrong with it.
fn segment(text: &str) -> Result<Vec<u8>, String> {
    BASE64_URL_SAFE_NO_PAD.decode(text).map_err(|error| match error {
        DecodeError::InvalidPadding | DecodeError::InvalidByte(_, b'=') => "is padded: no `=` may end it".to_owned(),
        DecodeError::InvalidByte(at, byte) if alphabet::STANDARD.as_str().as_bytes().contains(&byte) => {
            format!("is base64 and not base64url at byte {at}")
        }
        DecodeError::InvalidByte(at, byte) if byte.is_ascii_whitespace() => format!("holds white space at byte {at}"),
        DecodeError::InvalidByte(at, _) => format!("is not base64url at byte {at}"),
        DecodeError::InvalidLastSymbol { .. } => "is not canonical base64url: its last bits are not zero".to_owned(),
        _ => "is not base64url: no bytes have that length".to_owned(),
    })
}

/// The members of a segment's object.
fn object(text: &str) -> Result<Members, String> {
    let bytes = segment(text)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| "is not UTF-8".to_owned())?;
    let mut json = serde_json::Deserializer::from_str(text);
    let members = json
        .deserialize_map(Object)
        .map_err(|error| format!("is not a strict JSON object: {error}"))?;
    json.end().map_err(|_| "is followed by more than its JSON".to_owned())?;
    Ok(members)
}

fn header_fault(header: &Members) -> Option<String> {
    const REFUSED: [&str; 6] = ["crit", "b64", "jwk", "jku", "x5u", "x5c"];
    if let Some((name, _)) = header.iter().find(|(name, _)| REFUSED.contains(&name.as_str())) {
        return Some(format!("the header has {name}, which is refused"));
    }
    match (find(header, "typ"), find(header, "kid")) {
        (Some(typ), _) if !typ.as_str().is_some_and(|typ| typ.eq_ignore_ascii_case("JWT")) => {
            Some("the header's typ is not JWT".to_owned())
        }
        (_, Some(kid)) if !kid.is_string() => Some("the header's kid is not a string".to_owned()),
        _ => None,
    }
}

fn claims_fault(claims: &Members) -> Option<String> {
    for name in ["exp", "jti"] {
        if find(claims, name).is_none() {
            return Some(format!("{name} is missing"));
        }
    }
    for (name, _) in claims {
        let Some(value) = find(claims, name) else { continue };
        let wanted = match name.as_str() {
            "exp" | "nbf" | "iat" if !value.is_number() => "a number",
            "iss" | "jti" if !value.is_string() => "a string",
            "jwtkeeper" if !is_own(&value) => "as the daemon writes it",
            "aud" if !is_audience(&value) => "a string or a list of strings",
            _ => continue,
        };
        return Some(format!("{name} is not {wanted}"));
    }
    None
}

/// Returns true if the members of the daemon's own claim have their types.
fn is_own(value: &Value) -> bool {
    let is_right = |(name, value): (&String, &Value)| match name.as_str() {
        "sid" | "lock" => value.is_string(),
        "start" | "seen_realm" | "seen_subject" | "seen_flag" => value.is_u64(),
        _ => true,
    };
    value.as_object().is_some_and(|members| members.iter().all(is_right))
}

fn is_audience(value: &Value) -> bool {
    value.is_string() || value.as_array().is_some_and(|all| all.iter().all(Value::is_string))
}

/// An object with no name twice.
struct Object;

impl<'de> Visitor<'de> for Object {
    type Value = Members;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
        let mut members = Members::new();
        while let Some((name, value)) = map.next_entry::<String, Box<RawValue>>()? {
            if members.iter().any(|(own, _)| *own == name) {
                return Err(A::Error::custom(format_args!("{name} stands there twice")));
            }
            members.push((name, value));
        }
        Ok(members)
    }
}
