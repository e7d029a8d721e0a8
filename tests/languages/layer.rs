//! `SessionLayer` where the cases of all languages say nothing: handlers that write the session's headers themselves,
//! hooks that cannot tell, cookies of other names, and what a handler sees.

use std::net::TcpListener;

use axum::extract::Extension;
use axum::http::header::{AUTHORIZATION, CACHE_CONTROL, SET_COOKIE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use axum::routing::{Router, get};
use jwtkeeper_client::session::{self, LockCookie, Refusal, Session, SessionLayer};
use jwtkeeper_client::{Issue, Minted, NewClaims, Reason, Revoked, Validate, Verdict, tokio};
use serde::Deserialize;

use crate::exchange::{LOCK_COOKIE, Response, ask};
use jwtkeeper_testkit::daemons::{Daemon, SECRET, Setup};

/// A daemon that locks, and an app behind it in this process.
struct World {
    daemon: Daemon,
    url: String,
    _runtime: ::tokio::runtime::Runtime,
}

impl World {
    fn new(cookie: &str, app: impl FnOnce(SessionLayer, tokio::Client) -> Router) -> Self {
        let lines = format!("cookie_lock = \"required\"\n[realms.default.cookie]\n{cookie}");
        let daemon = Setup::bare()
            .realm("default", "HS256", SECRET.as_bytes(), &lines)
            .start();
        let client = tokio::Client::new(daemon.config());
        let app = app(SessionLayer::new(client.clone()), client);
        let runtime = ::tokio::runtime::Runtime::new().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        runtime.spawn(async move {
            let listener = ::tokio::net::TcpListener::from_std(listener).unwrap();
            axum::serve(listener, app).await.unwrap();
        });
        Self {
            daemon,
            url,
            _runtime: runtime,
        }
    }

    fn issue(&self) -> Minted {
        let issue = Issue::new().claims(r#"{"sub":"42","role":"reader"}"#);
        self.daemon.client().issue(issue).unwrap()
    }

    fn flagged(&self) -> Minted {
        let minted = self.issue();
        self.daemon.client().flag_jti(&minted.jti).unwrap();
        minted
    }

    fn get(&self, path: &str, minted: &Minted) -> Response {
        self.get_with(path, minted, &format!("{LOCK_COOKIE}={}", secret(minted)))
    }

    fn get_with(&self, path: &str, minted: &Minted, cookie: &str) -> Response {
        let authorization = format!("Bearer {}", minted.token());
        let headers = [("Authorization", Some(&*authorization)), ("Cookie", Some(cookie))];
        ask("GET", &format!("{}{path}", self.url), &headers, None)
    }

    fn verdict(&self, minted: &Minted) -> Verdict {
        let validate = Validate::new(minted.token()).cookie(secret(minted));
        self.daemon.client().validate(validate).unwrap()
    }
}

fn secret(minted: &Minted) -> &str {
    minted.cookie.as_ref().unwrap().value()
}

#[test]
fn a_handler_that_writes_the_session_has_the_last_word() {
    let world = World::new("", |layer, client| {
        let login = async move || {
            let minted = client.issue(Issue::new().claims(r#"{"sub":"43"}"#)).await.unwrap();
            let mut headers = HeaderMap::new();
            session::write(&mut headers, &minted).unwrap();
            (headers, "as another user")
        };
        let logout = async || {
            let mut headers = HeaderMap::new();
            session::clear(&mut headers, &LockCookie::default()).unwrap();
            (headers, "gone")
        };
        let other_cookie = async || ([(SET_COOKIE, "jwt_keeper2=x")], "theme");
        Router::new()
            .route("/login", get(login))
            .route("/logout", get(logout))
            .route("/theme", get(other_cookie))
            .route_layer(layer)
    });
    let token = world.flagged();
    let login = world.get("/login", &token);
    let [cookie] = login.lock_cookies()[..] else {
        panic!("more than the handler's cookie: {}", login.lock_cookies().len());
    };
    let value = cookie.split(['=', ';']).nth(1);
    let validate = Validate::new(login.token().unwrap()).cookie(value);
    let verdict = world.daemon.client().validate(validate).unwrap();
    assert_eq!(verdict.claims().unwrap().get("sub"), Some("43".into()));

    let logout = world.get("/logout", &world.flagged());
    assert_eq!(logout.token(), None);
    assert!(logout.clears_cookie());

    let theme = world.get("/theme", &world.flagged());
    assert!(theme.token().is_some(), "another cookie is no word on the session");
    assert_eq!(theme.lock_cookies().len(), 1);
}

#[test]
fn a_new_token_comes_with_every_answer_of_the_handler() {
    let world = World::new("", |layer, _| {
        Router::new()
            .route("/", get(async || StatusCode::INTERNAL_SERVER_ERROR))
            .route_layer(layer)
    });
    let response = world.get("/", &world.flagged());
    assert_eq!(response.status, 500);
    assert!(response.token().is_some(), "the old token is good for the grace only");
}

#[test]
fn an_app_answers_refused_requests_its_own_way() {
    let world = World::new("", |layer, _| {
        let layer = layer.refuse_with(|refusal: &Refusal, parts: &Parts| {
            let why = refusal.reason().map_or("none".to_owned(), |reason| reason.to_string());
            let body = format!(r#"{{"path":"{}","why":"{why}"}}"#, parts.uri.path());
            (refusal.status(), body).into_response()
        });
        Router::new().route("/", get(async || "reached")).route_layer(layer)
    });
    let token = world.issue();
    assert_eq!(world.get("/", &token).body, "reached");
    world.daemon.client().revoke_jti(&token.jti).unwrap();
    let refused = world.get("/", &token);
    assert_eq!(refused.status, 401);
    assert_eq!(refused.body, r#"{"path":"/","why":"revoked"}"#);
    assert_eq!(
        refused.header("WWW-Authenticate"),
        Some("Bearer error=\"invalid_token\"")
    );
    assert!(refused.clears_cookie(), "once, beside the app's own body");
}

#[test]
fn no_cache_keeps_a_response_with_a_token() {
    let world = World::new("", |layer, _| {
        let cached = async || ([(CACHE_CONTROL, "public, max-age=3600")], "news");
        Router::new().route("/", get(cached)).route_layer(layer)
    });
    let cache = |token: &Minted| world.get("/", token).header("Cache-Control").map(str::to_owned);
    assert_eq!(cache(&world.issue()).as_deref(), Some("public, max-age=3600"));
    assert_eq!(cache(&world.flagged()).as_deref(), Some("no-store"));
}

#[test]
fn a_hook_that_cannot_tell_answers_and_keeps_the_session() {
    let world = World::new("", |layer, _| {
        let layer = layer.regenerate_claims(|_old, parts| {
            let known = parts.headers.contains_key("X-Known");
            async move {
                match known {
                    true => Ok(None::<NewClaims<'static>>),
                    false => Err(StatusCode::BAD_GATEWAY),
                }
            }
        });
        Router::new().route("/", get(async || "reached")).route_layer(layer)
    });
    let token = world.flagged();
    let response = world.get("/", &token);
    assert_eq!((response.status, response.body.as_str()), (502, ""));
    assert_eq!(response.token(), None);
    assert!(response.lock_cookies().is_empty());
    assert!(world.verdict(&token).is_valid());
    assert!(world.verdict(&token).rotation().is_some(), "it is not rotated");
    assert_eq!(
        world.get("/", &world.issue()).status,
        200,
        "the hook is asked when rotation is due"
    );
}

#[test]
fn a_handler_sees_the_session_as_it_is_after_a_rotation() {
    #[derive(Deserialize)]
    struct Role {
        role: String,
    }
    let world = World::new("", |layer, client| {
        let layer = layer.regenerate_claims(|old, _| {
            let was = old.get("role");
            async move { was.map(|was| NewClaims::from(format!(r#"{{"role":"writer","was":{was}}}"#))) }
        });
        let show = async |Extension(session): Extension<Session>| {
            let role = session.claims_as::<Role>().unwrap().role;
            let was = session.claims().get("was");
            let debug = format!("{session:?}");
            assert!(!debug.contains(session.token()) && !debug.contains(&role) && debug.contains(session.jti()));
            format!("{role} {was:?} {} {}", session.is_rotated(), session.token())
        };
        let end = async move |Extension(session): Extension<Session>| {
            assert_eq!(client.revoke(session.revoke()).await.unwrap(), Revoked::Done);
        };
        Router::new()
            .route("/", get(show))
            .route("/end", get(end))
            .route_layer(layer)
    });
    let token = world.issue();
    assert_eq!(
        world.get("/", &token).body,
        format!("reader None false {}", token.token())
    );
    world.daemon.client().flag_jti(&token.jti).unwrap();
    let response = world.get("/", &token);
    let shown = format!("writer Some(String(\"reader\")) true {}", response.token().unwrap());
    assert_eq!(response.body, shown);
    // A logout in the very request that rotates: the handler revokes the successor, and so the session.
    let token = world.flagged();
    let out = world.get("/end", &token);
    assert_eq!(out.status, 200);
    assert_eq!(world.verdict(&token), Verdict::Invalid(Reason::Revoked));
}

#[test]
fn a_lock_cookie_has_the_name_and_place_that_the_realm_gives_it() {
    lock_cookie_of_the_realm(|layer| layer);
}

#[test]
fn a_lock_cookie_may_be_named_by_the_app() {
    lock_cookie_of_the_realm(|layer| {
        let mut cookie = LockCookie::default();
        cookie.name = "session".to_owned();
        cookie.path = Some("/app".to_owned());
        cookie.domain = Some("example.com".to_owned());
        cookie.secure = false;
        layer.cookie(cookie)
    });
}

fn lock_cookie_of_the_realm(configure: fn(SessionLayer) -> SessionLayer) {
    let realm = "name = \"session\"\npath = \"/app\"\ndomain = \"example.com\"\nsecure = false\n";
    let world = World::new(realm, |layer, _| {
        let logout = async |Extension(session): Extension<Session>| {
            let mut headers = HeaderMap::new();
            session::clear(&mut headers, session.lock_cookie()).unwrap();
            headers
        };
        Router::new()
            .route("/", get(async || "in"))
            .route("/logout", get(logout))
            .route_layer(configure(layer))
    });
    let token = world.issue();
    assert_eq!(world.get("/", &token).status, 401, "under another name");
    let cookie = format!("session={}", secret(&token));
    assert_eq!(world.get_with("/", &token, &cookie).status, 200);
    let logout = world.get_with("/logout", &token, &cookie);
    assert!(logout.header("Set-Cookie").unwrap().contains("Path=/app"));
    world.daemon.client().revoke_jti(&token.jti).unwrap();
    let refused = world.get_with("/", &token, &cookie);
    let set_by_daemon = token.cookie.as_ref().unwrap().set_cookie();
    let cleared = refused.header("Set-Cookie").unwrap();
    for part in ["session=", "Path=/app", "Domain=example.com"] {
        assert!(cleared.contains(part) && set_by_daemon.contains(part), "{cleared}");
    }
    assert!(
        !cleared.contains("Secure") && cleared.contains("Max-Age=0"),
        "{cleared}"
    );
    assert_eq!(refused.header(AUTHORIZATION.as_str()), None);
}
