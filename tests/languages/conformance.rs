//! Holds an app to every case of tests/session_flow.json.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::app::{App, Language};
use crate::cases::{Authorization, Case, ClaimsExpected, CookieExpected, TokenState, by_state};
use crate::exchange::{LOCK_COOKIE, Response, ask};
use crate::stage::Stage;
use crate::tokens::Token;

/// Starts the app on daemons in each state, and sends it every case's request. All that is wrong is said at once.
pub fn conforms(language: &Language) {
    let mut wrong = Vec::new();
    for (state, realms) in by_state() {
        let mut stage = Stage::new(state);
        let tokens = tokens(&realms, &stage);
        stage.break_down();
        for (realm, cases) in &realms {
            let environment = [
                ("JWTKEEPER_TEST_REALM", realm.as_str()),
                ("JWTKEEPER_TEST_DEADLINE_MS", &stage.deadline()),
            ];
            let app = language.start("listening ", &stage.socket(), &environment);
            for case in cases {
                let faults = faults(case, tokens.get(&case.name), &stage, &app);
                wrong.extend(faults.iter().map(|fault| format!("{}: {fault}", case.name)));
            }
            app.kept_quiet_about(tokens.values().flat_map(Token::secrets));
        }
    }
    assert!(wrong.is_empty(), "{}:\n{}", language.name, wrong.join("\n"));
}

/// The tokens of a stage's cases, by name.
fn tokens(realms: &BTreeMap<String, Vec<Case>>, stage: &Stage) -> BTreeMap<String, Token> {
    let make = |stale: bool| {
        let cases = realms.values().flatten();
        let of_this_version = cases.filter(move |case| (case.token == TokenState::StaleVersion) == stale);
        of_this_version.filter_map(|case| Some((case.name.clone(), Token::of(case, stage)?)))
    };
    let mut tokens: BTreeMap<_, _> = make(true).collect();
    stage.change_version();
    tokens.extend(make(false));
    tokens
}

/// Sends a case's request; says what is wrong with the response.
fn faults(case: &Case, token: Option<&Token>, stage: &Stage, app: &App) -> Vec<String> {
    if let Some(token) = token {
        token.before_request(case.token, stage);
    }
    let fill = |template: &Option<String>| {
        let mut text = template.clone()?;
        let values = token.map(|token| {
            [
                ("{token}", Some(&token.text)),
                ("{secret}", token.secret.as_ref()),
                ("{successor_secret}", token.successor_secret.as_ref()),
            ]
        });
        for (name, value) in values.into_iter().flatten() {
            if let Some(value) = value {
                text = text.replace(name, value);
            }
        }
        assert!(!text.contains('{'), "{}: nothing stands for {text}", case.name);
        Some(text)
    };
    let regenerate = case
        .regenerate
        .as_ref()
        .map(|claims| Value::from(claims.clone()).to_string());
    let headers = [
        ("Authorization", fill(&case.authorization)),
        ("Cookie", fill(&case.cookie)),
        ("X-Regenerate", regenerate),
    ];
    let headers = headers.each_ref().map(|(name, value)| (*name, value.as_deref()));
    let response = ask("GET", &app.url(case.path.as_deref().unwrap_or("/")), &headers, None);

    let mut faults = Faults(Vec::new());
    let expect = &case.expect;
    faults.differ("status", &response.status, &expect.status);
    for (name, value) in [
        ("WWW-Authenticate", &expect.www_authenticate),
        ("Retry-After", &expect.retry_after),
    ] {
        faults.differ(name, &response.header(name), &value.as_deref());
    }
    if let Some(body) = &expect.body {
        faults.differ("body", &response.body, body);
    }
    session(&mut faults, case, token, stage, &response);
    if expect.still_valid && !token.unwrap().verdict(stage).is_valid() {
        faults.0.push("the token is no longer valid".to_owned());
    }
    faults.0
}

/// What the response says of the session: its token, its cookie, its claims.
fn session(faults: &mut Faults, case: &Case, token: Option<&Token>, stage: &Stage, response: &Response) {
    let expect = &case.expect;
    let rotated = expect.authorization == Some(Authorization::Successor);
    // Where the app has not rotated the token, asking for its successor would.
    let successor = (rotated && response.token().is_some()).then(|| token.unwrap().successor(stage));
    match (&successor, response.header("Authorization")) {
        (None, None) => {
            if rotated {
                faults.0.push("the response has no token".to_owned());
            }
        }
        (None, Some(_)) => faults.0.push("the response has an Authorization header".to_owned()),
        (Some(successor), Some(header)) => {
            if header != format!("Bearer {}", successor.token()) {
                faults
                    .0
                    .push("the response's token is not the one successor".to_owned());
            }
            let validate = jwtkeeper_client::Validate::new(successor.token());
            let cookie = successor.cookie.as_ref().map(|cookie| cookie.value());
            let verdict = stage.realm(&case.realm).validate(validate.cookie(cookie)).unwrap();
            if !verdict.is_valid() || verdict.rotation().is_some() {
                faults.0.push(format!(
                    "the successor is not valid, or its rotation is due: {verdict:?}"
                ));
            }
        }
        (Some(_), None) => unreachable!("it was read from there"),
    }
    // A cache must not keep a token, whatever its response is.
    let no_store = response
        .header("Cache-Control")
        .is_some_and(|value| value.contains("no-store"));
    if response.header("Authorization").is_some() && !no_store {
        faults
            .0
            .push("the response has a token, and no Cache-Control: no-store".to_owned());
    }
    let name = if case.realm == "renamed" { "lock" } else { LOCK_COOKIE };
    let cookies = response.cookies(name);
    let made = successor.as_ref().and_then(|successor| successor.cookie.as_ref());
    let right = match expect.cookie {
        CookieExpected::Untouched => cookies.is_empty(),
        CookieExpected::Cleared => response.clears(name),
        CookieExpected::Set => made.is_some_and(|made| cookies == [made.set_cookie()]),
    };
    if !right {
        let names: Vec<_> = cookies
            .iter()
            .map(|header| header.split_once(';').map(|(_, rest)| rest))
            .collect();
        faults.0.push(format!(
            "the cookie is not {:?}, its attributes are {names:?}",
            expect.cookie
        ));
    }
    let claims = match expect.claims {
        None => return,
        Some(ClaimsExpected::Old) => Some(token.unwrap().claims.clone()),
        Some(ClaimsExpected::Successor) => successor.map(|successor| successor.claims.parse().unwrap()),
    };
    let given: Value = serde_json::from_str(&response.body).unwrap_or_default();
    faults.differ("claims", &Some(&given), &claims.as_ref());
    for (name, value) in &expect.claims_include {
        faults.differ(name, &given.get(name), &Some(value));
    }
    for name in &expect.claims_lack {
        faults.differ(name, &given.get(name), &None);
    }
}

struct Faults(Vec<String>);

impl Faults {
    fn differ<T: PartialEq + std::fmt::Debug>(&mut self, name: &str, given: &T, wanted: &T) {
        if given != wanted {
            self.0.push(format!("{name} is {given:?}, not {wanted:?}"));
        }
    }
}
