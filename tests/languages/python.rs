//! Python: the WSGI and the ASGI middleware, the package's own tests, and the package as it is installed.

use std::process::Command;

use crate::app::{Language, built, root};
use crate::conformance::conforms;
use crate::drive::examples_work;
use crate::impostor::refuses_an_impostor;
use crate::parallel::one_successor_each;
use crate::restart::hears_of_no_restart;
use jwtkeeper_testkit::daemons::exit_of;

/// Debian's own, which finds Debian's packages.
const PYTHON: &str = "/usr/bin/python3";

fn python(name: &'static str, program: &str) -> Language {
    Language::new(name, PYTHON, &[program]).env("PYTHONPATH", root("client/python"))
}

#[test]
fn the_wsgi_middleware_conforms() {
    conforms(&python("python wsgi", "tests/languages/apps/python_wsgi.py"));
}

#[test]
fn the_asgi_middleware_conforms() {
    conforms(&python("python asgi", "tests/languages/apps/python_asgi.py"));
}

/// gunicorn forks its workers with the client that was used before.
#[test]
fn forked_workers_give_one_successor_each() {
    one_successor_each(&python("python gunicorn", "tests/languages/apps/python_gunicorn.py"));
}

#[test]
fn the_example_works() {
    examples_work(&python("examples/python", "examples/python/app.py"));
}

#[test]
fn hears_of_no_restarts() {
    hears_of_no_restart("python");
}

fn passes(mut command: Command) {
    command
        .env("JWTKEEPERD", env!("CARGO_BIN_EXE_jwtkeeperd"))
        .env("JWTKEEPER_LIBRARY", built("libjwtkeeper.so"));
    let output = exit_of(command);
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&said));
}

#[test]
fn the_package_s_own_tests_pass() {
    let mut command = Command::new(PYTHON);
    command
        .args(["-W", "error", "-m", "unittest", "discover", "-s", "client/python/tests"])
        .current_dir(root(""))
        .env("PYTHONPATH", root("client/python"));
    passes(command);
}

/// Built into a wheel, and installed where nothing else is.
#[test]
fn the_wheel_installs() {
    let directory = tempfile::tempdir().unwrap();
    let script = format!(
        "set -eu\ncd {}\ncp -r {} source\n{PYTHON} -m pip wheel -q --no-deps --no-build-isolation --no-index -w . ./source\n\
         {PYTHON} -m venv installed\ninstalled/bin/pip install -q --no-index jwtkeeper-*.whl\n\
         cd / && {}/installed/bin/python -c 'import jwtkeeper, pathlib; jwtkeeper.Client(); \
         assert (pathlib.Path(jwtkeeper.__file__).parent / \"py.typed\").exists()'",
        directory.path().display(),
        root("client/python").display(),
        directory.path().display()
    );
    let mut command = Command::new("sh");
    command.args(["-c", &script]);
    passes(command);
}

#[test]
fn an_impostor_is_refused() {
    refuses_an_impostor(&python("python wsgi", "tests/languages/apps/python_wsgi.py"));
}
