//! Where the secret comes from: the first one, made by the installation; an administrator's; a credential of systemd.

use jwtkeeper_client::Issue;

use crate::Machine;

/// Two installations share no secret, and it is what `jwtkeeperctl secret generate` makes.
#[test]
fn each_installation_makes_its_own() {
    let (one, other) = (Machine::installed(), Machine::installed());
    let secret = |machine: &Machine| std::fs::read(machine.path("/etc/jwtkeeper/secret")).unwrap();
    assert_ne!(secret(&one), secret(&other));
    assert!(secret(&one).len() >= 64);
    let token = one.client().issue(Issue::new()).unwrap().token().to_owned();
    assert!(!other.client().validate(token.as_str()).unwrap().is_valid());
}

/// A secret and a store that are there before the package are taken as they are; and with a configuration that is wrong
/// nothing is started, and it is said how to go on.
#[test]
fn what_is_there_is_kept() {
    let machine = Machine::bare();
    let secret = "an administrator's own secret, and long enough: 0123456789abcdef0123456789abcdef";
    machine.write("/etc/jwtkeeper/secret", secret);
    machine.write(
        "/etc/jwtkeeper/conf.d/own.toml",
        "[realms.default]\nalgorithm = \"HS512\"\nno_such_key = 1\n",
    );
    let said = machine.install();
    assert!(
        said.contains("no_such_key") && said.contains("jwtkeeperd is not started"),
        "{said}"
    );
    assert!(
        !machine
            .try_sh("systemctl is-active jwtkeeperd.socket jwtkeeperd.service")
            .status
            .success()
    );

    machine.sh("rm /etc/jwtkeeper/conf.d/own.toml && chgrp jwtkeeper /etc/jwtkeeper/secret && chmod 0640 /etc/jwtkeeper/secret");
    machine.sh("jwtkeeperd-setup && systemctl start jwtkeeperd");
    machine.client().issue(Issue::new()).unwrap();
    assert_eq!(
        std::fs::read_to_string(machine.path("/etc/jwtkeeper/secret")).unwrap(),
        secret
    );
}

/// The example drop-in: the original is root's alone, the daemon has a copy, and a restart brings a new one.
#[test]
fn as_a_credential() {
    let machine = Machine::installed();
    let token = machine.client().issue(Issue::new()).unwrap().token().to_owned();
    machine.sh(
        "chown root:root /etc/jwtkeeper/secret && chmod 0600 /etc/jwtkeeper/secret\n\
         sed -i 's|^secret_file = .*|secret_file = \"/run/credentials/jwtkeeperd.service/secret\"|' /etc/jwtkeeper/jwtkeeper.toml\n\
         mkdir /etc/systemd/system/jwtkeeperd.service.d\n\
         cp /usr/share/doc/jwtkeeperd/systemd/jwtkeeperd.service.d/credentials.conf /etc/systemd/system/jwtkeeperd.service.d/\n\
         systemctl daemon-reload && systemctl restart jwtkeeperd",
    );
    let client = machine.client();
    assert!(client.health().unwrap().ready);
    assert!(client.validate(token.as_str()).unwrap().is_valid(), "the same secret");
    machine.sh("systemctl reload jwtkeeperd");
    machine.sh("jwtkeeperctl secret generate && systemctl restart jwtkeeperd");
    assert!(!client.validate(token.as_str()).unwrap().is_valid(), "another secret");
}
