//! Rust: `SessionLayer` in axum.

use crate::app::{Language, built};
use crate::conformance::conforms;
use crate::drive::examples_work;

#[test]
fn the_layer_conforms() {
    conforms(&Language::new("rust axum", built("examples/conformance_rust"), &[]));
}

#[test]
fn the_example_works() {
    examples_work(&Language::new("examples/axum", built("example-axum"), &[]));
}
