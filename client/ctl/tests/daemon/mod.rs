//! A scripted daemon that gives one answer to everything, and the command run against it.

#![allow(dead_code)]

use std::process::Output;
use std::sync::{Arc, Mutex};

use assert_cmd::Command;
use jwtkeeper_testkit::fake::Fake;
use jwtkeeper_wire::{Answer, Op};
use serde_json::Value;

pub(crate) const TOKEN: &str = "header.c3VwZXJzZWNyZXQ.signature";
pub(crate) const LOCK: &str = "00112233445566778899aabbccddeeff";

/// A daemon that gives one answer to everything, and keeps what it was asked.
pub(crate) struct Daemon {
    pub(crate) fake: Fake,
    pub(crate) asked: Arc<Mutex<Vec<String>>>,
}

impl Daemon {
    pub(crate) fn answering(answer: Answer<'static>) -> Self {
        Self::by(move |_| answer.clone())
    }

    /// One that answers each by what is asked.
    pub(crate) fn by(answer: impl Fn(&Op<'_>) -> Answer<'static> + Send + Sync + 'static) -> Self {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let keep = Arc::clone(&asked);
        let fake = Fake::start(move |_, mut peer| {
            peer.greet();
            while let Some(asked) = peer.asked() {
                keep.lock().unwrap().push(format!("{:?}", asked.request().op));
                let answer = answer(&asked.request().op);
                peer.answer(asked.id(), answer);
            }
        });
        Self { fake, asked }
    }

    pub(crate) fn run(&self, args: &[&str], stdin: &str) -> Output {
        let mut command = Command::cargo_bin("jwtkeeperctl").unwrap();
        command.env("JWTKEEPER_SOCKET", self.fake.socket());
        command.args(args).write_stdin(stdin).output().unwrap()
    }

    /// The exit code and standard output; nothing may be complained about.
    pub(crate) fn answers(&self, args: &[&str], stdin: &str) -> (i32, String) {
        let output = self.run(args, stdin);
        assert_eq!(text(&output.stderr), "", "{args:?}");
        (output.status.code().unwrap(), text(&output.stdout))
    }

    pub(crate) fn json(&self, args: &[&str]) -> (i32, Value) {
        let (code, text) = self.answers(args, "");
        assert_eq!(text.lines().count(), 1, "{text}");
        (code, serde_json::from_str(&text).unwrap())
    }

    /// Asserts the request of the only call so far.
    pub(crate) fn asked(&self, op: &Op<'_>) {
        let asked = std::mem::take(&mut *self.asked.lock().unwrap());
        assert_eq!(asked, [format!("{op:?}")]);
    }
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}
