//! Every fault of `[store.redis]`, told by `--check` with its place and what to do; and none of a password.

use jwtkeeper_store::Embedded;

use jwtkeeper_testkit::daemons::Setup;
use jwtkeeper_testkit::daemons::daemon::chmod;

const URL: &str = "url = \"redis://127.0.0.1:6379\"";

/// What `--check` says of these lines, and whether it is content.
fn check(setup: Setup, lines: &str) -> (Option<i32>, String) {
    let setup = setup.top(&format!("[store]\nkind = \"redis\"\n[store.redis]\n{lines}"));
    let _ = Embedded::create(&setup.state_dir()); // there already for whoever checks twice
    let output = setup.run(&["--check"]);
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

fn refused(lines: &str, line: usize, says: &str) {
    let (code, said) = check(Setup::new(), lines);
    assert_eq!(code, Some(78), "{lines}: {said}");
    assert!(said.contains(says), "{lines}: {says:?} is not in: {said}");
    assert!(
        said.contains(&format!("jwtkeeper.toml:{line}:")),
        "{lines}: not of line {line}: {said}"
    );
    assert!(!said.contains("open-sesame"), "{lines}: {said}");
}

#[test]
fn each_fault_has_its_place_and_its_remedy() {
    for (lines, line, says) in [
        ("", 5, "says not where Redis is"),
        ("url = \"http://localhost\"", 6, "store.redis.url is none that is known"),
        ("url = \"redis:\"", 6, "store.redis.url is none that is known"),
        ("url = 6379", 6, "store.redis.url"),
        (
            "url = \"redis://:open-sesame@localhost\"",
            6,
            "must hold no password; name a password_file",
        ),
        (
            "url = \"redis+unix:///run/redis.sock?pass=open-sesame\"",
            6,
            "must hold no password; name a password_file",
        ),
        (
            "url = \"rediss://localhost/#insecure\"",
            6,
            "must not turn off the check of certificates",
        ),
        (
            "url = \"redis://a\"\ncluster = [\"redis://b\"]",
            6,
            "one of url, sentinels and cluster; remove the others",
        ),
        (
            "url = \"redis://a\"\nsentinels = [\"redis://b\"]\nsentinel_master = \"m\"",
            6,
            "one of url, sentinels and cluster; remove the others",
        ),
        ("sentinels = [\"redis://a\"]", 6, "needs sentinel_master"),
        (
            "url = \"redis://a\"\nsentinel_master = \"m\"",
            7,
            "sentinel_master goes with store.redis.sentinels",
        ),
        ("cluster = []", 6, "store.redis.cluster is empty"),
        (
            "sentinels = []\nsentinel_master = \"m\"",
            6,
            "store.redis.sentinels is empty",
        ),
        (
            "cluster = [\"redis://a\", \"rediss://b\"]",
            6,
            "store.redis.cluster are all redis:// or all rediss://",
        ),
        (
            "cluster = [\"redis+unix:///run/redis.sock\"]",
            6,
            "store.redis.cluster are all redis:// or all rediss://",
        ),
        (
            "cluster = [\"redis://:open-sesame@a\"]",
            6,
            "store.redis.cluster must hold no password",
        ),
        ("cluster = [\"redis://a/3\"]", 6, "must name no database"),
    ] {
        refused(lines, line, says);
    }
    for (lines, line, says) in [
        ("max_staleness = \"1s\"", 7, "max_staleness must be from 3s to 24h"),
        ("max_staleness = \"25h\"", 7, "max_staleness must be from 3s to 24h"),
        (
            "full_scan_interval = \"9s\"",
            7,
            "full_scan_interval must be from 10s to 24h",
        ),
        ("repair_grace = \"61s\"", 7, "repair_grace must be at most 60s"),
        ("on_stale = \"guess\"", 7, "on_stale"),
        ("wait_replicas = 17", 7, "wait_replicas"),
        ("require_durable = \"yes\"", 7, "require_durable"),
        ("username = \"app\"", 7, "needs its password_file"),
        ("sentinel_username = \"app\"", 7, "needs its password_file"),
        ("cert_file = \"/nowhere\"", 7, "cert_file and key_file go together"),
        ("key_file = \"/nowhere\"", 7, "cert_file and key_file go together"),
        ("password = \"open-sesame\"", 7, "store.redis.password"),
        ("colour = \"red\"", 7, "store.redis.colour"),
        ("ca_file = \"/nowhere/ca.crt\"", 7, "/nowhere/ca.crt"),
        ("password_file = \"/nowhere/password\"", 7, "/nowhere/password"),
    ] {
        refused(&format!("{URL}\n{lines}"), line, says);
    }
}

#[test]
fn a_store_and_its_section_go_together() {
    for (lines, says) in [
        ("[store]\nkind = \"redis\"", "needs [store.redis] with a url"),
        ("[store.redis]\nurl = \"redis://a\"", "is for store.kind = \"redis\""),
        ("[store]\nkind = \"valkey\"", "store.kind"),
    ] {
        let output = Setup::new().top(lines).run(&["--check"]);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(78), "{said}");
        assert!(said.contains(says), "{says:?} is not in: {said}");
    }
}

#[test]
fn all_faults_are_told_at_once() {
    let lines = "url = \"http://a\"\nmax_staleness = \"1s\"\nusername = \"app\"\ncert_file = \"/nowhere\"";
    let (code, said) = check(Setup::new(), lines);
    assert_eq!(code, Some(78));
    for says in ["none that is known", "max_staleness", "password_file", "go together"] {
        assert!(said.contains(says), "{says:?} is not in: {said}");
    }
}

#[test]
fn a_password_file_is_read_as_strictly_as_a_secret() {
    let with = |prepare: &dyn Fn(&Setup), more: &str| {
        let setup = Setup::new();
        setup.write_secret("password", b"open-sesame\n");
        prepare(&setup);
        let file = setup.path("password");
        let lines = format!(
            "{URL}\nusername = \"app\"\npassword_file = \"{}\"\n{more}",
            file.display()
        );
        check(setup, &lines)
    };
    assert_eq!(with(&|_| {}, "").0, Some(0));
    type Prepare<'a> = &'a dyn Fn(&Setup);
    let cases: [(Prepare<'_>, &str); 4] = [
        (
            &|setup| std::fs::remove_file(setup.path("password")).unwrap(),
            "No such file",
        ),
        (&|setup| setup.write_secret("password", b""), "is empty"),
        (&|setup| chmod(&setup.path("password"), 0o644), "chmod 0600"),
        (
            &|setup| setup.write_secret("password", b"\xff\xfe"),
            "is not UTF-8 text",
        ),
    ];
    for (prepare, says) in cases {
        let (code, said) = with(prepare, "");
        assert_eq!(code, Some(78), "{says}: {said}");
        assert!(
            said.contains(says) && said.contains("jwtkeeper.toml:8:"),
            "{says:?} is not in: {said}"
        );
        assert!(!said.contains("open-sesame"), "{said}");
    }
    let (code, said) = with(
        &|setup| chmod(&setup.path("password"), 0o644),
        "allow_world_readable = true",
    );
    assert_eq!(code, Some(0), "{said}");
}

#[test]
fn what_is_right_is_taken() {
    for lines in [
        URL,
        "url = \"redis+unix:///run/redis/redis.sock\"",
        "url = \"rediss://localhost:6380/2\"",
        "sentinels = [\"redis://a\", \"redis://b\"]\nsentinel_master = \"m\"",
        "cluster = [\"rediss://a:1\", \"rediss://b:2\"]",
        "url = \"redis://a\"\nmax_staleness = \"3s\"\non_stale = \"serve\"\nfull_scan_interval = \"1h\"\nrepair_grace = \"0s\"\nrequire_durable = true\nwait_replicas = 2",
    ] {
        let (code, said) = check(Setup::new(), lines);
        assert_eq!(code, Some(0), "{lines}: {said}");
    }
}
