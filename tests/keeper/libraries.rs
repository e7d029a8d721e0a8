//! Tokens that other libraries made, and key sets as well-known providers publish them: tests/fixtures/libraries says
//! how they came to be.

use jwtkeeper_core::jwt::{Algorithm, encode_base64url};
use jwtkeeper_wire::Reason::{BadSignature, Malformed, UnknownKey};
use serde_json::{Value, json};

use crate::configured::{Configured, Directory};
use jwtkeeper_testkit::world::keys::key;
use jwtkeeper_testkit::world::{NOW, VALID, refused};

fn fixture() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/libraries/tokens.json");
    let fixture: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    assert_eq!(fixture["now"], NOW);
    assert_eq!(fixture["libraries"].as_object().unwrap().len(), 5);
    fixture
}

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().unwrap()
}

/// The token with the same header and signature, for somebody else.
fn for_somebody_else(token: &str) -> String {
    let parts: Vec<_> = token.split('.').collect();
    let claims = encode_base64url(
        json!({"sub": "admin", "jti": "1", "exp": NOW + 60})
            .to_string()
            .as_bytes(),
    );
    format!("{}.{claims}.{}", parts[0], parts[2])
}

/// The token with another `kid` in its header.
fn of_another_kid(token: &str) -> String {
    let (_, rest) = token.split_once('.').unwrap();
    let header = json!({"alg": "RS256", "typ": "JWT", "kid": "another"}).to_string();
    format!("{}.{rest}", encode_base64url(header.as_bytes()))
}

fn as_foreign(issuer: &str, algorithm: &str, source: &str, settings: &str) -> String {
    format!(
        "algorithm = \"HS256\"\nsecret_file = \"own\"\n[[realms.default.foreign_issuers]]\nissuer = {issuer:?}\n\
         algorithm = {algorithm:?}\n{source}\n{settings}\n"
    )
}

#[tokio::test]
async fn any_kid_is_accepted_by_a_secret_or_pem_file() {
    let fixture = fixture();
    let mut directory = Directory::new().file("secret", text(&fixture, "secret"));
    for (algorithm, pem) in fixture["public_keys"].as_object().unwrap() {
        directory = directory.file(algorithm, pem.as_str().unwrap());
    }
    let plain = fixture["plain"].as_array().unwrap();
    assert_eq!(plain.len(), 18);
    for one in plain {
        let (library, algorithm, token) = (text(one, "library"), text(one, "alg"), text(one, "token"));
        let source = match algorithm {
            "HS256" => "secret_file = \"secret\"".to_owned(),
            other => format!("public_key_file = {other:?}"),
        };
        let lines = format!("algorithm = {algorithm:?}\n{source}\n");
        let unnamed = directory.load(&lines).await.unwrap();
        assert_eq!(unnamed.say(token), VALID, "{library} {algorithm}");
        let forged = for_somebody_else(token);
        assert_eq!(unnamed.say(&forged), refused(BadSignature), "{library} {algorithm}");
        for (kid, said) in [("key-1", VALID), ("key-2", refused(UnknownKey))] {
            let named = directory.load(&format!("{lines}kid = {kid:?}\n")).await.unwrap();
            assert_eq!(named.say(token), said, "{library} {algorithm} {kid}");
        }
    }
}

#[tokio::test]
async fn tokens_of_providers_are_valid_by_their_key_sets() {
    let fixture = fixture();
    let providers = fixture["providers"].as_array().unwrap();
    let names: Vec<_> = providers.iter().map(|one| text(one, "name")).collect();
    assert_eq!(names, ["auth0", "keycloak", "google", "entra", "okta"]);
    for provider in providers {
        let (name, settings) = (text(provider, "name"), text(provider, "settings"));
        let directory = Directory::new()
            .file("own", key(Algorithm::HS256).file())
            .file("set", provider["jwks"].to_string());
        let load = async |settings: &str| -> Configured {
            let lines = as_foreign(text(provider, "issuer"), "RS256", "jwks_file = \"set\"", settings);
            directory.load(&lines).await.unwrap()
        };
        let realm = load(settings).await;
        assert_eq!(realm.notes(), [""; 0], "{name}: nothing is odd about the set");
        let tokens = provider["tokens"].as_array().unwrap();
        assert!(tokens.len() >= 5);
        for one in tokens {
            let (library, token) = (text(one, "library"), text(one, "token"));
            assert_eq!(realm.say(token), VALID, "{name} by {library}");
            let forged = for_somebody_else(token);
            assert_eq!(realm.say(&forged), refused(BadSignature), "{name} by {library}");
            let another = of_another_kid(token);
            assert_eq!(realm.say(&another), refused(UnknownKey), "{name} by {library}");
        }
        if !settings.is_empty() {
            let strict = load("").await;
            assert_eq!(strict.say(text(&tokens[0], "token")), refused(Malformed), "{name}");
        }
    }
}
