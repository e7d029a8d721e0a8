//! What Redis answers when it cannot take a revocation: whoever asked is told what it is and what to do, it holds on
//! this host, and comes to Redis and to the others once the cause is gone, with nobody asking again.

use crate::hosts::{Holder, at, entry, host, is_revoked, issue, record, revoke, revoked_at, session, settings, user};
use jwtkeeper_testkit::daemons::{Daemon, until};
use jwtkeeper_testkit::servers::{Server, knows_setting};

/// Has a revocation refused by a server that `spoil` spoils, and taken when `mend` has mended it. One of the words must
/// be in what the caller is told.
fn is_refused_then_taken(
    server: &Server,
    hosts: [&Daemon; 2],
    spoil: impl FnOnce(&str),
    words: &[&str],
    mend: impl FnOnce(&str),
) {
    let [one, other] = hosts;
    let client = one.client();
    let minted = issue(&client);
    let good = issue(&client);
    spoil(&minted.jti);
    let error = client.revoke_token(minted.token(), None).unwrap_err();
    assert!(error.is_unavailable(), "{error}");
    let text = error.to_string();
    assert!(
        words.iter().any(|word| text.contains(word)),
        "none of {words:?} in: {text}"
    );
    println!("{text}");
    assert!(is_revoked(&client, minted.token()), "it does not hold on this host");
    mend(&minted.jti);
    let keys = [entry(&minted.jti), session(&minted.jti)];
    until("it has come to Redis", || server.not_hard(&keys).is_empty());
    revoked_at(other, &minted.jti);
    until("others are valid", || {
        other
            .client()
            .validate(good.token())
            .is_ok_and(|verdict| verdict.is_valid())
    });
}

fn two(server: &Server) -> [Daemon; 2] {
    [(); 2].map(|()| host(at(&server.url())))
}

fn config(server: &Server, name: &str, value: &str) {
    server.ask::<()>(&["CONFIG", "SET", name, value]);
}

#[test]
fn without_memory() {
    let server = Server::start();
    let [one, other] = two(&server);
    is_refused_then_taken(
        &server,
        [&one, &other],
        |_| config(&server, "maxmemory", "1"),
        &["maxmemory"],
        |_| config(&server, "maxmemory", "0"),
    );
}

#[test]
fn of_a_replica() {
    let server = Server::start();
    let [one, other] = two(&server);
    is_refused_then_taken(
        &server,
        [&one, &other],
        |_| server.ask::<()>(&["REPLICAOF", "127.0.0.1", "1"]),
        &["replica", "not a primary"],
        |_| server.ask::<()>(&["REPLICAOF", "NO", "ONE"]),
    );
}

#[test]
fn without_the_replicas_that_it_needs() {
    let server = Server::start();
    let [one, other] = two(&server);
    is_refused_then_taken(
        &server,
        [&one, &other],
        |_| config(&server, "min-replicas-to-write", "1"),
        &["min-replicas-to-write"],
        |_| config(&server, "min-replicas-to-write", "0"),
    );
}

#[test]
fn without_a_right() {
    let server = Server::start();
    let [one, other] = two(&server);
    is_refused_then_taken(
        &server,
        [&one, &other],
        |_| server.ask::<()>(&["ACL", "SETUSER", "default", "-set"]),
        &["ACL"],
        |_| server.ask::<()>(&["ACL", "SETUSER", "default", "+@all"]),
    );
}

#[test]
fn that_wants_a_password_now() {
    let server = Server::start();
    let [one, other] = two(&server);
    let mend_url = format!("{}?pass=now", server.url());
    is_refused_then_taken(
        &server,
        [&one, &other],
        |_| {
            config(&server, "requirepass", "now");
            let kill = ["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"];
            jwtkeeper_testkit::servers::process::ask::<u64>(&mend_url, &kill).unwrap();
            until("the daemon has seen it", || {
                crate::hosts::complaints(&one).contains("NOAUTH")
            });
        },
        &["password_file"],
        |_| jwtkeeper_testkit::servers::process::ask::<()>(&mend_url, &["CONFIG", "SET", "requirepass", ""]).unwrap(),
    );
}

#[test]
fn that_has_another_password_now() {
    let server = Server::start();
    user(&server, "right");
    let [one, other] = [(); 2].map(|()| {
        let setup = at(&server.url());
        setup.write_secret("password", b"right\n");
        let file = setup.path("password");
        host(setup.top(&format!("username = \"app\"\npassword_file = \"{}\"", file.display())))
    });
    is_refused_then_taken(
        &server,
        [&one, &other],
        |_| {
            user(&server, "another");
            server.ask::<u64>(&["CLIENT", "KILL", "USER", "app"]);
            until("the daemon has seen it", || {
                crate::hosts::complaints(&one).contains("password_file")
            });
        },
        &["password_file"],
        |_| user(&server, "right"),
    );
}

#[test]
fn that_cannot_write_its_disk() {
    let server = Server::start();
    let [one, other] = two(&server);
    let saved = |status: &str| {
        until("BGSAVE has ended", || {
            let _ = server.try_ask::<redis::Value>(&["BGSAVE"]); // one may run
            server.info("rdb_last_bgsave_status") == status
        });
    };
    // Its file cannot be put in place: a directory is there.
    let file = server.directory().join("dump.rdb");
    is_refused_then_taken(
        &server,
        [&one, &other],
        |_| {
            config(&server, "save", "3600 100000");
            std::fs::create_dir_all(file.join("something")).unwrap();
            saved("err");
        },
        &["cannot write to its disk"],
        |_| {
            std::fs::remove_dir_all(&file).unwrap();
            saved("ok");
        },
    );
}

#[test]
fn that_loads_its_data() {
    if !knows_setting("--loading-process-events-interval-bytes", "1024") {
        println!("this server answers nothing while it loads so little");
        return;
    }
    // Each key takes a while to load, so that there is time to ask meanwhile.
    let mut server = Server::with(&[
        "--key-load-delay",
        "2000",
        "--loading-process-events-interval-bytes",
        "1024",
    ]);
    let [one, other] = two(&server);
    crate::hosts::write_as_a_gem(&server.url(), 0, 2000);
    server.ask::<()>(&["SAVE"]);
    let client = one.client();
    let minted = issue(&client);
    server.restart();
    let refused = jwtkeeper_testkit::daemons::wait_for("a revocation is refused", || {
        until("the daemon has seen it", || {
            crate::hosts::complaints(&one).contains("loading")
        });
        client.revoke_token(minted.token(), None).err()
    });
    assert!(
        refused.is_unavailable() && refused.to_string().contains("loading"),
        "{refused}"
    );
    let keys = [entry(&minted.jti), session(&minted.jti)];
    until("it has come to Redis", || server.not_hard(&keys).is_empty());
    revoked_at(&other, &minted.jti);
}

/// A list where an entry or a record belongs is replaced: nothing is refused for it.
#[test]
fn a_list_in_an_entrys_place_gives_way() {
    let server = Server::start();
    let daemon = host(settings(&format!("url = \"{}\"", server.url())));
    let minted = issue(&daemon.client());
    server.ask::<()>(&["RPUSH", &entry(&minted.jti), "x"]);
    server.ask::<()>(&["RPUSH", &record(&minted.jti), "x"]);
    revoke(&daemon.client(), minted.token());
    assert!(server.not_hard(&[entry(&minted.jti)]).is_empty());
}
