//! The readers of a file that was written, and the files that are left alone.

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt, chown, symlink};
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use nix::sys::stat::Mode;
use tempfile::TempDir;

use crate::support::{CTL, NEW_LENGTH, OLD, Place, chmod, generate_into, is_root, mode, refused, said};

/// A user who owns nothing.
const OTHER: u32 = 64_000;

/// The command as a user who is not root, to whom the place is given, and where its copy of the program lies.
fn as_other(place: &Place) -> (Command, TempDir) {
    let bin = tempfile::tempdir().unwrap();
    if !is_root() {
        return (generate_into(&place.secret()), bin);
    }
    chmod(bin.path(), 0o755);
    let copy = bin.path().join("jwtkeeperctl");
    // By a process of its own: while a child of another thread holds what we opened to write, nobody may run it.
    assert!(Command::new("cp").arg(CTL).arg(&copy).status().unwrap().success());
    chmod(&copy, 0o755);
    chown(place.path(""), Some(OTHER), Some(OTHER)).unwrap();
    let mut command = Command::new(copy);
    command.args(["secret", "generate"]).arg(place.secret());
    command.uid(OTHER).gid(OTHER);
    (command, bin)
}

fn under_umask(umask: &str, file: &Path) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", "umask $0; exec \"$@\"", umask, CTL, "secret", "generate"]);
    command.arg(file);
    command
}

#[test]
fn a_new_file_is_its_owners_whatever_the_umask() {
    for umask in ["0000", "0022", "0077", "0777"] {
        let place = Place::new();
        said(under_umask(umask, &place.secret()));
        assert_eq!(mode(&place.secret()), 0o600, "umask {umask}");
    }
}

/// The group's right to read stays; every other right of the group and of others goes.
#[test]
fn a_replaced_file_keeps_no_more_than_its_groups_right_to_read() {
    for (before, after) in [
        (0o600, 0o600),
        (0o640, 0o640),
        (0o644, 0o640),
        (0o604, 0o600),
        (0o666, 0o640),
        (0o620, 0o600),
        (0o670, 0o640),
        (0o777, 0o640),
        (0o440, 0o640),
        (0o400, 0o600),
        (0o000, 0o600),
        (0o4750, 0o640),
        (0o2640, 0o640),
    ] {
        for umask in ["0000", "0777"] {
            let place = Place::with_old();
            chmod(&place.secret(), before);
            said(under_umask(umask, &place.secret()));
            assert_eq!(mode(&place.secret()), after, "{before:o} under {umask}");
            assert_eq!(place.content().len(), NEW_LENGTH);
            assert_eq!(mode(&place.backup()), 0o600, "{before:o} under {umask}");
            assert_eq!(place.names().len(), 2);
        }
    }
}

/// As the daemon's group reads it: root:jwtkeeper 0640.
#[test]
fn a_replaced_file_keeps_its_owner_and_group() {
    if !is_root() {
        println!("not root: no other owner to give it to");
        return;
    }
    for (uid, gid, before) in [(0, OTHER, 0o640), (OTHER, OTHER + 1, 0o640), (OTHER, 0, 0o600)] {
        let place = Place::with_old();
        chown(place.secret(), Some(uid), Some(gid)).unwrap();
        chmod(&place.secret(), before);
        said(generate_into(&place.secret()));
        let found = fs::metadata(place.secret()).unwrap();
        assert_eq!((found.uid(), found.gid()), (uid, gid));
        assert_eq!(mode(&place.secret()), before);
        assert_eq!(place.content().len(), NEW_LENGTH);
    }
}

/// Whoever may write the directory but not give the file to its owner would take it away from them.
#[test]
fn a_file_that_cannot_be_given_to_its_owner_is_left() {
    if !is_root() {
        println!("not root: no other owner to give it to");
        return;
    }
    for (uid, gid, owner) in [(0, 0, "root:root"), (OTHER, 64_001, "64000:64001")] {
        let place = Place::with_old();
        let (command, _bin) = as_other(&place);
        chown(place.secret(), Some(uid), Some(gid)).unwrap();
        chmod(&place.secret(), 0o640);
        let complaint = refused(command, 78);
        assert!(complaint.contains(&*place.secret().to_string_lossy()), "{complaint}");
        assert!(complaint.contains(&format!("belongs to {owner}")), "{complaint}");
        assert!(complaint.contains("run it as root"), "{complaint}");
        place.assert_untouched(owner);
        let found = fs::metadata(place.secret()).unwrap();
        assert_eq!((found.uid(), found.gid(), found.mode() & 0o7777), (uid, gid, 0o640));
    }
}

#[test]
fn a_directory_that_may_not_be_written() {
    let place = Place::with_old();
    let (command, _bin) = as_other(&place);
    if is_root() {
        chown(place.secret(), Some(OTHER), None).unwrap();
    }
    chmod(&place.path(""), 0o555);
    let complaint = refused(command, 78);
    chmod(&place.path(""), 0o755);
    assert!(
        complaint.contains(&*place.path("").parent().unwrap().to_string_lossy()),
        "{complaint}"
    );
    assert!(
        complaint.contains("run it as a user who may write there"),
        "{complaint}"
    );
    place.assert_untouched("read-only");
}

/// The user who owns the directory and the file needs nobody's help.
#[test]
fn root_is_not_needed() {
    let place = Place::new();
    let (command, _bin) = as_other(&place);
    said(command);
    assert_eq!(mode(&place.secret()), 0o600);
    assert_eq!(place.content().len(), NEW_LENGTH);
}

#[test]
fn a_symlink_stays_and_the_file_behind_it_is_replaced() {
    let place = Place::new();
    let keys = place.path("keys");
    fs::create_dir(&keys).unwrap();
    let behind = keys.join("current");
    fs::write(&behind, OLD).unwrap();
    chmod(&behind, 0o640);
    symlink("keys/link", place.secret()).unwrap();
    symlink(&behind, keys.join("link")).unwrap();

    let text = said(generate_into(&place.secret()));
    assert!(
        text.starts_with(&format!("wrote {}: ", place.secret().display())),
        "{text}"
    );
    assert!(text.contains("it replaces another key"), "{text}");
    assert_eq!(fs::read_link(place.secret()).unwrap(), Path::new("keys/link"));
    assert_eq!(fs::read_link(keys.join("link")).unwrap(), behind);
    assert!(fs::symlink_metadata(&behind).unwrap().is_file());
    assert_eq!(mode(&behind), 0o640);
    assert_eq!(place.content().len(), NEW_LENGTH);
    assert_eq!(place.names(), ["keys", "secret"]);
    // The backup lies beside the file, not beside the link.
    assert_eq!(fs::read_dir(&keys).unwrap().count(), 3);
}

#[test]
fn a_symlink_to_no_file_yet_leads_to_a_new_one() {
    let place = Place::new();
    symlink("other", place.secret()).unwrap();
    let text = said(generate_into(&place.secret()));
    assert!(!text.contains("replaces"), "{text}");
    assert!(fs::symlink_metadata(place.secret()).unwrap().is_symlink());
    assert_eq!(mode(&place.path("other")), 0o600);
    assert_eq!(place.content().len(), NEW_LENGTH);

    let place = Place::new();
    symlink("secret", place.secret()).unwrap();
    let complaint = refused(generate_into(&place.secret()), 78);
    assert!(complaint.contains(&*place.secret().to_string_lossy()), "{complaint}");
    assert_eq!(place.names(), ["secret"]);
}

/// A directory, a FIFO and a socket are what they were, behind a symlink too.
#[test]
fn what_is_no_file_is_refused() {
    let place = Place::new();
    let kept = place.path("directory").join("kept");
    fs::create_dir(place.path("directory")).unwrap();
    fs::write(&kept, OLD).unwrap();
    nix::unistd::mkfifo(&place.path("fifo"), Mode::from_bits_truncate(0o600)).unwrap();
    let _socket = UnixListener::bind(place.path("socket")).unwrap();
    symlink("fifo", place.path("link")).unwrap();
    let inode = |name| fs::symlink_metadata(place.path(name)).unwrap().ino();
    let before = ["directory", "fifo", "socket", "link"].map(inode);

    for name in ["directory", "directory/", "directory/.", "fifo", "socket", "link"] {
        let complaint = refused(generate_into(&place.path(name)), 78);
        let named = place.path(if name == "link" { "fifo" } else { name });
        assert!(
            complaint.contains(&format!("{} is not a regular file", named.display())),
            "{complaint}"
        );
    }
    assert_eq!(["directory", "fifo", "socket", "link"].map(inode), before);
    assert!(fs::symlink_metadata(place.path("fifo")).unwrap().file_type().is_fifo());
    assert_eq!(fs::read_to_string(&kept).unwrap(), OLD);
    assert_eq!(place.names(), ["directory", "fifo", "link", "socket"]);
    assert_eq!(fs::read_dir(place.path("directory")).unwrap().count(), 1);
}
