//! One table of the configuration, read key by key. What has the wrong type or is never asked for becomes a fault;
//! reading goes on, so that all faults are reported at once.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::rc::Rc;

use super::fault::Faults;
use super::tree::{Node, Place, Table, Value};

/// Faults of all sections that are being read.
pub(super) type Found = Rc<RefCell<Faults>>;

/// A table.
pub(super) struct Section<'t> {
    name: String,
    place: Place,
    table: Option<&'t Table>,
    asked: RefCell<BTreeSet<&'static str>>,
    found: Found,
}

/// A value and where it stood.
pub(super) type At<T> = (T, Place);

impl<'t> Section<'t> {
    /// The section that `node` is; `name` is empty for the file as a whole.
    pub(super) fn new(name: &str, node: &'t Node, found: &Found) -> Self {
        let table = match &node.value {
            Value::Table(table) => Some(table),
            other => {
                let message = format!("{name} must be a table, not {}", other.kind());
                found.borrow_mut().push(node.place.fault(message));
                None
            }
        };
        let (name, place, asked) = (name.to_owned(), node.place.clone(), RefCell::default());
        Self {
            name,
            place,
            table,
            asked,
            found: found.clone(),
        }
    }

    /// Returns the place of the section.
    pub(super) fn place(&self) -> &Place {
        &self.place
    }

    /// Adds a fault.
    pub(super) fn fault(&self, place: &Place, message: impl Into<String>) {
        self.found.borrow_mut().push(place.fault(message));
    }

    /// Returns the list of faults.
    pub(super) fn found(&self) -> &Found {
        &self.found
    }

    /// The full name of a key.
    pub(super) fn full(&self, key: &str) -> String {
        if self.name.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.name)
        }
    }

    /// The raw value of a key.
    pub(super) fn node(&self, key: &'static str) -> Option<&'t Node> {
        self.asked.borrow_mut().insert(key);
        self.table?.get(key)
    }

    /// The place of the setting that brought these keys together: of those in a file that is read later than the
    /// section's, the one that is read last; otherwise that of the first.
    pub(super) fn culprit(&self, keys: &[&'static str]) -> Place {
        let nodes = || keys.iter().filter_map(|key| self.node(key));
        let later = nodes().filter(|node| node.place.file != self.place.file);
        let last = later.max_by_key(|node| &node.place.file); // drop-ins are read in the order of their names
        let place = last.or_else(|| nodes().next()).map(|node| &node.place);
        place.unwrap_or(&self.place).clone()
    }

    /// Every key and its value, all of them asked for.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (&'t String, &'t Node)> {
        self.table.into_iter().flatten()
    }

    fn read<T>(&self, key: &'static str, wanted: &str, read: impl FnOnce(&Value) -> Option<T>) -> Option<At<T>> {
        let node = self.node(key)?;
        match read(&node.value) {
            Some(value) => Some((value, node.place.clone())),
            None => {
                let message = format!("{} must be {wanted}, not {}", self.full(key), node.value.kind());
                self.fault(&node.place, message);
                None
            }
        }
    }

    /// A string.
    pub(crate) fn text(&self, key: &'static str) -> Option<At<String>> {
        self.read(key, "a string", |value| match value {
            Value::Text(text) => Some(text.clone()),
            _ => None,
        })
    }

    /// true or false.
    pub(super) fn flag(&self, key: &'static str, default: bool) -> bool {
        let read = |value: &Value| match value {
            Value::Boolean(value) => Some(*value),
            _ => None,
        };
        self.read(key, "true or false", read)
            .map_or(default, |(value, _)| value)
    }

    /// An integer within bounds.
    pub(super) fn number(&self, key: &'static str, default: u64, range: std::ops::RangeInclusive<u64>) -> u64 {
        let read = |value: &Value| match value {
            Value::Integer(value) => u64::try_from(*value).ok(),
            _ => None,
        };
        let Some((value, place)) = self.read(key, "an integer that is not negative", read) else {
            return default;
        };
        if !range.contains(&value) {
            let message = format!(
                "{} must lie between {} and {}",
                self.full(key),
                range.start(),
                range.end()
            );
            self.fault(&place, message);
        }
        value
    }

    /// A span of time, in milliseconds: `"30s"`, `"24h"`, `"30d"`.
    pub(super) fn span(&self, key: &'static str) -> Option<At<u64>> {
        const WANTED: &str = "a string with a unit of time, such as \"30s\" or \"24h\"";
        let text = |value: &Value| match value {
            Value::Text(text) => Some(text.clone()),
            _ => None,
        };
        let (text, place) = self.read(key, WANTED, text)?;
        let Ok(span) = humantime::parse_duration(&text) else {
            self.fault(&place, format!("{} must be {WANTED}, not \"{text}\"", self.full(key)));
            return None;
        };
        Some((u64::try_from(span.as_millis()).unwrap_or(u64::MAX), place))
    }

    /// A span of time in whole seconds.
    pub(super) fn seconds(&self, key: &'static str) -> Option<At<u64>> {
        let (ms, place) = self.span(key)?;
        if ms % 1000 != 0 || ms == 0 {
            self.fault(&place, format!("{} must be one or more whole seconds", self.full(key)));
        }
        Some((ms / 1000, place))
    }

    /// A list of strings, or one string.
    pub(super) fn texts(&self, key: &'static str) -> Option<At<Vec<String>>> {
        self.read(key, "a string or a list of strings", |value| match value {
            Value::Text(text) => Some(vec![text.clone()]),
            Value::List(nodes) => nodes
                .iter()
                .map(|node| match &node.value {
                    Value::Text(text) => Some(text.clone()),
                    _ => None,
                })
                .collect(),
            _ => None,
        })
    }

    /// A list of tables.
    pub(super) fn sections(&self, key: &'static str) -> Vec<Section<'t>> {
        let Some(node) = self.node(key) else { return Vec::new() };
        let Value::List(nodes) = &node.value else {
            let message = format!("{} must be a list of tables, not {}", self.full(key), node.value.kind());
            self.fault(&node.place, message);
            return Vec::new();
        };
        let name = self.full(key);
        nodes
            .iter()
            .map(|node| Section::new(&name, node, &self.found))
            .collect()
    }

    /// A table within.
    pub(super) fn section(&self, key: &'static str) -> Option<Section<'t>> {
        let node = self.node(key)?;
        Some(Section::new(&self.full(key), node, &self.found))
    }

    /// One of several words.
    pub(super) fn choice<T: Copy>(&self, key: &'static str, choices: &[(&str, T)]) -> Option<T> {
        let (text, place) = self.text(key)?;
        if let Some((_, value)) = choices.iter().find(|(name, _)| *name == text) {
            return Some(*value);
        }
        let names: Vec<_> = choices.iter().map(|(name, _)| format!("\"{name}\"")).collect();
        self.fault(
            &place,
            format!("{} must be one of {}, not \"{text}\"", self.full(key), names.join(", ")),
        );
        None
    }

    /// A path; a relative one starts from the directory of the file that names it.
    pub(super) fn path(&self, key: &'static str) -> Option<At<PathBuf>> {
        let (text, place) = self.text(key)?;
        if text.is_empty() {
            self.fault(&place, format!("{} is empty; name a file", self.full(key)));
            return None;
        }
        let base = place.file.parent().map(PathBuf::from).unwrap_or_default();
        Some((base.join(text), place))
    }

    /// Faults for every key that nobody asked for.
    pub(super) fn finish(self) {
        let asked = self.asked.borrow();
        for (key, node) in self.entries().filter(|(key, _)| !asked.contains(key.as_str())) {
            let hint = match nearest(key, asked.iter().copied()) {
                Some(near) => format!("did you mean {near}?"),
                None => "remove it, or see examples/jwtkeeper.toml for all keys".to_owned(),
            };
            self.fault(&node.place, format!("unknown key {}; {hint}", self.full(key)));
        }
    }
}

/// The known name that a misspelt one is for, if one is near.
pub(super) fn nearest<'n>(name: &str, known: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    let near = known.map(|known| (distance(known, name), known)).min()?;
    (near.0 <= 2).then_some(near.1)
}

/// Returns the number of letters that differ (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (j, y) in b.chars().enumerate() {
            let above = row.get(j + 1).copied().unwrap_or(usize::MAX);
            let here = (diagonal + usize::from(x != y)).min(above + 1).min(left + 1);
            diagonal = above;
            if let Some(cell) = row.get_mut(j) {
                *cell = left;
            }
            left = here;
        }
        if let Some(cell) = row.last_mut() {
            *cell = left;
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    #[test]
    fn distance_counts_letters() {
        for (a, b, far) in [
            ("issuer", "issuer", 0),
            ("isuer", "issuer", 1),
            ("expires", "expiry", 2),
            ("", "abc", 3),
        ] {
            assert_eq!(super::distance(a, b), far, "{a} {b}");
        }
    }
}
