//! Configuration files as one tree in which every value still knows its file and line. Later files overrule earlier
//! ones, key by key.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::fault::{Fault, Faults};

/// Where something stands.
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

/// Reads the file, then `conf.d/*.toml` beside it in the order of their names.
pub(super) fn read(path: &Path) -> Result<Node, Faults> {
    let mut faults = Faults::default();
    let mut root = read_one(path, &mut faults);
    for extra in drop_ins(path, &mut faults) {
        let later = read_one(&extra, &mut faults);
        merge(&mut root, later);
    }
    faults.into_result(root)
}

fn drop_ins(path: &Path, faults: &mut Faults) -> Vec<PathBuf> {
    let directory = path.parent().unwrap_or(Path::new("")).join("conf.d");
    let entries = match std::fs::read_dir(&directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Vec::new(),
        Err(error) => {
            faults.push(Fault {
                file: directory,
                line: 0,
                message: format!("cannot be read: {error}"),
            });
            return Vec::new();
        }
    };
    let mut files: Vec<_> = entries
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        // An editor's lock or backup is not ours.
        .filter(|path| {
            !path
                .file_name()
                .is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
        })
        .collect();
    files.sort();
    files
}

fn read_one(path: &Path, faults: &mut Faults) -> Node {
    let file = Rc::new(path.to_owned());
    let empty = || Node {
        place: Place {
            file: file.clone(),
            line: 0,
        },
        value: Value::Table(Table::new()),
    };
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => {
            let message = format!("cannot be read: {error}");
            faults.push(Fault {
                file: path.to_owned(),
                line: 0,
                message,
            });
            return empty();
        }
    };
    let (table, errors) = DeTable::parse_recoverable(&text);
    for error in &errors {
        let line = error.span().map_or(0, |span| line_of(&text, span.start));
        faults.push(Fault {
            file: path.to_owned(),
            line,
            message: error.message().to_owned(),
        });
    }
    let line = line_of(&text, table.span().start);
    let place = Place {
        file: file.clone(),
        line,
    };
    Node {
        place,
        value: Value::Table(convert_table(table.get_ref(), &text, &file)),
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
