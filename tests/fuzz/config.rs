//! Configuration: TOML text to settings, printed, and read again.

use std::sync::LazyLock;

use jwtkeeper::config::{Settings, print};
use jwtkeeper::files::Files;

static DIRECTORY: LazyLock<tempfile::TempDir> = LazyLock::new(|| {
    let memory = std::path::Path::new("/dev/shm");
    tempfile::tempdir_in(memory).or_else(|_| tempfile::tempdir()).unwrap()
});

/// The text of a configuration file.
pub fn run(data: &[u8]) {
    let path = DIRECTORY.path().join("jwtkeeper.toml");
    let read = |text: &[u8]| {
        std::fs::write(&path, text).unwrap();
        Settings::read(&path, &mut Files::new())
    };
    match read(data) {
        Ok(settings) => {
            let printed = print(&settings);
            match read(printed.as_bytes()) {
                Ok(again) => assert_eq!(print(&again), printed),
                Err(faults) => panic!("{faults}\n{printed}"),
            }
        }
        Err(faults) => assert!(!faults.to_string().is_empty()),
    }
}
