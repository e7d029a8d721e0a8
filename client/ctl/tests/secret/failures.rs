//! Every call that replaces a file fails once, and the process is killed at every one: the old secret or the new one is
//! there, whole. strace counts the calls and makes them fail.

use std::fs;
use std::process::{Command, ExitStatus, Output, Stdio};

use crate::support::{CTL, NEW_LENGTH, OLD, Place, complained, generate_into, mode, refused, text};
use jwtkeeper_testkit::pace::{Random, pace};

/// The calls that change files; rename has other names on other processors.
const CALLS: &str = "trace=/^(openat|fchown|fchmod|write|fsync|rename.*|prctl)$";

/// One call of a run: the nth of its name since the start of the process.
#[derive(Debug, Clone)]
struct Call {
    name: String,
    nth: usize,
    line: String,
}

impl Call {
    /// strace's option that makes something happen at this call.
    fn inject(&self, what: &str) -> String {
        format!("inject={}:{what}:when={}", self.name, self.nth)
    }
}

/// A command under strace, which writes to `trace` in the place.
fn traced(options: &[&str], command: &Command, trace: &Place) -> Command {
    let there = Command::new("strace").arg("-V").output();
    assert!(
        there.is_ok(),
        "strace is missing; install it (make test does it as root)"
    );
    let mut strace = Command::new("strace");
    for option in options {
        strace.args(["-e", option]);
    }
    strace.arg("-o").arg(trace.path("trace"));
    strace
        .arg(command.get_program())
        .args(command.get_args())
        .stdin(Stdio::null());
    strace
}

/// All calls of a run, in their order.
fn calls_of(command: &Command) -> Vec<Call> {
    let trace = Place::new();
    let output = traced(&[CALLS], command, &trace).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let mut calls: Vec<Call> = Vec::new();
    for line in fs::read_to_string(trace.path("trace")).unwrap().lines() {
        let Some((name, _)) = line.split_once('(') else {
            continue;
        };
        let before = calls.iter().filter(|call| call.name == name).count();
        calls.push(Call {
            name: name.to_owned(),
            nth: before + 1,
            line: line.to_owned(),
        });
    }
    calls
}

/// The system calls that replace the file: from when the key is about to be made to the sync of the directory.
fn steps() -> Vec<Call> {
    let place = Place::with_old();
    let calls = calls_of(&generate_into(&place.secret()));
    let first = calls
        .iter()
        .position(|call| call.line.contains("PR_SET_DUMPABLE"))
        .unwrap();
    let last = calls.iter().rposition(|call| call.name == "fsync").unwrap();
    calls[first + 1..=last].to_vec()
}

fn run_with(call: &Call, what: &str, place: &Place) -> Output {
    let (trace, inject) = (Place::new(), call.inject(what));
    let output = traced(&[CALLS, &inject], &generate_into(&place.secret()), &trace)
        .output()
        .unwrap();
    let seen = fs::read_to_string(trace.path("trace")).unwrap();
    let calls = seen.lines().filter(|line| line.starts_with(&format!("{}(", call.name)));
    assert!(calls.count() >= call.nth, "{call:?} was not reached:\n{seen}");
    output
}

/// The content is on disk before it takes the old one's place, and its place is on disk before that is said.
#[test]
fn what_is_renamed_is_synced_before_and_after() {
    let steps = steps();
    let names: Vec<_> = steps
        .iter()
        .map(|step| step.name.trim_end_matches("at2").trim_end_matches("at"))
        .collect();
    let read_old = ["open"];
    let new = ["open", "open", "fchmod", "write", "fsync"];
    let backup = ["open", "open", "fchmod", "write", "fsync", "rename"];
    let in_place = ["rename", "fsync"];
    let expected = [&read_old[..], &new, &backup, &in_place].concat();
    assert_eq!(names, expected);
    let (directory, new, backup) = (&steps[1].line, &steps[2].line, &steps[7].line);
    for flag in ["O_CREAT", "O_EXCL", "O_NOFOLLOW", "O_CLOEXEC", "0600"] {
        assert!(new.contains(flag) && backup.contains(flag), "{new}\n{backup}");
    }
    let descriptor = |line: &str| line.split(['(', ',', ')']).nth(1).unwrap().to_owned();
    let result = |line: &str| line.rsplit(' ').next().unwrap().to_owned();
    for (synced, opened) in [(&steps[5], new), (&steps[10], backup), (&steps[13], directory)] {
        assert_eq!(descriptor(&synced.line), result(opened));
    }
}

#[test]
fn a_failure_of_any_call_leaves_the_old_one_alone() {
    let steps = steps();
    let (last, before) = steps.split_last().unwrap();
    for step in before {
        for (error, exit) in [
            ("ENOSPC", 69),
            ("EIO", 69),
            ("EDQUOT", 69),
            ("EROFS", 78),
            ("EACCES", 78),
        ] {
            let place = Place::with_old();
            let complaint = complained(&run_with(step, &format!("error={error}"), &place), exit);
            let case = format!("{} fails with {error}: {complaint}", step.line);
            assert!(
                complaint.contains(place.path("").to_string_lossy().trim_end_matches('/')),
                "{case}"
            );
            assert!(complaint.contains("nothing was changed"), "{case}");
            place.assert_untouched(&case);
        }
    }
    // Renamed already, and perhaps not on disk: that is said as it is.
    let place = Place::with_old();
    let complaint = complained(&run_with(last, "error=EIO", &place), 69);
    assert!(
        complaint.contains("was replaced, and its directory could not be synced"),
        "{complaint}"
    );
    assert_eq!(place.content().len(), NEW_LENGTH);
    assert_eq!(fs::read_to_string(place.backup()).unwrap(), OLD);
}

/// No room, as the kernel itself says it: the limit on the size of files is a full disk for one process.
#[test]
fn no_room_leaves_the_old_one_alone() {
    let place = Place::with_old();
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -f 0; exec \"$@\"", "sh", CTL, "secret", "generate"]);
    command.arg(place.secret());
    let complaint = refused(command, 69);
    assert!(
        complaint.contains("File too large") && complaint.contains("make room"),
        "{complaint}"
    );
    place.assert_untouched("no room");
}

/// Whoever interrupts it gets the old one, or the new one and is told.
#[test]
fn it_is_not_interrupted_halfway() {
    let steps = steps();
    for signal in ["SIGHUP", "SIGINT", "SIGQUIT", "SIGTERM"] {
        // The first reads the old one: until then it may be interrupted.
        for step in steps.iter().skip(1) {
            let place = Place::with_old();
            let output = run_with(step, &format!("signal={signal}"), &place);
            let case = format!("{signal} at {}", step.line);
            assert!(output.status.success(), "{case}: {}", text(&output.stderr));
            assert!(text(&output.stdout).contains("it replaces another key"), "{case}");
            assert_eq!((place.content().len(), place.names().len()), (NEW_LENGTH, 2), "{case}");
            assert_eq!(fs::read_to_string(place.backup()).unwrap(), OLD, "{case}");
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Left {
    Old,
    New,
    Neither,
}

/// Returns the state after a kill. A new file that did not get into its place may lie beside it, and a backup, each
/// for its owner alone.
fn left(place: &Place) -> Left {
    for name in place.names().iter().filter(|name| *name != "secret") {
        match name.starts_with("secret.bak-") {
            true => assert_eq!(fs::read_to_string(place.path(name)).unwrap(), OLD),
            false => assert!(name.starts_with(".jwtkeeper-secret-"), "{name}"),
        }
        assert_eq!(mode(&place.path(name)) & 0o177, 0, "{name}");
    }
    match fs::read_to_string(place.secret()) {
        Ok(text) if text == OLD => Left::Old,
        Ok(text) if text.len() == NEW_LENGTH && !OLD.contains(&text) => Left::New,
        _ => Left::Neither,
    }
}

#[test]
fn killed_at_any_call_it_leaves_the_old_one_or_the_new() {
    let steps = steps();
    let renames = steps.iter().rposition(|step| step.name.starts_with("rename")).unwrap();
    for (at, step) in steps.iter().enumerate() {
        let place = Place::with_old();
        run_with(step, "signal=SIGKILL", &place);
        // strace lets the call that it kills at begin; what kills a process is acted on when the call is over.
        let found = left(&place);
        if at != renames {
            let expected = if at < renames { Left::Old } else { Left::New };
            assert_eq!(found, expected, "killed at {}", step.line);
        }
        assert_ne!(found, Left::Neither, "killed at {}", step.line);
    }
}

/// The harness finds the loss where a file is written in place.
#[test]
fn the_harness_sees_a_file_that_is_written_in_place() {
    let place = Place::with_old();
    let mut command = Command::new("sh");
    let new = "n".repeat(NEW_LENGTH);
    command
        .args(["-c", "printf %s \"$1\" > \"$2\"", "sh", &new])
        .arg(place.secret());
    let calls = calls_of(&command);
    assert_eq!(left(&place), Left::New);
    let found: Vec<Left> = calls
        .iter()
        .map(|call| {
            fs::write(place.secret(), OLD).unwrap();
            let (trace, inject) = (Place::new(), call.inject("signal=SIGKILL"));
            traced(&[CALLS, &inject], &command, &trace).output().unwrap();
            left(&place)
        })
        .collect();
    assert!(found.contains(&Left::Neither), "{found:?}");
}

/// kill -9 whenever it comes, with no help from strace.
#[test]
fn killed_at_random_moments_it_leaves_the_old_one_or_the_new() {
    const RUNS: usize = 100;
    let mut random = Random(41);
    let place = Place::with_old();
    let whole = {
        let began = std::time::Instant::now();
        assert!(
            generate_into(&place.secret())
                .stdout(Stdio::null())
                .status()
                .unwrap()
                .success()
        );
        began.elapsed()
    };
    let (mut old, mut new, mut littered) = (0, 0, 0);
    for run in 0..RUNS {
        let place = Place::with_old();
        let mut child = generate_into(&place.secret()).stdout(Stdio::null()).spawn().unwrap();
        pace(whole.mul_f64(random.below(1_500) as f64 / 1_000.0));
        child.kill().unwrap();
        let status: ExitStatus = child.wait().unwrap();
        let found = left(&place);
        match found {
            Left::Old => old += 1,
            Left::New => new += 1,
            Left::Neither => panic!("run {run}: neither the old one nor the new"),
        }
        assert!(
            !status.success() || found == Left::New,
            "run {run}: done, and not there"
        );
        littered += usize::from(place.names().len() > 1);
    }
    println!("{RUNS} kills within {whole:?}: {old} left the old one, {new} the new; {littered} a file beside it");
}
