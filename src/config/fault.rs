//! Faults of the configuration or the files that it names, each with its place and what to do.

use std::path::PathBuf;

/// One fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The file.
    pub file: PathBuf,
    /// The line, from 1; 0 for a file as a whole.
    pub line: usize,
    /// The fault and its remedy. Holds nothing secret.
    pub message: String,
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.file.display(), self.message),
            line => write!(f, "{}:{line}: {}", self.file.display(), self.message),
        }
    }
}

/// All faults found, never just the first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Faults(Vec<Fault>);

impl Faults {
    /// Adds one.
    pub fn push(&mut self, fault: Fault) {
        self.0.push(fault);
    }

    /// Adds those of another.
    pub fn extend(&mut self, other: Faults) {
        self.0.extend(other.0);
    }

    /// Puts them in the order of the files.
    pub fn sort(&mut self) {
        self.0
            .sort_by(|one, other| (&one.file, one.line).cmp(&(&other.file, other.line)));
    }

    /// Returns true if it says the same already, in whatever line.
    pub(crate) fn says(&self, fault: &Fault) -> bool {
        self.0
            .iter()
            .any(|known| known.file == fault.file && known.message == fault.message)
    }

    /// Returns true if anything is wrong in the place of this fault.
    pub(crate) fn are_where(&self, fault: &Fault) -> bool {
        self.0
            .iter()
            .any(|known| known.file == fault.file && known.line == fault.line)
    }

    /// Returns true if nothing was found.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &Fault> {
        self.0.iter()
    }

    /// `value`, if nothing was found.
    pub fn into_result<T>(self, value: T) -> Result<T, Faults> {
        if self.is_empty() { Ok(value) } else { Err(self) }
    }
}

impl IntoIterator for Faults {
    type Item = Fault;
    type IntoIter = std::vec::IntoIter<Fault>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl FromIterator<Fault> for Faults {
    fn from_iter<I: IntoIterator<Item = Fault>>(faults: I) -> Self {
        Faults(faults.into_iter().collect())
    }
}

impl From<Fault> for Faults {
    fn from(fault: Fault) -> Self {
        Faults(vec![fault])
    }
}

impl std::fmt::Display for Faults {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, fault) in self.0.iter().enumerate() {
            let newline = if index > 0 { "\n" } else { "" };
            write!(f, "{newline}{fault}")?;
        }
        Ok(())
    }
}
