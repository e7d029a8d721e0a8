//! What is in the packages, with owners and modes; and what Debian's own check says of them.

use std::process::Command;

use crate::packages::{DAEMON, DEVELOPMENT, LIBRARY, package, printed};

/// The files of a package but for its documentation: mode, owner, name.
fn files(name: &str) -> Vec<String> {
    let listed = printed(Command::new("dpkg-deb").arg("--contents").arg(package(name)));
    let multiarch = printed(Command::new("dpkg-architecture").arg("-qDEB_HOST_MULTIARCH"));
    let mut files: Vec<_> = listed
        .lines()
        .map(|line| {
            let words: Vec<_> = line.split_whitespace().collect();
            let owner = words[1].replace("0/0", "root/root");
            let name = words[5..].join(" ").replace(multiarch.trim(), "MULTIARCH");
            format!("{} {owner} {name}", words[0])
        })
        .filter(|line| !line.ends_with('/') && !line.contains("/usr/share/doc/") && !line.contains("/lintian/"))
        .collect();
    files.sort();
    files
}

fn field(package_name: &str, field: &str) -> String {
    printed(
        Command::new("dpkg-deb")
            .arg("--field")
            .arg(package(package_name))
            .arg(field),
    )
    .trim()
    .to_owned()
}

#[test]
fn the_daemon() {
    let expected = [
        "-rw-r--r-- root/root ./etc/jwtkeeper/jwtkeeper.toml",
        "-rw-r--r-- root/root ./usr/lib/systemd/system/jwtkeeperd.service",
        "-rw-r--r-- root/root ./usr/lib/systemd/system/jwtkeeperd.socket",
        "-rw-r--r-- root/root ./usr/lib/sysusers.d/jwtkeeperd.conf",
        "-rw-r--r-- root/root ./usr/lib/tmpfiles.d/jwtkeeperd.conf",
        "-rw-r--r-- root/root ./usr/share/bash-completion/completions/jwtkeeperctl",
        "-rw-r--r-- root/root ./usr/share/bash-completion/completions/jwtkeeperd",
        "-rw-r--r-- root/root ./usr/share/fish/vendor_completions.d/jwtkeeperctl.fish",
        "-rw-r--r-- root/root ./usr/share/fish/vendor_completions.d/jwtkeeperd.fish",
        "-rw-r--r-- root/root ./usr/share/man/man1/jwtkeeperctl.1.gz",
        "-rw-r--r-- root/root ./usr/share/man/man5/jwtkeeper.toml.5.gz",
        "-rw-r--r-- root/root ./usr/share/man/man8/jwtkeeperd-setup.8.gz",
        "-rw-r--r-- root/root ./usr/share/man/man8/jwtkeeperd.8.gz",
        "-rw-r--r-- root/root ./usr/share/zsh/vendor-completions/_jwtkeeperctl",
        "-rw-r--r-- root/root ./usr/share/zsh/vendor-completions/_jwtkeeperd",
        "-rwxr-xr-x root/root ./usr/bin/jwtkeeperctl",
        "-rwxr-xr-x root/root ./usr/sbin/jwtkeeperd",
        "-rwxr-xr-x root/root ./usr/sbin/jwtkeeperd-setup",
    ];
    // There is a page for each command of jwtkeeperctl, too: jwtkeeperctl-COMMAND(1).
    let (commands, files): (Vec<_>, Vec<_>) = files(DAEMON)
        .into_iter()
        .partition(|file| file.contains("/man1/jwtkeeperctl-"));
    assert_eq!(files, expected);
    assert!(
        commands
            .iter()
            .any(|file| file.ends_with("/jwtkeeperctl-validate.1.gz")),
        "{commands:?}"
    );
    let version = format!("{}-1", env!("CARGO_PKG_VERSION"));
    assert_eq!(field(DAEMON, "Version"), version);
    assert_eq!(
        printed(
            Command::new("dpkg-deb")
                .arg("--info")
                .arg(package(DAEMON))
                .arg("conffiles")
        ),
        "/etc/jwtkeeper/jwtkeeper.toml\n"
    );
}

#[test]
fn the_library() {
    let version = env!("CARGO_PKG_VERSION");
    let expected = [
        format!("-rw-r--r-- root/root ./usr/lib/MULTIARCH/libjwtkeeper.so.{version}"),
        format!("lrwxrwxrwx root/root ./usr/lib/MULTIARCH/libjwtkeeper.so.0 -> libjwtkeeper.so.{version}"),
    ];
    assert_eq!(files(LIBRARY), expected);
    let shlibs = printed(
        Command::new("dpkg-deb")
            .arg("--info")
            .arg(package(LIBRARY))
            .arg("shlibs"),
    );
    assert_eq!(shlibs, format!("libjwtkeeper 0 libjwtkeeper0 (>= {version})\n"));
    let expected = [
        "-rw-r--r-- root/root ./usr/include/jwtkeeper.h",
        "-rw-r--r-- root/root ./usr/lib/MULTIARCH/libjwtkeeper.a",
        "-rw-r--r-- root/root ./usr/lib/MULTIARCH/pkgconfig/jwtkeeper.pc",
        "lrwxrwxrwx root/root ./usr/lib/MULTIARCH/libjwtkeeper.so -> libjwtkeeper.so.0",
    ];
    assert_eq!(files(DEVELOPMENT), expected);
    assert_eq!(field(DEVELOPMENT, "Depends"), format!("libjwtkeeper0 (= {version}-1)"));
}

/// A C program that is built against what the packages hold, by pkg-config, and runs on the packaged library.
#[test]
fn a_c_program_is_built_on_the_library() {
    let root = tempfile::tempdir().unwrap();
    for name in [LIBRARY, DEVELOPMENT] {
        printed(
            Command::new("dpkg-deb")
                .arg("--extract")
                .arg(package(name))
                .arg(root.path()),
        );
    }
    let program =
        "#include <jwtkeeper.h>\n#include <stdio.h>\nint main(void) { puts(jwtkeeper_version()); return 0; }\n";
    std::fs::write(root.path().join("program.c"), program).unwrap();
    let script = "libraries=usr/lib/$(dpkg-architecture -qDEB_HOST_MULTIARCH)\n\
        export PKG_CONFIG_LIBDIR=$PWD/$libraries/pkgconfig PKG_CONFIG_SYSROOT_DIR=$PWD\n\
        cc -Wall -Werror program.c $(pkg-config --cflags --libs jwtkeeper) -o program\n\
        readelf --dynamic program | grep -q 'NEEDED.*libjwtkeeper.so.0'\n\
        LD_LIBRARY_PATH=$libraries ./program";
    let said = printed(Command::new("sh").args(["-eu", "-c", script]).current_dir(root.path()));
    assert_eq!(said.trim(), env!("CARGO_PKG_VERSION"));
}

/// lintian has nothing to say: each override in packaging/deb/lintian-overrides gives its reason.
#[test]
fn debians_own_check() {
    let mut command = Command::new("lintian");
    command.args(["--allow-root", "--fail-on", "error,warning"]);
    for name in [DAEMON, LIBRARY, DEVELOPMENT] {
        command.arg(package(name));
    }
    assert_eq!(printed(&mut command), "");
}
