//! `reload`: what it prints of a report, and what it does with a daemon that has none. The daemon is scripted.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod daemon;

use daemon::{Daemon, text};
use jwtkeeper_wire::{Answer, ErrorCode, Op};
use serde_json::json;

fn report(document: &'static str) -> Daemon {
    Daemon::answering(Answer::ReloadReport {
        generation: 4,
        document: document.as_bytes(),
    })
}

#[test]
fn only_what_is_new_is_printed() {
    let daemon = report(
        r#"{"dry_run":false,"changes":[{"at":1700000000,"generation":4,"by_this_reload":true,"realm":"api","text":"a change",
            "ends_tokens":true,"revives_tokens":false,"later":1}],"realms":[],"pending_restart":["metrics"],"faults":[]}"#,
    );
    let (code, said) = daemon.answers(&["reload"], "");
    assert_eq!(code, 0);
    assert_eq!(
        said,
        "reloaded, generation 4\nin effect since 2023-11-14T22:13:20Z: a change\n\
         restart pending: the new value of metrics takes effect after a restart of jwtkeeperd\n"
    );
    daemon.asked(&Op::ReloadReport { dry_run: false });
    let (code, shape) = daemon.json(&["--json", "reload"]);
    assert_eq!(code, 0);
    let change = json!({"at": 1_700_000_000, "generation": 4, "by_this_reload": true, "realm": "api", "text": "a change",
                        "ends_tokens": true, "revives_tokens": false, "later": 1});
    let expected = json!({"dry_run": false, "generation": 4, "changes": [change], "realms": [],
                          "pending_restart": ["metrics"], "credentials": [], "faults": []});
    assert_eq!(shape, expected);
}

#[test]
fn nothing_changed_is_said() {
    let (code, said) = report("{}").answers(&["reload"], "");
    assert_eq!((code, said.as_str()), (0, "reloaded, generation 4, nothing changed\n"));
    let (code, said) = report("{}").answers(&["reload", "--dry-run"], "");
    assert_eq!((code, said.as_str()), (0, "dry run: a reload would change nothing\n"));
    let (_, said) = report(r#"{"changes":[{"text":"one"}],"omitted":7}"#).answers(&["reload"], "");
    assert!(
        said.ends_with("one\nand 7 more, which do not fit here; the log has all changes\n"),
        "{said}"
    );
}

#[test]
fn a_dry_run_names_the_tokens_that_would_end() {
    let daemon = report(
        r#"{"dry_run":true,"changes":[{"realm":"a","text":"one","ends_tokens":true,"revives_tokens":false}],
            "realms":[{"name":"a","ends":"all","keys":[],"rotation_due":false},
                      {"name":"b","ends":"some","keys":["K1","K2"],"rotation_due":true},
                      {"name":"c","ends":"some","keys":[],"rotation_due":false},
                      {"name":"d","ends":"none","keys":[],"rotation_due":true}],
            "pending_restart":["socket","metrics"],"faults":[]}"#,
    );
    let (code, said) = daemon.answers(&["reload", "--dry-run"], "");
    assert_eq!(code, 0);
    assert_eq!(
        said,
        "dry run: nothing was applied; a reload would mean:\n- one\n\
         tokens of realm a: all would end\n\
         tokens of realm b: those that the key K1, K2 signed would end; rotation would be due\n\
         tokens of realm c: some would end, see above\n\
         tokens of realm d: none would end; rotation would be due\n\
         restart pending: the new value of socket, metrics takes effect after a restart of jwtkeeperd\n"
    );
    daemon.asked(&Op::ReloadReport { dry_run: true });
}

/// Faults go to stderr, one in each line, and hold back nothing that was accepted.
#[test]
fn refused_files_are_a_line_each() {
    let document = r#"{"changes":[{"text":"a change"}],"faults":["one fault","another\u001b[2J"]}"#;
    for (args, expected) in [
        (&["reload"][..], "a change\n"),
        (
            &["reload", "--dry-run"],
            "dry run: nothing was applied; a reload would fail in part, and mean:\n- a change\n",
        ),
    ] {
        let output = report(document).run(args, "");
        assert_eq!(output.status.code(), Some(78));
        assert_eq!(text(&output.stdout), expected);
        let faults = "jwtkeeperctl: refused: one fault\njwtkeeperctl: refused: another [2J\n";
        assert_eq!(text(&output.stderr), faults);
    }
    let output = report(r#"{"faults":["one fault"]}"#).run(&["reload", "--dry-run"], "");
    let said = "dry run: a reload would fail and change nothing\n";
    assert_eq!(text(&output.stdout), said);
    let output = report(document).run(&["--json", "reload"], "");
    let shape: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(shape["generation"], json!(null));
    assert_eq!(shape["faults"], json!(["one fault", "another\u{1b}[2J"]));
}

/// A daemon that was not upgraded yet reloads all the same, and refuses a dry run.
#[test]
fn an_older_daemon_reloads() {
    let old = || {
        Daemon::by(|op| match op {
            Op::Reload => Answer::Reloaded { generation: 9 },
            _ => Answer::Error {
                code: ErrorCode::UnknownOperation,
                message: "the operation 11 is not known",
            },
        })
    };
    let (code, said) = old().answers(&["reload"], "");
    assert_eq!((code, said.as_str()), (0, "reloaded, generation 9\n"));
    let output = old().run(&["reload", "--dry-run"], "");
    assert_eq!(output.status.code(), Some(69));
    assert!(text(&output.stderr).contains("the operation 11 is not known"));
    assert_eq!(text(&output.stdout), "");
}

/// A report that this version cannot read is no success, and its faults are not lost.
#[test]
fn an_unreadable_report_is_an_error() {
    let faults = r#"{"faults":["one fault"],"pending_restart":null}"#;
    let output = report(faults).run(&["reload"], "");
    assert_eq!(output.status.code(), Some(78));
    assert_eq!(text(&output.stderr), "jwtkeeperctl: refused: one fault\n");
    for document in ["no JSON", r#"{"changes":[{"at":"now"}]}"#, r#"{"faults":"all"}"#] {
        let output = report(document).run(&["reload"], "");
        assert_eq!(output.status.code(), Some(69), "{document}");
        let said = text(&output.stderr);
        assert!(said.contains("report of the reload could not be read"), "{said}");
    }
}

/// Members of a newer daemon are passed on.
#[test]
fn json_has_members_that_this_version_does_not_know() {
    let (code, shape) = report(r#"{"news":[1]}"#).json(&["--json", "reload"]);
    assert_eq!((code, &shape["news"], &shape["faults"]), (0, &json!([1]), &json!([])));
}
