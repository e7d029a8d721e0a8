//! One look at a daemon, and what has changed since the one before.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use jwtkeeper_client::blocking::Client;
use jwtkeeper_client::{Error, Health};
use serde_json::Value;

use crate::document::Document;

/// One observation of a daemon.
#[derive(Clone)]
pub(super) struct Look {
    taken: Instant,
    /// The round trip of a ping.
    pub(super) ping: Duration,
    pub(super) health: Health,
    uptime: Option<u64>,
    counters: Counters,
}

/// The counters of a daemon, by name.
type Counters = BTreeMap<String, u64>;

/// The rates of counters per second; unknown ones are left out.
pub(super) type Rates = BTreeMap<String, f64>;

impl Look {
    pub(super) fn take(client: &Client) -> Result<Self, Error> {
        let began = Instant::now();
        client.ping()?;
        let ping = began.elapsed();
        let health = client.health()?;
        let document = Document::of(&health);
        Ok(Self {
            taken: Instant::now(),
            ping,
            uptime: document.uptime_seconds,
            counters: counters(&document),
            health,
        })
    }

    pub(super) fn document(&self) -> Document {
        Document::of(&self.health)
    }

    pub(super) fn counters(&self) -> &BTreeMap<String, u64> {
        &self.counters
    }

    /// Rates since another look; none of a daemon that has been started since, which counts from 0.
    pub(super) fn since(&self, before: Option<&Self>) -> Rates {
        let Some(before) = before.filter(|before| before.uptime <= self.uptime) else {
            return Rates::new();
        };
        let seconds = self.taken.duration_since(before.taken).as_secs_f64();
        let rate = |(name, now): (&String, &u64)| {
            let grown = now.checked_sub(*before.counters.get(name)?)?;
            (seconds > 0.0).then(|| (name.clone(), grown as f64 / seconds))
        };
        self.counters.iter().filter_map(rate).collect()
    }
}

fn counters(document: &Document) -> Counters {
    let mut all = Counters::new();
    let own = [
        ("changes", document.store.changes),
        ("commits", document.store.commits),
        ("reuses", document.reuses),
    ];
    all.extend(
        own.into_iter()
            .filter_map(|(name, count)| Some((name.to_owned(), count?))),
    );
    all.extend(requests("requests", &document.requests));
    for realm in &document.realms {
        all.extend(requests(&format!("{} requests", realm.name), &realm.requests));
        all.extend(realm.issued.map(|count| (format!("{} issued", realm.name), count)));
    }
    all
}

/// Counts by operation; what is counted more finely is added up.
fn requests(name: &str, requests: &Value) -> Counters {
    let Value::Object(operations) = requests else {
        return requests
            .as_u64()
            .map(|count| (name.to_owned(), count))
            .into_iter()
            .collect();
    };
    let named = |(operation, counts): (&String, &Value)| (format!("{name} {operation}"), sum(counts));
    operations.iter().map(named).collect()
}

fn sum(counts: &Value) -> u64 {
    match counts {
        Value::Object(parts) => parts.values().map(sum).fold(0, u64::saturating_add),
        Value::Array(parts) => parts.iter().map(sum).fold(0, u64::saturating_add),
        other => other.as_u64().unwrap_or(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn counted(document: Value) -> Counters {
        counters(&serde_json::from_value(document).unwrap())
    }

    #[test]
    fn requests_are_counted_however_finely_the_daemon_tells_them() {
        assert_eq!(counted(json!({})), Counters::new());
        assert_eq!(
            counted(json!({"requests": 7})),
            Counters::from([("requests".to_owned(), 7)])
        );
        let fine = counted(json!({
            "store": {"changes": 4},
            "realms": [{"name": "api", "issued": 2, "requests": {"validate": {"valid": 5, "invalid": {"expired": 1}}, "issue": 2}}],
        }));
        let expected = [
            ("api issued", 2),
            ("api requests issue", 2),
            ("api requests validate", 6),
            ("changes", 4),
        ];
        assert_eq!(fine, expected.map(|(name, count)| (name.to_owned(), count)).into());
    }
}
