//! A manual page's own parts, beside those that come from a command line.

use std::io;

use clap_mangen::roff::{Inline, Roff, bold, roman};

/// Which manual the pages are of: what stands in the middle of their head.
pub(crate) const MANUAL: &str = "jwtkeeper";

/// Sections of a page (man(7)).
#[derive(Default)]
pub(crate) struct Page(Roff);

impl Page {
    pub(crate) fn title(mut self, name: &str, section: &str) -> Self {
        let source = concat!("jwtkeeper ", env!("CARGO_PKG_VERSION"));
        self.0.control("TH", [name, section, "", source, MANUAL]);
        self
    }

    pub(crate) fn section(mut self, name: &str) -> Self {
        self.0.control("SH", [name]);
        self
    }

    pub(crate) fn part(mut self, name: &str) -> Self {
        self.0.control("SS", [name]);
        self
    }

    pub(crate) fn paragraph(mut self, text: &str) -> Self {
        self.0.control("PP", []);
        self.0.text([roman(text)]);
        self
    }

    /// The line under NAME, which indexes take.
    pub(crate) fn name(mut self, name: &str, what: &str) -> Self {
        self.0.control("SH", ["NAME"]);
        self.0.text([roman(format!("{name} - {what}"))]);
        self
    }

    pub(crate) fn entry(self, term: &str, text: &str) -> Self {
        self.term([bold(term)], text)
    }

    pub(crate) fn term(mut self, term: impl Into<Vec<Inline>>, text: &str) -> Self {
        self.0.control("TP", []);
        self.0.text(term);
        self.0.text([roman(text)]);
        self
    }

    /// Lines as they are.
    pub(crate) fn verbatim(mut self, lines: &[&str]) -> Self {
        self.0.control("PP", []);
        self.0.control("nf", []);
        self.0.control("RS", ["4"]);
        for line in lines {
            self.0.text([roman(*line)]);
        }
        self.0.control("RE", []);
        self.0.control("fi", []);
        self
    }

    /// Other pages, by name and section.
    pub(crate) fn see_also(mut self, pages: &[(&str, &str)]) -> Self {
        self.0.control("SH", ["SEE ALSO"]);
        let mut line = Vec::new();
        for (at, (name, section)) in pages.iter().enumerate() {
            let comma = if at + 1 < pages.len() { ", " } else { "" };
            line.extend([bold(*name), roman(format!("({section}){comma}"))]);
        }
        self.0.text(line);
        self
    }

    pub(crate) fn write(&self, to: &mut Vec<u8>) -> io::Result<()> {
        self.0.to_writer(to)
    }
}
