//! A realm that a reload adds: until what lies there was read, nothing is said of it.

use jwtkeeper_client::{Reason, Verdict};

use crate::hosts::{host, issue, revoke, settings};
use jwtkeeper_testkit::daemons::{Daemon, Setup, until};
use jwtkeeper_testkit::servers::proxy::Place;
use jwtkeeper_testkit::servers::{Flow, Proxy, Server};

const OTHER: &[u8] = b"the other realm's secret: 0123456789abcdef";

/// So long that the copy stays fresh while nothing passes.
fn at(url: &str) -> Setup {
    settings(&format!("url = \"{url}\"\nmax_staleness = \"5m\""))
}

fn add_realm(daemon: &mut Daemon) {
    let setup = std::mem::replace(&mut daemon.setup, Setup::bare());
    daemon.setup = setup.realm("other", "HS256", OTHER, "");
    daemon.setup.configure();
    daemon.client().reload().unwrap();
}

#[test]
fn a_realm_that_is_added_is_not_answered_before_it_was_read() {
    let server = Server::start();
    let proxy = Proxy::start(
        Place::Socket(server.directory().join("proxy.sock")),
        Place::Socket(server.socket()),
    );
    let one = host(at(&server.url()).realm("other", "HS256", OTHER, ""));
    let mut added = host(at(&proxy.url()));
    let (good, gone) = (issue(&one.realm("other")), issue(&one.realm("other")));
    revoke(&one.realm("other"), gone.token());
    let own = issue(&added.client());
    proxy.flow(Flow::Swallow);
    add_realm(&mut added);
    for _ in 0..20 {
        for minted in [&good, &gone] {
            let error = added.realm("other").validate(minted.token()).unwrap_err();
            assert!(
                error.is_unavailable() && error.to_string().contains("realm other was not read"),
                "{error}"
            );
        }
        assert!(added.client().validate(own.token()).unwrap().is_valid());
    }
    assert!(!added.client().health().unwrap().ready);
    proxy.flow(Flow::Pass);
    until("the realm is read", || {
        match added.realm("other").validate(gone.token()) {
            Ok(verdict) => {
                assert_eq!(verdict, Verdict::Invalid(Reason::Revoked));
                true
            }
            Err(error) => {
                assert!(error.is_unavailable(), "{error}");
                false
            }
        }
    });
    assert!(added.realm("other").validate(good.token()).unwrap().is_valid());
    crate::hosts::ready(&added);
}

/// A renamed realm finds the entries of its old name in Redis, and two realms of one denylist share them.
#[test]
fn renamed_realm_keeps_its_entries_in_redis() {
    let server = Server::start();
    let one = host(at(&server.url()).realm("other", "HS256", OTHER, ""));
    let (good, gone) = (issue(&one.realm("other")), issue(&one.realm("other")));
    revoke(&one.realm("other"), gone.token());
    let mut renamed = host(at(&server.url()).realm("other", "HS256", OTHER, ""));
    let lines = "[realms.\"new\"]\ndenylist = \"other\"";
    renamed.setup.replace("[realms.\"other\"]", lines);
    renamed.client().reload().unwrap();
    let new = renamed.realm("new");
    until("it is revoked there", || {
        new.validate(gone.token())
            .is_ok_and(|verdict| verdict == Verdict::Invalid(Reason::Revoked))
    });
    assert!(new.validate(good.token()).unwrap().is_valid());
    renamed.setup =
        std::mem::replace(&mut renamed.setup, Setup::bare()).realm("third", "HS256", OTHER, "denylist = \"other\"");
    renamed.setup.configure();
    renamed.client().reload().unwrap();
    revoke(&renamed.realm("third"), good.token());
    until("it is revoked at the other host", || {
        one.realm("other").validate(good.token()).unwrap() == Verdict::Invalid(Reason::Revoked)
    });
    assert_eq!(new.validate(good.token()).unwrap(), Verdict::Invalid(Reason::Revoked));
}
