//! The rounds of a harness: a part in `make test`, all in `make prove`, where an interrupted run
//! goes on where it was.

use std::path::PathBuf;

/// The rounds of one harness.
pub struct Rounds {
    next: u64,
    all: u64,
    kept: Option<PathBuf>,
}

impl Rounds {
    /// `all` rounds when proving, `some` otherwise. `make prove` sets JWTKEEPER_PROVE to the directory that keeps how
    /// far each harness has come.
    pub fn new(name: &str, some: u64, all: u64) -> Self {
        let Some(directory) = std::env::var_os("JWTKEEPER_PROVE") else {
            return Self {
                next: 0,
                all: some,
                kept: None,
            };
        };
        std::fs::create_dir_all(&directory).unwrap();
        let kept = PathBuf::from(directory).join(name);
        let next = std::fs::read_to_string(&kept).map_or(0, |text| text.trim().parse().unwrap());
        let next = if next >= all { 0 } else { next };
        Self {
            next,
            all,
            kept: Some(kept),
        }
    }
}

impl Iterator for Rounds {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        if let Some(kept) = &self.kept {
            std::fs::write(kept, self.next.to_string()).unwrap();
        }
        let round = (self.next < self.all).then_some(self.next)?;
        self.next += 1;
        Some(round)
    }
}
