//! Drives an example of any language through its life: login, profile, rotation, logout. Each offers the same routes:
//! `POST /login` with `{"user":"demo","password":"demo"}`, `GET /profile`, `POST /logout`; each prints
//! `listening on http://127.0.0.1:PORT`.

use jwtkeeper_client::{Reason, Validate, Verdict};
use serde_json::{Value, json};

use crate::app::{App, Language};
use crate::exchange::{LOCK_COOKIE, Response, ask};
use jwtkeeper_testkit::daemons::{Daemon, SECRET, Setup};

/// Without a cookie lock, as `make run` serves, and with one.
pub fn examples_work(language: &Language) {
    for lock in ["off", "required"] {
        let lines = format!("cookie_lock = \"{lock}\"\n");
        let setup = Setup::bare().realm("default", "HS256", SECRET.as_bytes(), &lines);
        let mut daemon = setup.start();
        let app = language.start(
            "listening on http://127.0.0.1:",
            &daemon.setup.socket(),
            &[("PORT", "0")],
        );
        let secrets = lives(&app, &daemon, lock == "required");
        daemon.stop();
        bears_a_stopped_daemon(&app, &secrets[0]);
        app.kept_quiet_about(secrets.iter().map(String::as_str));
    }
}

/// Nobody logs in or out, nor is told that a token is not valid, while the daemon is away.
fn bears_a_stopped_daemon(app: &App, token: &str) {
    let mut browser = Browser {
        app,
        token: None,
        cookie: None,
    };
    let login = browser.ask("POST", "/login", Some(&json!({ "user": "demo", "password": "demo" })));
    browser.token = Some(token.to_owned());
    for (what, response) in [("login", login), ("profile", browser.profile())] {
        assert_eq!(response.status, 503, "{what} while the daemon is stopped");
        assert_eq!(response.header("Retry-After"), Some("1"), "{what}");
        assert!(
            response.token().is_none() && response.lock_cookies().is_empty(),
            "{what}"
        );
    }
}

/// A browser: what the app last gave it.
struct Browser<'a> {
    app: &'a App,
    token: Option<String>,
    cookie: Option<String>,
}

impl Browser<'_> {
    fn ask(&mut self, method: &str, path: &str, body: Option<&Value>) -> Response {
        // Any white space may stand between the two, and the scheme's case does not matter (RFC 9110 section 11.4).
        let authorization = self.token.as_ref().map(|token| format!("bearer\t{token}"));
        let cookie = self.cookie.as_ref().map(|value| format!("{LOCK_COOKIE}={value}"));
        let headers = [
            ("Authorization", authorization.as_deref()),
            ("Cookie", cookie.as_deref()),
        ];
        let body = body.map(Value::to_string);
        let response = ask(method, &self.app.url(path), &headers, body.as_deref());
        if let Some(token) = response.token() {
            self.token = Some(token.to_owned());
        }
        if let [header] = response.lock_cookies()[..] {
            let value = cookie::Cookie::parse(header).unwrap().value().to_owned();
            self.cookie = (!value.is_empty()).then_some(value);
        }
        response
    }

    fn profile(&mut self) -> Response {
        self.ask("GET", "/profile", None)
    }
}

/// From login to logout; returns every token and cookie secret on the way.
fn lives(app: &App, daemon: &Daemon, locked: bool) -> Vec<String> {
    let client = daemon.client();
    let mut browser = Browser {
        app,
        token: None,
        cookie: None,
    };
    assert_eq!(browser.profile().status, 401, "without a login");
    let wrong = browser.ask("POST", "/login", Some(&json!({ "user": "demo", "password": "wrong" })));
    assert_eq!(wrong.status, 401);
    assert_eq!(
        (wrong.token(), wrong.lock_cookies().len()),
        (None, 0),
        "after a wrong password"
    );

    let right = browser.ask("POST", "/login", Some(&json!({ "user": "demo", "password": "demo" })));
    assert!(matches!(right.status, 200 | 204), "login answers {}", right.status);
    let first = browser.token.clone().expect("login gives a token");
    assert_eq!(browser.cookie.is_some(), locked, "login and the lock cookie");
    let first_cookie = browser.cookie.clone();
    let shown = browser.profile();
    assert_eq!(shown.status, 200);
    assert!(
        shown.token().is_none() && shown.lock_cookies().is_empty(),
        "nothing is due"
    );
    assert_eq!(serde_json::from_str::<Value>(&shown.body).unwrap()["user"], "demo");
    if locked {
        let cookie = browser.cookie.take();
        assert_eq!(browser.profile().status, 401, "without the cookie");
        browser.cookie = cookie;
    }

    let validate = Validate::new(&first).cookie(first_cookie.as_deref());
    let Verdict::Valid { claims, .. } = client.validate(validate).unwrap() else {
        panic!("the login's token is not valid");
    };
    client.flag_jti(claims.get("jti").unwrap().as_str().unwrap()).unwrap();
    let rotated = browser.profile();
    assert_eq!(rotated.status, 200);
    assert_eq!(serde_json::from_str::<Value>(&rotated.body).unwrap()["user"], "demo");
    let second = browser.token.clone().unwrap();
    assert!(first != second, "a flagged token is not rotated");
    assert_eq!(rotated.lock_cookies().len(), usize::from(locked), "its cookie");
    let after = browser.profile();
    assert_eq!((after.status, after.token()), (200, None), "the successor");

    let second_cookie = browser.cookie.clone();
    // A successor that logout has just revoked is not handed out.
    let validate = Validate::new(&second).cookie(second_cookie.as_deref());
    let Verdict::Valid { claims, .. } = client.validate(validate).unwrap() else {
        panic!("the successor is not valid");
    };
    client.flag_jti(claims.get("jti").unwrap().as_str().unwrap()).unwrap();
    let out = browser.ask("POST", "/logout", None);
    assert_eq!((out.status, out.token()), (204, None), "logout");
    assert!(!locked || out.clears_cookie(), "logout leaves the cookie");
    for (token, cookie) in [(&first, &first_cookie), (&second, &second_cookie)] {
        let verdict = client.validate(Validate::new(token).cookie(cookie.as_deref())).unwrap();
        assert_eq!(verdict, Verdict::Invalid(Reason::Revoked), "logout ends the session");
        (browser.token, browser.cookie) = (Some(token.clone()), cookie.clone());
        let refused = browser.profile();
        assert_eq!(refused.status, 401, "after logout");
        assert_eq!(
            refused.header("WWW-Authenticate"),
            Some(r#"Bearer error="invalid_token""#)
        );
    }
    let cookies = [first_cookie, second_cookie].into_iter().flatten();
    [first, second].into_iter().chain(cookies).collect()
}
