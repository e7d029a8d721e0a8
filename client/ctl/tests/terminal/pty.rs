//! A terminal, and the command in it. What is read from it is what a person would see, escape sequences and all.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcgetattr, tcsetwinsize};

/// Far more than anything takes.
const DEADLINE: Duration = Duration::from_secs(30);

/// The command, at a terminal of 100 columns.
pub(crate) struct Terminal {
    master: File,
    /// Open until the command has ended; then its settings are kept.
    slave: Result<OwnedFd, Modes>,
    /// Until it runs: it holds the slave open, too.
    command: Option<Command>,
    child: Option<Child>,
    seen: String,
}

/// The modes of a terminal: of input, output, control and the line.
pub(crate) type Modes = [u32; 4];

/// Which of the three are the terminal; the others are null.
pub(crate) struct On {
    pub(crate) stdin: bool,
    pub(crate) stdout: bool,
    pub(crate) stderr: bool,
}

pub(crate) const ALL: On = On {
    stdin: true,
    stdout: true,
    stderr: true,
};

/// The program, for a terminal that can do colour.
pub(crate) fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_jwtkeeperctl"));
    command.env("TERM", "xterm-256color").env_remove("NO_COLOR");
    command
}

impl Terminal {
    pub(crate) fn run(command: Command, on: &On) -> Self {
        let mut terminal = Self::start(command, on);
        terminal.go();
        terminal
    }

    /// The terminal alone: the command waits for `go`.
    pub(crate) fn start(mut command: Command, on: &On) -> Self {
        let size = Winsize {
            ws_row: 24,
            ws_col: 100,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let master = openpt(flags).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
        let slave: OwnedFd = File::options()
            .read(true)
            .write(true)
            .custom_flags(OFlag::O_NOCTTY.bits())
            .open(name)
            .unwrap()
            .into();
        tcsetwinsize(&slave, size).unwrap();
        let end = |terminal: bool| match terminal {
            true => Stdio::from(slave.try_clone().unwrap()),
            false => Stdio::null(),
        };
        command
            .stdin(end(on.stdin))
            .stdout(end(on.stdout))
            .stderr(end(on.stderr));
        Self {
            master: master.into(),
            slave: Ok(slave),
            command: Some(command),
            child: None,
            seen: String::new(),
        }
    }

    pub(crate) fn go(&mut self) {
        self.child = Some(self.command.take().unwrap().spawn().unwrap());
    }

    /// Waits until `text` is seen; what was seen before it, and it, are not looked at again.
    pub(crate) fn expect(&mut self, text: &str) -> String {
        let deadline = Instant::now() + DEADLINE;
        loop {
            if let Some(at) = self.seen.find(text) {
                let rest = self.seen.split_off(at + text.len());
                return std::mem::replace(&mut self.seen, rest);
            }
            assert!(self.read(deadline), "{text:?} is not seen: {:?}", self.seen);
        }
    }

    pub(crate) fn write(&mut self, text: &str) {
        self.master.write_all(text.as_bytes()).unwrap();
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let id = self.child.as_ref().unwrap().id();
        kill(Pid::from_raw(id as i32), signal).unwrap();
    }

    pub(crate) fn settings(&self) -> Modes {
        match &self.slave {
            Ok(slave) => {
                let set = tcgetattr(slave).unwrap();
                [
                    set.input_modes.bits(),
                    set.output_modes.bits(),
                    set.control_modes.bits(),
                    set.local_modes.bits(),
                ]
            }
            Err(kept) => *kept,
        }
    }

    /// Returns the state of the process by the kernel: `S` sleeps, `T` is stopped (proc(5)).
    pub(crate) fn state(&self) -> char {
        let id = self.child.as_ref().unwrap().id();
        let text = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap();
        text.rsplit(')').next().unwrap().chars().nth(1).unwrap()
    }

    /// Waits until the command has ended: its exit code, or none where a signal ended it, and what was not yet seen.
    pub(crate) fn end(mut self) -> (Option<i32>, String) {
        self.ended()
    }

    /// The same, where the terminal is to be looked at afterwards.
    pub(crate) fn ended(&mut self) -> (Option<i32>, String) {
        let deadline = Instant::now() + DEADLINE;
        let mut child = self.child.take().unwrap();
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            if Instant::now() > deadline {
                self.child = Some(child);
                panic!("it does not end: {:?}", self.seen);
            }
            self.read(Instant::now() + Duration::from_millis(10));
        };
        // When nobody has the slave open, what is still on its way is read to its end.
        self.slave = Err(self.settings());
        let mut chunk = [0; 4096];
        while let Ok(read @ 1..) = self.master.read(&mut chunk) {
            self.seen.push_str(&String::from_utf8_lossy(&chunk[..read]));
        }
        (status.code(), std::mem::take(&mut self.seen))
    }

    /// Reads once; false where nothing came in time.
    fn read(&mut self, deadline: Instant) -> bool {
        let left = deadline.saturating_duration_since(Instant::now());
        let mut fds = [PollFd::new(self.master.as_fd(), PollFlags::POLLIN)];
        let wait = PollTimeout::try_from(left).unwrap();
        if poll(&mut fds, wait).unwrap() == 0 {
            return false;
        }
        let mut chunk = [0; 4096];
        let read = self.master.read(&mut chunk).unwrap();
        // A character that is cut in two is shown as a mark; nothing that is looked for holds one.
        self.seen.push_str(&String::from_utf8_lossy(&chunk[..read]));
        true
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ended = child.kill();
            let _waited = child.wait();
        }
    }
}
