//! Rust: `SessionLayer` in axum.

use crate::app::{Language, built};
use crate::conformance::conforms;
use crate::drive::examples_work;
use crate::impostor::refuses_an_impostor;
use crate::parallel::one_successor_each;
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

#[test]
fn requests_at_once_get_one_successor_each() {
    one_successor_each(&Language::new("rust axum", built("examples/conformance_rust"), &[]));
}

#[test]
fn an_impostor_is_refused() {
    refuses_an_impostor(&Language::new("rust axum", built("examples/conformance_rust"), &[]));
}
