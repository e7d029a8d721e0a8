//! `jwks`.

use jwtkeeper_wire::{Answer, Op};

use super::Operation;
use crate::answer::Document;

/// The realm's public keys. Answered by a [`Document`](crate::Document): a JWK Set (RFC 7517 section 5).
#[derive(Debug, Clone, Default)]
pub struct GetJwks<'a> {
    realm: Option<&'a str>,
}

with_realm!(GetJwks);

impl GetJwks<'_> {
    /// Of the client's realm.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Operation for GetJwks<'_> {
    type Output = Document;

    fn op<'s>(&'s self, realm: &'s str) -> Op<'s> {
        Op::Jwks {
            realm: self.realm.unwrap_or(realm),
        }
    }

    fn output(&self, answer: Answer<'_>) -> Option<Document> {
        match answer {
            Answer::Jwks { document } => Some(Document(document.to_vec())),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_names_its_realm_or_gets_the_clients() {
        assert_eq!(GetJwks::new().op("shop"), Op::Jwks { realm: "shop" });
        assert_eq!(GetJwks::new().realm("admin").op("shop"), Op::Jwks { realm: "admin" });
    }
}
