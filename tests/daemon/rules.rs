//! `[[access]]`: each right alone, by user, by group and by supplementary group, in each realm, over connections that
//! were open before the rules changed and over new ones.

use std::path::Path;
use std::time::Duration;

use jwtkeeper_client::blocking::Client;
use jwtkeeper_client::{Before, Config, Error, Flag, GetJwks, GetStatus, Introspect, Issue, Revoke, Rotate, Validate};
use jwtkeeper_sys::testing::fork_run;
use nix::unistd::{Gid, Uid, setgid, setgroups, setuid};

use jwtkeeper_testkit::daemons::daemon::chmod;
use jwtkeeper_testkit::daemons::{Daemon, Setup, exit_of, until};

const REALMS: [&str; 2] = ["default", "shop"];

/// What each right is for.
const OPERATIONS: [&str; 15] = [
    "issue",
    "validate",
    "rotate",
    "rotate with claims",
    "flag jti",
    "flag subject",
    "revoke token",
    "revoke jti",
    "revoke session",
    "revoke subject",
    "revoke before",
    "status",
    "jwks",
    "introspect",
    "reload",
];

/// Rights, and the operations that they are enough for.
const RIGHTS: [(&[&str], &[&str]); 15] = [
    (&["issue"], &["issue"]),
    (&["validate"], &["validate"]),
    (&["rotate"], &["rotate"]),
    (&["rotate_claims"], &[]),
    (&["rotate", "rotate_claims"], &["rotate", "rotate with claims"]),
    (&["flag"], &["flag jti", "flag subject"]),
    (&["revoke"], &["revoke token"]),
    (&["revoke_id"], &["revoke jti", "revoke session"]),
    (&["revoke_subject"], &["revoke subject"]),
    (&["revoke_before"], &["revoke before"]),
    (&["status"], &["status"]),
    (&["jwks"], &["jwks"]),
    (&["validate", "issue"], &["issue", "validate"]),
    (&["introspect"], &["introspect"]),
    (&["reload"], &["reload"]),
];

/// Someone on this host.
struct Someone {
    uid: u32,
    gid: u32,
    groups: &'static [u32],
}

const USER: Someone = Someone {
    uid: 64_001,
    gid: 64_001,
    groups: &[],
};
const OF_GROUP: Someone = Someone {
    uid: 64_002,
    gid: 64_010,
    groups: &[],
};
const OF_SUPPLEMENTARY: Someone = Someone {
    uid: 64_003,
    gid: 64_003,
    groups: &[64_004, 64_010],
};
const OTHER: Someone = Someone {
    uid: 64_005,
    gid: 64_005,
    groups: &[64_001],
};

fn ask(client: &Client, operation: &str, realm: &str) -> Result<(), Error> {
    match operation {
        "issue" => client.issue(Issue::new().realm(realm)).map(drop),
        "validate" => client.validate(Validate::new("a.b.c").realm(realm)).map(drop),
        "rotate" => client.rotate(Rotate::new("a.b.c").realm(realm)).map(drop),
        "rotate with claims" => client.rotate(Rotate::new("a.b.c").claims("{}").realm(realm)).map(drop),
        "flag jti" => client.flag(Flag::jti("a").realm(realm)),
        "flag subject" => client.flag(Flag::subject("a", Before::Now).realm(realm)),
        "revoke token" => client.revoke(Revoke::token("a.b.c", None).realm(realm)).map(drop),
        "revoke jti" => client.revoke(Revoke::jti("a").realm(realm)).map(drop),
        "revoke session" => client.revoke(Revoke::session("a").realm(realm)).map(drop),
        "revoke subject" => client.revoke(Revoke::subject("a", Before::Now).realm(realm)).map(drop),
        "revoke before" => client.revoke(Revoke::issued_before(Before::Now).realm(realm)).map(drop),
        "status" => client.call(&GetStatus::jti("a").realm(realm)).map(drop),
        "jwks" => client.call(&GetJwks::new().realm(realm)).map(drop),
        "introspect" => client.call(&Introspect::new("a.b.c").realm(realm)).map(drop),
        "reload" => client.reload().map(drop),
        other => panic!("{other}"),
    }
}

/// What this process may do: a line for each operation in each realm. Denials name what was denied.
fn permitted(client: &Client) -> String {
    let mut lines = String::new();
    for realm in REALMS {
        for operation in OPERATIONS {
            match ask(client, operation, realm) {
                Ok(()) => lines.push_str(&format!("{operation} in {realm}\n")),
                Err(error) if error.is_not_permitted() => {
                    let (text, verb) = (error.to_string(), operation.split(' ').next().unwrap());
                    let place = if operation == "reload" { "" } else { realm };
                    assert!(
                        text.contains(verb) && text.contains(place),
                        "{operation} {realm}: {text}"
                    );
                }
                Err(error) => panic!("{operation} {realm}: {error}"),
            }
        }
    }
    lines
}

/// Becomes someone, and says at each step what it may do, over a connection that stays open and over a new one.
fn live_as(someone: &Someone, steps: usize, socket: &Path, directory: &Path) -> u8 {
    let groups: Vec<_> = someone.groups.iter().map(|gid| Gid::from_raw(*gid)).collect();
    setgroups(&groups).unwrap();
    setgid(Gid::from_raw(someone.gid)).unwrap();
    setuid(Uid::from_raw(someone.uid)).unwrap();
    let config = || Config::new(socket);
    let open = Client::new(config());
    open.ping().unwrap();
    for step in 0..steps {
        until("the step begins", || directory.join(step.to_string()).exists());
        let said = permitted(&open);
        assert_eq!(
            permitted(&Client::new(config())),
            said,
            "open and new connections differ"
        );
        let file = directory.join(format!("{step}-{}", someone.uid));
        std::fs::write(file.with_extension("new"), said).unwrap();
        std::fs::rename(file.with_extension("new"), file).unwrap();
    }
    0
}

fn rules(allow: &[&str]) -> String {
    let realms = if allow == ["reload"] {
        ""
    } else {
        "realms = [\"default\"]\n"
    };
    let rule = |who: &str| format!("[[access]]\n{who}\n{realms}allow = {allow:?}\n");
    rule("user = 64001") + &rule("group = 64010")
}

fn with_rules(setup: &Setup, rules: &str) {
    std::fs::create_dir_all(setup.path("conf.d")).unwrap();
    setup.write("aside", rules);
    std::fs::rename(setup.path("aside"), setup.path("conf.d/access.toml")).unwrap();
}

fn reload(daemon: &Daemon) {
    let mut reload = daemon.ctl();
    reload.arg("reload");
    let output = exit_of(reload);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Only root can become another user; the rules themselves are tested on every machine beside their code.
#[test]
fn each_right_alone_for_each_kind_of_peer_in_each_realm() {
    if !nix::unistd::geteuid().is_root() {
        println!("not root: no other user to be");
        return;
    }
    let secret = jwtkeeper_testkit::daemons::SECRET.as_bytes();
    let setup = Setup::new()
        .realm("shop", "HS256", secret, "")
        .top("socket_mode = \"0666\"\n[log]\nlevel = \"debug\"");
    let daemon = setup.start();
    let place = daemon.setup.path("steps");
    std::fs::create_dir(&place).unwrap();
    chmod(daemon.setup.path("").as_path(), 0o755);
    chmod(&place, 0o777);
    // The last step: every rule but one that names nobody here is gone.
    let withdrawn = "[[access]]\nuser = 1\nallow = \"issue\"\n".to_owned();
    let all: Vec<(String, &[&str])> = RIGHTS
        .iter()
        .map(|(allow, permits)| (rules(allow), *permits))
        .chain([(withdrawn, &[][..])])
        .collect();

    let people = [USER, OF_GROUP, OF_SUPPLEMENTARY, OTHER];
    let (socket, steps) = (daemon.setup.socket(), all.len());
    let children: Vec<_> = people
        .iter()
        .map(|someone| fork_run(|| live_as(someone, steps, &socket, &place)).unwrap())
        .collect();
    for (step, (rules, permits)) in all.iter().enumerate() {
        with_rules(&daemon.setup, rules);
        reload(&daemon);
        std::fs::write(place.join(step.to_string()), "").unwrap();
        for someone in &people {
            let file = place.join(format!("{step}-{}", someone.uid));
            until("someone says what it may do", || file.exists());
            let expected: String = REALMS
                .into_iter()
                .flat_map(|realm| {
                    let named = someone.uid != OTHER.uid;
                    let mine = move |operation: &&&str| named && (realm == "default" || **operation == "reload");
                    permits
                        .iter()
                        .filter(mine)
                        .map(move |operation| format!("{operation} in {realm}\n"))
                })
                .collect();
            let said = std::fs::read_to_string(&file).unwrap();
            assert_eq!(said, expected, "uid {} with\n{rules}", someone.uid);
        }
    }
    for child in children {
        assert_eq!(child.wait(Duration::from_secs(30)).unwrap().code(), Some(0));
    }
}

/// With rules root is somebody like others, but for what it could do by a signal.
#[test]
fn rules_bind_root_too() {
    let daemon = Setup::new().start();
    let client = daemon.client();
    client.issue(Issue::new()).unwrap();
    with_rules(&daemon.setup, "[[access]]\nuser = 64001\nallow = \"validate\"\n");
    client.reload().unwrap();
    assert!(client.issue(Issue::new()).unwrap_err().is_not_permitted());
    assert!(client.revoke_issued_before(Before::Now).unwrap_err().is_not_permitted());
    let nowhere = client.issue(Issue::new().realm("nowhere")).unwrap_err();
    assert!(nowhere.is_not_permitted(), "which realms there are is told: {nowhere}");
    client.ping().unwrap();
    assert!(client.health().unwrap().ready);
    client.reload().unwrap();
}

/// What is wrong with rules is said at once, each with its line and remedy.
#[test]
fn wrong_rules_are_faults() {
    let setup = Setup::new();
    with_rules(
        &setup,
        "[[access]]\nuser = \"no-such-user\"\nallow = \"issue\"\n\
         [[access]]\ngroup = \"no-such-group\"\nallow = [\"isue\", \"admin\"]\n\
         [[access]]\nallow = [\"issue\"]\n\
         [[access]]\nuser = 1\ngroup = 1\nallow = [\"issue\"]\n\
         [[access]]\nuser = 65534\nallow = []\n\
         [[access]]\ngroup = \"nogroup\"\nallow = [\"issue\"]\nrealms = [\"nowhere\"]\n\
         [[access]]\nuser = -1\n\
         [[access]]\nuser = 1\nallow = [\"reload\"]\nrealms = [\"default\"]\nrigths = 1\n",
    );
    let output = setup.run(&["--check"]);
    assert_eq!(output.status.code(), Some(78));
    let said = String::from_utf8(output.stderr).unwrap();
    for (line, text) in [
        (
            2,
            "there is no user \"no-such-user\" on this host; create it, or name another",
        ),
        (
            5,
            "there is no group \"no-such-group\" on this host; create it, or name another",
        ),
        (6, "unknown right \"isue\" in access.allow; did you mean issue?"),
        (
            6,
            "unknown right \"admin\" in access.allow; the rights are issue, validate, ",
        ),
        (7, "an access rule is for one user or one group; set user or group"),
        (9, "an access rule is for one user or one group; set user or group"),
        (
            14,
            "65534 stands for whoever has no name here, and matches nobody; name another",
        ),
        (15, "access.allow is empty"),
        (17, "65534 stands for whoever has no name here"),
        (19, "access.realms names \"nowhere\", and there is no such realm"),
        (21, "access.user must be a name or a number of 32 bits"),
        (20, "access.allow is missing"),
        (22, "reload is about all realms; allow it in a rule without realms"),
        (26, "unknown key access.rigths"),
    ] {
        let place = format!("access.toml:{line}: {text}");
        assert!(said.contains(&place), "{place} is not in\n{said}");
    }
}

#[test]
fn no_rule_at_all_is_a_fault_where_the_list_is_there() {
    let setup = Setup::new().top("access = []");
    let output = setup.run(&["--check"]);
    assert_eq!(output.status.code(), Some(78));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("jwtkeeper.toml:3: access has no rule"), "{said}");
}

/// What is printed reads back to the same.
#[test]
fn rules_are_printed_as_they_are_read() {
    let setup = Setup::new();
    with_rules(
        &setup,
        "[[access]]\nuser = \"root\"\nallow = [\"issue\", \"reload\"]\n\
         [[access]]\ngroup = 7\nrealms = \"default\"\nallow = \"validate\"\n",
    );
    let output = setup.run(&["--print-config"]);
    let printed = String::from_utf8(output.stdout).unwrap();
    let rules = "[[access]]\nuser = \"root\"\nallow = [\"issue\", \"reload\"]\n\n\
                 [[access]]\ngroup = 7\nrealms = [\"default\"]\nallow = [\"validate\"]\n";
    assert!(printed.contains(rules), "{printed}");
}

/// A name may be as long as a frame; what is told of it is not.
#[test]
fn a_long_name_is_told_in_part() {
    let name = "x".repeat(60_000);
    let nobodys = "[[access]]\nuser = 4242\nallow = [\"issue\"]";
    for daemon in [Setup::new().start(), Setup::new().lines(nobodys).start()] {
        let error = daemon.realm(&name).issue(Issue::new()).unwrap_err().to_string();
        assert!(error.contains("xxx") && error.len() < 400, "{error:.400}");
    }
}
