//! The shape of the project: unsafe code stays in two crates, files stay short, and links lead somewhere. Which crate may
//! use which stands in their Cargo.toml.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs
)]

use std::path::{Path, PathBuf};

/// The longest file, in lines.
const LONGEST: usize = 500;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The Rust files under a directory of the project.
fn sources(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("target") {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

/// What a file is part of: the first name below src/.
fn module_of(file: &Path) -> String {
    let below = file.strip_prefix(root().join("src")).unwrap();
    below
        .components()
        .next()
        .unwrap()
        .as_os_str()
        .to_str()
        .unwrap()
        .trim_end_matches(".rs")
        .to_owned()
}

/// Only the operations, the connections under them, and the probe that asks as a client does, know both the wire's messages and the domain.
#[test]
fn messages_stay_in_three_rooms() {
    for file in sources(&root().join("src")) {
        let text = std::fs::read_to_string(&file).unwrap();
        let messages = ["Op::", "Answer::", "Reply {", "Request {"];
        if !["ops", "server", "health"].contains(&module_of(&file).as_str()) {
            assert!(!messages.iter().any(|name| text.contains(name)), "{}", file.display());
        }
    }
}

#[test]
fn unsafe_code_has_its_rooms() {
    for file in ["src", "client", "crates", "benches", "tests", "examples"]
        .iter()
        .flat_map(|directory| sources(&root().join(directory)))
    {
        if ["client/capi", "crates/sys"]
            .iter()
            .any(|room| file.starts_with(root().join(room)))
            || file.ends_with("tests/house.rs")
        {
            continue;
        }
        let text = std::fs::read_to_string(&file).unwrap();
        let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
        assert!(
            !code
                .clone()
                .any(|line| line.contains("unsafe {") || line.contains("unsafe fn")),
            "{}",
            file.display()
        );
    }
}

#[test]
fn files_stay_short() {
    for directory in ["src", "client", "crates", "benches", "tests", "examples"] {
        for file in sources(&root().join(directory)) {
            let lines = std::fs::read_to_string(&file).unwrap().lines().count();
            assert!(lines <= LONGEST, "{} has {lines} lines: split it", file.display());
        }
    }
    let main = std::fs::read_to_string(root().join("src/main.rs")).unwrap();
    assert!(main.lines().count() <= 80);
}

/// The pages below a directory.
fn pages(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let (directories, files): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
    let here = files
        .into_iter()
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"));
    here.chain(directories.iter().flat_map(|directory| pages(directory)))
        .collect()
}

/// The anchors of a page's headings, as Git forges make them.
fn anchors(page: &str) -> Vec<String> {
    let headings = page.lines().filter_map(|line| line.strip_prefix('#'));
    let slug = |heading: &str| {
        let text = heading.trim_start_matches('#').trim().to_lowercase();
        let kept = text
            .chars()
            .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    };
    headings.map(slug).collect()
}

/// The links of a page that lead nowhere.
fn dead_links(page: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(page).unwrap();
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
    let local = targets
        .map(|(target, _)| target)
        .filter(|target| !target.contains("://"));
    let leads = |target: &&str| {
        let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
        let path = if path.is_empty() {
            page.to_owned()
        } else {
            page.parent().unwrap().join(path)
        };
        path.exists()
            && (anchor.is_empty() || anchors(&std::fs::read_to_string(path).unwrap()).contains(&anchor.to_owned()))
    };
    let dead = local.filter(|target| !leads(target));
    dead.map(|target| format!("{}: {target}", page.display())).collect()
}

#[test]
fn every_link_of_the_docs_leads_somewhere_as_installed_too() {
    let installed = tempfile::tempdir().unwrap();
    let script = root().join("packaging/install-docs");
    let status = std::process::Command::new(script)
        .arg(installed.path())
        .status()
        .unwrap();
    assert!(status.success());
    let mut all = pages(&root().join("docs"));
    all.extend(pages(installed.path()));
    assert!(all.len() > 20, "{all:?}");
    all.push(root().join("README.md"));
    all.push(root().join("client/ruby/README.md"));
    let dead: Vec<_> = all.iter().flat_map(|page| dead_links(page)).collect();
    assert_eq!(dead, Vec::<String>::new());
}

/// A heading of docs/troubleshooting.md that begins in lower case is a piece of a message, and must stay one.
#[test]
fn messages_of_the_troubleshooting_page_exist() {
    let mut code = String::new();
    for file in ["src", "client", "crates"]
        .iter()
        .flat_map(|directory| sources(&root().join(directory)))
    {
        let text = std::fs::read_to_string(file).unwrap();
        code.push_str(&text.split_whitespace().collect::<Vec<_>>().join(" ").replace("\\ ", ""));
    }
    let page = std::fs::read_to_string(root().join("docs/troubleshooting.md")).unwrap();
    let headings = page.lines().filter_map(|line| line.strip_prefix("### "));
    let messages: Vec<_> = headings
        .filter(|heading| heading.starts_with(|c: char| c.is_lowercase()))
        .collect();
    assert!(messages.len() > 15, "{messages:?}");
    // Two words are found anywhere. A code is one word.
    let vague: Vec<_> = messages
        .iter()
        .filter(|message| message.split(' ').count() == 2)
        .collect();
    assert!(vague.is_empty(), "{vague:?}");
    let gone: Vec<_> = messages.into_iter().filter(|message| !code.contains(message)).collect();
    assert_eq!(gone, Vec::<&str>::new());
}
