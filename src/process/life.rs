//! The life of the daemon: start, serve, reload, drain, stop.

use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_lc_rs::rand;
use futures_util::StreamExt;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1};
use signal_hook_tokio::Signals;
use tokio::runtime::Handle;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::dev::Dev;
use super::harden::{harden, keep_files_private, release_signals};
use super::notify::Manager;
use super::output::say;
use super::{Args, Failure, activation, check, clock, log, metrics, notify, readiness, state};
use crate::audit::Audit;
use crate::config::{self, Settings};
use crate::files::Files;
use crate::health::probe;
use crate::reload::{Event, Follower, SnapshotStore};
use crate::server::{Context, OfProcess, SocketFile, SocketWatch, serve, signers};
use jwtkeeper_core::denylist::Change;
use jwtkeeper_core::keeper::Keeper;
use jwtkeeper_store::{Embedded, OpenError};

/// The interval at which the store is told that time has passed.
const TICK: Duration = Duration::from_secs(1);

/// Does what the arguments say.
pub fn run(args: &Args) -> Result<ExitCode, Failure> {
    keep_files_private();
    let mut dev = args.dev.as_deref().map(Dev::prepare).transpose()?;
    let file = dev.as_ref().map_or_else(|| args.config.clone(), Dev::config);
    if args.check {
        return check::run(&file, args.user.as_deref());
    }
    let mut files = Files::new();
    // Where the form has faults, those of the files are told with them.
    let settings = Settings::read(&file, &mut files).or_else(|_| config::check(&file, &mut files).into_result())?;
    if args.print_config {
        say(&config::print(&settings));
        return Ok(ExitCode::SUCCESS);
    }
    if args.init || args.init_if_missing {
        init(&settings, args.init_if_missing)?;
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(dev) = &mut dev {
        if !Embedded::exists(&settings.state_dir) {
            state::init(&settings)?;
        }
        dev.made();
    }
    live(settings, files, dev.as_ref())
}

/// Makes the store. `if_missing` makes an existing store no failure.
fn init(settings: &Settings, if_missing: bool) -> Result<(), Failure> {
    let state_dir = settings.state_dir.display();
    match state::init(settings) {
        Err(Failure::Store(OpenError::Exists(_))) if if_missing => {
            say(&format!(
                "there is a denylist store in {state_dir} already; left as it is\n"
            ));
        }
        made => {
            made?;
            say(&format!("made an empty denylist store in {state_dir}\n"));
        }
    }
    Ok(())
}

fn live(settings: Settings, files: Files, dev: Option<&Dev>) -> Result<ExitCode, Failure> {
    log::start(&settings.log_level, settings.log_format);
    harden();
    // Before there are threads: it takes it out of the environment. What is passed to --dev is not for its socket.
    let passed = if dev.is_none() { activation::passed()? } else { None };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(Failure::system("start the runtime"))?;
    let signers = signers().map_err(Failure::system("start the threads that sign"))?;
    let ended = runtime.block_on(start_and_serve(settings, files, passed, signers.handle(), dev));
    runtime.shutdown_background(); // what the grace did not see end is cut off
    signers.shutdown_background();
    ended
}

async fn start_and_serve(
    settings: Settings,
    mut files: Files,
    passed: Option<UnixListener>,
    signers: &Handle,
    dev: Option<&Dev>,
) -> Result<ExitCode, Failure> {
    let signals = Signals::new([SIGHUP, SIGUSR1]).map_err(Failure::system("handle SIGHUP and SIGUSR1"))?;
    release_signals();
    if std::process::id() == 1 {
        obey_from_here(&signals)?; // the kernel keeps from the first process what it has no handler for
    }
    let began = Instant::now();
    let (socket, mode) = (settings.socket.clone(), settings.socket_mode);
    let watched = settings.metrics.clone();
    let store = Arc::new(state::open(&settings, clock::now())?);
    let context = Arc::new(context(settings, &mut files, &store, signers).await?);
    // A signal that comes before there is a socket ends us by itself; from here on it leaves none behind.
    obey_from_here(&signals)?;
    let (file, listener) = match passed {
        Some(listener) => (None, listener),
        None => {
            let (file, listener) = SocketFile::listen(&socket, mode)?;
            (Some(file), listener)
        }
    };
    let path = match &file {
        Some(_) => Some(socket.clone()),
        None => listener
            .local_addr()
            .ok()
            .and_then(|own| own.as_pathname().map(Path::to_owned)),
    };
    let watch = path.and_then(|path| SocketWatch::of(&path));
    watch.into_iter().for_each(|watch| context.watch_socket(watch));
    let socket = match &file {
        Some(_) => socket.display().to_string(),
        None => "handed over".to_owned(),
    };
    let listener = tokio::net::UnixListener::from_std(listener).map_err(Failure::system("serve on the socket"))?;
    let stop = CancellationToken::new();
    let watched = watched.map(|watched| metrics::serve(watched, context.clone(), stop.clone()));
    let (probe, probes) = probe();
    let mut serving = tokio::spawn(serve(listener, probes, context.clone(), stop.clone()));
    tokio::spawn(tick(context.clone()));
    tokio::spawn(report_suppressed_lines());
    let manager = Manager::start().map_err(Failure::system("start the thread that tells the service manager"))?;
    follow(&context, files, &manager).map_err(Failure::system("start the thread that follows the files"))?;
    let took_ms = began.elapsed().as_millis() as u64;
    let is_ready = readiness::tell_start(&context, &socket, took_ms);
    manager.ready(context.summary());
    tokio::spawn(readiness::tell_changes(context.clone(), is_ready));
    tokio::spawn(notify::keep_told(manager.clone(), context.clone()));
    tokio::spawn(notify::feed_watchdog(manager.clone(), probe));
    if let Some(dev) = dev {
        say(&dev.usage());
    }
    let drained = tokio::select! {
        drained = &mut serving => drained.map_err(|panic| Failure::System { what: "serve", error: panic.into() })?,
        () = obey(signals, context.clone(), &manager, stop) => {
            tracing::warn!("received a second signal; stopping at once");
            drop(file);
            if let Some(watched) = watched {
                watched.abort(); // with its socket's file
                let _ = watched.await;
            }
            // Not by return: that would wait for what the signal said not to wait for.
            std::process::exit(1);
        }
    };
    if !drained {
        tracing::warn!("shutdown_grace is over; aborting requests in progress");
    }
    drop(file);
    if let Some(watched) = watched {
        let _ = watched.await; // the file of its socket is gone then
    }
    remember(&context, Duration::ZERO).await;
    let lost = store.close();
    if lost > 0 {
        tracing::error!(
            "{lost} denylist entries could not be written and are lost with this process; their requests were not acknowledged; make room \
             in state_dir, start the daemon, and repeat them"
        );
    }
    if let Some(audit) = &context.audit {
        audit.flush().await;
    }
    jwtkeeper_log_limit::report_suppressed(std::time::Instant::now(), true);
    tracing::info!("stopped");
    manager.finish();
    Ok(ExitCode::SUCCESS)
}

fn obey_from_here(signals: &Signals) -> Result<(), Failure> {
    let add = |signal| signals.handle().add_signal(signal);
    [SIGTERM, SIGINT]
        .into_iter()
        .try_for_each(add)
        .map_err(Failure::system("handle signals"))
}

fn follow(context: &Arc<Context>, files: Files, manager: &Manager) -> std::io::Result<()> {
    let (live, reloads, own, manager) = (
        context.live.clone(),
        context.reloads.clone(),
        context.clone(),
        manager.clone(),
    );
    let listener = move |event: Event<'_>| match event {
        Event::Begins => manager.reloading(),
        Event::Changed(snapshot, changes) => own.changed(snapshot, changes),
        Event::Refused(fault) => own.refused(fault),
        Event::Ends(_) => manager.reloaded(own.summary()),
    };
    Follower::new(live, files, reloads, clock::now, listener).start()
}

async fn context(
    settings: Settings,
    files: &mut Files,
    store: &Arc<Embedded>,
    signers: &Handle,
) -> Result<Context, Failure> {
    let mut warnings = Vec::new();
    if store.future_cutoffs() > 0 {
        let warning = format!(
            "{} cutoffs in the denylist store lie in the future: they hold as of now; check the host's clock",
            store.future_cutoffs()
        );
        tracing::warn!("{warning}");
        warnings.push(warning);
    }
    let audit = settings.audit.as_ref().map(|audit| Audit::start(audit, clock::now));
    let audit = audit.transpose()?;
    let denylist = state::shared(&settings, store)?;
    let own_uid = nix::unistd::geteuid().as_raw();
    let live = SnapshotStore::start(settings, files, denylist.clone(), own_uid, clock::now()).await?;
    for warning in live.snapshot().key_warnings() {
        tracing::warn!("{warning}");
    }
    let mut instance = [0; 16];
    rand::fill(&mut instance).map_err(|_| Failure::System {
        what: "make random bytes",
        error: std::io::ErrorKind::Other.into(),
    })?;
    let keeper = Keeper::new(denylist);
    let process = OfProcess {
        clock: clock::now,
        set_log_level: log::set_level,
        signers: signers.clone(),
    };
    Ok(Context::new(live, keeper, process, instance, warnings, audit))
}

/// Obeys signals; returns at the second one that asks to stop.
async fn obey(mut signals: Signals, context: Arc<Context>, manager: &Manager, stop: CancellationToken) {
    while let Some(signal) = signals.next().await {
        match signal {
            SIGHUP if stop.is_cancelled() => {}
            SIGHUP => context.reloads.reload(),
            SIGUSR1 => context.audit.iter().for_each(Audit::reopen),
            _ if stop.is_cancelled() => return,
            _ => {
                tracing::info!("stopping; finishing requests in progress");
                manager.stopping();
                stop.cancel();
            }
        }
    }
    std::future::pending().await
}

/// Tells the store, each second, what time it is.
async fn tick(context: Arc<Context>) {
    let mut interval = tokio::time::interval(TICK);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut last = Instant::now();
    loop {
        interval.tick().await;
        let elapsed = last.elapsed();
        last = Instant::now();
        remember(&context, elapsed).await;
    }
}

/// Reports, each second, the lines suppressed of events that have stopped.
async fn report_suppressed_lines() {
    let mut interval = tokio::time::interval(TICK);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        jwtkeeper_log_limit::report_suppressed(std::time::Instant::now(), false);
    }
}

async fn remember(context: &Context, elapsed: Duration) {
    let elapsed_ms = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
    let now = clock::now();
    let change = Change::Tick { now, elapsed_ms };
    let denylist = context.keeper.denylist();
    let any = denylist.index().realm(jwtkeeper_wire::DEFAULT_REALM);
    let _ = denylist.apply(&any, change).await; // the store says itself, in log and health, what it cannot write
}
