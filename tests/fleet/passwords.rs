//! A password that is changed while a daemon runs: it is read with each connection, and said to nobody.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jwtkeeper_client::Minted;

use crate::hosts::{Holder, at, complaints, entry, host, is_ready, issue, ready, revoke, user};
use jwtkeeper_testkit::daemons::{Daemon, until};
use jwtkeeper_testkit::servers::Server;

const FIRST: &str = "first-open-sesame";
const SECOND: &str = "second-open-sesame";
const WRONG: &str = "third-open-sesame";

fn start(server: &Server) -> Daemon {
    user(server, FIRST);
    let setup = at(&server.url());
    setup.write_secret("password", format!("{FIRST}\n").as_bytes());
    let file = setup.path("password");
    std::fs::create_dir(setup.path("conf.d")).unwrap();
    setup.write("conf.d/log.toml", "[log]\nlevel = \"trace\"");
    host(setup.top(&format!("username = \"app\"\npassword_file = \"{}\"", file.display())))
}

fn cut(server: &Server) {
    let count: u64 = server.ask(&["CLIENT", "KILL", "USER", "app"]);
    assert!(count > 0, "nobody was connected");
}

fn connected(server: &Server) -> usize {
    let list: String = server.ask(&["CLIENT", "LIST"]);
    list.lines().filter(|line| line.contains(" user=app ")).count()
}

fn revoked(daemon: &Daemon, server: &Server) -> Minted {
    let minted = issue(&daemon.client());
    revoke(&daemon.client(), minted.token());
    assert!(server.not_hard(&[entry(&minted.jti)]).is_empty());
    minted
}

fn says_no_password(daemon: &Daemon) {
    let health = daemon.health().to_string();
    let log = daemon.log();
    assert!(log.contains("DEBUG"), "the log has everything");
    for password in [FIRST, SECOND, WRONG] {
        let hex: String = password.bytes().map(|byte| format!("{byte:02x}")).collect();
        let base64 = STANDARD.encode(password);
        let base64 = base64.trim_end_matches('=').to_owned();
        for form in [password.to_owned(), hex, base64] {
            assert!(!health.contains(&form), "{health}");
            assert!(!log.contains(&form), "the log has a password");
        }
    }
}

#[test]
fn a_password_that_is_changed_is_used_without_a_restart() {
    let server = Server::start();
    let daemon = start(&server);
    let pid = daemon.pid();
    revoked(&daemon, &server);
    // As it is done in the field: the file first, then Redis, then the connections.
    daemon.setup.write_secret("password", format!("{SECOND}\n").as_bytes());
    user(&server, SECOND);
    cut(&server);
    until("it is connected again", || connected(&server) >= 2);
    ready(&daemon);
    revoked(&daemon, &server);
    assert_eq!(daemon.pid(), pid);
    says_no_password(&daemon);
}

#[test]
fn a_wrong_password_is_told_of_and_told_to_nobody() {
    let server = Server::start();
    let daemon = start(&server);
    daemon.setup.write_secret("password", format!("{WRONG}\n").as_bytes());
    cut(&server);
    until("it says where to look", || {
        complaints(&daemon).contains("password_file")
    });
    assert!(!is_ready(&daemon));
    let minted = issue(&daemon.client());
    let error = daemon.client().revoke_token(minted.token(), None).unwrap_err();
    assert!(error.is_unavailable(), "{error}");
    assert!(!error.to_string().contains(WRONG), "{error}");
    says_no_password(&daemon);
    // A file that is gone is told of too.
    std::fs::remove_file(daemon.setup.path("password")).unwrap();
    until("it says what is missing", || {
        complaints(&daemon).contains("No such file")
    });
    daemon.setup.write_secret("password", format!("{FIRST}\n").as_bytes());
    ready(&daemon);
    until("it has come to Redis", || {
        server.not_hard(&[entry(&minted.jti)]).is_empty()
    });
    says_no_password(&daemon);
}
