//! Ruby: the Rack middleware, the controller methods in ActionController, and the package's own tests, of which
//! client/ruby/test/cluster_test.rb is Puma's forked workers and rails_test.rb a Rails app.

use std::fs;
use std::process::Command;

use crate::app::{Language, built, root};
use crate::conformance::conforms;
use crate::drive::examples_work;
use crate::impostor::refuses_an_impostor;
use crate::parallel::one_successor_each;
use crate::restart::hears_of_no_restart;

fn rack() -> Language {
    Language::new("ruby rack", "ruby", &["tests/languages/apps/ruby_rack.rb"])
}

fn controller() -> Language {
    Language::new("ruby controller", "ruby", &["tests/languages/apps/ruby_controller.rb"])
}

#[test]
fn the_middleware_conforms() {
    conforms(&rack());
}

#[test]
fn the_controller_conforms() {
    conforms(&controller());
}

#[test]
fn each_token_has_one_successor() {
    one_successor_each(&rack());
    one_successor_each(&controller());
}

#[test]
fn the_example_works() {
    examples_work(&Language::new("ruby example", "puma", &["-C", "examples/ruby/puma.rb"]));
}

#[test]
fn the_package_s_own_tests_pass() {
    let files = fs::read_dir(root("client/ruby/test")).unwrap();
    let tests = files.map(|file| file.unwrap().path());
    let mut run = 0;
    for test in tests.filter(|path| path.to_str().unwrap().ends_with("_test.rb")) {
        let output = Command::new("ruby")
            .arg("-w")
            .arg(&test)
            .env("JWTKEEPERD", env!("CARGO_BIN_EXE_jwtkeeperd"))
            .env("JWTKEEPER_LIBRARY", built("libjwtkeeper.so"))
            .output()
            .unwrap();
        let [said, faults] = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
        assert!(output.status.success(), "{}:\n{said}\n{faults}", test.display());
        run += 1;
    }
    assert!(run > 0, "there are no tests");
}

#[test]
fn hears_of_no_restarts() {
    hears_of_no_restart("ruby");
}

#[test]
fn an_impostor_is_refused() {
    refuses_an_impostor(&rack());
}
