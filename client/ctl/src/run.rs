//! The commands: the requests of each, and its output.

use std::io::stdout;
use std::time::{Duration, Instant};

use jwtkeeper_client::blocking::Client;
use jwtkeeper_client::{Before, Config, Flag, Issue, Revoke, Revoked, Rotate, Rotation, Validate, Verdict};
use serde::Serialize;

use crate::args::{Args, Command, Presented, Revoke as RevokeArgs, Secret};
use crate::outcome::{Failure, Outcome};
use crate::output::Output;
use crate::{bench, confirm, input, inspect, reload, secret, watch};

#[derive(Serialize)]
struct Pong {
    pong: bool,
    microseconds: u64,
}

pub(crate) fn run(args: &Args) -> Result<Outcome, Failure> {
    let output = Output::new(args.json);
    let client = Client::new(config(args));
    match &args.command {
        Command::Issue { claims, ttl } => {
            let claims = input::claims(claims.as_deref())?;
            let mut issue = Issue::new();
            if let Some(claims) = &claims {
                issue = issue.claims(claims.as_str());
            }
            if let Some(ttl) = *ttl {
                issue = issue.ttl(ttl);
            }
            output.minted(&client.issue(issue)?)?;
            Ok(Outcome::Yes)
        }
        Command::Validate(presented) => validate(&client, &output, presented),
        Command::Inspect(presented) => inspect::run(&client, &output, presented, args.realm.as_deref()),
        Command::Rotate { presented, claims } => rotate(&client, &output, presented, claims.as_deref()),
        Command::Revoke(given) => match given.issued_before {
            Some(before) if !given.yes && !confirm::end_logins(&client, args.realm.as_deref(), before)? => {
                output.nothing_done()?;
                Ok(Outcome::No)
            }
            _ => revoke(&client, &output, given),
        },
        Command::Flag { jti, subject } => {
            let flag = match (jti, subject) {
                (Some(jti), _) => Flag::jti(jti),
                (_, Some(subject)) => Flag::subject(subject, Before::Now),
                _ => return Err(Failure::Usage("nothing to flag")),
            };
            client.flag(flag)?;
            output.done("flagged")?;
            Ok(Outcome::Yes)
        }
        Command::Status { jti } => {
            let status = client.status(jti)?;
            output.status(status, client.health().ok().as_ref())?;
            Ok(Outcome::Yes)
        }
        Command::Health => {
            let health = client.health()?;
            output.health(&health)?;
            Ok(health.ready.into())
        }
        Command::Watch { interval, count } => watch::run(&client, &output, *interval, *count),
        Command::Jwks => {
            output.jwks(&client.jwks()?)?;
            Ok(Outcome::Yes)
        }
        Command::Reload { dry_run } => reload::run(&client, &output, *dry_run),
        Command::Import => {
            let imported = client.import()?;
            output.imported(imported)?;
            Ok((imported.pending == 0).into())
        }
        Command::Ping => ping(&client, &output),
        Command::Bench {
            token,
            connections,
            duration,
        } => bench::run(&client, &output, token.as_deref(), (*connections).into(), *duration),
        Command::Secret { .. } if args.realm.is_some() => Err(Failure::Usage(
            "a secret is made for a file, not for a realm; name its FILE",
        )),
        Command::Secret {
            what:
                Secret::Generate {
                    algorithm,
                    file,
                    force,
                    no_backup,
                    yes,
                },
        } => {
            let (force, no_backup, yes) = (*force, *no_backup, *yes);
            let care = secret::Care { force, no_backup, yes };
            secret::generate(&output, *algorithm, file.as_deref(), &care)
        }
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut crate::command(), "jwtkeeperctl", &mut script);
            std::io::Write::write_all(&mut stdout(), &script)?;
            Ok(Outcome::Yes)
        }
    }
}

fn config(args: &Args) -> Config {
    let mut config = Config::from_env().with_deadline(args.timeout);
    config.name = concat!("jwtkeeperctl/", env!("CARGO_PKG_VERSION")).to_owned();
    config.connect_timeout = args.timeout;
    if let Command::Bench { connections, .. } = args.command {
        config.max_idle = connections.into();
    }
    if let Command::Watch { interval, .. } = args.command {
        // Nobody waits longer for an answer, nor for ^C, than from one look to the next.
        let most = args.timeout.min(interval.max(Duration::from_secs(1)));
        config = config.with_deadline(most);
        config.connect_timeout = most;
    }
    if let Some(server) = &args.server_uid {
        config.server = server.clone();
    }
    if let Some(socket) = &args.socket {
        config.socket.clone_from(socket);
    }
    if let Some(realm) = &args.realm {
        config.realm.clone_from(realm);
    }
    config
}

fn validate(client: &Client, output: &Output, given: &Presented) -> Result<Outcome, Failure> {
    let token = input::token(&given.token)?;
    let cookie = input::cookie(given.cookie.as_deref())?;
    match client.validate(Validate::new(&token).cookie(cookie.as_deref()))? {
        Verdict::Valid { claims, rotation } => {
            output.valid(&claims, rotation)?;
            Ok(Outcome::Yes)
        }
        Verdict::Invalid(reason) => {
            output.invalid(reason)?;
            Ok(Outcome::No)
        }
    }
}

fn rotate(client: &Client, output: &Output, given: &Presented, claims: Option<&str>) -> Result<Outcome, Failure> {
    if given.token == "-" && claims == Some("-") {
        return Err(Failure::Usage("stdin cannot be both the token and the claims"));
    }
    let token = input::token(&given.token)?;
    let cookie = input::cookie(given.cookie.as_deref())?;
    let claims = input::claims(claims)?;
    let mut rotate = Rotate::new(&token).cookie(cookie.as_deref());
    if let Some(claims) = &claims {
        rotate = rotate.claims(claims.as_str());
    }
    match client.rotate(rotate)? {
        Rotation::Rotated(minted) => {
            output.minted(&minted)?;
            Ok(Outcome::Yes)
        }
        Rotation::Invalid(reason) => {
            output.invalid(reason)?;
            Ok(Outcome::No)
        }
    }
}

fn revoke(client: &Client, output: &Output, given: &RevokeArgs) -> Result<Outcome, Failure> {
    let cookie = input::cookie(given.cookie.as_deref())?;
    let token = given.token.as_deref().map(input::token).transpose()?;
    let revoke = match given {
        RevokeArgs { jti: Some(jti), .. } => Revoke::jti(jti),
        RevokeArgs {
            session: Some(session), ..
        } => Revoke::session(session),
        RevokeArgs {
            subject: Some(subject), ..
        } => Revoke::subject(subject, Before::Now),
        RevokeArgs {
            issued_before: Some(time),
            ..
        } => Revoke::issued_before(*time),
        _ => match &token {
            Some(token) => Revoke::token(token, cookie.as_deref()),
            None => return Err(Failure::Usage("nothing to revoke")),
        },
    };
    match client.revoke(revoke)? {
        Revoked::Done => {
            output.done("revoked")?;
            Ok(Outcome::Yes)
        }
        Revoked::Invalid(reason) => {
            output.not_done(reason)?;
            Ok(Outcome::No)
        }
    }
}

fn ping(client: &Client, output: &Output) -> Result<Outcome, Failure> {
    let began = Instant::now();
    client.ping()?;
    let microseconds = began.elapsed().as_micros() as u64;
    match output.json {
        true => output.object(&Pong {
            pong: true,
            microseconds,
        })?,
        false => output.line(&format!("pong after {microseconds} µs"))?,
    }
    Ok(Outcome::Yes)
}
