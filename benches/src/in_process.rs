//! What a validate costs without a socket: the keeper's own, and jsonwebtoken's decode of the same token.

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use jwtkeeper::config::Settings;
use jwtkeeper::files::Files;
use jwtkeeper::reload::SnapshotStore;
use jwtkeeper_core::denylist::{Change, Cutoff, Denylist, Kind, Level, Memory, Revocation};
use jwtkeeper_core::keeper::{Keeper, RealmState, Verdict};
use jwtkeeper_core::keyring::Effort;
use jwtkeeper_core::types::{Id, Millis};
use serde_json::Value;

use crate::fault::{Doing, Result};
use crate::measure::median;
use crate::peers::daemon::{AUDIENCE, ISSUER};
use crate::work;

/// Nanoseconds of one call.
#[derive(Debug, Clone, Copy)]
pub(crate) struct InProcess {
    /// The keeper's validate.
    pub(crate) keeper_ns: f64,
    /// `jsonwebtoken::decode` to a JSON value, signature, times, issuer and audience checked.
    pub(crate) decode_ns: f64,
}

/// Measures both in this thread, on the daemon's own configuration.
pub(crate) fn measure(config: &Path, counted: Duration) -> Result<InProcess> {
    let now = work::now()?;
    let mut files = Files::new();
    let settings = Settings::read(config, &mut files).doing("the configuration")?;
    let denylist: Arc<dyn Denylist> = Arc::new(Memory::default());
    let live = runtime()?
        .block_on(SnapshotStore::start(settings, &mut files, denylist.clone(), 0, now))
        .doing("the keeper in process")?;
    let snapshot = live.snapshot();
    let served = snapshot.realm("").ok_or("the realm default is missing")?;
    for jti in work::jtis(now, 1).take(work::DENIED) {
        runtime()?
            .block_on(denylist.apply(&served.index, revoke([jti], now)))
            .doing("a revoke in process")?;
    }
    let keeper = Keeper::new(denylist);
    let issue = |user| {
        let unsigned = keeper.issue(served, now, work::claims(user).as_bytes(), None)?;
        unsigned.sign(served)
    };
    let minted: Vec<_> = (0..work::TOKENS)
        .map(issue)
        .collect::<std::result::Result<_, _>>()
        .doing("an issue in process")?;
    let tokens: Vec<_> = minted.into_iter().map(|minted| minted.token).collect();
    Ok(InProcess {
        keeper_ns: validate(&keeper, served, now, &tokens, counted)?,
        decode_ns: decode(&tokens, counted)?,
    })
}

/// Revokes tokens by their jtis, for a month.
pub(crate) fn revoke(jtis: impl IntoIterator<Item = Id>, now: Millis) -> Change {
    let raise = |id| Revocation {
        kind: Kind::Token,
        id,
        level: Level::Hard,
        cutoff: Cutoff::default(),
        until: now.plus(30 * 24 * 3_600_000).seconds(),
    };
    Change::raise(jtis.into_iter().map(raise).collect())
}

/// A runtime for what is async and needs no other thread.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().build().doing("a runtime")
}

fn validate(keeper: &Keeper, served: &RealmState, now: Millis, tokens: &[String], counted: Duration) -> Result<f64> {
    let mut buffer = Vec::new();
    time_each(tokens, counted, |token| {
        let verdict = keeper.validate(
            served,
            now,
            black_box(token).as_bytes(),
            None,
            &mut buffer,
            &mut Effort::default(),
        );
        matches!(black_box(verdict), Verdict::Valid { .. })
    })
}

fn decode(tokens: &[String], counted: Duration) -> Result<f64> {
    let key = DecodingKey::from_secret(work::SECRET)?;
    let mut validation = Validation::new(Algorithm::HS256);
    validation.validate_nbf = true;
    validation.set_issuer(&[ISSUER]);
    validation.set_audience(&[AUDIENCE]);
    time_each(tokens, counted, |token| {
        black_box(jsonwebtoken::decode::<Value>(black_box(token), &key, &validation)).is_ok()
    })
}

/// Nanoseconds of one call: the median of ten equal parts of the time, after one that is not counted.
fn time_each(tokens: &[String], counted: Duration, mut call: impl FnMut(&str) -> bool) -> Result<f64> {
    const PARTS: u32 = 10;
    let mut parts = Vec::new();
    for _ in 0..=PARTS {
        let (began, mut calls) = (Instant::now(), 0);
        while began.elapsed() < counted / PARTS {
            for token in tokens {
                if !call(token) {
                    return Err("a token is not valid in process".into());
                }
                calls += 1;
            }
        }
        parts.push(began.elapsed().as_nanos() as f64 / f64::from(calls.max(1)));
    }
    parts.remove(0);
    Ok(median(parts))
}
