//! The bodies of the fuzz targets in fuzz/, run over the corpus that is kept there.

#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test fails by panicking, and prints the input that it runs; the bodies belong to the fuzz targets too"
)]

mod config;
mod keys;
mod reply;
mod token;
mod wire;

/// Runs a target's body over each file of its corpus.
fn replay(target: &str, run: fn(&[u8])) {
    let directory = format!("{}/fuzz/corpus/{target}", env!("CARGO_MANIFEST_DIR"));
    let mut count = 0;
    for entry in std::fs::read_dir(&directory).unwrap() {
        let path = entry.unwrap().path();
        println!("{}", path.display());
        run(&std::fs::read(&path).unwrap());
        count += 1;
    }
    assert!(count >= 5, "{directory} holds {count} files");
}

#[test]
fn the_corpus_of_wire_passes() {
    replay("wire", wire::run);
}

#[test]
fn the_corpus_of_token_passes() {
    replay("token", token::run);
}

#[test]
fn the_corpus_of_keys_passes() {
    replay("keys", keys::run);
}

#[test]
fn the_corpus_of_config_passes() {
    replay("config", config::run);
}

#[test]
fn the_corpus_of_reply_passes() {
    replay("reply", reply::run);
}
