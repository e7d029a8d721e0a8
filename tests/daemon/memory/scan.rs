//! A search of another process's memory, which only root may read.

use std::collections::BTreeMap;
use std::os::unix::fs::FileExt;

use super::traces::Trace;

/// The number of times that each trace lies on locked pages, and elsewhere.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Found {
    pub locked: BTreeMap<String, usize>,
    pub stray: BTreeMap<String, usize>,
}

impl Found {
    pub fn strays(&self) -> usize {
        self.stray.values().sum()
    }
}

/// Looks for the traces in all writable memory of the process.
pub fn scan(pid: u32, traces: &[Trace]) -> Found {
    let maps = std::fs::read_to_string(format!("/proc/{pid}/smaps")).unwrap();
    let memory = std::fs::File::open(format!("/proc/{pid}/mem")).unwrap();
    let mut found = Found::default();
    let mut range = None;
    for line in maps.lines() {
        let mut fields = line.split_whitespace();
        let first = fields.next().unwrap_or_default();
        if let Some((from, to)) = first.split_once('-') {
            let address = |text| u64::from_str_radix(text, 16).unwrap();
            let writable = fields.next().is_some_and(|mode| mode.starts_with("rw"));
            range = writable.then(|| (address(from), address(to), line.to_owned()));
        } else if first == "VmFlags:"
            && let Some((from, to, line)) = range.take()
        {
            let locked = fields.any(|flag| flag == "lo");
            let mut bytes = vec![0; (to - from) as usize];
            if memory.read_exact_at(&mut bytes, from).is_err() {
                continue;
            }
            for trace in traces {
                let count = memchr::memmem::find_iter(&bytes, &trace.bytes).count();
                if count > 0 && locked {
                    *found.locked.entry(trace.name.clone()).or_default() += count;
                } else if count > 0 {
                    let place = match line.split_whitespace().nth(5) {
                        Some(name) => name.to_owned(),
                        None => "anonymous".to_owned(),
                    };
                    *found.stray.entry(format!("{} in {place}", trace.name)).or_default() += count;
                }
            }
        }
    }
    found
}
