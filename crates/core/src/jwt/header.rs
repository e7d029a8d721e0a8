//! The JOSE header (RFC 7515 section 4). What would let the sender choose the key or change the rules is
//! refused: `crit` (4.1.11), `b64` (RFC 7797), `jwk`, `jku`, `x5u`, `x5c`.

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, Visitor};

use super::Malformed;
use super::json::{Any, Names, Scalar, Text, read, text};

/// A parsed header.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// `alg`; `None` when it is absent or no string, which is no algorithm of anyone's.
    pub alg: Option<String>,
    /// `kid`.
    pub kid: Option<String>,
    /// The media type that `typ` names, by [`media_type`]; `None` where it is `JWT` or missing.
    pub typ: Option<String>,
}

/// A media type as `typ` names it: `application/` may be left out (RFC 7515 section 4.1.9), and case does not matter
/// (RFC 2045 section 5.1).
pub fn media_type(typ: &str) -> String {
    let typ = typ.to_ascii_lowercase();
    match typ.strip_prefix("application/") {
        Some(rest) if !rest.contains('/') => rest.to_owned(),
        _ => typ,
    }
}

impl Header {
    /// Reads the decoded header.
    pub fn read(bytes: &[u8]) -> Result<Self, Malformed> {
        read(text(bytes)?, Reader)
    }

    /// The header that a key mints with.
    pub fn text(alg: &str, kid: Option<&str>) -> String {
        let mut header = serde_json::json!({ "alg": alg, "typ": "JWT" });
        if let (Some(kid), Some(members)) = (kid, header.as_object_mut()) {
            members.insert("kid".to_owned(), kid.into());
        }
        header.to_string()
    }
}

struct Reader;

impl<'de> DeserializeSeed<'de> for Reader {
    type Value = Header;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Header, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Reader {
    type Value = Header;

    fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.write_str("a JOSE header")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Header, A::Error> {
        let mut header = Header::default();
        let mut names = Names::default();
        while let Some(name) = map.next_key_seed(Text)? {
            let value = map.next_value_seed(Any)?;
            match (name.as_ref(), value) {
                ("crit" | "b64" | "jwk" | "jku" | "x5u" | "x5c", _) => {
                    return Err(A::Error::custom("a header parameter that is refused"));
                }
                ("alg", Scalar::Text(alg)) => header.alg = Some(alg.into_owned()),
                ("kid", Scalar::Text(kid)) => header.kid = Some(kid.into_owned()),
                ("kid", _) => return Err(A::Error::custom("kid is not a string")),
                ("typ", Scalar::Text(typ)) => header.typ = Some(media_type(&typ)).filter(|typ| typ != "jwt"),
                ("typ", _) => return Err(A::Error::custom("typ is not a string")),
                _ => {}
            }
            names.add(name)?;
        }
        Ok(header)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_knows_and_ignores_what_it_may() {
        let header = Header::read(br#"{"alg":"HS256","typ":"jwt","kid":"k","cty":"x","x":{"a":1}}"#).unwrap();
        assert_eq!(
            header,
            Header {
                alg: Some("HS256".into()),
                kid: Some("k".into()),
                typ: None,
            }
        );
        for alg in ["5", "null", "[\"HS512\"]", "{}", "true"] {
            let text = format!(r#"{{"alg":{alg}}}"#);
            assert_eq!(Header::read(text.as_bytes()).unwrap().alg, None, "{text}");
        }
        assert_eq!(Header::read(b"{}").unwrap(), Header::default());
    }

    #[test]
    fn refuses() {
        for text in [
            r#"{"alg":"HS256","crit":["x"],"x":1}"#,
            r#"{"alg":"HS256","crit":[]}"#,
            r#"{"alg":"HS256","b64":false}"#,
            r#"{"alg":"HS256","b64":true}"#,
            r#"{"alg":"HS256","jwk":{}}"#,
            r#"{"alg":"HS256","jku":"https://x"}"#,
            r#"{"alg":"HS256","x5u":""}"#,
            r#"{"alg":"HS256","x5c":[]}"#,
            r#"{"alg":"HS256","typ":null}"#,
            r#"{"alg":"HS256","kid":1}"#,
            r#"{"alg":"HS256","alg":"HS256"}"#,
            r#"{"alg":"HS256","\u0061lg":"none"}"#,
            r#"{"alg":"HS256","x":{"a":1,"a":2}}"#,
            r#"{"alg":"HS256"} "x""#,
            r#"["alg"]"#,
            r#"{"alg":"HS256",}"#,
            "\u{feff}{\"alg\":\"HS256\"}",
            "",
        ] {
            assert!(Header::read(text.as_bytes()).is_err(), "{text}");
        }
        assert!(Header::read(b"{\"alg\":\"HS256\",\"x\":\"\xff\"}").is_err());
    }

    #[test]
    fn typ_is_a_media_type() {
        for (typ, read) in [
            ("JWT", None),
            ("application/jwt", None),
            ("Application/JWT", None),
            ("at+jwt", Some("at+jwt")),
            ("application/AT+JWT", Some("at+jwt")),
            ("application/x/jwt", Some("application/x/jwt")),
            ("text/jwt", Some("text/jwt")),
            ("JWT ", Some("jwt ")),
            ("", Some("")),
        ] {
            let text = format!(r#"{{"alg":"HS256","typ":"{typ}"}}"#);
            assert_eq!(Header::read(text.as_bytes()).unwrap().typ.as_deref(), read, "{typ}");
        }
    }

    #[test]
    fn what_we_mint_reads_back() {
        let text = Header::text("ES256", Some("k\"1"));
        let header = Header::read(text.as_bytes()).unwrap();
        assert_eq!(
            header,
            Header {
                alg: Some("ES256".into()),
                kid: Some("k\"1".into()),
                typ: None,
            }
        );
    }
}
