//! At the loudest log level, whatever is asked and whatever goes wrong: no secret, token or cookie secret in the log, in
//! an error, in the arguments or the environment.

use jwtkeeper_client::{Issue, Rotate, Rotation, Validate};
use jwtkeeper_wire::{Hello, MAGIC, PROTOCOL, put_frame};
use nix::sys::signal::Signal;

use jwtkeeper_testkit::daemons::daemon::SECRET;
use jwtkeeper_testkit::daemons::daemon::chmod;
use jwtkeeper_testkit::daemons::{Daemon, Setup, Wire, exit_of, http, until, wait_for};

#[test]
fn nothing_secret_is_ever_said() {
    let setup = Setup::new();
    let audit = setup.path("audit.json");
    let told = format!("[log]\nlevel = \"trace\"\n[audit]\nfile = \"{}\"", audit.display());
    let lines = "cookie_lock = \"optional\"\nrotation_grace = \"1s\"";
    let (mut daemon, metrics) = http::start(setup.top(&told).lines(lines));
    let client = daemon.client();
    let mut secrets = vec![SECRET.to_owned()];
    let mut said = String::new();
    let minted = client
        .issue(Issue::new().claims(r#"{"sub":"canary-subject-claim"}"#))
        .unwrap();
    let cookie = minted.cookie.as_ref().unwrap().value().to_owned();
    let Rotation::Rotated(successor) = client
        .rotate(Rotate::new(minted.token()).cookie(cookie.as_str()))
        .unwrap()
    else {
        panic!("not rotated");
    };
    let new_cookie = successor.cookie.as_ref().unwrap().value().to_owned();
    secrets.push("canary-subject-claim".to_owned());
    secrets.extend([minted.token().to_owned(), successor.token().to_owned()]);
    secrets.extend(new_cookie.split('.').chain([cookie.as_str()]).map(str::to_owned));
    // Reuse after the grace, and everything that can be wrong with a request.
    until("the grace is over", || {
        !client
            .validate(Validate::new(minted.token()).cookie(cookie.as_str()))
            .unwrap()
            .is_valid()
    });
    let forged = format!("{}x", successor.token());
    drop(
        client
            .validate(Validate::new(&forged).cookie(new_cookie.as_str()))
            .unwrap(),
    );
    for claims in [r#"{"jwtkeeper":"canary-subject-claim"}"#, r#"{"canary-subject-claim"}"#] {
        said.push_str(&client.issue(Issue::new().claims(claims)).unwrap_err().to_string());
    }
    // Tokens where names belong.
    let token = successor.token();
    for name in [token.to_owned(), format!("Bearer {token}")] {
        let lost = daemon.realm(&name);
        said.push_str(&lost.issue(Issue::new()).unwrap_err().to_string());
        said.push_str(&lost.validate(token).unwrap_err().to_string());
        said.push_str(&format!("{:?}", client.status(&name)));
        said.push_str(&format!("{:?}", client.flag_jti(&name)));
        said.push_str(&format!("{:?}", client.revoke_session(&name)));
        let mut wire = Wire::silent(&daemon.setup.socket());
        let (magic, protocol, extensions) = (MAGIC, PROTOCOL, Vec::new());
        let client = &name;
        let mut bytes = Vec::new();
        put_frame(
            &Hello {
                magic,
                protocol,
                client,
                extensions,
            },
            &mut bytes,
        )
        .unwrap();
        wire.send(&bytes);
        wire.message().unwrap();
    }
    for args in [
        &["validate", successor.token(), "--cookie", &new_cookie][..],
        &["revoke", &forged],
        &["rotate", &forged, "--cookie", &new_cookie],
        &["validate", &forged, "--cookie", &new_cookie],
    ] {
        let mut command = daemon.ctl();
        command.args(args);
        said.push_str(&String::from_utf8_lossy(&exit_of(command).stderr));
    }
    let _done = client.revoke_token(successor.token(), Some(&new_cookie)).unwrap();
    daemon.setup.write_secret("default.secret", &SECRET.as_bytes()[..20]);
    said.push_str(&client.reload().unwrap_err().to_string());
    daemon.signal(Signal::SIGHUP);
    let proc = |name: &str| std::fs::read(format!("/proc/{}/{name}", daemon.pid())).unwrap_or_default();
    said.push_str(&String::from_utf8_lossy(&[proc("cmdline"), proc("environ")].concat()));
    said.push_str(&daemon.health().to_string());
    for open_metrics in [true, false] {
        said.push_str(&metrics.page(open_metrics));
    }
    daemon.stop();
    said.push_str(&daemon.log());
    let audit = std::fs::read_to_string(audit).unwrap();
    assert!(audit.contains("\"outcome\":\"reuse\""), "the audit is there");
    // The subject is the audit's to tell.
    said.push_str(&audit.replace("\"subject\":\"canary-subject-claim\"", ""));
    assert!(
        said.contains("reuse") && said.contains("jwtkeeper_reuses_total 1"),
        "all of it is there"
    );
    for secret in &secrets {
        for form in forms(secret.as_bytes()) {
            assert!(!said.contains(&form), "a secret was said, as {form:?}");
        }
    }
}

/// A secret as it may be printed: as text, in hex, in base64, as a list of numbers; whole, or a good part of it.
fn forms(secret: &[u8]) -> Vec<String> {
    use base64::Engine;
    let part = &secret[..secret.len().min(18) / 3 * 3];
    let numbers: Vec<_> = part.iter().map(u8::to_string).collect();
    vec![
        String::from_utf8_lossy(&secret[..secret.len().min(20)]).into_owned(),
        String::from_utf8_lossy(&secret[secret.len().saturating_sub(20)..]).into_owned(),
        part.iter().map(|byte| format!("{byte:02x}")).collect(),
        base64::engine::general_purpose::STANDARD.encode(part),
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(part),
        numbers.join(", "),
    ]
}

/// No core dump, and memory that others of our user cannot read.
#[test]
fn the_process_is_closed_to_others() {
    let daemon = Setup::new().start();
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", daemon.pid())).unwrap();
    let core = limits
        .lines()
        .find(|line| line.starts_with("Max core file size"))
        .unwrap();
    assert_eq!(core.split_whitespace().nth(4), Some("0"), "{core}");
    let status = std::fs::read_to_string(format!("/proc/{}/status", daemon.pid())).unwrap();
    let locked = status.lines().find_map(|line| line.strip_prefix("VmLck:")).unwrap();
    assert_ne!(locked.trim(), "0 kB", "no page is locked in memory");
    use std::os::unix::fs::MetadataExt;
    let owner = std::fs::metadata(format!("/proc/{}/environ", daemon.pid()))
        .unwrap()
        .uid();
    assert_eq!(owner, 0, "not dumpable: its files in /proc are root's");
}

/// A crash leaves no core, whatever its starter allows, and wherever cores go.
#[test]
fn a_crash_leaves_no_core() {
    use std::os::unix::process::ExitStatusExt;
    let crash = |command: &std::process::Command, ready: &dyn Fn()| {
        let mut shell = std::process::Command::new("sh");
        shell.args(["-c", "ulimit -c unlimited; exec \"$@\"", "sh"]);
        shell.arg(command.get_program()).args(command.get_args());
        let mut child = shell.stderr(std::process::Stdio::null()).spawn().unwrap();
        ready();
        let pid = nix::unistd::Pid::from_raw(child.id() as i32);
        nix::sys::signal::kill(pid, Signal::SIGABRT).unwrap();
        let status = wait_for("it crashes", || child.try_wait().unwrap());
        assert_eq!(status.signal(), Some(Signal::SIGABRT as i32));
        status.core_dumped()
    };
    let setup = Setup::new();
    setup.init();
    let client = jwtkeeper_client::blocking::Client::new(jwtkeeper_client::Config::new(setup.socket()));
    assert!(
        !crash(&setup.command(&[]), &|| client.ping().unwrap()),
        "a core was dumped"
    );
}

/// Whoever is the daemon's own user, and no more, can neither trace it nor read its memory.
#[test]
fn its_own_user_cannot_look_into_it() {
    use std::os::unix::fs::chown;
    const USER: u32 = 64_021;
    if !nix::unistd::geteuid().is_root() {
        println!("only root can start it as another user");
        return;
    }
    let setup = Setup::new();
    setup.init();
    let binary = setup.path("jwtkeeperd");
    std::fs::copy(env!("CARGO_BIN_EXE_jwtkeeperd"), &binary).unwrap();
    chmod(&setup.path(""), 0o755);
    let state = std::fs::read_dir(setup.state_dir()).unwrap();
    let state = state.map(|entry| entry.unwrap().path());
    for file in [
        setup.path(""),
        setup.state_dir(),
        setup.path("default.secret"),
        setup.path("jwtkeeper.toml"),
    ]
    .into_iter()
    .chain(state)
    {
        chown(file, Some(USER), Some(USER)).unwrap();
    }
    let as_user = |program: &std::path::Path| {
        let mut command = std::process::Command::new("setpriv");
        let id = USER.to_string();
        command
            .args(["--reuid", &id, "--regid", &id, "--clear-groups"])
            .arg(program);
        command
    };
    let mut command = as_user(&binary);
    command.args(setup.command(&[]).get_args().skip_while(|arg| *arg != "--config"));
    let daemon = Daemon::start_with(setup, command);
    let tries = |pid: u32| {
        let mut mem = as_user("head".as_ref());
        mem.args(["-c", "1"]).arg(format!("/proc/{pid}/environ"));
        let mut strace = as_user("timeout".as_ref());
        strace
            .args(["1", "strace", "-qq", "-o", "/dev/null", "-p"])
            .arg(pid.to_string());
        let strace = exit_of(strace);
        let denied = String::from_utf8_lossy(&strace.stderr).contains("Operation not permitted");
        (exit_of(mem).status.success(), !denied)
    };
    assert_eq!(tries(daemon.pid()), (false, false));
    // Of another process of theirs, they can do both.
    let mut other = as_user("sleep".as_ref()).arg("60").spawn().unwrap();
    until("it is theirs", || {
        std::fs::read_to_string(format!("/proc/{}/comm", other.id())).unwrap() == "sleep\n"
    });
    let could = tries(other.id());
    other.kill().unwrap();
    other.wait().unwrap();
    assert_eq!(could, (true, true));
}

/// Once another secret is in effect, the old one is nowhere in memory, and the new one on few pages.
#[test]
fn an_old_secret_leaves_memory() {
    if !nix::unistd::geteuid().is_root() {
        println!("only root can read the daemon's memory");
        return;
    }
    let daemon = Setup::new().top("[reload]\npoll = \"50ms\"\nsettle = \"20ms\"").start();
    let client = daemon.client();
    let secrets: Vec<String> = (0..5)
        .map(|number| format!("secret number {number} {}", "0123456789abcdef".repeat(4)))
        .collect();
    for secret in &secrets {
        let minted = client.issue(Issue::new()).unwrap();
        daemon.setup.write_secret("default.secret", secret.as_bytes());
        until("it is in effect", || {
            !client.validate(minted.token()).unwrap().is_valid()
        });
    }
    let (current, old) = secrets.split_last().unwrap();
    assert!(copies(&daemon, current) >= 1, "the search finds nothing");
    for secret in [SECRET.to_owned()].iter().chain(old) {
        until("it is wiped", || copies(&daemon, secret) == 0);
    }
    until("passing copies are wiped", || copies(&daemon, current) == 1);
}

/// How often a text lies in the daemon's memory.
fn copies(daemon: &jwtkeeper_testkit::daemons::Daemon, text: &str) -> usize {
    use std::os::unix::fs::FileExt;
    let maps = std::fs::read_to_string(format!("/proc/{}/maps", daemon.pid())).unwrap();
    let memory = std::fs::File::open(format!("/proc/{}/mem", daemon.pid())).unwrap();
    let mut found = 0;
    for line in maps.lines().filter(|line| line.contains(" rw")) {
        let (from, to) = line.split_whitespace().next().unwrap().split_once('-').unwrap();
        let address = |text| u64::from_str_radix(text, 16).unwrap();
        let mut bytes = vec![0; (address(to) - address(from)) as usize];
        if memory.read_exact_at(&mut bytes, address(from)).is_ok() {
            found += memchr::memmem::find_iter(&bytes, text.as_bytes()).count();
        }
    }
    found
}
