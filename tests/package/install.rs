//! A life with the package: installed, used by those who may, reloaded, installed again, removed, purged.

use jwtkeeper_client::{Before, Issue};

use crate::Machine;
use jwtkeeper_testkit::daemons::until;

const OWNERS: &str = "stat --format='%A %U:%G %n' /etc/jwtkeeper /etc/jwtkeeper/conf.d /etc/jwtkeeper/secret /var/lib/jwtkeeper \
    /var/lib/jwtkeeper/denylist.redb /var/log/jwtkeeper /run/jwtkeeper /run/jwtkeeper/jwtkeeper.sock";

/// Who owns what once it is installed. Those who may open the socket may not read the secret.
const OWNED: &str = "\
drwxr-x--- root:jwtkeeper /etc/jwtkeeper
drwxr-xr-x root:root /etc/jwtkeeper/conf.d
-rw-r----- root:jwtkeeper /etc/jwtkeeper/secret
drwx------ jwtkeeper:jwtkeeper /var/lib/jwtkeeper
-rw------- jwtkeeper:jwtkeeper /var/lib/jwtkeeper/denylist.redb
drwxr-x--- jwtkeeper:jwtkeeper /var/log/jwtkeeper
drwxr-sr-x jwtkeeper:jwtkeeper-clients /run/jwtkeeper
srw-rw---- jwtkeeper:jwtkeeper-clients /run/jwtkeeper/jwtkeeper.sock
";

#[test]
fn installed_used_and_purged() {
    let machine = Machine::bare();
    let before = files(&machine);
    machine.install();
    assert_eq!(machine.sh(OWNERS), OWNED);
    assert_eq!(
        machine.sh("systemctl is-enabled jwtkeeperd.socket jwtkeeperd.service"),
        "enabled\nenabled\n"
    );
    assert_eq!(
        machine.sh("systemctl is-active jwtkeeperd.socket jwtkeeperd.service"),
        "active\nactive\n"
    );
    assert!(
        machine.show("jwtkeeperd", "StatusText").starts_with("ready"),
        "READY=1 and STATUS"
    );

    who_may(&machine);
    reloads(&machine);
    installed_again(&machine);

    // What was removed leaves the secret and the store; what was purged leaves nothing but the user.
    machine.sh("dpkg --remove jwtkeeperd 2>&1");
    machine.sh("test -e /etc/jwtkeeper/secret && test -e /var/lib/jwtkeeper/denylist.redb && ! pgrep jwtkeeperd");
    machine.install();
    assert_eq!(machine.sh("systemctl is-active jwtkeeperd.service"), "active\n");
    machine.sh("dpkg --purge jwtkeeperd 2>&1");
    assert_eq!(files(&machine), before);
    assert_eq!(
        machine.sh("systemctl list-units --all --plain --no-legend 'jwtkeeperd*'"),
        ""
    );
    machine.sh("! test -e /run/jwtkeeper");
}

/// Every file that is there but for what dpkg, systemd and the user database write for any package.
fn files(machine: &Machine) -> String {
    machine.sh(
        "find / -xdev -not -path '/var/lib/dpkg/*' -not -path '/var/log/*' -not -path '/etc/*-' \
         -not -path '/var/lib/systemd/*' -not -path '/var/cache/*' -not -name '.pwd.lock' -not -path '/root/*' \
         -not -path '/jwtkeeperd.deb' | sort",
    ) + &machine.sh("find /var/log/ /etc -name '*jwtkeeper*'")
}

fn who_may(machine: &Machine) {
    machine.sh("printf '%s\\n' 'u app' 'm app jwtkeeper-clients' 'u stranger' | systemd-sysusers -");
    let as_user = |user: &str, script: &str| {
        machine.try_sh(&format!("setpriv --reuid={user} --regid={user} --init-groups {script}"))
    };
    let issued = as_user("app", "jwtkeeperctl issue");
    assert!(issued.status.success(), "{issued:?}");
    assert!(
        !as_user("app", "cat /etc/jwtkeeper/secret").status.success(),
        "an app reads the secret"
    );
    assert_eq!(
        as_user("app", "jwtkeeperctl reload").status.code(),
        Some(77),
        "an app reloads"
    );
    assert_eq!(
        as_user("stranger", "jwtkeeperctl ping").status.code(),
        Some(77),
        "anybody opens the socket"
    );
}

/// `systemctl reload` brings what has changed, and fails where that was refused; what was in effect goes on.
fn reloads(machine: &Machine) {
    let generation = machine.client().health().unwrap().generation;
    machine.sh("echo 7 > /etc/jwtkeeper/version && systemctl reload jwtkeeperd");
    assert!(machine.client().health().unwrap().generation > generation);
    let token = machine.client().issue(Issue::new()).unwrap().token().to_owned();

    machine.sh("cp -p /etc/jwtkeeper/jwtkeeper.toml /root/ && echo 'no such key = 1' >> /etc/jwtkeeper/jwtkeeper.toml");
    let refused = machine.try_sh("systemctl reload jwtkeeperd");
    assert!(!refused.status.success(), "a reload that was refused is a success");
    let journal = machine.sh("journalctl --sync && journalctl --no-pager --unit=jwtkeeperd");
    assert!(
        journal.contains("keeping the previous state fault=/etc/jwtkeeper/jwtkeeper.toml:"),
        "the journal says no cause: {journal}"
    );
    assert_eq!(machine.sh("systemctl is-active jwtkeeperd"), "active\n");
    assert!(machine.client().validate(token.as_str()).unwrap().is_valid());
    machine.sh("mv /root/jwtkeeper.toml /etc/jwtkeeper/ && systemctl reload jwtkeeperd && rm /etc/jwtkeeper/version");
}

/// A new version takes the secret and the store as they are, and the daemon is another.
fn installed_again(machine: &Machine) {
    let client = machine.client();
    let token = client.issue(Issue::new()).unwrap().token().to_owned();
    client.revoke_subject("gone", Before::Now).unwrap();
    let (daemon, entries) = (machine.daemon(), store_entries(machine));
    let said = machine.install();
    assert!(!said.contains("wrote") && !said.contains("made"), "{said}");
    assert_ne!(machine.daemon(), daemon);
    assert!(client.validate(token.as_str()).unwrap().is_valid());
    until("the store is as it was", || store_entries(machine) == entries);
    assert_eq!(machine.sh(OWNERS), OWNED);
}

fn store_entries(machine: &Machine) -> String {
    machine.sh("jwtkeeperctl --json health | grep -o '\"entries\":[0-9]*'")
}
