//! When a changed file counts, by a clock of the test's own.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::time::SystemTime;

use super::*;

const SETTLE: Duration = Duration::from_secs(1);

/// A directory with one file, and what is known of it.
struct Room {
    directory: tempfile::TempDir,
    files: Files,
    now: Instant,
}

impl Room {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("file"), "old").unwrap();
        let mut room = Self {
            directory,
            files: Files::new(),
            now: Instant::now(),
        };
        room.files.read(&room.path("file"), FileKind::Public).unwrap();
        room.files.settle_down();
        room
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().canonicalize().unwrap().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    /// The text, if it counts `after` the last look.
    fn look(&mut self, after: Duration, renamed: &[&str]) -> Option<String> {
        self.now += after;
        let path = self.path("file");
        let renamed: Renamed = renamed.iter().map(|name| self.path(name)).collect();
        self.files.begin(self.now, SETTLE, renamed.clone());
        let waits = self.files.waits(&path);
        if waits || !self.files.still_so(|| renamed) {
            return None;
        }
        self.files.note();
        let bytes = self.files.read(&path, FileKind::Public);
        Some(bytes.map_or_else(
            |error| error.to_string(),
            |bytes| String::from_utf8(bytes.to_vec()).unwrap(),
        ))
    }
}

const AT_ONCE: Duration = Duration::ZERO;
const ALMOST: Duration = Duration::from_millis(999);
const A_BIT: Duration = Duration::from_millis(1);

/// So long that the file system's clock has moved on.
fn a_tick() {
    pause(Duration::from_millis(24));
}

#[test]
fn moved_there_counts_at_once_if_it_was_seen() {
    let mut room = Room::new();
    for number in 0..20 {
        let text = number.to_string();
        room.write("aside", &text);
        fs::rename(room.path("aside"), room.path("file")).unwrap(); // the next one aside may get the old one's inode
        assert_eq!(room.look(AT_ONCE, &["file"]), Some(text));
    }
}

/// Seen before the event was heard.
#[test]
fn moved_there_counts_once_that_is_heard() {
    let mut room = Room::new();
    room.write("aside", "new");
    fs::rename(room.path("aside"), room.path("file")).unwrap();
    assert_eq!(room.look(AT_ONCE, &[]), None, "it may have been written there");
    assert_eq!(room.look(A_BIT, &["file"]).unwrap(), "new");
}

/// What says that it was moved there is of another, and gone by the second look.
#[test]
fn a_rename_that_is_taken_back_says_nothing() {
    let mut room = Room::new();
    fs::remove_file(room.path("file")).unwrap();
    room.write("file", "half");
    let path = room.path("file");
    room.files.begin(room.now, SETTLE, Renamed::from([path.clone()]));
    assert!(!room.files.waits(&path));
    assert!(!room.files.still_so(Renamed::new));
    assert!(room.files.unsteady(&path));
    assert_eq!(room.look(AT_ONCE, &["file"]), None, "once in doubt, it rests");
    assert_eq!(room.look(SETTLE, &["file"]).unwrap(), "half");
}

/// Held for others that change with it, but no longer than `settle`, however it changes meanwhile.
#[test]
fn held_for_settle_at_the_most() {
    let mut room = Room::new();
    let hold = |room: &mut Room, after: Duration, text: &str| {
        room.now += after;
        room.write("aside", text);
        fs::rename(room.path("aside"), room.path("file")).unwrap();
        let path = room.path("file");
        room.files.begin(room.now, SETTLE, Renamed::from([path.clone()]));
        room.files.hold(&path);
        room.files.waits(&path)
    };
    assert!(!hold(&mut room, AT_ONCE, "old"), "nothing is new");
    assert!(hold(&mut room, AT_ONCE, "new"));
    assert_eq!(room.files.rested_at(), Some(room.now + SETTLE));
    assert!(hold(&mut room, ALMOST, "newer"));
    assert_eq!(room.files.rested_at(), Some(room.now + A_BIT));
    assert!(!hold(&mut room, A_BIT, "newest"));
    room.files.note();
    assert!(hold(&mut room, AT_ONCE, "next"), "each new state has its own time");
    assert_eq!(
        room.look(AT_ONCE, &["file"]).unwrap(),
        "next",
        "nothing changes with it any more"
    );
}

#[test]
fn the_same_content_in_another_file_is_no_news_and_no_alibi() {
    let mut room = Room::new();
    room.write("aside", "old");
    fs::rename(room.path("aside"), room.path("file")).unwrap();
    assert_eq!(room.look(AT_ONCE, &["file"]).unwrap(), "old");
    room.write("file", "half");
    assert_eq!(room.look(AT_ONCE, &["file"]), None);
}

#[test]
fn written_where_it_lies_rests_first() {
    let mut room = Room::new();
    room.write("file", "new");
    for renamed in [&[][..], &["file"]] {
        assert_eq!(
            room.look(AT_ONCE, renamed),
            None,
            "a hint of an earlier rename says nothing of this inode"
        );
    }
    assert_eq!(room.look(ALMOST, &[]), None);
    room.write("file", "newer");
    assert_eq!(room.look(A_BIT, &[]), None, "it has changed since");
    assert_eq!(room.look(ALMOST, &[]), None);
    assert_eq!(room.look(A_BIT, &[]).unwrap(), "newer");
}

#[test]
fn the_same_again_is_no_news() {
    let mut room = Room::new();
    room.write("file", "new");
    assert_eq!(room.look(AT_ONCE, &[]), None);
    room.write("file", "old");
    assert_eq!(room.look(AT_ONCE, &[]).unwrap(), "old");
    assert_eq!(room.files.rested_at(), None);
}

#[test]
fn made_anew_rests_first() {
    let mut room = Room::new();
    fs::remove_file(room.path("file")).unwrap();
    assert_eq!(room.look(AT_ONCE, &[]), None, "gone for a moment");
    room.write("file", "new");
    assert_eq!(room.look(ALMOST, &[]), None);
    assert_eq!(room.look(SETTLE, &[]).unwrap(), "new");
}

#[test]
fn missing_counts_once_it_has_rested() {
    let mut room = Room::new();
    fs::remove_file(room.path("file")).unwrap();
    assert_eq!(room.look(AT_ONCE, &[]), None);
    assert!(room.look(SETTLE, &[]).unwrap().contains("No such file"));
}

/// A mode that is set, or times, between two writes: the file was not named then.
#[test]
fn a_mode_set_while_it_is_written_makes_nothing_whole() {
    for seen_before in [false, true] {
        let mut room = Room::new();
        fs::remove_file(room.path("file")).unwrap();
        a_tick();
        room.write("file", "ha");
        if seen_before {
            assert_eq!(room.look(AT_ONCE, &[]), None);
        }
        a_tick();
        fs::set_permissions(room.path("file"), Permissions::from_mode(0o600)).unwrap();
        assert_eq!(room.look(AT_ONCE, &[]), None);
        let file = File::options().append(true).open(room.path("file")).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH).unwrap();
        assert_eq!(room.look(AT_ONCE, &[]), None);
        append(&room.path("file"), "lf");
        assert_eq!(room.look(ALMOST, &[]), None);
        assert_eq!(room.look(SETTLE, &[]).unwrap(), "half");
    }
}

#[test]
fn a_link_that_leads_elsewhere_counts_at_once() {
    let mut room = Room::new();
    fs::create_dir(room.path("one")).unwrap();
    fs::create_dir(room.path("two")).unwrap();
    symlink("one", room.path("now")).unwrap();
    room.write("one/file", "one");
    a_tick();
    symlink("now/file", room.path("aside")).unwrap();
    fs::rename(room.path("aside"), room.path("file")).unwrap();
    assert_eq!(room.look(AT_ONCE, &[]).unwrap(), "one");
    room.write("two/file", "two");
    symlink("two", room.path("next")).unwrap();
    fs::rename(room.path("next"), room.path("now")).unwrap();
    assert_eq!(
        room.look(AT_ONCE, &["now"]).unwrap(),
        "two",
        "in one tick: what was seen decides"
    );
}

/// The link first, and then what it leads to.
#[test]
fn written_behind_a_new_link_rests_first() {
    let mut room = Room::new();
    symlink("other", room.path("aside")).unwrap();
    fs::rename(room.path("aside"), room.path("file")).unwrap();
    assert_eq!(room.look(AT_ONCE, &["file"]), None);
    a_tick();
    room.write("other", "half");
    assert_eq!(room.look(AT_ONCE, &["file"]), None);
    assert_eq!(room.look(SETTLE, &["file"]).unwrap(), "half");
    // The link is no news any more: what is made anew behind it rests.
    fs::remove_file(room.path("other")).unwrap();
    room.write("other", "again half");
    assert_eq!(room.look(AT_ONCE, &["file"]), None);
}

/// One pass sees one state of all files, or begins anew.
#[test]
fn what_changes_within_a_pass_voids_it() {
    let mut room = Room::new();
    let path = room.path("file");
    room.write("aside", "new");
    room.files.begin(room.now, SETTLE, Renamed::new());
    assert!(!room.files.waits(&path));
    fs::rename(room.path("aside"), room.path("file")).unwrap();
    assert!(!room.files.still_so(Renamed::new));
    assert!(room.files.unsteady(&path));
    assert!(room.files.still_so(Renamed::new), "what is left of the pass holds");
    assert_eq!(room.look(AT_ONCE, &["file"]).unwrap(), "new");
}

fn append(path: &Path, text: &str) {
    OpenOptions::new()
        .append(true)
        .open(path)
        .unwrap()
        .write_all(text.as_bytes())
        .unwrap();
}
