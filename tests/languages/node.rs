//! Node: the Express middleware, the package's own tests (Fastify, worker threads and the front end's module among them),
//! and its types.

use std::process::Command;

use crate::app::{Language, built, root};
use crate::conformance::conforms;
use crate::drive::examples_work;
use crate::impostor::refuses_an_impostor;
use crate::parallel::one_successor_each;
use crate::restart::hears_of_no_restart;
use jwtkeeper_testkit::daemons::exit_of;

fn conformance_app() -> Language {
    Language::new("node express", "node", &["tests/languages/apps/node_express.mjs"])
}

#[test]
fn the_middleware_conforms() {
    conforms(&conformance_app());
}

#[test]
fn requests_at_once_get_one_successor_each() {
    one_successor_each(&conformance_app());
}

#[test]
fn the_example_works() {
    examples_work(&Language::new("examples/node", "node", &["examples/node/app.mjs"]));
}

#[test]
fn hears_of_no_restarts() {
    hears_of_no_restart("node");
}

fn passes(program: &str, arguments: &[&str]) {
    let mut command = Command::new(program);
    command
        .args(arguments)
        .current_dir(root("client/node"))
        .env("JWTKEEPERD", env!("CARGO_BIN_EXE_jwtkeeperd"))
        .env("JWTKEEPER_LIBRARY", built("libjwtkeeper.so"));
    let output = exit_of(command);
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&said));
}

#[test]
fn the_package_s_own_tests_pass() {
    passes("node", &["--test", "test/"]);
}

/// As docs/languages/node.md says, into an app elsewhere, from a tree in which nobody has run npm.
#[test]
fn the_package_installs() {
    let directory = tempfile::tempdir().unwrap();
    let script = "set -eu\nmkdir tree app\n(cd \"$1\" && cp -r *.js *.mjs *.d.ts lib package.json \"$OLDPWD/tree\")\n\
                  cd app\nnpm pack --silent ../tree >/dev/null\n\
                  npm install --silent --no-audit --no-fund --prefer-offline ./jwtkeeper-0.1.0.tgz\n\
                  node -e 'new (require(\"jwtkeeper\").Client)()'\n\
                  node --input-type=module -e 'import { Client } from \"jwtkeeper\"; import { sessions } from \"jwtkeeper/fastify\"; \
                  import { Session } from \"jwtkeeper/browser\"; sessions(new Client()); new Session()'";
    let mut command = Command::new("sh");
    command.args(["-c", script, "sh"]).arg(root("client/node"));
    command.current_dir(directory.path());
    command.env("JWTKEEPER_LIBRARY", built("libjwtkeeper.so"));
    let output = exit_of(command);
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&said));
}

#[test]
fn the_types_are_enough_to_write_an_app() {
    passes("node", &["node_modules/typescript/bin/tsc"]);
}

#[test]
fn an_impostor_is_refused() {
    refuses_an_impostor(&conformance_app());
}
