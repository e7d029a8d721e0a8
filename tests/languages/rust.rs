//! Rust: `SessionLayer` in axum.

use crate::app::{Language, built};
use crate::conformance::conforms;

#[test]
fn the_layer_conforms() {
    conforms(&Language::new("rust axum", built("examples/conformance_rust"), &[]));
}
