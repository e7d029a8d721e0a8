//! The session flow of Rust without tower: what a request's headers come to, and what is logged while the daemon is
//! away.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::http::header::{AUTHORIZATION, CACHE_CONTROL, COOKIE, RETRY_AFTER, SET_COOKIE, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use jwtkeeper_client::session::{Outcome, Refusal, Sessions};
use jwtkeeper_client::{Issue, Minted, NewClaims, Reason, tokio};

use jwtkeeper_testkit::daemons::{Daemon, SECRET, Setup, until};

fn locking() -> Daemon {
    locking_setup().start()
}

fn locking_setup() -> Setup {
    let lines = "cookie_lock = \"required\"\n[realms.default.cookie]\nname = \"lock\"\n";
    Setup::bare().realm("default", "HS256", SECRET.as_bytes(), lines)
}

fn issued(daemon: &Daemon) -> Minted {
    daemon.client().issue(Issue::new().claims(r#"{"sub":"42"}"#)).unwrap()
}

fn request(minted: &Minted) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let cookie = format!("a=1; lock={}", minted.cookie.as_ref().unwrap().value());
    headers.insert(
        AUTHORIZATION,
        HeaderValue::from_str(&format!("Bearer {}", minted.token())).unwrap(),
    );
    headers.insert(COOKIE, HeaderValue::from_str(&cookie).unwrap());
    headers
}

fn runtime() -> ::tokio::runtime::Runtime {
    ::tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

fn refused(outcome: Outcome) -> Refusal {
    match outcome {
        Outcome::Refused(refusal) => refusal,
        Outcome::Authenticated(_) => panic!("it is authenticated"),
    }
}

#[test]
fn headers_come_to_a_session_and_the_rotation_to_apply() {
    let daemon = locking();
    let sessions = Sessions::new(tokio::Client::new(daemon.config()));
    let minted = issued(&daemon);
    let runtime = runtime();
    let Outcome::Authenticated(valid) = runtime.block_on(sessions.authenticate(&request(&minted))) else {
        panic!("a valid token");
    };
    assert_eq!(valid.session().get("sub"), Some(&"42".into()));
    assert_eq!(valid.session().jti(), minted.jti);
    assert_eq!(
        valid.session().cookie(),
        minted.cookie.as_ref().map(|cookie| cookie.value())
    );
    assert!(valid.rotation().is_none());
    let mut response = HeaderMap::new();
    valid.apply(&mut response);
    assert!(response.is_empty());

    daemon.client().flag_jti(&minted.jti).unwrap();
    let regenerate = |old: &jwtkeeper_client::Claims| {
        assert_eq!(old.get("sub"), Some("42".into()));
        std::future::ready(Some(NewClaims::from(r#"{"role":"writer"}"#)))
    };
    let outcome = runtime.block_on(sessions.authenticate_with(&request(&minted), regenerate));
    let Outcome::Authenticated(rotated) = outcome else {
        panic!("a token whose rotation is due");
    };
    assert_eq!(rotated.session().get("role"), Some(&"writer".into()));
    response.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=3600"));
    rotated.apply(&mut response);
    assert_eq!(
        response[AUTHORIZATION].to_str().unwrap(),
        format!("Bearer {}", rotated.session().token())
    );
    assert_eq!(response[CACHE_CONTROL], "no-store");
    assert!(response[SET_COOKIE].to_str().unwrap().starts_with("lock="));

    // A handler that logged somebody else in has the last word.
    let mut own = HeaderMap::new();
    own.insert(AUTHORIZATION, HeaderValue::from_static("Bearer other"));
    rotated.apply(&mut own);
    assert_eq!(own.len(), 1);
}

#[test]
fn a_refusal_says_why_and_what_to_answer() {
    let daemon = locking();
    let sessions = Sessions::new(tokio::Client::new(daemon.config()));
    let runtime = runtime();
    let none = refused(runtime.block_on(sessions.authenticate(&HeaderMap::new())));
    assert_eq!((none.status(), none.reason()), (StatusCode::UNAUTHORIZED, None));
    assert_eq!(none.headers()[WWW_AUTHENTICATE], "Bearer");

    let minted = issued(&daemon);
    daemon.client().revoke_jti(&minted.jti).unwrap();
    let revoked = refused(runtime.block_on(sessions.authenticate(&request(&minted))));
    assert_eq!(revoked.reason(), Some(Reason::Revoked));
    let mut response = HeaderMap::new();
    response.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"shop\""));
    response.append(SET_COOKIE, HeaderValue::from_static("theme=dark"));
    revoked.apply(&mut response);
    revoked.apply(&mut response);
    assert_eq!(
        response[WWW_AUTHENTICATE], "Bearer realm=\"shop\"",
        "the app's own stays"
    );
    let cookies: Vec<_> = response.get_all(SET_COOKIE).iter().collect();
    assert_eq!((cookies.len(), cookies[0].as_bytes()), (2, &b"theme=dark"[..]));
    assert!(cookies[1].to_str().unwrap().starts_with("lock=;"));
}

/// What was logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Runs `requests` and returns the lines that were logged meanwhile.
fn logged(requests: impl FnOnce(&Log)) -> Vec<String> {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    tracing::subscriber::with_default(subscriber, || requests(&log));
    log.text().lines().map(str::to_owned).collect()
}

#[track_caller]
fn assert_contains(line: &str, parts: &[&str]) {
    for part in parts {
        assert!(line.contains(part), "{part} is not in: {line}");
    }
}

#[test]
fn an_outage_is_logged_when_it_begins_and_when_it_ends() {
    let mut daemon = locking();
    let config = daemon.config().with_deadline(Duration::from_millis(100));
    let sessions = Sessions::new(tokio::Client::new(config));
    let minted = issued(&daemon);
    let runtime = runtime();
    let lines = logged(|log| {
        let ask = || runtime.block_on(sessions.authenticate(&request(&minted)));
        assert!(matches!(ask(), Outcome::Authenticated(_)));
        assert_eq!(log.text(), "", "nothing to say");
        daemon.stop();
        for _ in 0..5 {
            let refusal = refused(ask());
            assert_eq!(refusal.status(), StatusCode::SERVICE_UNAVAILABLE);
            assert_eq!(refusal.headers()[RETRY_AFTER], "1");
            assert!(refusal.error().unwrap().is_temporary());
        }
        daemon.restart();
        until("it answers again", || matches!(ask(), Outcome::Authenticated(_)));
        until("its end is logged", || {
            matches!(ask(), Outcome::Authenticated(_)) && log.text().lines().count() > 1
        });
        assert!(matches!(ask(), Outcome::Authenticated(_)));
    });
    assert_eq!(lines.len(), 2, "{lines:?}");
    let begins = [
        "WARN",
        "jwtkeeperd does not answer",
        "operation=\"validate\"",
        "code=300",
    ];
    assert_contains(&lines[0], &begins);
    assert_contains(&lines[1], &["INFO", "jwtkeeperd answers again", "requests=5"]);
    let secret = minted.cookie.as_ref().unwrap().value();
    let secrets = [minted.token(), secret];
    assert!(
        !lines
            .iter()
            .any(|line| secrets.iter().any(|secret| line.contains(secret)))
    );
}

#[test]
fn a_wrong_setup_is_an_error_in_the_log_and_answers_500() {
    let daemon = locking();
    let minted = issued(&daemon);
    let sessions = Sessions::new(tokio::Client::new(daemon.config().with_realm("missing")));
    let runtime = runtime();
    let lines = logged(|_| {
        for _ in 0..5 {
            let refusal = refused(runtime.block_on(sessions.authenticate(&request(&minted))));
            assert_eq!(refusal.status(), StatusCode::INTERNAL_SERVER_ERROR);
            assert!(!refusal.headers().contains_key(SET_COOKIE), "the session is kept");
        }
    });
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert_contains(&lines[0], &["ERROR", "jwtkeeperd refuses to answer", "missing"]);
}

#[test]
fn a_rotation_that_is_put_off_is_logged_once_and_the_session_lives_on() {
    let uid = nix::unistd::geteuid();
    let access = format!("[[access]]\nuser = {uid}\nallow = [\"issue\", \"validate\", \"flag\"]");
    let daemon = locking_setup().lines(&access).start();
    let minted = issued(&daemon);
    daemon.client().flag_jti(&minted.jti).unwrap();
    let sessions = Sessions::new(tokio::Client::new(daemon.config()));
    let runtime = runtime();
    let lines = logged(|_| {
        for _ in 0..5 {
            let Outcome::Authenticated(valid) = runtime.block_on(sessions.authenticate(&request(&minted))) else {
                panic!("the token is valid until it can be rotated");
            };
            assert_eq!(valid.session().jti(), minted.jti);
            assert!(valid.rotation().is_none());
        }
    });
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert_contains(&lines[0], &["ERROR", "operation=\"rotate\"", "may not"]);
}
