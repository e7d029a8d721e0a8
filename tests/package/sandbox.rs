//! What the unit takes away from the daemon: by systemd's own figures, and as the kernel sees the process.

use jwtkeeper_testkit::daemons::until;

use crate::Machine;

/// The unit of the package as it is; what it scores is in docs/operations.md.
#[test]
fn systemds_own_checks() {
    let machine = Machine::installed();
    let verified = machine.try_sh("systemd-analyze verify --man=no jwtkeeperd.socket jwtkeeperd.service 2>&1");
    assert!(verified.status.success() && verified.stdout.is_empty(), "{verified:?}");
    machine.sh("systemd-analyze security --threshold=10 --no-pager jwtkeeperd.service");
    machine.sh(
        "systemd-analyze security --offline=true --threshold=10 --no-pager /usr/lib/systemd/system/jwtkeeperd.service",
    );

    // The examples are drop-ins that systemd takes, and they open no more than they say.
    let examples = "/usr/share/doc/jwtkeeperd/systemd/jwtkeeperd.service.d";
    machine.sh(&format!("mkdir /etc/systemd/system/jwtkeeperd.service.d && cp {examples}/*.conf /etc/systemd/system/jwtkeeperd.service.d/"));
    let verified = machine.try_sh("systemd-analyze verify --man=no jwtkeeperd.service 2>&1");
    assert!(verified.status.success() && verified.stdout.is_empty(), "{verified:?}");
    machine.sh("systemd-analyze security --offline=true --threshold=15 --no-pager jwtkeeperd.service");
}

#[test]
fn as_the_kernel_sees_it() {
    let machine = Machine::installed();
    let daemon = machine.daemon();
    let status = machine.sh(&format!("cat /proc/{daemon}/status"));
    for line in [
        "CapPrm:\t0000000000000000",
        "CapEff:\t0000000000000000",
        "CapBnd:\t0000000000000000",
        "CapAmb:\t0000000000000000",
        "NoNewPrivs:\t1",
        "Seccomp:\t2",
    ] {
        assert!(status.contains(line), "{line:?} is not in {status}");
    }
    let limits = |process: &str| machine.sh(&format!("cat /proc/{process}/limits"));
    let limit = |process: &str, name: &str| {
        let limits = limits(process);
        let line = limits.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap_or(u64::MAX)
    };
    // No more than the machine's own systemd has, if it may not raise its limits.
    assert_eq!(limit(&daemon, "Max core file size"), 0);
    assert_eq!(limit(&daemon, "Max open files"), limit("1", "Max open files").min(8192));
    assert_eq!(
        limit(&daemon, "Max locked memory"),
        limit("1", "Max locked memory").min(16 << 20)
    );
    assert_eq!(machine.show("jwtkeeperd", "LimitNOFILE"), "8192");
    assert_eq!(machine.show("jwtkeeperd", "LimitMEMLOCK"), (16 << 20).to_string());
    let users = machine.sh(&format!("stat --format=%U:%G /proc/{daemon}/environ"));
    // Not dumpable: what /proc has of it is root's.
    assert_eq!(users, "root:root\n");
    assert!(
        status.contains(&format!("Uid:\t{}", machine.sh("id --user jwtkeeper").trim())),
        "{status}"
    );

    // In its own view of the files it can write its state and its logs, and no more; and there is no network.
    let inside = format!("nsenter --target {daemon} --mount --net --");
    for place in ["/etc/jwtkeeper", "/usr", "/run", "/root", "/home"] {
        machine.sh(&format!("! {inside} touch {place}/x 2>/dev/null"));
    }
    for place in ["/var/lib/jwtkeeper", "/var/log/jwtkeeper"] {
        machine.sh(&format!("{inside} touch {place}/x && {inside} rm {place}/x"));
    }
    machine.sh(&format!(
        "{inside} cp /usr/bin/true /var/lib/jwtkeeper/x && ! {inside} /var/lib/jwtkeeper/x 2>/dev/null"
    ));
    assert_eq!(
        machine.sh(&format!("{inside} ls /sys/class/net")),
        machine.sh("ls /sys/class/net")
    );
    assert_eq!(
        machine.sh(&format!("{inside} grep --count : /proc/net/dev || true")),
        ""
    );
}

/// The daemon has a network namespace of its own: the kernel lists a socket that it makes there alone.
#[test]
fn a_check_knows_the_sockets_of_a_running_daemon() {
    let machine = Machine::installed();
    let metrics = "[metrics]\nsocket = \"/run/jwtkeeper/metrics.sock\"\n";
    machine.write("/etc/jwtkeeper/conf.d/test.toml", metrics);
    machine.sh("systemctl restart jwtkeeperd");
    until("metrics are served", || {
        machine.try_sh("test -S /run/jwtkeeper/metrics.sock").status.success()
    });
    for user in ["", "--user jwtkeeper"] {
        let said = machine.sh(&format!("jwtkeeperd --check {user}"));
        let listens = "/run/jwtkeeper/metrics.sock: a running daemon or its socket unit listens there";
        assert!(said.contains(listens), "{said}");
    }
}

/// Also as the daemon's user, whom systemd tells nothing where D-Bus is not installed.
#[test]
fn a_check_knows_what_the_sandbox_forbids() {
    let machine = Machine::installed();
    machine.write(
        "/etc/jwtkeeper/conf.d/test.toml",
        "[metrics]\nlisten = \"127.0.0.1:9750\"\n",
    );
    for user in ["", "--user jwtkeeper"] {
        let output = machine.try_sh(&format!("jwtkeeperd --check {user}"));
        assert_eq!(output.status.code(), Some(78), "{output:?}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(
            said.contains("metrics.listen 127.0.0.1:9750: jwtkeeperd.service forbids it"),
            "{said}"
        );
    }
}
