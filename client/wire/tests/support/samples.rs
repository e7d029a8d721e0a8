//! One sample of every message, and of every variant and optional field in both its states.

use jwtkeeper_wire::{
    Answer, Before, Cause, Cookie, EXTENSION_LOCK_COOKIE, ErrorCode, Extension, FlagTarget, Greeting, Hello, Limits,
    MAGIC, Minted, Op, PROTOCOL, RealmCookie, Reason, Reply, Request, RevokeTarget, State, Welcome,
};

/// A message and the name of its line in a golden file.
pub(crate) type Named<T> = (String, T);

pub(crate) const TOKEN: &str = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI0MiJ9.c2lnbmF0dXJl";
pub(crate) const JTI: &str = "01935f2a-7c00-7000-8000-0123456789ab";
pub(crate) const LOCK: &str = "00112233445566778899aabbccddeeff";
pub(crate) const CLAIMS: &[u8] = br#"{"sub":"42","name":"Zo\u00eb"}"#;

fn named<T>(name: &str, message: T) -> Named<T> {
    (name.to_owned(), message)
}

pub(crate) fn hellos() -> Vec<Named<Hello<'static>>> {
    let hello = |extensions| Hello {
        magic: MAGIC,
        protocol: PROTOCOL,
        client: "example/1.0",
        extensions,
    };
    let extensions = vec![
        Extension { kind: 1, value: b"" },
        Extension {
            kind: 0xfffe,
            value: &[0, 1, 2, 0xff],
        },
    ];
    vec![
        named("hello", hello(Vec::new())),
        named("hello_with_extensions", hello(extensions)),
        named(
            "hello_with_realm",
            hello(vec![Extension {
                kind: EXTENSION_LOCK_COOKIE,
                value: b"shop",
            }]),
        ),
    ]
}

pub(crate) fn realm_cookies() -> Vec<Named<RealmCookie<'static>>> {
    let whole = RealmCookie {
        realm: "shop",
        name: "lock",
        domain: Some("example.com"),
        path: Some("/app"),
        secure: true,
        http_only: true,
        same_site: "strict",
    };
    let bare = RealmCookie {
        domain: None,
        path: None,
        secure: false,
        http_only: false,
        same_site: "lax",
        ..whole
    };
    vec![named("whole", whole), named("bare", bare)]
}

/// The bytes of a realm's cookie, which live as long as the test.
fn realm_cookie(cookie: &RealmCookie<'_>) -> &'static [u8] {
    let mut value = Vec::new();
    jwtkeeper_wire::encode(cookie, &mut value).unwrap();
    value.leak()
}

pub(crate) fn greetings() -> Vec<Named<Greeting<'static>>> {
    let welcome = |extensions| {
        Greeting::Welcome(Welcome {
            protocol: PROTOCOL,
            server: "jwtkeeperd/0.1.0",
            instance: *b"0123456789abcdef",
            generation: 3,
            limits: Limits {
                max_frame: 65_536,
                max_in_flight: 1_024,
            },
            extensions,
        })
    };
    let refused = Greeting::Refused {
        code: ErrorCode::UnsupportedProtocol,
        message: "this daemon speaks protocol 1",
    };
    vec![
        named("welcome", welcome(Vec::new())),
        named(
            "welcome_with_extensions",
            welcome(vec![Extension {
                kind: 7,
                value: b"later",
            }]),
        ),
        named("refused", refused),
        named(
            "welcome_with_lock_cookies",
            welcome(
                realm_cookies()
                    .iter()
                    .map(|(_, cookie)| Extension {
                        kind: EXTENSION_LOCK_COOKIE,
                        value: realm_cookie(cookie),
                    })
                    .collect(),
            ),
        ),
    ]
}

fn ops() -> Vec<Named<Op<'static>>> {
    let token = TOKEN.as_bytes();
    let claims = serde_bytes::Bytes::new(CLAIMS);
    let flag = |target| Op::Flag { realm: "shop", target };
    let revoke = |target| Op::Revoke { realm: "shop", target };
    vec![
        named("ping", Op::Ping),
        named(
            "issue_plain",
            Op::Issue {
                realm: "",
                claims: b"",
                ttl: None,
            },
        ),
        named(
            "issue",
            Op::Issue {
                realm: "shop",
                claims: CLAIMS,
                ttl: Some(3_600),
            },
        ),
        named(
            "validate",
            Op::Validate {
                realm: "",
                token,
                cookie: None,
            },
        ),
        named(
            "validate_locked",
            Op::Validate {
                realm: "shop",
                token,
                cookie: Some(LOCK),
            },
        ),
        named(
            "rotate",
            Op::Rotate {
                realm: "",
                token,
                cookie: None,
                claims: None,
            },
        ),
        named(
            "rotate_with_claims",
            Op::Rotate {
                realm: "shop",
                token,
                cookie: Some(LOCK),
                claims: Some(claims),
            },
        ),
        named("flag_jti", flag(FlagTarget::Jti(JTI))),
        named(
            "flag_subject_at",
            flag(FlagTarget::Subject {
                subject: "42",
                before: at(),
            }),
        ),
        named(
            "flag_subject_now",
            flag(FlagTarget::Subject {
                subject: "42",
                before: now(),
            }),
        ),
        named("revoke_token", revoke(RevokeTarget::Token { token, cookie: None })),
        named(
            "revoke_token_locked",
            revoke(RevokeTarget::Token {
                token,
                cookie: Some(LOCK),
            }),
        ),
        named("revoke_jti", revoke(RevokeTarget::Jti(JTI))),
        named("revoke_session", revoke(RevokeTarget::Session(JTI))),
        named(
            "revoke_subject_at",
            revoke(RevokeTarget::Subject {
                subject: "42",
                before: at(),
            }),
        ),
        named(
            "revoke_subject_now",
            revoke(RevokeTarget::Subject {
                subject: "42",
                before: now(),
            }),
        ),
        named("revoke_issued_before_at", revoke(RevokeTarget::IssuedBefore(at()))),
        named("revoke_issued_before_now", revoke(RevokeTarget::IssuedBefore(now()))),
        named(
            "revoke_issued_before_now_again",
            revoke(RevokeTarget::IssuedBefore(again())),
        ),
        named("status", Op::Status { realm: "", jti: JTI }),
        named("jwks", Op::Jwks { realm: "shop" }),
        named("health", Op::Health),
        named("reload", Op::Reload),
        named("import", Op::Import),
        named("reload_report", Op::ReloadReport { dry_run: true }),
        named(
            "introspect",
            Op::Introspect {
                realm: "shop",
                token: b"a.b.c",
                cookie: Some("secret"),
            },
        ),
    ]
}

fn at() -> Before {
    Before::At(1_700_000_000_123)
}

fn now() -> Before {
    Before::Now { first_asked: None }
}

fn again() -> Before {
    Before::Now {
        first_asked: Some(1_700_000_000_123),
    }
}

pub(crate) fn requests() -> Vec<Named<Request<'static>>> {
    let ids = 1_u64..;
    ids.zip(ops())
        .map(|(id, (name, op))| (name, Request { id, op }))
        .collect()
}

fn answers() -> Vec<Named<Answer<'static>>> {
    let bare = Cookie {
        name: "jwt_keeper",
        value: LOCK,
        expires_at: 1_700_086_400,
        domain: None,
        path: None,
        secure: false,
        http_only: true,
        same_site: "none",
        set_cookie: "jwt_keeper=00112233445566778899aabbccddeeff; HttpOnly",
    };
    let full = Cookie {
        domain: Some("example.com"),
        path: Some("/"),
        secure: true,
        same_site: "lax",
        set_cookie: "jwt_keeper=00112233445566778899aabbccddeeff; Path=/; Domain=example.com; Secure; HttpOnly; SameSite=Lax",
        ..bare
    };
    let minted = |cookie| Minted {
        token: TOKEN,
        jti: JTI,
        expires_at: 1_700_086_400,
        claims: CLAIMS,
        cookie,
    };
    let rotation = Cause::Flagged;
    vec![
        named(
            "error",
            Answer::Error {
                code: ErrorCode::UnknownRealm,
                message: "no realm \"shop\" is configured",
            },
        ),
        named("pong", Answer::Pong),
        named("issued", Answer::Issued(minted(None))),
        named("issued_locked", Answer::Issued(minted(Some(full)))),
        named(
            "valid",
            Answer::Valid {
                claims: CLAIMS,
                rotation: Cause::None,
            },
        ),
        named(
            "valid_rotation_due",
            Answer::Valid {
                claims: CLAIMS,
                rotation,
            },
        ),
        named(
            "invalid",
            Answer::Invalid {
                reason: Reason::Expired,
            },
        ),
        named("rotated", Answer::Rotated(minted(None))),
        named("rotated_locked", Answer::Rotated(minted(Some(bare)))),
        named("done", Answer::Done),
        named(
            "status",
            Answer::Status {
                state: State::Hard,
                until: 1_700_086_400,
            },
        ),
        named(
            "status_none",
            Answer::Status {
                state: State::None,
                until: 0,
            },
        ),
        named(
            "jwks",
            Answer::Jwks {
                document: br#"{"keys":[]}"#,
            },
        ),
        named(
            "health",
            Answer::Health {
                ready: true,
                generation: 3,
                document: b"{}",
            },
        ),
        named("reloaded", Answer::Reloaded { generation: 4 }),
        named("imported", Answer::Imported { entries: 7, pending: 2 }),
        named(
            "reload_report",
            Answer::ReloadReport {
                generation: 4,
                document: b"{}",
            },
        ),
        named("introspection", Answer::Introspection { document: b"{}" }),
    ]
}

pub(crate) fn replies() -> Vec<Named<Reply<'static>>> {
    let ids = 0_u64..;
    ids.zip(answers())
        .map(|(id, (name, answer))| (name, Reply { id, answer }))
        .collect()
}

/// A reply for every code of every table, and one for a code that nobody knows yet.
pub(crate) fn code_replies() -> Vec<Named<Reply<'static>>> {
    let unknown = 65_535;
    let mut replies = Vec::new();
    let mut add = |table: &str, name: String, answer| {
        replies.push((format!("{table}_{name}"), Reply { id: 1, answer }));
    };
    for code in with_unknown(ErrorCode::ALL, ErrorCode::Other(unknown)) {
        add("error", plain(code), Answer::Error { code, message: "" });
    }
    for reason in with_unknown(Reason::ALL, Reason::Other(unknown)) {
        add("reason", plain(reason), Answer::Invalid { reason });
    }
    for rotation in with_unknown(Cause::ALL, Cause::Other(unknown)) {
        add(
            "cause",
            plain(rotation),
            Answer::Valid {
                claims: b"{}",
                rotation,
            },
        );
    }
    for state in with_unknown(State::ALL, State::Other(unknown)) {
        add("state", plain(state), Answer::Status { state, until: 0 });
    }
    replies
}

fn with_unknown<T: Copy>(known: &[T], unknown: T) -> Vec<T> {
    known.iter().copied().chain([unknown]).collect()
}

fn plain(code: impl std::fmt::Display) -> String {
    code.to_string().replace('(', "_").replace(')', "")
}
