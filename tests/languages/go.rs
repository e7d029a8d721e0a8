//! Go: examples/go's middleware over cgo, and the package's own tests.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use crate::app::{Language, built, root};
use crate::conformance::conforms;
use crate::drive::examples_work;
use crate::impostor::refuses_an_impostor;
use crate::parallel::one_successor_each;
use crate::restart::hears_of_no_restart;
use jwtkeeper_testkit::daemons::daemon::ctl;

/// The go command in a directory, with libjwtkeeper where cgo finds it.
fn go(directory: &str) -> Command {
    let mut command = Command::new("go");
    command
        .current_dir(root(directory))
        .env("CGO_CFLAGS", format!("-I{}", root("client/capi/include").display()))
        .env("CGO_LDFLAGS", format!("-L{}", built(".").display()));
    command
}

/// Builds the program of a directory; says how it is run.
fn program(name: &'static str, directory: &str) -> Language {
    let here = built(&format!("{}_go", name.replace([' ', '/'], "_")));
    let output = go(directory)
        .args(["build", "-o"])
        .arg(&here)
        .arg(".")
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{name}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Language::new(name, here, &[]).env("LD_LIBRARY_PATH", soname_directory())
}

/// A directory in which the loader finds the library under its SONAME, which cargo gives no file. Made once a process: two
/// tests at it would take each other's link away.
fn soname_directory() -> PathBuf {
    static MADE: OnceLock<PathBuf> = OnceLock::new();
    let make = || {
        let directory = built("soname");
        std::fs::create_dir_all(&directory).unwrap();
        let aside = directory.join(std::process::id().to_string());
        let _none = std::fs::remove_file(&aside); // an earlier process may have had this number
        std::os::unix::fs::symlink(built("libjwtkeeper.so"), &aside).unwrap();
        std::fs::rename(aside, directory.join("libjwtkeeper.so.0")).unwrap();
        directory
    };
    MADE.get_or_init(make).clone()
}

#[test]
fn the_middleware_conforms() {
    conforms(&program("go", "tests/languages/apps/go"));
}

#[test]
fn the_example_works() {
    examples_work(&program("examples/go", "examples/go"));
}

#[test]
fn hears_of_no_restarts() {
    hears_of_no_restart("go");
}

#[test]
fn requests_at_once_get_one_successor_each() {
    one_successor_each(&program("go", "tests/languages/apps/go"));
}

#[test]
fn an_impostor_is_refused() {
    refuses_an_impostor(&program("go", "tests/languages/apps/go"));
}

/// With JWTKEEPER_PROVE the flood on a stopped daemon has its full size; its figure is printed.
#[test]
fn the_package_s_own_tests_pass() {
    let output = go("examples/go")
        .args(["test", "-count=1", "-v", "./..."])
        .env("LD_LIBRARY_PATH", soname_directory())
        .env("JWTKEEPERD", env!("CARGO_BIN_EXE_jwtkeeperd"))
        .env("JWTKEEPERCTL", ctl())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let figure = said.lines().find(|line| line.contains("on a stopped daemon"));
    println!("go:{}", figure.expect("the flood was sent"));
}
