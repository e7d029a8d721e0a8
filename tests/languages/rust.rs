//! Rust: `SessionLayer` in axum.

use crate::app::{Language, built};
use crate::conformance::conforms;
use crate::drive::examples_work;
use crate::restart::hears_of_no_restart;

#[test]
fn the_layer_conforms() {
    conforms(&Language::new("rust axum", built("examples/conformance_rust"), &[]));
}

#[test]
fn the_example_works() {
    examples_work(&Language::new("examples/axum", built("example-axum"), &[]));
}

#[test]
fn hears_of_no_restarts() {
    hears_of_no_restart("rust");
}
