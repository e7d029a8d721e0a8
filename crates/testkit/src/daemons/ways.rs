//! The ways in which a file changes in the field: by hand, by tools, by what mounts it.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use super::{exit_of, pace};

/// Between two bytes of a writer that drips.
const DRIP: Duration = Duration::from_millis(5);
/// The time for which no file exists: longer than `settle` in these tests.
const GONE: Duration = Duration::from_millis(300);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Written aside, renamed over it.
    Rename,
    /// Truncated and written at once.
    Truncate,
    /// The same, one byte at a time.
    Drip,
    /// Written over, and cut to its length after.
    Overwrite,
    /// `sed -i`.
    Sed,
    /// As vim saves: the original is renamed to a backup, a new file is written, and the backup removed.
    Vim,
    /// `cp` over it.
    Cp,
    /// A hard link made aside, renamed over it.
    HardLink,
    /// `ln -f`.
    Ln,
    /// It is a symbolic link, and another is renamed over it.
    Symlink,
    /// Moved away, and nothing is there for a while; then another is moved there.
    Gone,
    /// A Kubernetes volume: `..data` leads to another directory.
    Volume,
    /// The same, with the configuration on it.
    ConfigMap,
    /// Bind-mounted alone, its source written in place.
    BindMount,
}

/// When a change was made.
pub struct Made {
    /// Before this moment it was not whole.
    pub begun: Instant,
    /// From this moment it was.
    pub whole: Instant,
}

impl Way {
    pub const ALL: [Way; 14] = [
        Way::Rename,
        Way::Truncate,
        Way::Drip,
        Way::Overwrite,
        Way::Sed,
        Way::Vim,
        Way::Cp,
        Way::HardLink,
        Way::Ln,
        Way::Symlink,
        Way::Gone,
        Way::Volume,
        Way::ConfigMap,
        Way::BindMount,
    ];

    /// Returns true if the file is written where it lies, so that it must rest.
    pub fn in_place(self) -> bool {
        use Way::{BindMount, Cp, Drip, Overwrite, Truncate};
        matches!(self, Truncate | Drip | Overwrite | Cp | BindMount)
    }

    /// Puts a file there as this way finds it.
    pub fn lay_out(self, file: &Path, text: &str) {
        let directory = file.parent().unwrap();
        fs::create_dir_all(directory).unwrap();
        match self {
            Way::Symlink => {
                write(&directory.join("0"), text);
                symlink("0", file).unwrap();
            }
            Way::Volume | Way::ConfigMap => drop(Volume(directory).swap(&[(name(file), text)])),
            _ => write(file, text),
        }
    }

    /// Makes the file's text another.
    pub fn change(self, file: &Path, before: &str, after: &str) -> Made {
        let directory = file.parent().unwrap();
        let aside = directory.join("aside");
        let begun = Instant::now();
        match self {
            Way::Rename => {
                write(&aside, after);
                fs::rename(&aside, file).unwrap();
            }
            Way::Truncate | Way::BindMount => truncated(file).write_all(after.as_bytes()).unwrap(),
            Way::Drip => return drip(file, after),
            Way::Overwrite => {
                let mut opened = fs::OpenOptions::new().write(true).open(file).unwrap();
                opened.write_all(after.as_bytes()).unwrap();
                opened.set_len(after.len() as u64).unwrap();
            }
            Way::Sed => run("sed", &["-i", &format!("s/{before}/{after}/")], &[file]),
            Way::Vim => {
                let backup = file.with_file_name(format!("{}~", name(file)));
                fs::rename(file, &backup).unwrap();
                write(file, after);
                fs::set_permissions(file, fs::Permissions::from_mode(0o600)).unwrap();
                let whole = Instant::now();
                fs::remove_file(backup).unwrap();
                return Made { begun, whole };
            }
            Way::Cp => {
                write(&aside, after);
                run("cp", &[], &[&aside, file]);
            }
            Way::HardLink => {
                write(&aside, after);
                let link = directory.join("link");
                fs::hard_link(&aside, &link).unwrap();
                fs::rename(&link, file).unwrap();
                let whole = Instant::now();
                fs::remove_file(aside).unwrap();
                return Made { begun, whole };
            }
            Way::Ln => {
                write(&aside, after);
                run("ln", &["-f"], &[&aside, file]);
                fs::remove_file(aside).unwrap();
            }
            Way::Symlink => {
                let old = fs::read_link(file).unwrap();
                let new = (old.to_str().unwrap().parse::<u64>().unwrap() + 1).to_string();
                write(&directory.join(&new), after);
                symlink(new, &aside).unwrap();
                // What it led to stays, untouched: only the directory knows.
                fs::rename(&aside, file).unwrap();
            }
            Way::Gone => {
                fs::rename(file, directory.join("away")).unwrap();
                pace(GONE);
                write(&aside, after);
                let begun = Instant::now();
                fs::rename(&aside, file).unwrap();
                return Made {
                    begun,
                    whole: Instant::now(),
                };
            }
            Way::Volume | Way::ConfigMap => {
                let whole = Volume(directory).swap(&[(name(file), after)]);
                return Made { begun, whole };
            }
        }
        Made {
            begun,
            whole: Instant::now(),
        }
    }
}

fn drip(file: &Path, text: &str) -> Made {
    let mut file = truncated(file);
    let mut begun = Instant::now();
    for byte in text.as_bytes() {
        pace(DRIP);
        begun = Instant::now();
        file.write_all(&[*byte]).unwrap();
    }
    Made {
        begun,
        whole: Instant::now(),
    }
}

/// A directory as Kubernetes mounts secrets and config maps: `name -> ..data/name`, `..data -> ..N/`.
pub struct Volume<'a>(pub &'a Path);

impl Volume<'_> {
    /// Puts other files in place of all that are there, at once; says when they were.
    pub fn swap(&self, files: &[(&str, &str)]) -> Instant {
        let data = self.0.join("..data");
        let old = fs::read_link(&data).ok();
        let number = old.as_ref().map_or(0, |old| {
            let old = old.to_str().unwrap();
            old.trim_start_matches('.').parse::<u64>().unwrap() + 1
        });
        let new = format!("..{number}");
        fs::create_dir(self.0.join(&new)).unwrap();
        for (name, text) in files {
            write(&self.0.join(&new).join(name), text);
        }
        symlink(&new, self.0.join("..data_tmp")).unwrap();
        fs::rename(self.0.join("..data_tmp"), &data).unwrap();
        let whole = Instant::now();
        match old {
            Some(old) => fs::remove_dir_all(self.0.join(old)).unwrap(),
            None => {
                for (name, _) in files {
                    symlink(PathBuf::from("..data").join(name), self.0.join(name)).unwrap();
                }
            }
        }
        whole
    }
}

fn name(file: &Path) -> &str {
    file.file_name().unwrap().to_str().unwrap()
}

fn truncated(file: &Path) -> fs::File {
    let options = fs::OpenOptions::new().write(true).truncate(true).open(file);
    options.unwrap()
}

/// Writes a file that its owner alone may read.
pub fn write(file: &Path, text: &str) {
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    options.open(file).unwrap().write_all(text.as_bytes()).unwrap();
}

fn run(tool: &str, args: &[&str], files: &[&Path]) {
    let mut command = Command::new(tool);
    command.args(args).args(files);
    let output = exit_of(command);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
