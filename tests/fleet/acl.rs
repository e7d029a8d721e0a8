//! The smallest rights that a daemon needs of Redis: with them everything works, and nothing was tried that they forbid.

use jwtkeeper_client::{Before, Issue, Rotation};

use crate::hosts::{Holder, at, entry, host, is_revoked, issue, revoke, revoked_at, session, write_as_a_gem};
use jwtkeeper_testkit::daemons::{Daemon, until};
use jwtkeeper_testkit::servers::Server;

/// As docs/operations.md gives them.
const RIGHTS: &[&str] = &[
    "+getrange",
    "+set",
    "+pttl",
    "+scan",
    "+ping",
    "+time",
    "+role",
    "+info",
    "+evalsha",
    "+script|load",
    "+client|tracking",
    "+client|setname",
    "+hello",
    "+config|get",
    "~JWTKeeper:*",
    "~JWTKeeper-*:*",
    "~jwtkeeper-rotation:*",
    "~jwtkeeper-dataset:*",
];

fn as_app(server: &Server) -> Daemon {
    let setup = at(&server.url()).lines("rotation_grace = \"1s\"").realm(
        "other",
        "HS256",
        b"the other realm's secret: 0123456789abcdef",
        "",
    );
    setup.write_secret("password", b"open sesame\n");
    let file = setup.path("password");
    host(setup.top(&format!("username = \"app\"\npassword_file = \"{}\"", file.display())))
}

#[test]
fn the_smallest_rights_are_enough() {
    let server = Server::start();
    let mut words = vec![
        "ACL",
        "SETUSER",
        "app",
        "on",
        ">open sesame",
        "resetkeys",
        "resetchannels",
        "-@all",
    ];
    words.extend(RIGHTS);
    server.ask::<()>(&words);
    // Since 7.2; an older server knows no such command, and takes no such right.
    let _older = server.try_ask::<()>(&["ACL", "SETUSER", "app", "+client|setinfo"]);
    write_as_a_gem(&server.url(), 0, 100);
    let (one, other) = (as_app(&server), as_app(&server));
    let client = one.client();
    let (revoked, flagged, rotated) = (issue(&client), issue(&client), issue(&client));
    revoke(&client, revoked.token());
    client.flag_jti(&flagged.jti).unwrap();
    let Rotation::Rotated(successor) = client.rotate(rotated.token()).unwrap() else {
        panic!("refused")
    };
    // Its grace ends on the other host too.
    until("the grace is over there", || {
        is_revoked(&other.client(), rotated.token())
    });
    client.revoke_subject("somebody", Before::Now).unwrap();
    client.flag_subject("somebody", Before::Now).unwrap();
    client.revoke_session("a session").unwrap();
    one.realm("other").revoke_issued_before(Before::Now).unwrap();
    one.realm("other").revoke_jti("some-jti").unwrap();
    // By its jti: the successor goes with it.
    client.revoke_jti(&rotated.jti).unwrap();
    nothing_was_denied(&server);
    revoked_at(&other, &revoked.jti);
    for (what, token) in [("old", rotated.token()), ("new", successor.token())] {
        until(&format!("the {what} token is revoked there"), || {
            is_revoked(&other.client(), token)
        });
    }
    let somebody = one
        .client()
        .issue(Issue::new().claims(r#"{"sub":"somebody"}"#))
        .unwrap();
    until("a later login is valid there", || {
        other
            .client()
            .validate(somebody.token())
            .is_ok_and(|verdict| verdict.is_valid())
    });
    // And what is lost is put back, by scripts that the server must be given again.
    server.ask::<()>(&["SCRIPT", "FLUSH"]);
    server.ask::<()>(&["FLUSHALL"]);
    let keys = [
        entry(&revoked.jti),
        session(&revoked.jti),
        entry(&crate::hosts::gem_jti(7)),
    ];
    until("it is put back", || server.not_hard(&keys).is_empty());
    nothing_was_denied(&server);
}

fn nothing_was_denied(server: &Server) {
    let denied: Vec<redis::Value> = server.ask(&["ACL", "LOG"]);
    assert!(denied.is_empty(), "denied: {denied:#?}");
}
