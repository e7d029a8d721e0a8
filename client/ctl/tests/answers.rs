//! The requests and the output of each command, for people and with `--json`: a contract with scripts. The daemon is
//! scripted.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod daemon;

use daemon::{Daemon, LOCK, TOKEN};
use jwtkeeper_wire::{Answer, Before, Cause, Cookie, FlagTarget, Minted, Op, Reason, RevokeTarget, State};
use serde_json::{Value, json};

fn minted() -> Minted<'static> {
    let cookie = Cookie {
        name: "jwt_keeper",
        value: LOCK,
        expires_at: 1_700_000_000,
        domain: None,
        path: Some("/"),
        secure: true,
        http_only: true,
        same_site: "lax",
        set_cookie: "jwt_keeper=00112233445566778899aabbccddeeff; Path=/",
    };
    Minted {
        token: TOKEN,
        jti: "an-id",
        expires_at: 1_700_000_000,
        claims: br#"{"n":123456789012345678901234567890}"#,
        cookie: Some(cookie),
    }
}

#[test]
fn validate_says_valid() {
    let claims = br#"{"sub":"42","n":123456789012345678901234567890}"#;
    let daemon = Daemon::answering(Answer::Valid {
        claims,
        rotation: Cause::Flagged,
    });
    let (code, shape) = daemon.answers(&["--json", "validate", TOKEN], "");
    let expected = r#"{"valid":true,"claims":{"sub":"42","n":123456789012345678901234567890},"rotation":"flagged"}"#;
    assert_eq!((code, shape.trim_end()), (0, expected));
    daemon.asked(&Op::Validate {
        realm: "",
        token: TOKEN.as_bytes(),
        cookie: None,
    });

    let (code, human) = daemon.answers(&["validate", TOKEN], "");
    assert_eq!(code, 0);
    assert!(human.starts_with("valid\nrotation due: flagged."), "{human}");

    let daemon = Daemon::answering(Answer::Valid {
        claims: b"{}",
        rotation: Cause::None,
    });
    let shape = json!({"valid": true, "claims": {}, "rotation": null});
    assert_eq!(daemon.json(&["validate", "--json", TOKEN]), (0, shape));
}

#[test]
fn validate_says_invalid() {
    let daemon = Daemon::answering(Answer::Invalid {
        reason: Reason::Expired,
    });
    let shape = json!({"valid": false, "reason": "expired"});
    assert_eq!(daemon.json(&["--json", "validate", TOKEN]), (1, shape.clone()));
    assert_eq!(daemon.json(&["--json", "rotate", TOKEN]), (1, shape));
    let (code, human) = daemon.answers(&["validate", TOKEN], "");
    assert_eq!(code, 1);
    assert!(human.starts_with("invalid: expired."), "{human}");

    let daemon = Daemon::answering(Answer::Invalid {
        reason: Reason::Other(999),
    });
    let shape = json!({"valid": false, "reason": "other(999)"});
    assert_eq!(daemon.json(&["--json", "validate", TOKEN]), (1, shape));
}

#[test]
fn tokens_and_cookies_need_not_stand_in_the_command_line() {
    let daemon = Daemon::answering(Answer::Invalid {
        reason: Reason::Revoked,
    });
    let cookie = daemon.fake.directory().join("cookie");
    std::fs::write(&cookie, format!("{LOCK}\n")).unwrap();
    let cookie = format!("@{}", cookie.display());
    let stdin = format!("{TOKEN}\n");

    daemon.answers(&["--realm", "shop", "validate", "-", "--cookie", &cookie], &stdin);
    let token = TOKEN.as_bytes();
    daemon.asked(&Op::Validate {
        realm: "shop",
        token,
        cookie: Some(LOCK),
    });
    daemon.answers(&["validate", TOKEN, "--cookie", LOCK], "");
    daemon.asked(&Op::Validate {
        realm: "",
        token,
        cookie: Some(LOCK),
    });
    daemon.answers(&["revoke", "-", "--cookie", &cookie], &stdin);
    let target = RevokeTarget::Token {
        token,
        cookie: Some(LOCK),
    };
    daemon.asked(&Op::Revoke { realm: "", target });
}

#[test]
fn issue_prints_the_token_alone_in_the_first_line() {
    let daemon = Daemon::answering(Answer::Issued(minted()));
    let (code, human) = daemon.answers(&["issue"], "");
    assert_eq!((code, human.lines().next()), (0, Some(TOKEN)));
    assert_eq!(
        human.lines().nth(1).unwrap(),
        format!("Set-Cookie: jwt_keeper={LOCK}; Path=/")
    );
    daemon.asked(&Op::Issue {
        realm: "",
        claims: b"",
        ttl: None,
    });

    let (code, shape) = daemon.json(&["--json", "issue"]);
    assert_eq!(code, 0);
    assert_eq!((&shape["token"], &shape["jti"]), (&json!(TOKEN), &json!("an-id")));
    assert_eq!(shape["expires_at"], json!(1_700_000_000));
    assert_eq!(shape.as_object().unwrap().len(), 4, "{shape}");
    let cookie = json!({
        "name": "jwt_keeper", "value": LOCK, "expires_at": 1_700_000_000, "domain": null, "path": "/",
        "secure": true, "http_only": true, "same_site": "lax",
        "set_cookie": format!("jwt_keeper={LOCK}; Path=/"),
    });
    assert_eq!(shape["cookie"], cookie);

    let daemon = Daemon::answering(Answer::Issued(Minted {
        cookie: None,
        ..minted()
    }));
    assert_eq!(daemon.json(&["--json", "issue"]).1["cookie"], Value::Null);
}

#[test]
fn issue_takes_claims_and_a_ttl() {
    let daemon = Daemon::answering(Answer::Issued(minted()));
    let claims = r#"{"sub":"42"}"#;
    let asked = |ttl| Op::Issue {
        realm: "",
        claims: claims.as_bytes(),
        ttl,
    };
    daemon.answers(&["issue", "--claims", claims, "--ttl", "1h"], "");
    daemon.asked(&asked(Some(3_600)));
    daemon.answers(&["issue", "--claims", "-"], claims);
    daemon.asked(&asked(None));
    let file = daemon.fake.directory().join("claims.json");
    std::fs::write(&file, claims).unwrap();
    daemon.answers(
        &["issue", "--ttl", "500ms", "--claims", &format!("@{}", file.display())],
        "",
    );
    daemon.asked(&asked(Some(1)));
}

#[test]
fn rotate_prints_the_successor() {
    let daemon = Daemon::answering(Answer::Rotated(minted()));
    let (code, human) = daemon.answers(&["rotate", "-", "--claims", r#"{"a":1}"#], TOKEN);
    assert_eq!((code, human.lines().next()), (0, Some(TOKEN)));
    let claims = serde_bytes::Bytes::new(br#"{"a":1}"#);
    let token = TOKEN.as_bytes();
    daemon.asked(&Op::Rotate {
        realm: "",
        token,
        cookie: None,
        claims: Some(claims),
    });
    assert_eq!(daemon.json(&["--json", "rotate", TOKEN]).1["jti"], json!("an-id"));
}

#[test]
fn revoke_and_flag_ask_for_what_is_named() {
    let daemon = Daemon::answering(Answer::Done);
    let now = Before::Now { first_asked: None };
    let at = Before::At(1_700_000_000_000);
    for (args, target) in [
        (["--jti", "an-id"], RevokeTarget::Jti("an-id")),
        (["--session", "a-sid"], RevokeTarget::Session("a-sid")),
        (
            ["--subject", "42"],
            RevokeTarget::Subject {
                subject: "42",
                before: now,
            },
        ),
        (["--issued-before", "now"], RevokeTarget::IssuedBefore(now)),
        (["--issued-before", "1700000000"], RevokeTarget::IssuedBefore(at)),
        (
            ["--issued-before", "2023-11-14T23:13:20+01:00"],
            RevokeTarget::IssuedBefore(at),
        ),
    ] {
        let (code, shape) = daemon.json(&["--json", "revoke", args[0], args[1]]);
        assert_eq!((code, shape), (0, json!({"done": true})));
        daemon.asked(&Op::Revoke { realm: "", target });
    }
    for (args, target) in [
        (["--jti", "an-id"], FlagTarget::Jti("an-id")),
        (
            ["--subject", "42"],
            FlagTarget::Subject {
                subject: "42",
                before: now,
            },
        ),
    ] {
        assert_eq!(
            daemon.answers(&["flag", args[0], args[1]], ""),
            (0, "flagged\n".to_owned())
        );
        daemon.asked(&Op::Flag { realm: "", target });
    }

    let daemon = Daemon::answering(Answer::Invalid {
        reason: Reason::BadSignature,
    });
    let shape = json!({"done": false, "reason": "bad_signature"});
    assert_eq!(daemon.json(&["--json", "revoke", TOKEN]), (1, shape));
}

#[test]
fn import_says_what_is_here_and_what_is_owed() {
    let imported = |pending| Answer::Imported { entries: 12, pending };
    let daemon = Daemon::answering(imported(0));
    let shape = json!({"entries": 12, "pending": 0});
    assert_eq!(daemon.json(&["--json", "import"]), (0, shape));
    daemon.asked(&Op::Import);
    let human = "12 entries are in this host's store\n".to_owned();
    assert_eq!(daemon.answers(&["import"], ""), (0, human));

    let daemon = Daemon::answering(imported(3));
    let shape = json!({"entries": 12, "pending": 3});
    assert_eq!(daemon.json(&["--json", "import"]), (1, shape));
    let (code, human) = daemon.answers(&["import"], "");
    assert_eq!(code, 1);
    let last = human.lines().last();
    assert_eq!(last, Some("3 of them are still to be put into Redis: ask again"));
}

#[test]
fn status_says_how_old_it_is_where_the_store_is_shared() {
    let with = |document: &'static [u8]| {
        Daemon::by(move |op| match op {
            Op::Health => Answer::Health {
                ready: true,
                generation: 1,
                document,
            },
            _ => Answer::Status {
                state: State::Hard,
                until: 1_700_000_000,
            },
        })
    };
    let args = ["--json", "status", "--jti", "an-id"];
    let shape = json!({"state": "hard", "until": 1_700_000_000});
    let own = with(br#"{"store":{"kind":"embedded"}}"#);
    assert_eq!(own.json(&args), (0, shape));
    let shared = with(br#"{"store":{"kind":"redis","age_ms":42}}"#);
    let shape = json!({"state": "hard", "until": 1_700_000_000, "age_ms": 42});
    assert_eq!(shared.json(&args), (0, shape));
    let (code, human) = shared.answers(&args[1..], "");
    assert_eq!((code, human.lines().last()), (0, Some("as Redis said it 42 ms ago")));
    let never = with(br#"{"store":{"kind":"redis","age_ms":null}}"#);
    assert!(never.json(&args).1.get("age_ms").is_none());
}

#[test]
fn the_rest_says_what_the_daemon_says() {
    let daemon = Daemon::answering(Answer::Status {
        state: State::Hard,
        until: 1_700_000_000,
    });
    let shape = json!({"state": "hard", "until": 1_700_000_000});
    assert_eq!(daemon.json(&["--json", "status", "--jti", "an-id"]), (0, shape));
    let (_, human) = daemon.answers(&["status", "--jti", "an-id"], "");
    assert!(human.starts_with("hard until 2023-11-14T22:13:20Z ("), "{human}");
    assert!(human.ends_with(" ago). Revoked.\n"), "{human}");

    let health = |ready| Answer::Health {
        ready,
        generation: 3,
        document: br#"{"faults":[]}"#,
    };
    let shape = |ready| json!({"ready": ready, "generation": 3, "details": {"faults": []}});
    assert_eq!(
        Daemon::answering(health(true)).json(&["--json", "health"]),
        (0, shape(true))
    );
    assert_eq!(
        Daemon::answering(health(false)).json(&["--json", "health"]),
        (1, shape(false))
    );

    let daemon = Daemon::answering(Answer::Jwks {
        document: br#"{"keys":[]}"#,
    });
    assert_eq!(daemon.json(&["jwks", "--json"]), (0, json!({"keys": []})));
    let daemon = Daemon::answering(Answer::Pong);
    let (code, shape) = daemon.json(&["ping", "--json"]);
    assert_eq!((code, &shape["pong"]), (0, &json!(true)));
}
