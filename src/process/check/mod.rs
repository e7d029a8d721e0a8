//! `--check`: everything that would keep the daemon from starting or from getting ready, found without serving, writing
//! or disturbing a daemon that runs; and what it could not find out.

mod places;
mod unit;
mod user;

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use self::unit::Unit;
use super::Failure;
use super::clock;
use super::output::{say, warn};
use crate::config::{self, Checked, ReachSettings, Settings, StoreSettings};
use crate::files::Files;
use jwtkeeper_core::denylist::{Denylist, Memory};
use jwtkeeper_core::keeper::{Keeper, RealmState};
use jwtkeeper_core::realm::Realm;

/// The findings of a check.
#[derive(Default)]
struct Report {
    /// Each would keep the daemon from starting, or from getting ready.
    failures: Vec<Failure>,
    warnings: Vec<String>,
    /// Conditions that only a start can show.
    unchecked: Vec<String>,
}

/// Checks the configuration and what a start by it needs, as `user` if one is named.
pub(super) fn run(file: &Path, user: Option<&str>) -> Result<ExitCode, Failure> {
    // As the caller: without D-Bus, systemd answers root alone.
    let unit = Unit::of_the_daemon();
    user.map(user::act_as).transpose()?;
    let mut report = Report::default();
    let Checked {
        settings,
        faults,
        warnings,
        unready,
        realms,
    } = config::check(file, &mut Files::new());
    report.warnings.extend(warnings);
    report.failures.extend(unready.into_iter().map(Failure::NotReady));
    match faults.is_empty() {
        true => report.failures.extend(realms.into_iter().filter_map(self_test)),
        false => report.failures.push(faults.into()),
    }
    match settings {
        Some(settings) => {
            places::check(&settings, &mut report);
            report
                .failures
                .extend(unit.iter().flat_map(|unit| unit.forbids(&settings)));
            unchecked(&settings, unit.as_ref(), &mut report);
        }
        None => report
            .unchecked
            .push("the store, the sockets and the network: the configuration must be right first".to_owned()),
    }
    Ok(tell(file, &report, &user::checked_as(unit.as_ref())))
}

/// Has a realm mint and validate a token, as the running daemon does for its health.
fn self_test(realm: Realm) -> Option<Failure> {
    let denylist = Arc::new(Memory::default());
    let index = denylist.index().realm(&realm.name);
    let served = RealmState { realm, index };
    let error = Keeper::new(denylist).self_test(&served, clock::now()).err()?;
    let name = &served.realm.name;
    Some(Failure::NotReady(format!("realm {name}: the self-test fails: {error}")))
}

/// Adds the conditions that no check can tell.
fn unchecked(settings: &Settings, unit: Option<&Unit>, report: &mut Report) {
    if let StoreSettings::Redis(redis) = &settings.store {
        let servers = match &redis.reach {
            ReachSettings::One(url) => url.clone(),
            ReachSettings::Sentinels(urls, _) | ReachSettings::Cluster(urls) => urls.join(", "),
        };
        report.unchecked.push(format!(
            "Redis at {servers}: whether it is reachable and accepts the password"
        ));
    }
    report.unchecked.push(match unit {
        Some(_) => format!(
            "the sandbox of {}, other than its network: directories that it hides, its limits",
            unit::NAME
        ),
        None => {
            "limits and the sandbox of a service manager, and a socket that it hands over (no systemd unit was found)"
                .to_owned()
        }
    });
}

/// Prints the findings; returns the status: 78 where an administrator must fix anything, 69 where something else fails.
fn tell(file: &Path, report: &Report, checked_as: &str) -> ExitCode {
    for warning in &report.warnings {
        warn(&format!("jwtkeeperd: warning: {warning}\n"));
    }
    for failure in &report.failures {
        warn(&format!("jwtkeeperd: {failure}\n"));
    }
    let verdict = match report.failures.is_empty() {
        true => format!("{}: the configuration is right\n", file.display()),
        false => String::new(),
    };
    let unchecked: String = report.unchecked.iter().map(|what| format!("  - {what}\n")).collect();
    say(&format!("{verdict}{checked_as}\nnot checked:\n{unchecked}"));
    let status = report.failures.iter().map(Failure::status).max();
    ExitCode::from(status.unwrap_or(0))
}
