//! Real tokens, made by the gem or by hand: each is answered as its case says, through the socket, by a daemon that is
//! configured from the cases.

use jwtkeeper_client::{Cause, Validate, Verdict};
use serde_json::Value;

use crate::support::{Setup, daemon::SECRET};

#[test]
fn every_case_is_answered_as_it_says() {
    let text = std::fs::read_to_string(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/fixtures/jwt_keeper_tokens.json"
    ));
    let file: Value = serde_json::from_str(&text.unwrap()).unwrap();
    let cases = file["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 48);
    let mut setup = Setup::bare();
    for (number, case) in cases.iter().enumerate() {
        setup = configure(setup, &realm(number), &case["config"]);
    }
    let daemon = setup.start();
    let mut wrong = Vec::new();
    for (number, case) in cases.iter().enumerate() {
        let client = daemon.realm(&realm(number));
        let token = case["token"].as_str().unwrap();
        let verdict = client
            .validate(Validate::new(token).cookie(case["cookie"].as_str()))
            .unwrap();
        let answered = match &verdict {
            Verdict::Valid { rotation: None, .. } => ("valid".to_owned(), None),
            Verdict::Valid { rotation, .. } => ("rotate".to_owned(), rotation.as_ref().map(Cause::to_string)),
            Verdict::Invalid(reason) => ("invalid".to_owned(), Some(reason.to_string())),
        };
        let expected = (
            case["expected"].as_str().unwrap().to_owned(),
            case["reason"].as_str().map(str::to_owned),
        );
        if answered != expected {
            wrong.push(format!("{}: {answered:?}, not {expected:?}", case["name"]));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn realm(number: usize) -> String {
    format!("case-{number}")
}

fn configure(setup: Setup, realm: &str, config: &Value) -> Setup {
    let text = |name: &str| config[name].as_str().unwrap();
    let audience = match &config["audience"] {
        Value::String(one) => format!("[{one:?}]"),
        many => many.to_string(),
    };
    let mut lines = format!(
        "issuer = {:?}\naudience = {audience}\nmax_lifetime = \"36500d\"\nlock_key = \"concat\"\n",
        text("issuer")
    );
    if config["cookie_lock"] == true {
        let policy = config["lock_policy"].as_str().unwrap_or("required");
        lines.push_str(&format!("cookie_lock = \"{policy}\"\n"));
    }
    if !config["version"].is_null() {
        let file = format!("{realm}.version");
        setup.write(&file, &format!("{}\n", config["version"].to_string().trim_matches('"')));
        lines.push_str(&format!("version_file = \"{}\"\n", setup.path(&file).display()));
    }
    assert_ne!(text("secret"), SECRET);
    setup.realm(realm, text("algorithm"), text("secret").as_bytes(), &lines)
}
