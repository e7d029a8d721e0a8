//! Every operation, through the socket, for every kind of realm.

use jwtkeeper_client::{
    Before, Cause, Claims, ErrorKind, Issue, Reason, Revoked, Rotate, Rotation, State, Validate, Verdict, blocking,
};
use serde_json::{Value, json};

use jwtkeeper_testkit::daemons::daemon::{P256, RSA};
use jwtkeeper_testkit::daemons::{Daemon, Setup};

/// A realm for each algorithm, with keys that openssl makes.
fn all_algorithms() -> Daemon {
    let mut setup = Setup::bare();
    for (algorithm, kind) in ALGORITHMS {
        for lock in ["off", "required"] {
            let name = format!("{algorithm}-{lock}");
            let lines = format!("cookie_lock = \"{lock}\"\nissuer = \"api\"\naudience = [\"web\"]");
            setup = match kind {
                [] => setup.realm(&name, algorithm, &[b'k'; 64], &lines),
                kind => setup.realm_with_key(&name, algorithm, kind, &lines),
            };
        }
    }
    setup.start()
}

/// Each algorithm, and what openssl is told to make a key for it.
const ALGORITHMS: [(&str, &[&str]); 12] = [
    ("HS256", &[]),
    ("HS384", &[]),
    ("HS512", &[]),
    ("RS256", RSA),
    ("RS384", RSA),
    ("RS512", RSA),
    ("PS256", RSA),
    ("PS384", RSA),
    ("PS512", RSA),
    ("ES256", P256),
    ("ES384", &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"]),
    ("EdDSA", &["-algorithm", "ED25519"]),
];

#[test]
fn issue_validate_rotate_and_revoke_in_every_realm() {
    let daemon = all_algorithms();
    for (algorithm, _) in ALGORITHMS {
        whole_life(&daemon.realm(&format!("{algorithm}-off")), algorithm, false);
        whole_life(&daemon.realm(&format!("{algorithm}-required")), algorithm, true);
    }
}

fn whole_life(client: &blocking::Client, algorithm: &str, locked: bool) {
    let issued = client
        .issue(Issue::new().claims(r#"{"sub":"42","deep":{"é":[1.5,18446744073709551615]}}"#))
        .unwrap();
    let cookie = issued.cookie.as_ref().map(|cookie| cookie.value().to_owned());
    assert_eq!(cookie.is_some(), locked, "{algorithm}");
    let validate = || Validate::new(issued.token()).cookie(cookie.as_deref());
    let verdict = client.validate(validate()).unwrap();
    let Verdict::Valid { claims, rotation: None } = verdict else {
        panic!("{algorithm}: {verdict:?}")
    };
    assert_eq!(claims, issued.claims);
    assert!(String::from_utf8_lossy(claims.as_bytes()).contains(r#""deep":{"é":[1.5,18446744073709551615]}"#));
    if locked {
        let without = client.validate(issued.token()).unwrap();
        assert!(!without.is_valid(), "{algorithm}: {without:?}");
    }
    client.flag_jti(&issued.jti).unwrap();
    assert_eq!(client.validate(validate()).unwrap().rotation(), Some(Cause::Flagged));
    let rotated = rotate(client, Rotate::new(issued.token()).cookie(cookie.as_deref()));
    assert_eq!(claim(&rotated.claims, "jwtkeeper")["sid"], json!(issued.jti));
    assert_eq!(claim(&rotated.claims, "sub"), json!("42"));
    assert_eq!(client.validate(validate()).unwrap().rotation(), Some(Cause::Rotated));
    assert_eq!(client.status(&issued.jti).unwrap().state, State::Rotated);
    let new_cookie = rotated.cookie.as_ref().map(|cookie| cookie.value().to_owned());
    let validate_new = || Validate::new(rotated.token()).cookie(new_cookie.as_deref());
    assert!(client.validate(validate_new()).unwrap().is_valid());
    if locked {
        // The jar is shared by all tabs: the old token works with the new cookie.
        let old_tab = Validate::new(issued.token()).cookie(new_cookie.as_deref());
        assert_eq!(
            client.validate(old_tab).unwrap().rotation(),
            Some(Cause::Rotated),
            "{algorithm}"
        );
    }
    let revoke = client.revoke_token(rotated.token(), new_cookie.as_deref()).unwrap();
    assert_eq!(revoke, Revoked::Done);
    for verdict in [
        client.validate(validate()).unwrap(),
        client.validate(validate_new()).unwrap(),
    ] {
        assert_eq!(verdict, Verdict::Invalid(Reason::Revoked), "{algorithm}");
    }
    let again = client
        .rotate(Rotate::new(issued.token()).cookie(cookie.as_deref()))
        .unwrap();
    assert_eq!(again, Rotation::Invalid(Reason::Revoked));
}

fn rotate(client: &blocking::Client, rotate: Rotate<'_>) -> jwtkeeper_client::Minted {
    match client.rotate(rotate).unwrap() {
        Rotation::Rotated(minted) => minted,
        other => panic!("{other:?}"),
    }
}

fn claim(claims: &Claims, name: &str) -> Value {
    claims.get(name).unwrap()
}

#[test]
fn every_target_of_revoke_ends_what_it_names() {
    let daemon = Setup::new().start();
    let (client, other) = (daemon.client(), daemon.client());
    let login = |subject: &str| client.issue(Issue::new().claims(json!({ "sub": subject }))).unwrap();
    let is_revoked = |token: &str| other.validate(token).unwrap() == Verdict::Invalid(Reason::Revoked);
    // Each acknowledgement is seen at once on another connection.
    let one = login("a");
    client.revoke_jti(&one.jti).unwrap();
    assert!(is_revoked(one.token()));
    let one = login("a");
    let successor = rotate(&client, Rotate::new(one.token()));
    client.revoke_session(&one.jti).unwrap();
    assert!(is_revoked(one.token()) && is_revoked(successor.token()));
    let (one, two, three) = (login("b"), login("b"), login("c"));
    client.revoke_subject("b", Before::Now).unwrap();
    assert!(is_revoked(one.token()) && is_revoked(two.token()) && !is_revoked(three.token()));
    assert!(!is_revoked(login("b").token()), "a login after the cutoff is another");
    client.revoke_issued_before(Before::Now).unwrap();
    assert!(is_revoked(three.token()));
    assert!(!is_revoked(login("c").token()));
    let error = client.revoke_subject("b", Before::At(u64::MAX)).unwrap_err();
    assert!(error.to_string().contains("the cutoff lies in the future"), "{error}");
    assert_eq!(client.status("never-seen").unwrap().state, State::None);
}

#[test]
fn a_validate_only_realm_validates_and_publishes_and_does_nothing_else() {
    let mut setup = Setup::bare();
    let made = std::process::Command::new("openssl")
        .args(["genpkey", "-algorithm", "ED25519"])
        .output()
        .unwrap();
    setup.write_secret("ed.pem", &made.stdout);
    let public = std::process::Command::new("openssl")
        .args(["pkey", "-pubout", "-in"])
        .arg(setup.path("ed.pem"))
        .output()
        .unwrap();
    setup.write("ed.pub", &String::from_utf8(public.stdout).unwrap());
    let (private, public) = (setup.path("ed.pem"), setup.path("ed.pub"));
    setup = setup.lines(&format!(
        "[realms.signs]\nalgorithm = \"EdDSA\"\nkey_file = \"{}\"\n[realms.reads]\nalgorithm = \"EdDSA\"\npublic_key_file = \"{}\"",
        private.display(),
        public.display()
    ));
    let daemon = setup.start();
    let (signs, reads) = (daemon.realm("signs"), daemon.realm("reads"));
    let issued = signs.issue(Issue::new()).unwrap();
    assert!(reads.validate(issued.token()).unwrap().is_valid());
    let error = reads.issue(Issue::new()).unwrap_err();
    assert!(error.to_string().contains("no signing key"), "{error}");
    let jwks: Value = reads.jwks().unwrap().parse().unwrap();
    assert_eq!(jwks, signs.jwks().unwrap().parse::<Value>().unwrap());
    assert_eq!(jwks["keys"][0]["crv"], "Ed25519");
    assert!(jwks["keys"][0].get("d").is_none(), "a private part is published");
}

#[test]
fn what_may_not_be_issued_is_refused_by_name() {
    let daemon = Setup::new().lines("issuer = \"api\"").start();
    let client = daemon.client();
    let cases = [
        (r#"{"iss":"me"}"#, "the claim iss is the realm's"),
        (r#"{"jti":"x"}"#, "the claim jti is the realm's"),
        (r#"{"jwtkeeper":{}}"#, "the claim jwtkeeper is the daemon's own"),
        (r#"{"exp":1}"#, "the claim exp must be later than now"),
        (r#"{"exp":99999999999}"#, "max_lifetime"),
        (r#"{"a":1,"a":2}"#, "strict JSON object"),
        (r#"[1]"#, "strict JSON object"),
    ];
    for (claims, says) in cases {
        let error = client.issue(Issue::new().claims(claims)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BadRequest, "{claims}: {error}");
        assert!(error.to_string().contains(says), "{claims}: {error}");
    }
    let large = json!({ "text": "x".repeat(8 * 1024) });
    let error = client.issue(Issue::new().claims(large)).unwrap_err();
    assert!(error.to_string().contains("max_token"), "{error}");
}

#[test]
fn health_says_what_there_is() {
    let daemon = Setup::new().start();
    let client = daemon.client();
    client.revoke_jti("x").unwrap();
    let health = client.health().unwrap();
    assert!(health.ready);
    let document: Value = health.document.parse().unwrap();
    assert_eq!(document["store"]["kind"], "embedded");
    let realm = &document["realms"][0];
    assert_eq!((&realm["name"], &realm["generation"]), (&json!("default"), &json!(1)));
    assert_eq!(realm["keys"][0]["role"], "current");
    assert_eq!(document["warnings"], json!([]));
    assert_eq!(document["reload"]["watch"], "inotify");
    assert_eq!(document["faults"], json!([]));
    assert_eq!(document["reuses"], 0);
    assert!(document["store"]["commits"].as_u64().unwrap() >= 1);
}

/// jwtkeeperctl bench measures a valid token, whatever the realm's lock.
#[test]
fn ctl_bench_in_a_realm_that_locks() {
    let daemon = Setup::new().lines("cookie_lock = \"required\"").start();
    let mut command = daemon.ctl();
    command.args(["--json", "bench", "--connections", "1", "--duration", "100ms"]);
    let output = jwtkeeper_testkit::daemons::exit_of(command);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let measured: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(measured["calls"].as_u64().unwrap() > 0, "{measured}");
}
