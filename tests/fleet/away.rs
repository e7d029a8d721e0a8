//! Redis is away: what is answered meanwhile, before the copy is too old and after; and what becomes of what was revoked.

use std::time::Instant;

use jwtkeeper_client::{Before, Issue, Reason, Revoke, Verdict};

use crate::hosts::{
    Holder, MAX_STALENESS, at, entry, host, is_ready, is_revoked, is_settled, issue, ready, revoke, revoked_at,
    session, settings,
};
use jwtkeeper_testkit::daemons::{Daemon, until, wait_for};
use jwtkeeper_testkit::servers::Server;

#[test]
fn an_old_copy_answers_nothing_unless_told_to() {
    let mut server = Server::start();
    let daemon = host(at(&server.url()));
    let client = daemon.client();
    let (good, bad) = (issue(&client), issue(&client));
    client.revoke_jti(&bad.jti).unwrap();
    server.kill();
    let killed = Instant::now();
    assert!(client.validate(good.token()).unwrap().is_valid());
    assert!(is_revoked(&client, bad.token()));
    until("the copy is too old", || {
        let begun = Instant::now();
        let Ok(verdict) = client.validate(good.token()) else {
            return true;
        };
        assert!(verdict.is_valid());
        assert!(begun < killed + MAX_STALENESS, "answered {:?} after", begun - killed);
        false
    });
    for token in [good.token(), bad.token()] {
        let error = client.validate(token).unwrap_err();
        assert!(error.is_unavailable(), "{error}");
        assert!((500..600).contains(&error.code().unwrap().code()), "{error}");
    }
    assert!(!is_ready(&daemon));
    server.restart();
    ready(&daemon);
    assert!(client.validate(good.token()).unwrap().is_valid());
    assert!(is_revoked(&client, bad.token()));
}

#[test]
fn an_old_copy_goes_on_answering_where_so_told() {
    let mut server = Server::start();
    let daemon = host(at(&server.url()).top("on_stale = \"serve\""));
    let client = daemon.client();
    let (good, bad) = (issue(&client), issue(&client));
    client.revoke_jti(&bad.jti).unwrap();
    server.kill();
    let killed = Instant::now();
    until("the copy is older than it may be", || {
        assert!(client.validate(good.token()).unwrap().is_valid());
        assert_eq!(client.validate(bad.token()).unwrap(), Verdict::Invalid(Reason::Revoked));
        killed.elapsed() > 2 * MAX_STALENESS
    });
    assert!(!is_ready(&daemon), "nothing tells that the copy is old");
}

/// Revokes a token, which Redis cannot take.
fn refused(daemon: &Daemon) -> (String, String) {
    let client = daemon.client();
    let minted = issue(&client);
    let error = client.revoke_token(minted.token(), None).unwrap_err();
    assert!(error.is_unavailable(), "{error}");
    assert!(is_revoked(&client, minted.token()), "it does not hold here");
    (minted.token().to_owned(), minted.jti)
}

#[test]
fn what_was_revoked_while_redis_was_away_comes_to_all() {
    let mut server = Server::start();
    let mut daemon = host(at(&server.url()));
    let other = host(at(&server.url()));
    let kept = issue(&daemon.client());
    revoke(&daemon.client(), kept.token());
    server.kill();
    let (token, jti) = refused(&daemon);

    // Not even kill -9 loses it, nor a start without Redis.
    daemon.kill();
    daemon.restart();
    assert!(!is_ready(&daemon));
    let error = daemon.client().validate(token.as_str()).unwrap_err();
    assert!(error.is_unavailable(), "{error}");
    let (_, later) = {
        let minted = issue(&daemon.client());
        let error = daemon.client().revoke_token(minted.token(), None).unwrap_err();
        assert!(error.is_unavailable(), "{error}");
        (minted.token().to_owned(), minted.jti)
    };

    server.restart();
    let keys: Vec<_> = [&kept.jti, &jti, &later]
        .into_iter()
        .flat_map(|jti| [entry(jti), session(jti)])
        .collect();
    until("it has come to Redis", || server.not_hard(&keys).is_empty());
    for host in [&daemon, &other] {
        ready(host);
        for jti in [&kept.jti, &jti, &later] {
            revoked_at(host, jti);
        }
        until("it is revoked there", || is_revoked(&host.client(), &token));
    }
}

#[test]
fn a_daemon_that_starts_without_redis_waits_for_it() {
    let mut server = Server::start();
    let jti = "0d9f9a86-7b5c-4d0b-9d0b-0d9f9a867b5c";
    server.kill();
    let daemon = at(&server.url()).start();
    assert!(!is_ready(&daemon));
    let client = daemon.client();
    let token = issue(&client);
    let error = client.validate(token.token()).unwrap_err();
    assert!(error.is_unavailable(), "{error}");
    server.restart();
    ready(&daemon);
    assert!(client.validate(token.token()).unwrap().is_valid());
    server.ask::<()>(&["SETEX", &entry(jti), "3600", "hard"]);
    revoked_at(&daemon, jti);
}

#[test]
fn a_start_without_redis_is_told() {
    let mut server = Server::start();
    let url = server.url();
    server.kill();
    let daemon = at(&url).start();
    daemon.logged("serving, but not ready yet");
    daemon.logged(" not ready fault=");
    assert!(!daemon.log().contains(": ready"), "{}", daemon.log());
    let log = daemon.log();
    let line = log.lines().find(|line| line.contains(" not ready fault=")).unwrap();
    assert!(
        line.contains("ERROR") && line.contains(&*server.socket().to_string_lossy()),
        "{line}"
    );
    server.restart();
    daemon.logged(": ready");
}

/// Redis numbers revocations, and cannot number this one: logins of the subject wait until no host's clock can be behind it.
#[test]
fn a_login_after_a_revocation_that_redis_lacks_is_valid_on_all_hosts() {
    let mut server = Server::start();
    let lines = format!("url = \"{}\"\nmax_staleness = \"1m\"", server.url());
    let [daemon, other] = [(); 2].map(|()| host(settings(&lines).lines("clock_skew = \"1s\"")));
    let login = || daemon.client().issue(Issue::new().claims(r#"{"sub":"u"}"#));
    let before = login().unwrap();
    server.kill();
    let revocation = Revoke::subject("u", Before::Now);
    let error = daemon.client().revoke(revocation).unwrap_err();
    assert!(error.is_unavailable(), "{error}");
    let refused = login().unwrap_err();
    assert!(refused.is_unavailable(), "{refused}");
    let after = wait_for("the subject can log in", || match login() {
        Ok(minted) => Some(minted),
        Err(error) => {
            assert!(error.is_unavailable(), "{error}");
            None
        }
    });
    let holds_at = |daemon: &Daemon| {
        let client = daemon.client();
        is_revoked(&client, before.token()) && client.validate(after.token()).unwrap().is_valid()
    };
    assert!(holds_at(&daemon));
    server.restart();
    until("it has come to Redis", || {
        is_settled(&daemon) && server.ask::<bool>(&["EXISTS", "JWTKeeper:~u:u"])
    });
    until("it holds on the other host", || {
        is_ready(&other) && is_revoked(&other.client(), before.token())
    });
    assert!(holds_at(&daemon) && holds_at(&other));
}
