//! The packages, made once for a run from the debug binaries that the tests use anyway: what `make deb` does with the
//! release's.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

pub const DAEMON: &str = "jwtkeeperd";
pub const LIBRARY: &str = "libjwtkeeper0";
pub const DEVELOPMENT: &str = "libjwtkeeper-dev";

pub fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The directory in which what the tests of the packages keep lies.
pub fn kept() -> PathBuf {
    let target = Path::new(env!("CARGO_BIN_EXE_jwtkeeperd")).ancestors().nth(2).unwrap();
    let kept = target.join("package");
    std::fs::create_dir_all(&kept).unwrap();
    kept
}

/// Runs a command that must succeed, and returns what it printed.
pub fn printed(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    succeeded(&format!("{command:?}"), &output);
    String::from_utf8(output.stdout).unwrap()
}

pub fn succeeded(what: &str, output: &Output) {
    assert!(
        output.status.success(),
        "{what}: {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

/// A package's file. Test processes may run at once: the first of a run makes the packages, and each takes its copies under
/// one lock. nextest, which starts a process for each test, names its runs; without a name they are made by each process.
pub fn package(name: &str) -> PathBuf {
    static MADE: OnceLock<tempfile::TempDir> = OnceLock::new();
    let copies = MADE.get_or_init(|| {
        let copies = tempfile::tempdir().unwrap();
        let lock = kept().join("packages.lock");
        let script = r#"
            if [ -z "$4" ] || [ "$(cat "$2/run" 2>/dev/null)" != "$1 $4" ]; then
                rm -f "$2/run"
                packaging/deb/build "$1"
                echo "$1 $4" > "$2/run"
            fi
            cp "$2"/*.deb "$3""#;
        let mut command = Command::new("flock");
        command.arg(lock).args(["sh", "-eu", "-c", script, "sh"]);
        // As `make prove-package` has it, the release.
        let profile = std::env::var("JWTKEEPER_TEST_PROFILE").unwrap_or("dev".to_owned());
        let made = if profile == "dev" {
            "target/package/deb"
        } else {
            "target/deb"
        };
        let run = std::env::var("NEXTEST_RUN_ID").unwrap_or_default();
        command.args([&profile, made]).arg(copies.path()).arg(run);
        printed(command.current_dir(project()));
        copies
    });
    let files = std::fs::read_dir(copies.path()).unwrap();
    files
        .map(|file| file.unwrap().path())
        .find(|file| {
            file.file_name()
                .unwrap()
                .to_str()
                .unwrap()
                .starts_with(&format!("{name}_"))
        })
        .unwrap_or_else(|| panic!("no package {name} was made"))
}
