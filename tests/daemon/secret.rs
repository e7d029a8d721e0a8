//! What `jwtkeeperctl secret generate` writes is what the daemon takes.

use std::path::Path;
use std::process::Command;

use jwtkeeper_client::{Issue, Reason, Verdict};
use jwtkeeper_core::jwt::{Algorithm, Family};

use jwtkeeper_testkit::daemons::daemon::{chmod, ctl};
use jwtkeeper_testkit::daemons::{Daemon, Setup, exit_of};

fn generate(algorithm: &str, file: &Path) {
    let mut command = Command::new(ctl());
    command.args(["secret", "generate", "--algorithm", algorithm]).arg(file);
    let output = exit_of(command);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// A realm for each algorithm, on a generated key.
fn all_realms() -> Setup {
    let mut setup = Setup::bare();
    for algorithm in Algorithm::ALL {
        let file = setup.path(&format!("{algorithm}.key"));
        generate(&algorithm.to_string(), &file);
        let setting = match algorithm.family() {
            Family::Hmac => "secret_file",
            _ => "key_file",
        };
        setup = setup.lines(&format!(
            "[realms.{algorithm}]\nalgorithm = \"{algorithm}\"\n{setting} = \"{}\"",
            file.display()
        ));
    }
    setup
}

#[test]
fn a_generated_key_of_each_algorithm_is_taken() {
    let setup = all_realms();
    setup.init();
    let output = setup.run(&["--check"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let daemon = Daemon::start(setup);
    for algorithm in Algorithm::ALL {
        let realm = daemon.realm(&algorithm.to_string());
        let minted = realm.issue(Issue::new()).unwrap();
        assert!(realm.validate(minted.token()).unwrap().is_valid(), "{algorithm}");
    }
}

/// The check sees a key that does not fit.
#[test]
fn a_generated_key_of_another_algorithm_is_refused() {
    for (wrong, right) in [
        ("HS256", "HS384"),
        ("ES384", "ES256"),
        ("ES256", "EdDSA"),
        ("HS512", "RS256"),
    ] {
        let mut setup = Setup::bare();
        let file = setup.path("key");
        generate(wrong, &file);
        let setting = if right.starts_with("HS") {
            "secret_file"
        } else {
            "key_file"
        };
        let file = file.display();
        setup = setup.lines(&format!(
            "[realms.default]\nalgorithm = \"{right}\"\n{setting} = \"{file}\""
        ));
        let output = setup.run(&["--check"]);
        assert_eq!(output.status.code(), Some(78), "{wrong} for {right}");
    }
}

/// The change of a secret under a running daemon: one command, and no token of the old one is left. The
/// group's right to read outlives it.
#[test]
fn a_secret_is_changed_by_one_command() {
    let daemon = Setup::new().start();
    let client = daemon.client();
    let before = client.issue(Issue::new()).unwrap();
    let secret = daemon.setup.path("default.secret");
    chmod(&secret, 0o640);
    generate("HS256", &secret);
    client.reload().unwrap(); // it may be in effect already
    assert_eq!(
        client.validate(before.token()).unwrap(),
        Verdict::Invalid(Reason::BadSignature)
    );
    let after = client.issue(Issue::new()).unwrap();
    assert!(client.validate(after.token()).unwrap().is_valid());
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&secret).unwrap().permissions());
    assert_eq!(mode & 0o7777, 0o640);
}
