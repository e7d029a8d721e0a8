//! A gem on the same Redis, as far as Redis sees one: SETEX, GET and DEL by its names, with its values.

use jwtkeeper_client::{Cause, Rotation, State};

use crate::hosts::{at, entry, host, is_revoked, issue, ready, revoke, revoked_at, settings, three};
use jwtkeeper_testkit::daemons::cases::{cases, configure, wrong};
use jwtkeeper_testkit::daemons::until;
use jwtkeeper_testkit::servers::Server;

/// What the gem keeps an entry for.
const EXPIRY: &str = "86400";

#[test]
fn what_a_gem_revokes_and_flags_is_so_on_every_host() {
    let server = Server::start();
    let hosts = three(&server.url());
    let client = hosts[0].client();
    let (flagged, revoked) = (issue(&client), issue(&client));
    server.ask::<()>(&["SETEX", &entry(&flagged.jti), EXPIRY, "soft"]);
    server.ask::<()>(&["SETEX", &entry(&revoked.jti), EXPIRY, "hard"]);
    for host in &hosts {
        let client = host.client();
        until("it is revoked there", || is_revoked(&client, revoked.token()));
        until("it is flagged there", || {
            client.validate(flagged.token()).unwrap().rotation() == Some(Cause::Flagged)
        });
    }
    // The gem's second thought: what it flagged it revokes.
    server.ask::<()>(&["SETEX", &entry(&flagged.jti), EXPIRY, "hard"]);
    for host in &hosts {
        until("it is revoked there", || is_revoked(&host.client(), flagged.token()));
    }
}

#[test]
fn a_gem_reads_what_a_daemon_revokes_and_flags() {
    let server = Server::start();
    let daemon = host(at(&server.url()));
    let client = daemon.client();
    let (flagged, revoked, rotated) = (issue(&client), issue(&client), issue(&client));
    client.flag_jti(&flagged.jti).unwrap();
    revoke(&client, revoked.token());
    let _rotation = client.rotate(rotated.token()).unwrap();
    for (jti, value) in [(&flagged.jti, "soft"), (&revoked.jti, "hard"), (&rotated.jti, "hard")] {
        assert_eq!(server.ask::<String>(&["GET", &entry(jti)]), value);
        assert!(server.ask::<i64>(&["TTL", &entry(jti)]) > 0, "it stays for ever");
    }
}

#[test]
fn what_a_gem_takes_back_is_repaired() {
    let server = Server::start();
    let hosts = three(&server.url());
    let minted = issue(&hosts[0].client());
    revoke(&hosts[0].client(), minted.token());
    for host in &hosts {
        revoked_at(host, &minted.jti);
    }
    let key = entry(&minted.jti);
    for words in [
        &["SETEX", &key, EXPIRY, "soft"][..],
        &["DEL", &key],
        &["SETEX", &key, "1", "hard"],
        &["EXPIRE", &key, "1"],
    ] {
        server.ask::<redis::Value>(words);
        until("it is put back", || {
            server.ask::<Option<String>>(&["GET", &key]).as_deref() == Some("hard")
                && server.ask::<i64>(&["TTL", &key]) > 3600
        });
        for host in &hosts {
            assert!(is_revoked(&host.client(), minted.token()), "{words:?}");
            assert_eq!(host.client().status(&minted.jti).unwrap().state, State::Hard);
        }
    }
}

/// The tokens of the gem itself, in a fleet that shares its secret and its Redis.
#[test]
fn a_gems_own_tokens_are_validated_and_revoked_by_its_own_entries() {
    let server = Server::start();
    let cases = cases();
    // The first one's realm has the gem's own prefix.
    let realm = |number: usize| match number {
        0 => "default".to_owned(),
        number => format!("case-{number}"),
    };
    let lines = format!("url = \"{}\"", server.url());
    let mut setup =
        jwtkeeper_testkit::daemons::Setup::bare().top(&format!("[store]\nkind = \"redis\"\n[store.redis]\n{lines}"));
    for (number, case) in cases.iter().enumerate() {
        setup = configure(setup, &realm(number), &case["config"]);
    }
    let daemon = setup.start();
    ready(&daemon);
    let wrong = |daemon| -> Vec<_> {
        let all = cases.iter().enumerate();
        all.filter_map(|(number, case)| wrong(daemon, &realm(number), case))
            .collect()
    };
    assert_eq!(wrong(&daemon), Vec::<String>::new());
    let case = &cases[0];
    let token = case["token"].as_str().unwrap();
    let claims: serde_json::Value = {
        let verdict = daemon.client().validate(token).unwrap();
        verdict.claims().unwrap().parse().unwrap()
    };
    server.ask::<()>(&["SETEX", &entry(claims["jti"].as_str().unwrap()), EXPIRY, "hard"]);
    until("the gem's own token is revoked", || is_revoked(&daemon.client(), token));
    assert_eq!(wrong(&daemon).len(), 1, "others are too");
    let other = host(settings(&lines));
    assert_eq!(
        other.client().status(claims["jti"].as_str().unwrap()).unwrap().state,
        State::Hard
    );
}

/// A gem knows nothing of sessions: the successor's own entry is what it reads.
#[test]
fn a_gem_sees_that_the_successor_of_a_revoked_token_is_revoked() {
    let server = Server::start();
    let hosts = three(&server.url());
    // Revoked on the host that rotated it, and on another.
    for revoker in [0, 1] {
        let client = hosts[0].client();
        let old = issue(&client);
        let Rotation::Rotated(new) = client.rotate(old.token()).unwrap() else {
            panic!("refused")
        };
        hosts[revoker].client().revoke_jti(&old.jti).unwrap();
        for jti in [&old.jti, &new.jti] {
            let value: Option<String> = server.ask(&["GET", &entry(jti)]);
            assert_eq!(value.as_deref(), Some("hard"), "revoked on host {revoker}");
        }
    }
}
