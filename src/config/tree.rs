//! Configuration files as one tree in which every value still knows its file and line. Later files overrule earlier
//! ones, key by key.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::fault::{Fault, Faults};
use crate::files::{FileKind, Files};

/// The place of a setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) file: Rc<PathBuf>,
    pub(super) line: usize,
}

impl Place {
    pub(super) fn fault(&self, message: impl Into<String>) -> Fault {
        Fault {
            file: self.file.to_path_buf(),
            line: self.line,
            message: message.into(),
        }
    }
}

/// A value and its place.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) place: Place,
    pub(super) value: Value,
}

/// A value.
#[derive(Debug, Clone)]
pub(super) enum Value {
    Table(Table),
    List(Vec<Node>),
    Text(String),
    Integer(i64),
    Boolean(bool),
    Other(&'static str),
}

/// Values by key.
pub(super) type Table = BTreeMap<String, Node>;

impl Value {
    /// The table, if it is one.
    pub(super) fn table(&self) -> Option<&Table> {
        match self {
            Value::Table(table) => Some(table),
            _ => None,
        }
    }

    pub(super) fn kind(&self) -> &'static str {
        match self {
            Value::Table(_) => "a table",
            Value::List(_) => "a list",
            Value::Text(_) => "a string",
            Value::Integer(_) => "an integer",
            Value::Boolean(_) => "true or false",
            Value::Other(kind) => kind,
        }
    }
}

/// Reads the files that [`files_of`] names, in that order.
pub(super) fn read(path: &Path, files: &mut Files) -> Result<Node, Faults> {
    let mut faults = Faults::default();
    let drop_ins = drop_ins(path, files).unwrap_or_else(|fault| {
        faults.push(fault);
        Vec::new()
    });
    let mut root = read_one(path, files, &mut faults);
    for extra in drop_ins {
        let later = read_one(&extra, files, &mut faults);
        merge(&mut root, later);
    }
    faults.into_result(root)
}

/// The configuration's files: this one, then `conf.d/*.toml` beside it in the order of their names.
pub(super) fn files_of(path: &Path, files: &mut Files) -> Vec<PathBuf> {
    let drop_ins = drop_ins(path, files).unwrap_or_default(); // that it cannot be read is told when it is read
    [path.to_owned()].into_iter().chain(drop_ins).collect()
}

/// The directory of drop-ins.
pub(crate) fn drop_in_directory(path: &Path) -> PathBuf {
    path.parent().unwrap_or(Path::new("")).join("conf.d")
}

fn drop_ins(path: &Path, files: &mut Files) -> Result<Vec<PathBuf>, Fault> {
    let directory = drop_in_directory(path);
    files.list(&directory, "toml").map_err(|error| Fault {
        file: directory.clone(),
        line: 0,
        message: format!("cannot be read: {error}; make it a directory that the daemon's user may list, or remove it"),
    })
}

fn read_one(path: &Path, files: &mut Files, faults: &mut Faults) -> Node {
    let file = Rc::new(path.to_owned());
    let empty = || Node {
        place: Place {
            file: file.clone(),
            line: 0,
        },
        value: Value::Table(Table::new()),
    };
    let mut fault = |message: String| {
        faults.push(Fault {
            file: path.to_owned(),
            line: 0,
            message,
        });
        empty()
    };
    let bytes = match files.read(path, FileKind::Configuration) {
        Ok(bytes) => bytes,
        Err(error) => return fault(error.to_string()),
    };
    let Ok(text) = std::str::from_utf8(&bytes) else {
        return fault("is not UTF-8 text".to_owned());
    };
    let (table, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        let line = error.span().map_or(0, |span| line_of(text, span.start));
        let named = error.span().and_then(|span| text.get(span)).unwrap_or_default();
        let message = match error.message() {
            "duplicate key" if !named.is_empty() => format!("duplicate key {named}; keep one of them"),
            message => message.to_owned(),
        };
        let file = path.to_owned();
        faults.push(Fault { file, line, message });
    }
    let line = line_of(text, table.span().start);
    let place = Place {
        file: file.clone(),
        line,
    };
    Node {
        place,
        value: Value::Table(convert_table(table.get_ref(), text, &file)),
    }
}

fn line_of(text: &str, offset: usize) -> usize {
    let before = text.as_bytes().get(..offset).unwrap_or(text.as_bytes());
    1 + before.iter().filter(|byte| **byte == b'\n').count()
}

fn convert_table(table: &DeTable<'_>, text: &str, file: &Rc<PathBuf>) -> Table {
    table
        .iter()
        .map(|(key, value)| {
            let mut node = convert(value, text, file);
            // A table's own span can be its header; a key's is always where it was written.
            node.place.line = line_of(text, key.span().start);
            (key.get_ref().to_string(), node)
        })
        .collect()
}

fn convert(value: &Spanned<DeValue<'_>>, text: &str, file: &Rc<PathBuf>) -> Node {
    let line = line_of(text, value.span().start);
    let value = match value.get_ref() {
        DeValue::String(value) => Value::Text(value.to_string()),
        DeValue::Integer(value) => i64::from_str_radix(value.as_str(), value.radix())
            .map_or(Value::Other("an integer out of range"), Value::Integer),
        DeValue::Boolean(value) => Value::Boolean(*value),
        DeValue::Array(values) => Value::List(values.iter().map(|value| convert(value, text, file)).collect()),
        DeValue::Table(table) => Value::Table(convert_table(table, text, file)),
        DeValue::Float(_) => Value::Other("a float"),
        DeValue::Datetime(_) => Value::Other("a date"),
    };
    Node {
        place: Place {
            file: file.clone(),
            line,
        },
        value,
    }
}

fn merge(into: &mut Node, later: Node) {
    match (&mut into.value, later.value) {
        (Value::Table(table), Value::Table(later)) => {
            for (key, node) in later {
                match table.get_mut(&key) {
                    Some(standing) => merge(standing, node),
                    None => drop(table.insert(key, node)),
                }
            }
        }
        (_, value) => {
            *into = Node {
                place: later.place,
                value,
            }
        }
    }
}
