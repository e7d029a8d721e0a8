//! jwtkeeper.toml(5), from examples/jwtkeeper.toml: its comments are the text of the keys.

use std::io;

use clap_mangen::roff::{bold, roman};

use crate::page::Page;

const EXAMPLE: &str = include_str!("../../../../examples/jwtkeeper.toml");

/// The kind of a line of the example. A key that is commented out is a key as any other.
enum Line<'e> {
    Table(&'e str, &'e str),
    Key(&'e str, &'e str, &'e str),
    /// Goes on with the comment of the line before.
    More(&'e str),
    Prose(&'e str),
    Empty,
}

pub(crate) fn page() -> io::Result<Vec<u8>> {
    let head = Page::default()
        .title("jwtkeeper.toml", "5")
        .name("jwtkeeper.toml", "configuration of jwtkeeperd")
        .section("DESCRIPTION")
        .paragraph(
            "The configuration is TOML. /etc/jwtkeeper/jwtkeeper.toml is read first, then conf.d/*.toml beside it, in the \
             order of their names, which override it. Files are watched: a change is in effect at once, or is refused as a \
             whole, and then what was in effect stays. Some settings wait for a restart: socket, socket_mode, state_dir \
             and store.",
        )
        .paragraph("Each key stands with its default, or with an example where its text says so or where it has no default. Unknown keys are errors. \
             jwtkeeperd --check says everything that is wrong.")
        .section("SETTINGS");
    let mut text = Vec::new();
    settings(head)
        .section("FILES")
        .entry("/etc/jwtkeeper/jwtkeeper.toml", "The configuration.")
        .entry("/etc/jwtkeeper/conf.d/*.toml", "More of it.")
        .see_also(&[("jwtkeeperd", "8"), ("jwtkeeperctl", "1")])
        .write(&mut text)?;
    Ok(text)
}

fn settings(mut page: Page) -> Page {
    // Its first lines speak of the file.
    let mut prose: Vec<&str> = Vec::new();
    let mut key: Option<(&str, &str, String)> = None;
    for line in EXAMPLE.lines().skip_while(|line| !line.is_empty()).map(read) {
        if let (Line::More(more), Some((_, _, text))) = (&line, &mut key) {
            *text = format!("{text} {more}");
            continue;
        }
        if let Some((name, value, text)) = key.take() {
            page = page.term([bold(name), roman(format!(" = {value}"))], &sentence(&text));
        }
        match line {
            Line::Table(name, text) => {
                page = page.part(name);
                page = said(page, &mut prose);
                if !text.is_empty() {
                    page = page.paragraph(&sentence(text));
                }
            }
            Line::Key(name, value, text) => {
                page = said(page, &mut prose);
                key = Some((name, value, text.to_owned()));
            }
            Line::Prose(text) | Line::More(text) => prose.push(text),
            Line::Empty => {}
        }
    }
    match key {
        Some((name, value, text)) => page.term([bold(name), roman(format!(" = {value}"))], &sentence(&text)),
        None => page,
    }
}

fn said(page: Page, prose: &mut Vec<&str>) -> Page {
    match std::mem::take(prose) {
        prose if prose.is_empty() => page,
        prose => page.paragraph(&prose.join(" ")),
    }
}

fn read(line: &str) -> Line<'_> {
    let line = line.trim_end();
    let body = line.strip_prefix("# ").unwrap_or(line);
    let (code, comment) = match body.split_once('#') {
        Some((code, comment)) => (code.trim(), comment.trim()),
        None => (body.trim(), ""),
    };
    let is_name = |name: &str| !name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase() || c == '_');
    match code.split_once(" = ") {
        _ if line.is_empty() => Line::Empty,
        Some((name, value)) if is_name(name) => Line::Key(name, value, comment),
        _ if code.starts_with('[') && code.ends_with(']') => Line::Table(code, comment),
        _ if code.is_empty() => Line::More(comment),
        _ => Line::Prose(body),
    }
}

/// With a capital and a full stop. What begins with a key, a value or a path is left as it is.
fn sentence(text: &str) -> String {
    let first = text.split_whitespace().next().unwrap_or_default();
    let is_word = first
        .trim_end_matches([';', ':'])
        .chars()
        .all(|c| c.is_ascii_lowercase());
    let mut chars = text.chars();
    match chars.next() {
        Some(initial) if is_word => format!("{}{}.", initial.to_ascii_uppercase(), chars.as_str()),
        Some(_) => format!("{text}."),
        None => String::new(),
    }
}
