//! Redis over TLS, by an authority that the configuration names, with a client's certificate where Redis asks for one.

use crate::hosts::{Holder, MAX_STALENESS, complaints, entry, host, is_ready, issue, revoke, settings};
use jwtkeeper_testkit::daemons::{Setup, until};
use jwtkeeper_testkit::servers::{Authority, speaks_tls};

fn lines(port: u16, authority: &Authority) -> String {
    format!(
        "url = \"rediss://localhost:{port}\"\nca_file = \"{}\"\nmax_staleness = \"{}s\"",
        authority.certificate().display(),
        MAX_STALENESS.as_secs()
    )
}

#[test]
fn a_server_that_the_authority_vouches_for_is_trusted() {
    if !speaks_tls() {
        return;
    }
    let authority = Authority::new();
    let (mut server, port) = authority.server(&[]);
    let daemon = host(settings(&lines(port, &authority)));
    let client = daemon.client();
    let minted = issue(&client);
    revoke(&client, minted.token());
    assert!(server.not_hard(&[entry(&minted.jti)]).is_empty());
    server.restart();
    until("it is put back", || server.not_hard(&[entry(&minted.jti)]).is_empty());
}

#[test]
fn a_server_that_another_authority_vouches_for_is_not_trusted() {
    if !speaks_tls() {
        return;
    }
    let (authority, other) = (Authority::new(), Authority::new());
    let (_server, port) = authority.server(&[]);
    let daemon = settings(&lines(port, &other)).start();
    until("it says why", || {
        complaints(&daemon).to_lowercase().contains("certificate")
    });
    assert!(!is_ready(&daemon));
}

/// A server that asks its clients for a certificate, and a daemon that shows one by this authority, if any.
fn showing(by: Option<&Authority>, authority: &Authority, port: u16) -> Setup {
    let mut lines = lines(port, authority);
    if let Some(by) = by {
        let [certificate, key] = by.client();
        lines.push_str(&format!(
            "\ncert_file = \"{}\"\nkey_file = \"{}\"",
            certificate.display(),
            key.display()
        ));
    }
    settings(&lines)
}

#[test]
fn a_client_is_known_by_its_certificate() {
    if !speaks_tls() {
        return;
    }
    let (authority, other) = (Authority::new(), Authority::new());
    let (server, port) = authority.server(&["--tls-auth-clients", "yes"]);
    let daemon = host(showing(Some(&authority), &authority, port));
    let minted = issue(&daemon.client());
    revoke(&daemon.client(), minted.token());
    assert!(server.not_hard(&[entry(&minted.jti)]).is_empty());
    for by in [None, Some(&other)] {
        let daemon = showing(by, &authority, port).start();
        until("it says why", || {
            let said = complaints(&daemon).to_lowercase();
            said.contains("certificate") || said.contains("alert")
        });
        println!("{}", complaints(&daemon));
        assert!(!is_ready(&daemon));
    }
}
