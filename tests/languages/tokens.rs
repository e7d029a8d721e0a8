//! A case's token, made by a real client in the state that the case names.

use std::time::Duration;

use jwtkeeper_client::{Issue, Minted, Reason, Revoked, Rotate, Rotation, Validate, Verdict};
use serde_json::Value;

use crate::cases::{Case, TokenState};
use crate::stage::Stage;
use jwtkeeper_testkit::daemons::until;

const CLAIMS: &str = r#"{"sub":"42","role":"reader","note":"zoë ☃"}"#;

/// What is sent, and what it is to be compared with.
pub struct Token {
    pub text: String,
    pub jti: String,
    /// The value of its lock cookie.
    pub secret: Option<String>,
    pub claims: Value,
    /// Of a token that was rotated.
    pub successor_secret: Option<String>,
    realm: String,
}

impl Token {
    /// The token of a case. One of an earlier version is made before the version changes, all others after.
    pub fn of(case: &Case, stage: &Stage) -> Option<Self> {
        let issuer = match (case.token, case.realm.as_str()) {
            (TokenState::None, _) => return None,
            (TokenState::Unlocked, _) => "plain",
            (_, "reader") => "signer",
            (_, realm) => realm,
        };
        let mut issue = Issue::new().claims(CLAIMS);
        if case.token == TokenState::Expired {
            issue = issue.ttl(Duration::from_secs(1));
        }
        let minted = stage.realm(issuer).issue(issue).unwrap();
        let mut token = Self::from(&minted, &case.realm);
        token.bring_to(case.token, stage);
        Some(token)
    }

    fn from(minted: &Minted, realm: &str) -> Self {
        Self {
            text: minted.token().to_owned(),
            jti: minted.jti.clone(),
            secret: minted.cookie.as_ref().map(|cookie| cookie.value().to_owned()),
            claims: minted.claims.parse().unwrap(),
            successor_secret: None,
            realm: realm.to_owned(),
        }
    }

    fn bring_to(&mut self, state: TokenState, stage: &Stage) {
        let client = stage.realm(&self.realm);
        match state {
            TokenState::None
            | TokenState::Valid
            | TokenState::StaleVersion
            | TokenState::Unlocked
            | TokenState::Expired => {}
            TokenState::Flagged | TokenState::RevokedBetween => client.flag_jti(&self.jti).unwrap(),
            TokenState::Rotated => {
                client.flag_jti(&self.jti).unwrap();
                let successor = self.successor(stage);
                self.successor_secret = successor.cookie.map(|cookie| cookie.value().to_owned());
            }
            TokenState::Revoked => {
                let revoked = client.revoke_token(&self.text, self.secret.as_deref()).unwrap();
                assert_eq!(revoked, Revoked::Done);
            }
            TokenState::Malformed => self.text = "not-a-token".to_owned(),
            TokenState::BadSignature => {
                // The first character: the last one may hold bits that are not the signature's.
                let at = self.text.rfind('.').unwrap() + 1;
                let other = if self.text[at..].starts_with('A') { "B" } else { "A" };
                self.text.replace_range(at..=at, other);
            }
        }
    }

    /// What must happen, or have happened, right before it is sent.
    pub fn before_request(&self, state: TokenState, stage: &Stage) {
        match state {
            TokenState::Expired => {
                let client = stage.realm(&self.realm);
                let expired = Verdict::Invalid(Reason::Expired);
                until("the token expires", || client.validate(&self.text).unwrap() == expired);
            }
            TokenState::RevokedBetween => stage.revoke_between(&self.realm, &self.jti),
            _ => {}
        }
    }

    /// What validate says of it now.
    pub fn verdict(&self, stage: &Stage) -> Verdict {
        let validate = Validate::new(&self.text).cookie(self.secret.as_deref());
        stage.realm(&self.realm).validate(validate).unwrap()
    }

    /// Its one successor: rotating it again leads there.
    pub fn successor(&self, stage: &Stage) -> Minted {
        let rotate = Rotate::new(&self.text).cookie(self.secret.as_deref());
        match stage.realm(&self.realm).rotate(rotate).unwrap() {
            Rotation::Rotated(minted) => minted,
            Rotation::Invalid(reason) => panic!("it has no successor: {reason}"),
        }
    }

    /// Everything of it that no app may print.
    pub fn secrets(&self) -> impl Iterator<Item = &str> {
        let secrets = [&self.secret, &self.successor_secret].into_iter().flatten();
        let jwt = self.text.contains('.').then_some(self.text.as_str());
        jwt.into_iter().chain(secrets.map(String::as_str))
    }
}
