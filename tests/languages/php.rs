//! PHP: examples/php's session flow over FFI, in PHP's own server.

use std::io::Write;
use std::process::{Command, Stdio};

use jwtkeeper_client::Issue;

use crate::app::{Language, built, root};
use crate::conformance::conforms;
use crate::drive::examples_work;
use crate::impostor::refuses_an_impostor;
use crate::restart::hears_of_no_restart;
use jwtkeeper_testkit::daemons::{Setup, exit_of};

fn conformance_app() -> Language {
    let arguments = [
        "examples/php/serve.php",
        "tests/languages/apps/php/index.php",
        "listening ",
    ];
    Language::new("php", "php", &arguments).env("PORT", "0")
}

#[test]
fn the_session_flow_conforms() {
    conforms(&conformance_app());
}

#[test]
fn the_example_works() {
    let arguments = ["examples/php/serve.php", "examples/php/index.php"];
    let header = root("client/capi/include/jwtkeeper.h");
    examples_work(&Language::new("examples/php", "php", &arguments).env("JWTKEEPER_HEADER", header));
}

#[test]
fn hears_of_no_restarts() {
    hears_of_no_restart("php");
}

#[test]
fn an_impostor_is_refused() {
    refuses_an_impostor(&conformance_app());
}

#[test]
fn wrong_values_and_misuse_are_errors() {
    let daemon = Setup::new().start();
    let minted = daemon.client().issue(Issue::new()).unwrap();
    daemon.client().flag_jti(&minted.jti).unwrap();
    let mut command = Command::new("php");
    command
        .args(["-d", "ffi.enable=1", "tests/languages/apps/php/tests.php"])
        .current_dir(root(""))
        .env("JWTKEEPER_LIBRARY", built("libjwtkeeper.so"))
        .env("JWTKEEPER_SOCKET", daemon.setup.socket())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    writeln!(child.stdin.take().unwrap(), "{}", minted.token()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let faults = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && said.ends_with("passed\n"),
        "{}: {said}{faults}",
        output.status
    );
}

/// A clone would free the client of the original a second time.
#[test]
fn a_client_cannot_be_cloned() {
    let header = root("client/capi/include/jwtkeeper.h");
    let script = format!(
        "require 'examples/php/jwtkeeper.php'; $client = new JwtKeeper(header: '{}'); \
         try {{ clone $client; }} catch (Error $error) {{ echo $error->getMessage(); }}",
        header.display()
    );
    let mut command = Command::new("php");
    command
        .args(["-d", "ffi.enable=1", "-r", &script])
        .current_dir(root(""));
    command.env("JWTKEEPER_LIBRARY", built("libjwtkeeper.so"));
    let output = exit_of(command);
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}", output.status);
    assert!(said.contains("private JwtKeeper::__clone()"), "{said}");
}
