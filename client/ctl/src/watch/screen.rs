//! A terminal's other screen, and the way back: whatever ends the program but SIGKILL, the terminal is as it was.
//! Signals are held back and read as events, so that none comes between. A dozen escape sequences by hand need no
//! crate.

use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, poll};
use nix::sys::signal::{SigSet, Signal, raise};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};

use super::timeout;
use crate::paint::Line;

/// The other screen, without a cursor.
const ENTER: &str = "\x1b[?1049h\x1b[?25l";
const LEAVE: &str = "\x1b[?25h\x1b[?1049l";

/// The signals that end it, stop it, and change its size.
const SIGNALS: [Signal; 6] = [
    Signal::SIGINT,
    Signal::SIGTERM,
    Signal::SIGHUP,
    Signal::SIGQUIT,
    Signal::SIGTSTP,
    Signal::SIGWINCH,
];

/// An event that ended a wait.
pub(super) enum Event {
    Time,
    Quit,
    Resized,
}

/// The other screen, until dropped.
pub(super) struct Screen {
    signals: SignalFd,
    /// The former modes of the keyboard; none where stdin is no terminal.
    keyboard: Option<Termios>,
}

/// Returns true if stdout is a terminal that has another screen.
pub(super) fn wanted() -> bool {
    io::stdout().is_terminal() && std::env::var_os("TERM").is_some_and(|term| term != "dumb")
}

impl Screen {
    pub(super) fn enter() -> io::Result<Self> {
        let signals: SigSet = SIGNALS.into_iter().collect();
        signals.thread_block()?;
        let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
        let screen = Self {
            signals: SignalFd::with_flags(&signals, flags)?,
            keyboard: tcgetattr(io::stdin()).ok(),
        };
        screen.show()?;
        Ok(screen)
    }

    fn show(&self) -> io::Result<()> {
        if let Some(keyboard) = &self.keyboard {
            // Keys come as they are typed, and are not shown; ^C and ^Z stay signals.
            let mut quiet = keyboard.clone();
            quiet.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO);
            tcsetattr(io::stdin(), OptionalActions::Now, &quiet)?;
        }
        write(ENTER)
    }

    fn hide(&self) {
        let _gone = write(LEAVE);
        if let Some(keyboard) = &self.keyboard {
            // What was typed and not read is no command for the shell.
            let _gone = tcsetattr(io::stdin(), OptionalActions::Flush, keyboard);
        }
    }

    /// Columns and rows.
    pub(super) fn size(&self) -> (usize, usize) {
        match tcgetwinsize(io::stdout()) {
            Ok(size) if size.ws_col > 0 && size.ws_row > 0 => (size.ws_col.into(), size.ws_row.into()),
            _ => (80, 24),
        }
    }

    /// Draws over what is there, so that nothing flickers.
    pub(super) fn draw(&self, lines: &[Line], width: usize, colour: bool) -> io::Result<()> {
        let lines: Vec<_> = lines.iter().map(|line| line.text(colour, width) + "\x1b[K").collect();
        write(&format!("\x1b[H{}\x1b[J", lines.join("\r\n")))
    }

    /// Waits for the time to pass, or for a key or a signal.
    pub(super) fn wait(&mut self, time: Duration) -> io::Result<Event> {
        let stdin = io::stdin();
        let mut fds = vec![PollFd::new(self.signals.as_fd(), PollFlags::POLLIN)];
        if self.keyboard.is_some() {
            fds.push(PollFd::new(stdin.as_fd(), PollFlags::POLLIN));
        }
        match poll(&mut fds, timeout(time)) {
            Ok(0) => return Ok(Event::Time),
            Err(Errno::EINTR) => return Ok(Event::Resized),
            other => other?,
        };
        let has_key = fds.get(1).is_some_and(|fd| fd.any().unwrap_or(true));
        drop(fds);
        if let Some(signal) = self.signals.read_signal()? {
            return match Signal::try_from(signal.ssi_signo as i32) {
                Ok(Signal::SIGWINCH) => Ok(Event::Resized),
                Ok(Signal::SIGTSTP) => self.stop(),
                _ => Ok(Event::Quit),
            };
        }
        if has_key {
            let mut keys = [0; 64];
            let read = nix::unistd::read(stdin.as_fd(), &mut keys)?;
            let quits = keys
                .iter()
                .take(read)
                .any(|key| matches!(key, b'q' | b'Q' | b'\x03' | b'\x04'));
            // A terminal that has gone has no more to say.
            if read == 0 || quits {
                return Ok(Event::Quit);
            }
        }
        Ok(Event::Resized)
    }

    /// ^Z: the shell has its screen back until it goes on here.
    fn stop(&self) -> io::Result<Event> {
        self.hide();
        raise(Signal::SIGSTOP)?;
        self.show()?;
        Ok(Event::Resized)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.hide();
    }
}

fn write(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    stdout.flush()
}
