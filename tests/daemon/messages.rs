//! Messages that name the cause, the place and the remedy.

use jwtkeeper_client::Issue;

use jwtkeeper_testkit::daemons::daemon::SECRET;
use jwtkeeper_testkit::daemons::{Setup, exit_of};

/// The faults that a check finds, without the directory of the test.
fn faults(setup: &Setup) -> Vec<String> {
    let output = setup.run(&["--check"]);
    assert_eq!(output.status.code(), Some(78), "{output:?}");
    let said = String::from_utf8(output.stderr).unwrap();
    let directory = format!("{}/", setup.path("").display().to_string().trim_end_matches('/'));
    let lines = said.trim_end().replace(&directory, "");
    lines
        .trim_start_matches("jwtkeeperd: ")
        .lines()
        .map(str::to_owned)
        .collect()
}

/// A realm in the main file, and a file in conf.d that breaks it.
fn with_drop_in(lines: &str, drop_in: &str) -> Setup {
    let setup = Setup::new().lines(lines);
    std::fs::create_dir(setup.path("conf.d")).unwrap();
    setup.write("conf.d/10-first.toml", "\n[realms.default]\nissuer = \"one\"\n");
    setup.write("conf.d/20-fault.toml", drop_in);
    setup
}

#[test]
fn a_fault_points_at_the_file_that_caused_it() {
    for (lines, drop_in, expected) in [
        (
            "",
            "[realms.default]\n\nalgorithm = \"RS256\"",
            "conf.d/20-fault.toml:3: realms.default.secret_file is for HMAC algorithms; for RS256 set key_file or public_key_file or jwks_file",
        ),
        (
            "",
            "[realms.default]\nkey_file = \"a.pem\"",
            "conf.d/20-fault.toml:2: the realm has more than one key: secret_file, key_file; keep one",
        ),
        (
            "expiry = \"2d\"\nmax_lifetime = \"3d\"",
            "[realms.default]\nmax_lifetime = \"1d\"",
            "conf.d/20-fault.toml:2: realms.default.expiry is longer than max_lifetime",
        ),
        (
            "rotate_on = \"cookie\"\ncookie_lock = \"optional\"",
            "[realms.default]\ncookie_lock = \"off\"",
            "conf.d/20-fault.toml:2: realms.default.rotate_on = \"cookie\" needs cookie_lock = \"optional\" or \"required\"; without it no token would ever be rotated",
        ),
        (
            "renew_before = \"5m\"",
            "[realms.default]\nexpiry = \"1m\"",
            "conf.d/20-fault.toml:2: realms.default.renew_before is not shorter than expiry: every token would be renewed at once",
        ),
        (
            "clock_skew = \"1s\"",
            "[realms.other]\nalgorithm = \"HS256\"\nsecret_file = \"default.secret\"\nclock_skew = \"2s\"",
            "conf.d/20-fault.toml:4: clock_skew differs between realms; it is about hosts, so set it alike in all",
        ),
        (
            "[metrics]\nlisten = \"127.0.0.1:9464\"",
            "[metrics]\nsocket = \"metrics.sock\"",
            "conf.d/20-fault.toml:2: metrics.socket and metrics.listen cannot both be set; choose one",
        ),
        (
            "",
            "[realms.default]\nalgorithm = \"HS512\"\n[realms.default.cookie]\nsame_site = \"none\"\nsecure = false",
            "conf.d/20-fault.toml:4: realms.default.cookie.same_site = \"none\" needs secure = true",
        ),
        (
            "",
            "[realms.default]\nissuer = \"a\"\nissuer = \"b\"",
            "conf.d/20-fault.toml:3: duplicate key issuer; keep one of them",
        ),
    ] {
        let setup = with_drop_in(lines, &format!("{drop_in}\n"));
        // A relative path is relative to the file that has it.
        setup.write_secret("conf.d/default.secret", SECRET.to_uppercase().as_bytes());
        assert_eq!(faults(&setup), [expected], "{drop_in}");
    }
}

/// The algorithm is what a later file changed, and the key's file what the first one names.
#[test]
fn a_key_that_a_later_algorithm_does_not_take_points_there() {
    let setup = Setup::bare().realm("default", "HS256", &SECRET.as_bytes()[..40], "");
    std::fs::create_dir(setup.path("conf.d")).unwrap();
    setup.write("conf.d/10-fault.toml", "[realms.default]\nalgorithm = \"HS512\"\n");
    let message =
        "the secret has 40 bytes; HS512 needs at least 64 (RFC 7518 section 3.2), or set allow_weak_secret = true";
    setup.init();
    let expected = format!("conf.d/10-fault.toml:2: secret_file default.secret: {message}");
    assert_eq!(faults(&setup), [expected]);
    // A file that cannot be read is the fault of the line that names it.
    std::fs::remove_file(setup.path("default.secret")).unwrap();
    let found = faults(&setup);
    assert!(
        found[0].starts_with("jwtkeeper.toml:6: secret_file default.secret: cannot be read"),
        "{found:?}"
    );
}

#[test]
fn a_fault_of_one_file_is_at_its_line() {
    let setup = Setup::new().lines("issuer = \"a\"\n\"issuer\" = \"b\"");
    assert_eq!(
        faults(&setup),
        ["jwtkeeper.toml:9: duplicate key \"issuer\"; keep one of them"]
    );
}

/// Apps learn which part of their claims is wrong.
#[test]
fn claims_that_are_no_strict_json_are_told_with_their_place() {
    let daemon = Setup::new().start();
    for (claims, cause) in [
        (r#"{"sub":"a","sub":"b"}"#, r#"duplicate name "sub" at byte 11"#),
        (r#"{"name":"\ud800"}"#, "lone surrogate in a string at byte 9"),
        (r#"{"n":1e999}"#, "number out of range at byte 5"),
        (r#"{"n":1,}"#, "trailing comma at byte 7"),
        (r#"{"n":1"#, "it ends within a value, at byte 6"),
        ("[1]", "it is another kind of value"),
        ("7", "it is another kind of value"),
    ] {
        let mut ctl = daemon.ctl();
        ctl.args(["issue", "--claims", claims]);
        let output = exit_of(ctl);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{said}");
        let expected = format!("the claims are not a strict JSON object: {cause}");
        assert!(said.contains(&expected), "{expected} is not in: {said}");
        let error = daemon
            .client()
            .issue(Issue::new().claims(claims))
            .unwrap_err()
            .to_string();
        assert!(error.contains(cause), "{error}");
    }
}
