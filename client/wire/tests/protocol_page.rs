//! docs/protocol.md is for people who do not read Rust, so what it says is held to the code: the tables of codes
//! are generated from it, and the worked example is golden.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::fmt::Write;

use jwtkeeper_wire::{Cause, ClientCode, CodeRow, ErrorCode, Reason, State};
use support::{bless, golden, hex, repository, unhex};

const BEGIN: &str = "<!-- codes: begin -->\n";
const END: &str = "<!-- codes: end -->";

fn table(title: &str, rows: impl Iterator<Item = CodeRow>) -> String {
    let mut table = format!("\n### {title}\n\n| code | name | meaning |\n|---|---|---|\n");
    for CodeRow {
        code,
        name,
        meaning,
        c_name,
        c_meaning,
        ..
    } in rows
    {
        assert_eq!(
            (c_name.to_bytes(), c_meaning.to_bytes()),
            (name.as_bytes(), meaning.as_bytes())
        );
        writeln!(table, "| {code} | `{name}` | {meaning} |").unwrap();
    }
    table
}

fn tables() -> String {
    [
        table("Error codes", ErrorCode::ALL.iter().filter_map(|code| code.row())),
        table(
            "Codes of the clients, which never travel",
            ClientCode::ALL.iter().filter_map(|code| code.row()),
        ),
        table("Reasons", Reason::ALL.iter().filter_map(|code| code.row())),
        table("Causes", Cause::ALL.iter().filter_map(|code| code.row())),
        table("States", State::ALL.iter().filter_map(|code| code.row())),
    ]
    .concat()
}

#[test]
fn the_page_has_the_tables_of_the_code() {
    let path = repository("docs/protocol.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = page.split_once(BEGIN).expect("the page marks where the codes begin");
    let (written, after) = rest.split_once(END).expect("the page marks where the codes end");
    let expected = tables() + "\n";
    if written != expected && bless() {
        std::fs::write(&path, [before, BEGIN, &expected, END, after].concat()).unwrap();
        return;
    }
    assert_eq!(
        written, expected,
        "run with JWTKEEPER_BLESS=1 to write the codes into the page"
    );
}

/// Blocks of the page that begin with "# golden FILE NAME" hold that golden frame, laid out with comments.
#[test]
fn the_worked_example_is_golden() {
    let page = std::fs::read_to_string(repository("docs/protocol.md")).unwrap();
    let mut found = 0;
    for block in page.split("```").skip(1).step_by(2) {
        let Some((title, lines)) = block
            .trim_start_matches(char::is_alphabetic)
            .trim_start()
            .strip_prefix("# golden ")
            .and_then(|rest| rest.split_once('\n'))
        else {
            continue;
        };
        let (file, name) = title.split_once(' ').expect("a file and a name");
        let digits: String = lines.lines().map(|line| line.split('#').next().unwrap()).collect();
        let golden = golden(file);
        let expected = golden.get(name).unwrap_or_else(|| panic!("no golden {file}/{name}"));
        assert_eq!(hex(&unhex(&digits)), hex(expected), "{file}/{name}");
        found += 1;
    }
    assert_eq!(found, 4, "hello, welcome, a request and its reply");
}

/// The names travel into logs, exit texts and other languages: one each, in order of their codes.
#[test]
fn codes_are_in_order_and_named_once() {
    for rows in [
        ErrorCode::ALL.iter().filter_map(|code| code.row()).collect::<Vec<_>>(),
        Reason::ALL.iter().filter_map(|code| code.row()).collect(),
        Cause::ALL.iter().filter_map(|code| code.row()).collect(),
        State::ALL.iter().filter_map(|code| code.row()).collect(),
    ] {
        assert!(rows.is_sorted_by(|a, b| a.code < b.code), "{rows:?}");
        let mut names: Vec<&str> = rows.iter().map(|row| row.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), rows.len());
    }
}

#[test]
fn every_code_and_no_other_survives_the_number() {
    for number in 0..=u16::MAX {
        assert_eq!(ErrorCode::from(number).code(), number);
        assert_eq!(Reason::from(number).code(), number);
        assert_eq!(Cause::from(number).code(), number);
        assert_eq!(State::from(number).code(), number);
    }
    assert_eq!(Reason::from(900).to_string(), "other(900)");
    assert_eq!(Reason::from(11).to_string(), "revoked");
}
