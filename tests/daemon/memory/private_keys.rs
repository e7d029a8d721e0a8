//! Private keys of asymmetric realms.

use std::process::Command;

use jwtkeeper_client::Issue;

use super::scan::scan;
use super::traces::{Trace, of_number, trace};
use jwtkeeper_testkit::daemons::daemon::{P256, RSA};
use jwtkeeper_testkit::daemons::{Setup, until};

const REALMS: [(&str, &str, &[&str]); 3] = [
    ("rsa", "RS256", RSA),
    ("ec", "ES256", P256),
    ("ed", "EdDSA", &["-algorithm", "ED25519"]),
];

fn openssl(args: &[&str], input: &[u8]) -> Vec<u8> {
    use std::io::Write;
    use std::process::Stdio;
    let mut child = Command::new("openssl")
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    output.stdout
}

/// The secret numbers of a key, and lines of its file.
fn traces(label: &str, pem: &[u8]) -> Vec<Trace> {
    let text = String::from_utf8(openssl(&["pkey", "-noout", "-text"], pem)).unwrap();
    let mut traces = Vec::new();
    let mut name = "";
    let mut hex = String::new();
    for line in text.lines().chain(["end:"]) {
        if line.starts_with(' ') {
            hex.push_str(line.trim());
            continue;
        }
        if matches!(
            name,
            "priv:" | "privateExponent:" | "prime1:" | "prime2:" | "exponent1:" | "exponent2:"
        ) {
            let digits: String = hex.chars().filter(|digit| *digit != ':').collect();
            let bytes: Vec<u8> = (0..digits.len() / 2)
                .map(|at| u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).unwrap())
                .skip_while(|byte| *byte == 0)
                .collect();
            traces.extend(of_number(label, name.trim_end_matches(':'), &bytes));
        }
        hex.clear();
        name = line;
    }
    assert!(!traces.is_empty(), "{text}");
    let pem = String::from_utf8(pem.to_vec()).unwrap();
    let lines: Vec<_> = pem.lines().filter(|line| !line.starts_with("---")).collect();
    traces.push(trace(label, "a line of the file", lines[lines.len() / 2].as_bytes()));
    traces
}

#[test]
fn replaced_private_keys_leave_memory() {
    if !nix::unistd::geteuid().is_root() {
        println!("only root can read the daemon's memory");
        return;
    }
    let mut setup = Setup::bare().top("[reload]\npoll = \"50ms\"\nsettle = \"20ms\"");
    for (realm, algorithm, kind) in REALMS {
        setup = setup.realm_with_key(realm, algorithm, kind, "");
    }
    let daemon = setup.start();
    let mut replaced = Vec::new();
    for number in 0..3 {
        for (realm, _, kind) in REALMS {
            let client = daemon.realm(realm);
            let file = format!("{realm}.pem");
            replaced.extend(traces(
                &format!("{realm} {number}"),
                &std::fs::read(daemon.setup.path(&file)).unwrap(),
            ));
            let minted = std::thread::scope(|scope| {
                let issue = || {
                    (0..10)
                        .map(|_| client.issue(Issue::new()).unwrap())
                        .next_back()
                        .unwrap()
                };
                let threads: Vec<_> = (0..4).map(|_| scope.spawn(issue)).collect();
                threads
                    .into_iter()
                    .map(|thread| thread.join().unwrap())
                    .next_back()
                    .unwrap()
            });
            if number == 2 {
                let found = scan(daemon.pid(), &replaced);
                let label = format!("{realm} 2");
                assert!(
                    found
                        .stray
                        .keys()
                        .chain(found.locked.keys())
                        .any(|name| name.starts_with(&label)),
                    "the search does not find {label}: {found:#?}"
                );
            }
            let key = openssl(&[&["genpkey"], kind].concat(), b"");
            daemon.setup.write_secret(&file, &key);
            until("the key takes effect", || {
                !client.validate(minted.token()).unwrap().is_valid()
            });
            client.issue(Issue::new()).unwrap();
        }
    }
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(5);
    loop {
        let found = scan(daemon.pid(), &replaced);
        if found == Default::default() {
            break;
        }
        assert!(
            std::time::Instant::now() < deadline,
            "{} traces: {found:#?}",
            found.strays()
        );
    }
}
