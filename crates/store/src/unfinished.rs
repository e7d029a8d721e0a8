//! Store files in the making: `--init` makes one under another name, and then gives it the right one.

use std::path::{Path, PathBuf};

/// A store file in the making, under a name that no other process gives. It is removed when this is dropped.
pub(crate) struct Unfinished(PathBuf);

impl Unfinished {
    /// Chooses a name beside `path`.
    pub(crate) fn beside(path: &Path) -> Self {
        // Not the process id: two containers that share a directory can have the same.
        let mut random = [0; 8];
        let _ = aws_lc_rs::rand::fill(&mut random); // without, two that start at once collide, and one fails
        let name = format!("{:016x}.{}.new", u64::from_le_bytes(random), std::process::id());
        Self(path.with_extension(name))
    }

    /// The file.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0); // where it cannot be removed, it harms nobody
    }
}

/// Removes the files of killed runs of `--init`. There is a store at `path` by now, so that a run under way is
/// bound to fail and loses nothing by it.
pub(crate) fn remove_unfinished(path: &Path) {
    let (Some(directory), Some(stem)) = (path.parent(), path.file_stem().and_then(|stem| stem.to_str())) else {
        return;
    };
    let is_unfinished = |name: &str| {
        let middle = name.strip_prefix(stem).and_then(|rest| rest.strip_prefix('.'));
        let parts = middle
            .and_then(|rest| rest.strip_suffix(".new"))
            .and_then(|rest| rest.split_once('.'));
        parts.is_some_and(|(random, pid)| {
            let is_hex = random.len() == 16 && random.bytes().all(|byte| byte.is_ascii_hexdigit());
            is_hex && !pid.is_empty() && pid.bytes().all(|byte| byte.is_ascii_digit())
        })
    };
    // A file that stays does no harm.
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        if entry.file_name().to_str().is_some_and(is_unfinished) {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}
