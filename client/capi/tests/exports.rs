//! Checks of the library's exports, of its header, and of the files that `make install`
//! makes of them for pkg-config.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    unreachable_pub,
    reason = "a test fails by panicking"
)]

mod support;

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use support::{Daemon, here, library, succeeds};

const VERSION: &str = env!("CARGO_PKG_VERSION");

#[test]
fn the_library_exports_what_it_did() {
    let said = succeeds(Command::new("nm").args(["-D", "--defined-only"]).arg(library()));
    let mut names: Vec<_> = said
        .lines()
        .map(|line| line.split_whitespace().last().unwrap())
        .collect();
    names.sort_unstable();
    for name in &names {
        assert!(name.starts_with("jwtkeeper_"), "{name} is exported");
    }
    let exported = names.join("\n") + "\n";
    let file = here("tests/abi.txt");
    if std::env::var_os("JWTKEEPER_BLESS").is_some() {
        std::fs::write(&file, &exported).unwrap();
    }
    assert_eq!(
        exported,
        std::fs::read_to_string(&file).unwrap(),
        "the ABI changed: run with JWTKEEPER_BLESS=1 to write {}; what was there must stay",
        file.display()
    );
}

#[test]
fn the_header_declares_what_is_exported() {
    let header = std::fs::read_to_string(here("include/jwtkeeper.h")).unwrap();
    let text = std::fs::read_to_string(here("tests/abi.txt")).unwrap();
    for name in text.lines() {
        assert!(header.contains(&format!("{name}(")), "{name} is not declared");
    }
}

#[test]
fn the_loader_knows_it_by_its_soname() {
    let said = succeeds(Command::new("readelf").arg("-d").arg(library()));
    assert!(said.contains("Library soname: [libjwtkeeper.so.0]"), "{said}");
}

/// In both languages, with nothing before it, twice, and with every warning an error.
#[test]
fn the_header_stands_alone() {
    let directory = tempfile::tempdir().unwrap();
    for (compiler, standard, name) in [("gcc", "-std=c11", "alone.c"), ("g++", "-std=c++17", "alone.cc")] {
        let source = directory.path().join(name);
        std::fs::write(&source, "#include <jwtkeeper.h>\n#include <jwtkeeper.h>\n").unwrap();
        let mut command = Command::new(compiler);
        command.args([standard, "-Wall", "-Wextra", "-Werror", "-pedantic", "-fsyntax-only"]);
        succeeds(command.arg("-I").arg(here("include")).arg(source));
    }
}

/// tests/c/small.c, which is C++ too.
fn small() -> PathBuf {
    here("tests/c/small.c")
}

#[test]
fn cpp_links_and_runs() {
    let directory = tempfile::tempdir().unwrap();
    let library = library();
    symlink(&library, directory.path().join("libjwtkeeper.so.0")).unwrap();
    let program = directory.path().join("small");
    let mut compiler = Command::new("g++");
    compiler.args(["-std=c++17", "-Wall", "-Wextra", "-Werror", "-pedantic", "-x", "c++"]);
    compiler.arg(small()).args(["-x", "none", "-Wl,-rpath,$ORIGIN", "-I"]);
    succeeds(compiler.arg(here("include")).arg(&library).arg("-o").arg(&program));
    let daemon = Daemon::start();
    assert_eq!(succeeds(&mut daemon.run(program)), format!("{VERSION}\n"));
}

const PREFIX: &str = "/opt/keeper";

fn installed() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    let library = library();
    let mut make = Command::new("make");
    make.current_dir(here("../..")).arg("install-lib");
    make.arg(format!("PREFIX={PREFIX}"));
    make.arg(format!("DESTDIR={}", root.path().display()));
    make.arg(format!("BUILT={}", library.parent().unwrap().display()));
    succeeds(&mut make);
    root
}

/// Returns the answer of pkg-config about the library that was installed there.
fn pkg_config(root: &Path, arguments: &[&str]) -> Vec<String> {
    let mut command = Command::new("pkg-config");
    command.env("PKG_CONFIG_PATH", root.join("opt/keeper/lib/pkgconfig"));
    command
        .env("PKG_CONFIG_SYSROOT_DIR", root)
        .args(arguments)
        .arg("jwtkeeper");
    succeeds(&mut command).split_whitespace().map(str::to_owned).collect()
}

#[test]
fn it_is_installed_for_pkg_config() {
    let root = installed();
    let lib = root.path().join("opt/keeper/lib");
    let target = |name: &str| std::fs::read_link(lib.join(name)).unwrap().display().to_string();
    assert_eq!(target("libjwtkeeper.so"), "libjwtkeeper.so.0");
    assert_eq!(target("libjwtkeeper.so.0"), format!("libjwtkeeper.so.{VERSION}"));
    assert_eq!(pkg_config(root.path(), &["--modversion"]), [VERSION]);
    let prefix = pkg_config(root.path(), &["--variable=prefix"]);
    assert!(prefix[0].ends_with(PREFIX), "{prefix:?}");

    let compile = |name: &str, first: &[&str], libs: &[&str]| {
        let program = root.path().join(name);
        let mut gcc = Command::new("gcc");
        gcc.args(first).arg("-o").arg(&program).arg(small());
        gcc.args(pkg_config(root.path(), &["--cflags"]))
            .args(pkg_config(root.path(), libs));
        succeeds(&mut gcc);
        program
    };
    let daemon = Daemon::start();
    let shared = compile("shared", &[], &["--libs"]);
    let said = succeeds(daemon.run(&shared).env("LD_LIBRARY_PATH", &lib));
    assert_eq!(said, format!("{VERSION}\n"));
    let needs = succeeds(Command::new("readelf").arg("-d").arg(&shared));
    assert!(needs.contains("[libjwtkeeper.so.0]"), "{needs}");
    let whole = compile("static", &["-static"], &["--static", "--libs"]);
    std::fs::remove_dir_all(&lib).unwrap();
    assert_eq!(succeeds(&mut daemon.run(whole)), format!("{VERSION}\n"));
}
