//! Lines for a terminal: parts with a colour each, and plain columns. What others wrote (a daemon's texts, claims) must
//! not steer the terminal: control characters never get through. Six escape sequences by hand need no crate.

use std::io::IsTerminal;

/// The style of a part, where there is colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Paint {
    Plain,
    Good,
    Bad,
    Odd,
    Dim,
    Bold,
}

impl Paint {
    fn sequence(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Good => "\x1b[1;32m",
            Self::Bad => "\x1b[1;31m",
            Self::Odd => "\x1b[33m",
            Self::Dim => "\x1b[2m",
            Self::Bold => "\x1b[1m",
        }
    }

    pub(crate) fn on(self, text: impl Into<String>) -> Part {
        Part {
            paint: self,
            text: text.into(),
        }
    }
}

/// Some text of one look.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    paint: Paint,
    text: String,
}

impl From<&str> for Part {
    fn from(text: &str) -> Self {
        Paint::Plain.on(text)
    }
}

impl From<String> for Part {
    fn from(text: String) -> Self {
        Paint::Plain.on(text)
    }
}

impl Part {
    fn length(&self) -> usize {
        self.text.chars().count()
    }
}

/// One line.
#[derive(Debug, Clone, Default)]
pub(crate) struct Line(Vec<Part>);

impl Line {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    #[must_use]
    pub(crate) fn with(mut self, part: impl Into<Part>) -> Self {
        self.0.push(part.into());
        self
    }

    /// The line's text, at most `width` characters of it.
    pub(crate) fn text(&self, colour: bool, width: usize) -> String {
        let mut text = String::new();
        let mut left = width;
        let last = self.0.iter().rposition(|part| !part.text.trim_end().is_empty());
        for (at, part) in self.0.iter().enumerate().take(last.map_or(0, |last| last + 1)) {
            let cut: String = part.text.chars().map(harmless).take(left).collect();
            left -= cut.chars().count();
            let cut = if Some(at) == last { cut.trim_end() } else { &cut };
            if colour && part.paint != Paint::Plain && !cut.is_empty() {
                text.push_str(part.paint.sequence());
                text.push_str(cut);
                text.push_str("\x1b[0m");
            } else {
                text.push_str(cut);
            }
        }
        text
    }
}

/// Rows as aligned columns, two spaces apart; the last column of a row is as long as it is.
pub(crate) fn columns(indent: usize, rows: &[Vec<Part>]) -> Vec<Line> {
    let last = |row: &Vec<Part>, at: usize| at + 1 == row.len();
    let width = |at: usize| {
        let cells = rows.iter().filter(|row| !last(row, at)).filter_map(|row| row.get(at));
        cells.map(Part::length).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..rows.iter().map(Vec::len).max().unwrap_or(0)).map(width).collect();
    let line = |row: &Vec<Part>| {
        let mut line = Line::new().with(" ".repeat(indent));
        for (at, (part, width)) in row.iter().zip(&widths).enumerate() {
            line = line.with(part.clone());
            if !last(row, at) {
                line = line.with(" ".repeat(width - part.length() + 2));
            }
        }
        line
    };
    rows.iter().map(line).collect()
}

/// A character, or a mark in place of one that steers a terminal.
pub(crate) fn harmless(c: char) -> char {
    if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }
}

/// Returns true if stdout wants colour: a terminal that can, and nobody said no (no-color.org).
pub(crate) fn wanted() -> bool {
    let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    std::io::stdout().is_terminal() && !set("NO_COLOR") && std::env::var_os("TERM").is_some_and(|term| term != "dumb")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_end_where_they_end() {
        let rows = [
            vec!["a".into(), "bcd".into(), "a long last one".into()],
            vec!["äöü".into(), Part::from("")],
            vec!["x".into(), "y".into(), Part::from("z  ")],
        ];
        let lines: Vec<_> = columns(2, &rows).iter().map(|line| line.text(false, 80)).collect();
        assert_eq!(lines, ["  a    bcd  a long last one", "  äöü", "  x    y    z"]);
    }

    #[test]
    fn colour_is_around_the_text_alone_and_nothing_steers_the_terminal() {
        let line = Line::new().with(Paint::Good.on("ready")).with(", \x1b[2Jall");
        assert_eq!(line.text(false, 80), "ready, \u{fffd}[2Jall");
        assert_eq!(line.text(true, 80), "\x1b[1;32mready\x1b[0m, \u{fffd}[2Jall");
        assert_eq!(line.text(true, 3), "\x1b[1;32mrea\x1b[0m");
    }
}
