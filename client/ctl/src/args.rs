//! The command line. Tokens and cookies may be given by stdin or a file instead, so that they need
//! not stand there, where every user of the host can read them.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use clap::{ArgGroup, Args as Arguments, Parser, Subcommand};
use clap_complete::Shell;
use jwtkeeper_client::{Before, Server};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::secret::Algorithm;

/// The heading of the options of every command.
const COMMON: &str = "Common options";

/// Ask jwtkeeperd: issue, validate, rotate and revoke tokens, and see how it is.
#[derive(Parser)]
#[command(
    name = "jwtkeeperctl",
    version,
    after_help = "Exit status: 0 yes or done, 1 the answer is no, 2 usage, 69 unavailable, 77 not permitted, \
                  78 configuration."
)]
pub(crate) struct Args {
    /// The daemon's socket [default: $JWTKEEPER_SOCKET, or /run/jwtkeeper/jwtkeeper.sock]
    #[arg(long, global = true, value_name = "PATH", help_heading = COMMON)]
    pub(crate) socket: Option<PathBuf>,
    /// The user that the daemon must run as [default: $JWTKEEPER_SERVER_UID, or root, your own, or the owner of the
    /// socket's directory]
    #[arg(long, global = true, value_name = "UID|any", help_heading = COMMON)]
    pub(crate) server_uid: Option<Server>,
    /// The realm [default: default]
    #[arg(long, global = true, value_name = "NAME", help_heading = COMMON)]
    pub(crate) realm: Option<String>,
    /// Print one JSON object
    #[arg(long, global = true, help_heading = COMMON)]
    pub(crate) json: bool,
    /// The time to try
    #[arg(long, global = true, value_name = "DURATION", default_value = "5s",
          help_heading = COMMON,
          value_parser = humantime::parse_duration)]
    pub(crate) timeout: Duration,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Mint a token
    Issue {
        /// The claims: a JSON object, or `@FILE`, or `-` for stdin
        #[arg(long, value_name = "JSON|@FILE|-", allow_hyphen_values = true)]
        claims: Option<String>,
        /// The lifetime: `1h`, `30m` [default: the realm's expiry]
        #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
        ttl: Option<Duration>,
    },
    /// Is a token valid now?
    Validate(Presented),
    /// Why is a token valid, or not? Check by check
    ///
    /// The token is decoded here, and what it says is shown with its times. Whether it is valid the daemon alone says:
    /// its reason names the check that failed, all before it passed, and none after it was reached. Who may, is told
    /// what the denylist says of it and which keys the realm has. Neither the signature nor the cookie is shown.
    Inspect(Presented),
    /// Replace a valid token by its one successor
    Rotate {
        #[command(flatten)]
        presented: Presented,
        /// New claims instead of the old ones: a JSON object, or `@FILE`, or `-` for stdin
        #[arg(long, value_name = "JSON|@FILE|-", allow_hyphen_values = true)]
        claims: Option<String>,
    },
    /// Revoke a token and its session, or what an id or a time names
    Revoke(Revoke),
    /// Make rotation due on next sight
    #[command(group = ArgGroup::new("what").required(true))]
    Flag {
        /// Of the token with this jti
        #[arg(long, group = "what")]
        jti: Option<String>,
        /// Of all tokens of this subject born until now
        #[arg(long, group = "what")]
        subject: Option<String>,
    },
    /// Show the entry of a jti in the denylist
    Status {
        /// The token's jti
        #[arg(long)]
        jti: String,
    },
    /// Show the daemon's health; exit 1 when it is not ready
    Health,
    /// Show the daemon's health again and again
    ///
    /// On a terminal a screen that `q` or ^C ends; elsewhere a line each time. With --json an object each time. With
    /// --count the exit status says how the daemon was at last, as that of `health`.
    Watch {
        /// The time from one look to the next
        #[arg(long, value_name = "DURATION", default_value = "1s",
              value_parser = humantime::parse_duration)]
        interval: Duration,
        /// End after so many looks
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
        count: Option<u64>,
    },
    /// The realm's public keys, a JWK Set
    Jwks,
    /// Have the daemon read all files again
    ///
    /// Prints what that changed and has not been reported before; the daemon watches its files, so that a change may
    /// have taken effect before. Exit 78 if anything was refused.
    Reload {
        /// Print what a reload would change, which tokens would end, and what awaits a restart; apply nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Bring the host's own denylist store and the shared one level, before store.kind is changed
    Import,
    /// Is the daemon there?
    Ping,
    /// Measure validate calls, one after the other on each connection
    Bench {
        /// The token to validate, or `-` for stdin [default: one is issued]
        #[arg(long, value_name = "TOKEN|-", allow_hyphen_values = true)]
        token: Option<String>,
        /// Number of connections
        #[arg(long, value_name = "N", default_value_t = 4,
              value_parser = clap::value_parser!(u16).range(1..=1024))]
        connections: u16,
        /// Duration
        #[arg(long, value_name = "DURATION", default_value = "5s",
              value_parser = humantime::parse_duration)]
        duration: Duration,
    },
    /// Secrets and private keys, as the daemon reads them
    Secret {
        #[command(subcommand)]
        what: Secret,
    },
    /// Print the completions of a shell
    Completions {
        /// The shell
        shell: Shell,
    },
}

#[derive(Subcommand)]
pub(crate) enum Secret {
    /// Make a new one and put it in a file, in place of the one that is there; no daemon need run
    ///
    /// Whoever reads the file sees the old one or the new one, whole. A file that is replaced keeps its owner, its
    /// group, and the group's right to read it; a new file is for its owner alone. The old key stays in a backup beside
    /// it, FILE.bak-TIME, for its owner alone. Then run `jwtkeeperctl reload`.
    Generate {
        /// Algorithm that uses it
        #[arg(long, value_enum, default_value_t = Algorithm::HS512)]
        algorithm: Algorithm,
        /// File to write, or `-` for stdout [default: /etc/jwtkeeper/secret, or key.pem there for a private key]
        #[arg(value_name = "FILE|-")]
        file: Option<PathBuf>,
        /// Replace a key of another kind too, such as a private key by a secret
        #[arg(long)]
        force: bool,
        /// Keep no backup of the key that is replaced
        #[arg(long)]
        no_backup: bool,
        /// Replace a key without asking; only a terminal is asked
        #[arg(long)]
        yes: bool,
    },
}

/// A token in hand.
#[derive(Arguments)]
pub(crate) struct Presented {
    /// The token, or `-` for stdin
    #[arg(value_name = "TOKEN|-", allow_hyphen_values = true)]
    pub(crate) token: String,
    /// The value of the lock cookie, or `@FILE`
    #[arg(long, value_name = "VALUE|@FILE")]
    pub(crate) cookie: Option<String>,
}

#[derive(Arguments)]
#[command(group = ArgGroup::new("what").required(true))]
pub(crate) struct Revoke {
    /// This token and its session; `-` for stdin
    #[arg(value_name = "TOKEN|-", group = "what", allow_hyphen_values = true)]
    pub(crate) token: Option<String>,
    /// The value of the token's lock cookie, or `@FILE`
    #[arg(long, value_name = "VALUE|@FILE",
          conflicts_with_all = ["jti", "session", "subject", "issued_before"])]
    pub(crate) cookie: Option<String>,
    /// The token with this jti, the session that it began, and its successor
    #[arg(long, group = "what")]
    pub(crate) jti: Option<String>,
    /// All tokens of this session
    #[arg(long, group = "what", value_name = "SID")]
    pub(crate) session: Option<String>,
    /// All logins of this subject begun until now
    #[arg(long, group = "what")]
    pub(crate) subject: Option<String>,
    /// All logins of the realm begun until a time: RFC 3339, seconds since the epoch, or `now`
    #[arg(long, group = "what", value_name = "TIME|now", value_parser = moment)]
    pub(crate) issued_before: Option<Before>,
    /// With --issued-before: do not ask. Who is not at a terminal is never asked
    #[arg(long, short)]
    pub(crate) yes: bool,
}

fn moment(text: &str) -> Result<Before, String> {
    if text == "now" {
        return Ok(Before::Now);
    }
    if let Ok(seconds) = text.parse::<u64>() {
        return seconds
            .checked_mul(1_000)
            .map(Before::At)
            .ok_or_else(|| "no such time".to_owned());
    }
    match OffsetDateTime::parse(text, &Rfc3339) {
        Ok(time) if time.unix_timestamp() >= 0 => Ok(SystemTime::from(time).into()),
        Ok(_) => Err("a time before 1970".to_owned()),
        Err(_) => Err("not a time: write 2026-01-31T12:00:00Z, seconds since the epoch, or `now`".to_owned()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        Args::command().debug_assert();
    }

    #[test]
    fn times_are_rfc_3339_or_seconds_or_now() {
        let ms = 1_700_000_000_000;
        assert_eq!(moment("now"), Ok(Before::Now));
        assert_eq!(moment("1700000000"), Ok(Before::At(ms)));
        assert_eq!(moment("2023-11-14T22:13:20Z"), Ok(Before::At(ms)));
        assert_eq!(moment("2023-11-14T22:13:20.123Z"), Ok(Before::At(ms + 123)));
        assert_eq!(moment("2023-11-15T00:13:20+02:00"), Ok(Before::At(ms)));
        for wrong in [
            "",
            "later",
            "-1",
            "2023-11-14",
            "1969-12-31T23:59:59Z",
            "99999999999999999999",
        ] {
            assert!(moment(wrong).is_err(), "{wrong}");
        }
    }
}
