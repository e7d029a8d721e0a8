//! The daemons that cases need, each with all the realms: first one that answers everything, then in the state that its
//! cases are about.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use jwtkeeper_client::{Issue, blocking};

use crate::cases::DaemonState;
use crate::passage::Passage;
use jwtkeeper_testkit::daemons::{Daemon, SECRET, Setup, until};
use jwtkeeper_testkit::servers::Server;

/// How long a client of an app may take where there is an answer to be had.
const DEADLINE: Duration = Duration::from_secs(20);
/// And where there is none.
const SHORT_DEADLINE: Duration = Duration::from_millis(300);

/// The realms that share one secret: their names and locks. `plain` issues what is `unlocked` elsewhere.
const REALMS: [(&str, &str); 6] = [
    ("off", "off"),
    ("plain", "off"),
    ("optional", "optional"),
    ("required", "required"),
    ("no_rotate", "required"),
    ("no_validate", "required"),
];

/// What the apps' user, who is the tests', may do: everything but what the names of two realms say.
fn rules() -> String {
    let user = nix::unistd::geteuid();
    let rule = |realms: &[&str], allow: &[&str]| {
        format!("[[access]]\nuser = {user}\nrealms = {realms:?}\nallow = {allow:?}\n")
    };
    let some = ["issue", "flag", "revoke", "revoke_id"];
    let free = ["off", "plain", "optional", "required", "renamed", "signer", "reader"];
    rule(&free, &[&some[..], &["validate", "rotate", "rotate_claims"]].concat())
        + &rule(&["no_rotate"], &[&some[..], &["validate"]].concat())
        + &rule(&["no_validate"], &[&some[..], &["rotate"]].concat())
}

/// A daemon, and what stands behind it and before it.
pub struct Stage {
    state: DaemonState,
    daemon: Daemon,
    redis: Option<Server>,
    passage: Option<Passage>,
}

impl Stage {
    /// One that can make tokens: nothing is broken yet, but for a store that was never there.
    pub fn new(state: DaemonState) -> Self {
        let mut redis = match state {
            DaemonState::StoreAway | DaemonState::StoreUnread => Some(Server::start()),
            DaemonState::Up | DaemonState::Gone => None,
        };
        if state == DaemonState::StoreUnread {
            redis.iter_mut().for_each(Server::kill);
        }
        let daemon = setup(redis.as_ref()).start();
        if state != DaemonState::StoreUnread {
            until("the daemon is ready", || daemon.client().health().unwrap().ready);
        }
        let passage = (state == DaemonState::Up).then(|| Passage::to(&daemon));
        Self {
            state,
            daemon,
            redis,
            passage,
        }
    }

    /// A client of a realm.
    pub fn realm(&self, name: &str) -> blocking::Client {
        self.daemon.realm(name)
    }

    /// Changes the version of all realms: what was issued before is `stale_version`.
    pub fn change_version(&self) {
        // Put in place by a rename, it need not rest.
        let setup = &self.daemon.setup;
        setup.write("version.new", "2");
        std::fs::rename(setup.path("version.new"), setup.path("version")).unwrap();
        let client = self.realm("off");
        client.reload().unwrap();
        until("tokens have the new version", || {
            client.issue(Issue::new()).unwrap().claims.get("ver") == Some(2.into())
        });
    }

    /// Brings it into its state, for good.
    pub fn break_down(&mut self) {
        match self.state {
            DaemonState::Up | DaemonState::StoreUnread => {}
            DaemonState::StoreAway => self.redis.iter_mut().for_each(Server::kill),
            DaemonState::Gone => self.daemon.stop(),
        }
    }

    /// The socket for apps.
    pub fn socket(&self) -> PathBuf {
        match &self.passage {
            Some(passage) => passage.socket(),
            None => self.daemon.setup.socket(),
        }
    }

    /// The deadline for apps' clients, in milliseconds.
    pub fn deadline(&self) -> String {
        let deadline = match self.state {
            DaemonState::Gone => SHORT_DEADLINE,
            _ => DEADLINE,
        };
        deadline.as_millis().to_string()
    }

    /// Revokes this when a client behind the passage next asks to rotate, before it is asked.
    pub fn revoke_between(&self, realm: &str, jti: &str) {
        let client = self.realm(realm);
        let jti = jti.to_owned();
        let passage = self.passage.as_ref().expect("a daemon that is up");
        passage.before_rotate(move || client.revoke_jti(&jti).unwrap());
    }
}

fn setup(redis: Option<&Server>) -> Setup {
    let mut setup = Setup::bare();
    if let Some(redis) = redis {
        // Answering from memory is the point: the copy is never too old here.
        setup = setup.top(&format!(
            "[store]\nkind = \"redis\"\n[store.redis]\nurl = \"{}\"\nmax_staleness = \"10m\"",
            redis.url()
        ));
    }
    setup.write("version", "1");
    // Long enough for any machine.
    let common = format!(
        "version_file = \"{}\"\nrotation_grace = \"10m\"\n",
        setup.path("version").display()
    );
    for (name, lock) in REALMS {
        let lines = format!("{common}cookie_lock = \"{lock}\"\n");
        setup = setup.realm(name, "HS256", SECRET.as_bytes(), &lines);
    }
    let lines = format!("{common}cookie_lock = \"required\"\n[realms.renamed.cookie]\nname = \"lock\"\n");
    setup = setup.realm("renamed", "HS256", SECRET.as_bytes(), &lines);
    let openssl = |arguments: &[&str]| {
        let output = Command::new("openssl").args(arguments).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    };
    setup.write_secret("key.pem", &openssl(&["genpkey", "-algorithm", "ed25519"]));
    let (private, public) = (setup.path("key.pem"), setup.path("key.pub"));
    let made = openssl(&["pkey", "-pubout", "-in", private.to_str().unwrap()]);
    setup.write("key.pub", &String::from_utf8(made).unwrap());
    setup
        .lines(&format!(
            "[realms.signer]\nalgorithm = \"EdDSA\"\nkey_file = \"{}\"\n{common}\
         [realms.reader]\nalgorithm = \"EdDSA\"\npublic_key_file = \"{}\"\n{common}",
            private.display(),
            public.display()
        ))
        .lines(&rules())
}
