//! A clock that is wrong when the daemon starts, and right again when it starts the next time.

use jwtkeeper_client::{Before, Issue, Reason, Verdict, blocking};

use jwtkeeper_testkit::daemons::{Daemon, Setup};

/// The start that finds cutoffs of a clock that was ahead.
const REPORTS: &str = "right again after a clock that was ahead";
const YEAR_MS: i64 = 365 * 24 * 3600 * 1000;

/// Stops the daemon and starts it with a clock that differs by so much from the right one.
fn restart(daemon: &mut Daemon, offset_ms: i64) {
    daemon.stop();
    start(daemon, offset_ms);
}

fn start(daemon: &mut Daemon, offset_ms: i64) {
    let mut command = daemon.setup.command(&[]);
    command.env("JWTKEEPER_TEST_CLOCK_OFFSET_MS", offset_ms.to_string());
    daemon.restart_with(command);
}

/// A daemon whose very first start has such a clock.
fn first_start(offset_ms: i64) -> Daemon {
    let setup = Setup::new();
    setup.init();
    let mut command = setup.command(&[]);
    command.env("JWTKEEPER_TEST_CLOCK_OFFSET_MS", offset_ms.to_string());
    Daemon::start_with(setup, command)
}

/// A login of the user: its token and jti.
fn login(client: &blocking::Client, user: &str) -> (String, String) {
    let minted = client
        .issue(Issue::new().claims(serde_json::json!({"sub": user})))
        .unwrap();
    (minted.token().to_owned(), minted.jti)
}

fn say(daemon: &Daemon, token: &str) -> Result<(), Reason> {
    match daemon.client().validate(token).unwrap() {
        Verdict::Valid { .. } => Ok(()),
        Verdict::Invalid(reason) => Err(reason),
    }
}

/// Logins and revocations of every kind work as ever, and the daemon says that all is well.
fn works(daemon: &Daemon, when: &str) {
    let client = daemon.client();
    let (token, jti) = login(&client, "x");
    assert_eq!(say(daemon, &token), Ok(()), "{when}: a login");
    client.revoke_jti(&jti).unwrap();
    assert_eq!(say(daemon, &token), Err(Reason::Revoked), "{when}: revoked by its jti");
    let (before, _) = login(&client, "x");
    client.revoke_subject("x", Before::Now).unwrap();
    assert_eq!(
        say(daemon, &before),
        Err(Reason::Revoked),
        "{when}: revoked with its subject"
    );
    let (after, _) = login(&client, "x");
    assert_eq!(say(daemon, &after), Ok(()), "{when}: a login after the revocation");
    let health = client.health().unwrap();
    // Cutoffs of a clock that was ahead are reported once, by the start that puts them right.
    let reported = format!("{:?}", health.document).contains("cutoffs in the denylist store lie in the future");
    assert_eq!(reported, when == REPORTS, "{when}: {:?}", health.document);
    assert!(health.ready || reported, "{when}: {:?}", health.document);
}

#[test]
fn a_clock_that_was_a_year_ahead_for_one_life_leaves_nothing_behind() {
    let mut daemon = Setup::new().start();
    let client = daemon.client();
    let (kept, _) = login(&client, "u");
    let (revoked, jti) = login(&client, "v");
    let (of_w, _) = login(&client, "w");
    let (of_z, _) = login(&client, "z");
    client.revoke_jti(&jti).unwrap();
    client.revoke_subject("w", Before::Now).unwrap();
    restart(&mut daemon, YEAR_MS);
    works(&daemon, "ahead");
    let client = daemon.client();
    let (ahead, ahead_jti) = login(&client, "u");
    client.revoke_jti(&ahead_jti).unwrap();
    client.revoke_subject("z", Before::Now).unwrap();
    for round in [REPORTS, "right, and started once more"] {
        restart(&mut daemon, 0);
        assert_eq!(say(&daemon, &kept), Ok(()), "{round}");
        for (token, by) in [
            (&revoked, "jti"),
            (&of_w, "subject"),
            (&of_z, "subject, while the clock was ahead"),
        ] {
            assert_eq!(say(&daemon, token), Err(Reason::Revoked), "{round}: by its {by}");
        }
        assert_eq!(say(&daemon, &ahead), Err(Reason::NotYetValid), "{round}");
        let (again, _) = login(&daemon.client(), "z");
        assert_eq!(say(&daemon, &again), Ok(()), "{round}");
        works(&daemon, round);
    }
}

#[test]
fn a_clock_that_is_a_year_ahead_at_the_very_first_start_leaves_nothing_behind() {
    let mut daemon = first_start(YEAR_MS);
    works(&daemon, "ahead");
    for round in ["right", "right, and started once more"] {
        restart(&mut daemon, 0);
        works(&daemon, round);
    }
}

#[test]
fn a_clock_that_was_a_year_behind_for_one_life_un_revokes_nothing() {
    let mut daemon = Setup::new().start();
    let client = daemon.client();
    let (kept, _) = login(&client, "u");
    let (revoked, jti) = login(&client, "v");
    let (behind, behind_jti) = login(&client, "w");
    let (of_z, _) = login(&client, "z");
    client.revoke_jti(&jti).unwrap();
    restart(&mut daemon, -YEAR_MS);
    assert_eq!(say(&daemon, &kept), Err(Reason::NotYetValid));
    works(&daemon, "behind");
    daemon.client().revoke_jti(&behind_jti).unwrap();
    daemon.client().revoke_subject("z", Before::Now).unwrap();
    for round in ["right again", "right, and started once more"] {
        restart(&mut daemon, 0);
        assert_eq!(say(&daemon, &kept), Ok(()), "{round}");
        for token in [&revoked, &behind, &of_z] {
            assert_eq!(say(&daemon, token), Err(Reason::Revoked), "{round}");
        }
        works(&daemon, round);
    }
}

#[test]
fn a_clock_that_is_a_year_behind_at_the_very_first_start_leaves_nothing_behind() {
    let mut daemon = first_start(-YEAR_MS);
    works(&daemon, "behind");
    for round in ["right", "right, and started once more"] {
        restart(&mut daemon, 0);
        works(&daemon, round);
    }
}
