//! The load tool behind `make bench`: a closed loop of one client against the daemon, an echo server and redis-server
//! in turn, and the daemon's own figures; a table on stdout, and summary.json beside the store.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "printing figures is its job")]

mod args;
mod changes;
mod client;
mod compare;
mod dialect;
mod fault;
mod fleet;
mod in_process;
mod languages;
mod limits;
mod machine;
mod measure;
mod peers;
mod report;
mod rounds;
mod shape;
mod startup;
mod stores;
mod work;

use std::process::ExitCode;

use clap::Parser;
use serde_json::json;

use crate::args::{Args, Part};
use crate::changes::Changes;
use crate::fault::{Doing, Result};
use crate::machine::Machine;
use crate::peers::daemon::{Home, Store};
use crate::peers::{echo, redis};
use crate::report::Report;
use crate::shape::Pace;

fn main() -> ExitCode {
    let args = Args::parse();
    let done = match &args.echo_server {
        Some(socket) => echo::serve(socket),
        None => bench(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("jwtkeeper-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn bench(args: &Args) -> Result<()> {
    let asks_redis = [Part::Validate, Part::Stores, Part::Fleet];
    let asks_redis = asks_redis.into_iter().any(|part| args.wants(part));
    let redis = asks_redis.then(redis::version).transpose()?;
    let program = args.daemon()?;
    let dir = args.dir()?;
    let disk = tempfile::Builder::new()
        .prefix("run-")
        .tempdir_in(&dir)
        .doing("a directory for the store")?;
    // The address of a socket has room for 107 bytes, which a build directory may exceed.
    let sockets = tempfile::tempdir().doing("a directory for the sockets")?;
    let pace = if args.quick { Pace::QUICK } else { Pace::FULL };
    let loops = args.loops();
    let home = Home::make(&program, disk.path(), sockets.path(), "daemon", Store::Embedded)?;

    let machine = Machine::look(&dir, redis);
    machine.lines().iter().for_each(|line| println!("{line}"));
    println!(
        "{}; a client thread for each connection, or {loops} event loop(s) for all (_loops)",
        args.mode()
    );
    let mut report = Report::default();
    report.note("machine", machine.json());
    report.note("mode", json!(args.mode()));
    report.note("client_loops", json!(loops));

    if args.wants(Part::InProcess) {
        report.in_process(&in_process::measure(home.config(), pace.alone)?);
    }
    if args.wants(Part::Startup) {
        let aside = disk.path().join("aside");
        report.startup(&startup::measure(&home, &aside, pace.starts)?);
    }
    if args.wants(Part::Validate) {
        report.compared(&compare::measure(&home, sockets.path(), pace, loops)?);
    }
    if [Part::Es256, Part::Issue, Part::Rotate, Part::Revoke]
        .into_iter()
        .any(|part| args.wants(part))
    {
        changes(args, &Changes::start(&home, pace, loops)?, &mut report)?;
    }
    if args.wants(Part::Limits) {
        report.limits(&limits::measure(&program, disk.path(), sockets.path(), pace, loops)?);
    }
    if args.wants(Part::Stores) {
        report.stores(&stores::measure(
            &home,
            &program,
            disk.path(),
            sockets.path(),
            pace,
            loops,
        )?);
    }
    if args.wants(Part::Fleet) {
        report.fleet(&fleet::measure(&program, disk.path(), sockets.path(), pace, loops)?);
    }
    if args.wants(Part::Languages) {
        let build = program.parent().ok_or("the daemon lies in no directory")?;
        report.languages(&languages::measure(&home, build, pace.rounds, pace.compared)?);
    }

    println!("\n{}", report.table());
    let path = dir.join("summary.json");
    let text = serde_json::to_string_pretty(&report.summary()).doing("the summary")?;
    std::fs::write(&path, text + "\n").doing(path.display())?;
    println!("\nwritten down in {}", path.display());
    Ok(())
}

fn changes(args: &Args, changes: &Changes, report: &mut Report) -> Result<()> {
    if args.wants(Part::Es256) {
        report.rows("validate_es256", &changes.validate_es256()?);
    }
    if args.wants(Part::Issue) {
        report.rows("issue", &changes.issue()?);
    }
    if args.wants(Part::Rotate) {
        report.rows("rotate", &changes.rotate()?);
    }
    if args.wants(Part::Revoke) {
        let (rows, acks_per_fsync) = changes.revoke()?;
        report.revoke(&rows, acks_per_fsync);
    }
    Ok(())
}
