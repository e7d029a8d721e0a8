//! Limits of denylist entries: a client that makes as many as it can, and what others and administrators can still do.

use std::path::Path;

use jwtkeeper_client::{Before, Config, ErrorCode, Flag, Issue, Revoke, Rotate, blocking};
use jwtkeeper_sys::testing::fork_run;
use nix::unistd::{Gid, Uid, setgid, setgroups, setuid};

use jwtkeeper_testkit::daemons::daemon::chmod;
use jwtkeeper_testkit::daemons::{Daemon, PATIENCE, Setup};

const FLOODER: u32 = 64_041;

/// A daemon open to all, whose limits are 100 entries of a realm and 50 of a uid.
fn limited() -> Option<Daemon> {
    if !nix::unistd::geteuid().is_root() {
        println!("only root can be two users");
        return None;
    }
    let limits = "socket_mode = \"0666\"\n[limits]\nentries_per_realm = 100\nentries_per_uid = 50";
    let daemon = Setup::new().top(limits).start();
    chmod(&daemon.setup.path(""), 0o755);
    Some(daemon)
}

/// Does this as another user, in a process of its own.
fn as_flooder(socket: &Path, act: impl FnOnce(&blocking::Client)) {
    let child = fork_run(|| {
        setgroups(&[]).unwrap();
        setgid(Gid::from_raw(FLOODER)).unwrap();
        setuid(Uid::from_raw(FLOODER)).unwrap();
        act(&blocking::Client::new(Config::new(socket).with_deadline(PATIENCE)));
        0
    });
    let status = child.unwrap().wait(PATIENCE);
    assert!(status.as_ref().is_ok_and(|status| status.success()), "{status:?}");
}

fn is_refused<T: std::fmt::Debug>(result: Result<T, jwtkeeper_client::Error>, limit: &str) {
    let error = result.unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::Overloaded), "{error}");
    assert!(error.to_string().contains(limit), "{error}");
}

#[test]
fn a_uid_cannot_use_up_the_room_of_others() {
    let Some(daemon) = limited() else { return };
    let token = daemon.client().issue(Issue::new()).unwrap();
    as_flooder(&daemon.setup.socket(), |client| {
        // A jti, and the session that it may have begun.
        for number in 0..25 {
            client.revoke_jti(&format!("jti-{number}")).unwrap();
        }
        is_refused(client.revoke_jti("one-more"), "the uid 64041 has made 50 of 50");
        client.revoke_jti("jti-0").expect("an existing entry is never refused");
        // Refused before it is decided: the old token goes on.
        is_refused(client.rotate(Rotate::new(token.token())), "limits.entries_per_uid");
        assert!(client.validate(token.token()).unwrap().is_valid());
    });
    let warnings = daemon.health()["warnings"].to_string();
    assert!(warnings.contains("the uid 64041 has made 50 of 50"), "{warnings}");
    let _ = daemon.client().revoke(Revoke::token(token.token(), None)).unwrap();
    assert!(!daemon.client().validate(token.token()).unwrap().is_valid());
}

/// A request reserves its room when it is accepted: those under way together do not exceed the limit.
#[test]
fn concurrent_revocations_stay_within_the_limit_of_their_uid() {
    let Some(daemon) = limited() else { return };
    as_flooder(&daemon.setup.socket(), |client| {
        std::thread::scope(|scope| {
            for thread in 0..40 {
                scope.spawn(move || {
                    for number in 0..5 {
                        let _some_are_refused = client.revoke_session(&format!("session-{thread}-{number}"));
                    }
                });
            }
        });
    });
    let entries = daemon.health()["store"]["entries"].as_u64();
    assert_eq!(entries, Some(50));
}

/// Room that a request did not need is free again.
#[test]
fn invalid_tokens_use_up_no_room() {
    let Some(daemon) = limited() else { return };
    let token = daemon.client().issue(Issue::new()).unwrap();
    let (form, _) = token.token().rsplit_once('.').unwrap();
    let forged = format!("{form}.{}", "A".repeat(86));
    as_flooder(&daemon.setup.socket(), |client| {
        for _ in 0..60 {
            let revoked = client.revoke(Revoke::token(&*forged, None)).unwrap();
            assert_ne!(revoked, jwtkeeper_client::Revoked::Done);
        }
        client.revoke_session("session").expect("there is room");
    });
}

#[test]
fn administrators_can_revoke_in_a_full_realm() {
    let Some(daemon) = limited() else { return };
    let client = daemon.client();
    let tokens: Vec<_> = (0..2).map(|_| client.issue(Issue::new()).unwrap()).collect();
    as_flooder(&daemon.setup.socket(), |client| {
        (0..25).for_each(|number| client.revoke_jti(&format!("jti-{number}")).unwrap());
    });
    for number in 25..50 {
        client.revoke_jti(&format!("jti-{number}")).unwrap();
    }
    let warnings = daemon.health()["warnings"].to_string();
    assert!(warnings.contains("realm default has 100 of 100"), "{warnings}");
    is_refused(client.flag(Flag::jti(&tokens[0].jti)), "limits.entries_per_realm");
    as_flooder(&daemon.setup.socket(), |client| {
        is_refused(client.revoke_jti("one-more"), "limits.entries_per_realm");
    });
    let all = Revoke::issued_before(Before::At(1));
    let _ = client.revoke(all).expect("a realm has one such entry");
    for token in &tokens {
        let _ = client.revoke(Revoke::token(token.token(), None)).unwrap();
        assert!(!client.validate(token.token()).unwrap().is_valid());
    }
}

/// A repeated rotation leads to the successor that exists, and needs no room.
#[test]
fn a_token_that_was_rotated_leads_to_its_successor_in_a_full_realm() {
    let Some(daemon) = limited() else { return };
    let client = daemon.client();
    let token = client.issue(Issue::new()).unwrap();
    let _ = client.rotate(Rotate::new(token.token())).unwrap();
    for number in 0..50 {
        client.revoke_jti(&format!("jti-{number}")).unwrap();
    }
    let _ = client.rotate(Rotate::new(token.token())).unwrap();
    let another = client.issue(Issue::new()).unwrap();
    is_refused(client.rotate(Rotate::new(another.token())), "limits.entries_per_realm");
}
