//! PHP: examples/php's session flow over FFI, in PHP's own server.

use crate::app::{Language, root};
use crate::conformance::conforms;
use crate::drive::examples_work;
use crate::restart::hears_of_no_restart;

#[test]
fn the_session_flow_conforms() {
    let arguments = [
        "examples/php/serve.php",
        "tests/languages/apps/php/index.php",
        "listening ",
    ];
    conforms(&Language::new("php", "php", &arguments).env("PORT", "0"));
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
