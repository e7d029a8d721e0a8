//! The way from a path to its file: every name on it whose change leads elsewhere, and the directories that hold those
//! names. A mounted Kubernetes volume is three links deep, and only the one in the middle ever changes.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs;
use std::path::{Component, Path, PathBuf};

/// More links than this are a loop (as the kernel counts).
const MOST_LINKS: usize = 40;

/// A way, as far as it goes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Trail {
    /// The links on it, and what each holds.
    pub(super) links: Vec<(PathBuf, PathBuf)>,
    /// The end: the file, or the first name that does not exist.
    pub(super) end: PathBuf,
}

impl Trail {
    /// Follows `path`.
    pub(crate) fn of(path: &Path) -> Self {
        let mut trail = Trail::default();
        let mut rest = VecDeque::new();
        let mut at = PathBuf::from("/");
        if path.is_relative() {
            at = fs::canonicalize(".").unwrap_or(at);
        }
        put_first(&mut rest, path);
        while let Some(name) = rest.pop_front() {
            if name == ".." {
                at.pop();
                continue;
            }
            let next = at.join(&name);
            match fs::read_link(&next) {
                Ok(target) if trail.links.len() < MOST_LINKS => {
                    if target.is_absolute() {
                        at = PathBuf::from("/");
                    }
                    put_first(&mut rest, &target);
                    trail.links.push((next, target));
                }
                // Not a link. What it is instead, whoever opens it finds out.
                _ if rest.is_empty() || fs::symlink_metadata(&next).is_err() => {
                    trail.end = next;
                    return trail;
                }
                _ => at = next,
            }
        }
        trail.end = at;
        trail
    }

    /// Returns the end.
    pub(crate) fn end(&self) -> &Path {
        &self.end
    }

    /// Every name whose change can lead to another file.
    pub(crate) fn steps(&self) -> impl Iterator<Item = &Path> {
        let links = self.links.iter().map(|(link, _)| link.as_path());
        links.chain([self.end.as_path()])
    }
}

/// Puts the names of `path` before the others.
fn put_first(rest: &mut VecDeque<OsString>, path: &Path) {
    for component in path.components().rev() {
        match component {
            Component::Normal(name) => rest.push_front(name.to_owned()),
            Component::ParentDir => rest.push_front(OsString::from("..")),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn steps(path: &Path) -> Vec<PathBuf> {
        Trail::of(path).steps().map(Path::to_owned).collect()
    }

    #[test]
    fn a_mounted_volume() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().canonicalize().unwrap();
        fs::create_dir(root.join("..2026")).unwrap();
        fs::write(root.join("..2026/secret"), "s").unwrap();
        symlink("..2026", root.join("..data")).unwrap();
        symlink("..data/secret", root.join("secret")).unwrap();
        let expected = [root.join("secret"), root.join("..data"), root.join("..2026/secret")];
        assert_eq!(steps(&root.join("secret")), expected);
    }

    #[test]
    fn ways_that_end_early() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().canonicalize().unwrap();
        assert_eq!(steps(&root.join("none/such/file")), [root.join("none")]);
        symlink("a", root.join("b")).unwrap();
        symlink("b", root.join("a")).unwrap();
        assert!(steps(&root.join("a")).len() > MOST_LINKS);
        symlink(root.join("file"), root.join("link")).unwrap();
        let up = root.join("x/../link");
        fs::create_dir(root.join("x")).unwrap();
        assert_eq!(steps(&up), [root.join("link"), root.join("file")]);
    }
}
