//! The section `[metrics]`: what it takes, and what it refuses, with a reason.

use std::net::TcpStream;

use jwtkeeper_client::{Issue, Validate};

use jwtkeeper_testkit::daemons::http::{At, start};
use jwtkeeper_testkit::daemons::{Setup, until};

fn refused(lines: &str, said: &[&str]) {
    let output = Setup::new().top(&format!("[metrics]\n{lines}")).run(&["--check"]);
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(78), "{lines}: {errors}");
    for text in said {
        assert!(errors.contains(text), "{text}: {errors}");
    }
}

#[test]
fn what_would_show_metrics_to_the_world() {
    for address in ["0.0.0.0:9464", "[::]:9464", "192.0.2.1:9464", "[2001:db8::1]:9464"] {
        refused(
            &format!("listen = \"{address}\""),
            &[
                "jwtkeeper.toml:4:",
                address,
                "loopback address",
                "no TLS and no password",
            ],
        );
    }
}

#[test]
fn what_means_nothing() {
    refused("listen = \"localhost\"", &["an address and a port", "\"localhost\""]);
    refused("listen = 9464", &["metrics.listen must be a string"]);
    refused(
        "listen = \"127.0.0.1:9464\"\nsocket = \"m.sock\"",
        &["cannot both be set"],
    );
    refused("", &["says nowhere to serve"]);
    refused(
        "listen = \"127.0.0.1:9464\"\nsocket_mode = \"0600\"",
        &["socket_mode is for metrics.socket"],
    );
    refused(
        "socket = \"m.sock\"\nsocket_mode = \"rw\"",
        &["metrics.socket_mode must be an octal mode"],
    );
    refused("socket = \"jwtkeeper.sock\"", &["the daemon's own socket"]);
    refused("socket = \"\"", &["metrics.socket is empty"]);
    refused(
        &format!("socket = \"/run/{}\"", "long".repeat(30)),
        &["more than 103 bytes"],
    );
    refused(
        "sokcet = \"m.sock\"",
        &["unknown key metrics.sokcet; did you mean socket?"],
    );
}

#[test]
fn print_config_reads_back_to_the_same() {
    for lines in [
        "listen = \"[::1]:9464\"",
        "socket = \"/run/m.sock\"\nsocket_mode = \"0600\"",
    ] {
        let setup = Setup::new().top(&format!("[metrics]\n{lines}"));
        let printed = String::from_utf8(setup.run(&["--print-config"]).stdout).unwrap();
        assert!(printed.contains(&format!("[metrics]\n{lines}\n")), "{printed}");
    }
    let printed = String::from_utf8(Setup::new().run(&["--print-config"]).stdout).unwrap();
    assert!(!printed.contains("metrics"), "off unless set: {printed}");
}

#[test]
fn change_of_the_address_waits_for_a_restart() {
    let (mut daemon, at) = start(Setup::new());
    daemon.setup.replace("/metrics.sock", "/other.sock");
    daemon.client().reload().unwrap();
    let metrics = at.get("/metrics");
    assert_eq!(metrics.status, 200);
    assert!(
        metrics.body.contains("jwtkeeper_config_pending_restart 1\n"),
        "{}",
        metrics.body
    );
    assert_eq!(at.get("/readyz").status, 200);
}

/// The token service starts all the same; health names the fault, and metrics are served once the address is free.
#[test]
fn taken_address_is_a_fault_of_health_until_it_is_free() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let daemon = Setup::new().top(&format!("[metrics]\nlisten = \"{address}\"")).start();
    let fault = format!(
        "metrics and health are not served over HTTP: cannot listen on metrics.listen {address}: Address already in use \
         (os error 98); stop the program that uses this address, or set another metrics.listen"
    );
    let health = daemon.health();
    assert_eq!(health["faults"], serde_json::json!([fault]));
    let client = daemon.client();
    let token = client.issue(Issue::new()).unwrap();
    assert!(client.validate(Validate::new(token.token())).unwrap().is_valid());
    daemon.logged(&format!("ERROR jwtkeeper::process::metrics: {fault}"));
    drop(taken);
    until("the daemon listens", || TcpStream::connect(address).is_ok());
    assert_eq!(At::Tcp(address).value("jwtkeeper_ready"), Some(1.0));
    assert_eq!(daemon.health()["faults"], serde_json::json!([]));
}
