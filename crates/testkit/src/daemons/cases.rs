//! Real tokens, made by the gem or by hand, and what is to be answered for each.

use jwtkeeper_client::{Cause, Validate, Verdict};
use serde_json::Value;

use super::{Daemon, SECRET, Setup};

/// The cases of the fixtures.
pub fn cases() -> Vec<Value> {
    let text = std::fs::read_to_string(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../..",
        "/tests/fixtures/jwt_keeper_tokens.json"
    ));
    let file: Value = serde_json::from_str(&text.unwrap()).unwrap();
    let cases = file["cases"].as_array().unwrap().clone();
    assert_eq!(cases.len(), 48);
    cases
}

/// Adds the realm that a case asks for.
pub fn configure(setup: Setup, realm: &str, config: &Value) -> Setup {
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
    if config["require_iat"] == false {
        lines.push_str("require_iat = false\n");
    }
    if !config["version"].is_null() {
        let file = format!("{realm}.version");
        setup.write(&file, &format!("{}\n", config["version"].to_string().trim_matches('"')));
        lines.push_str(&format!("version_file = \"{}\"\n", setup.path(&file).display()));
    }
    assert_ne!(text("secret"), SECRET);
    setup.realm(realm, text("algorithm"), text("secret").as_bytes(), &lines)
}

/// Returns the answer to a case in a realm, where it is not the expected one.
pub fn wrong(daemon: &Daemon, realm: &str, case: &Value) -> Option<String> {
    let token = case["token"].as_str().unwrap();
    let verdict = daemon
        .realm(realm)
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
    (answered != expected).then(|| format!("{}: {answered:?}, not {expected:?}", case["name"]))
}
