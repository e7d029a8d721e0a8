//! The durability of Redis by INFO and CONFIG, the line of redis.conf that would improve it,
//! and whether that is reason enough to acknowledge nothing.

use std::collections::HashMap;

use redis::{ErrorKind, RedisError, ServerErrorKind};

use super::connection::Connection;

/// The durability of one server.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Durability {
    /// The ways to lose entries, each with its remedy.
    pub(super) losses: Vec<String>,
    /// Other notes.
    pub(super) notes: Vec<String>,
    /// The number of keys that it has evicted since its start.
    pub(super) evicted: u64,
}

type Facts = HashMap<String, String>;

/// Asks a server.
pub(super) async fn ask(connection: &mut Connection, wait_replicas: u32) -> Result<Durability, RedisError> {
    let mut info = Facts::new();
    for section in ["memory", "stats", "persistence", "replication"] {
        let text: String = redis::cmd("INFO").arg(section).query_async(connection).await?;
        info.extend(facts(&text));
    }
    let mut config = Some(Facts::new());
    for name in ["appendfsync", "client-output-buffer-limit"] {
        let asked = redis::cmd("CONFIG")
            .arg("GET")
            .arg(name)
            .query_async::<Facts>(connection)
            .await;
        match (asked, &mut config) {
            (Ok(found), Some(config)) => config.extend(found),
            (Err(error), _) if refused(&error) => config = None,
            (Err(error), _) => return Err(error),
            (Ok(_), None) => {}
        }
    }
    Ok(judge(&info, config.as_ref(), wait_replicas))
}

/// Returns the number of keys that a server has evicted since its start.
pub(super) async fn evicted(connection: &mut Connection) -> Result<u64, RedisError> {
    let text: String = redis::cmd("INFO").arg("stats").query_async(connection).await?;
    Ok(number(&facts(&text), "evicted_keys"))
}

/// An ACL forbids CONFIG, or a provider has renamed it.
fn refused(error: &RedisError) -> bool {
    matches!(
        error.kind(),
        ErrorKind::Server(ServerErrorKind::NoPerm | ServerErrorKind::ResponseError)
    )
}

fn facts(text: &str) -> Facts {
    let pairs = text.lines().filter_map(|line| line.split_once(':'));
    pairs
        .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
        .collect()
}

fn number(facts: &Facts, name: &str) -> u64 {
    facts.get(name).and_then(|value| value.parse().ok()).unwrap_or(0)
}

fn judge(info: &Facts, config: Option<&Facts>, wait_replicas: u32) -> Durability {
    let mut found = Durability {
        evicted: number(info, "evicted_keys"),
        ..Durability::default()
    };
    let text = |name: &str| info.get(name).map_or("", String::as_str);
    let policy = text("maxmemory_policy");
    if number(info, "maxmemory") > 0 && policy != "noeviction" {
        found.losses.push(format!(
            "Redis evicts entries when its memory is full ({policy}, {} keys evicted); set in redis.conf: maxmemory-policy noeviction",
            found.evicted
        ));
    }
    if text("aof_enabled") != "1" {
        let losses = "Redis keeps no append-only file: a crash loses what came since its last snapshot; set in redis.conf: appendonly yes";
        found.losses.push(losses.to_owned());
    }
    match config.map(|config| config.get("appendfsync").map_or("", String::as_str)) {
        None => found.losses.push(
            "Redis does not tell its appendfsync; allow CONFIG GET to this user: ACL SETUSER <user> +config|get".to_owned(),
        ),
        Some("always") => {}
        Some(_) if text("aof_enabled") != "1" => {}
        Some(other) => found.losses.push(format!(
            "Redis syncs its append-only file later than it answers (appendfsync {other}): a crash of its host loses the last seconds; \
             set in redis.conf: appendfsync always"
        )),
    }
    let limit = config.and_then(|config| config.get("client-output-buffer-limit"));
    if limit.is_some_and(|limit| limit.starts_with("normal 0 0 ")) {
        let note = "Redis sets no bound to what it holds for a client that does not read, such as a daemon that is stopped; \
                    set in redis.conf: client-output-buffer-limit normal 256mb 64mb 60";
        found.notes.push(note.to_owned());
    }
    let replicas = number(info, "connected_slaves");
    if replicas < u64::from(wait_replicas) {
        found.notes.push(format!(
            "{replicas} replicas follow Redis, and wait_replicas asks for {wait_replicas}: nothing is acknowledged until they do"
        ));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pairs: &[(&str, &str)]) -> Facts {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    const DEBIAN: &[(&str, &str)] = &[
        ("maxmemory", "0"),
        ("maxmemory_policy", "noeviction"),
        ("aof_enabled", "0"),
        ("connected_slaves", "0"),
    ];

    #[test]
    fn each_that_can_lose_names_its_line() {
        let config = of(&[
            ("appendfsync", "everysec"),
            ("client-output-buffer-limit", "normal 0 0 0 slave 1 1 60"),
        ]);
        let found = judge(&of(DEBIAN), Some(&config), 0);
        assert_eq!(found.losses.len(), 1);
        assert!(
            found.losses.iter().all(|line| line.ends_with("appendonly yes")),
            "{found:?}"
        );
        assert!(
            found
                .notes
                .iter()
                .all(|line| line.ends_with("client-output-buffer-limit normal 256mb 64mb 60"))
        );
        let mut info = of(DEBIAN);
        info.extend(of(&[
            ("aof_enabled", "1"),
            ("maxmemory", "1000"),
            ("maxmemory_policy", "volatile-ttl"),
            ("evicted_keys", "7"),
        ]));
        let found = judge(&info, Some(&config), 1);
        assert!(
            found
                .losses
                .iter()
                .any(|line| line.ends_with("maxmemory-policy noeviction")),
            "{found:?}"
        );
        assert!(
            found.losses.iter().any(|line| line.ends_with("appendfsync always")),
            "{found:?}"
        );
        assert_eq!((found.losses.len(), found.notes.len(), found.evicted), (2, 2, 7));
    }

    #[test]
    fn what_loses_nothing_is_not_spoken_of() {
        let info = of(&[
            ("maxmemory", "1000"),
            ("maxmemory_policy", "noeviction"),
            ("aof_enabled", "1"),
            ("connected_slaves", "1"),
        ]);
        let config = of(&[
            ("appendfsync", "always"),
            ("client-output-buffer-limit", "normal 268435456 67108864 60"),
        ]);
        assert_eq!(judge(&info, Some(&config), 1), Durability::default());
        // Who may not ask cannot know.
        assert_eq!(judge(&info, None, 1).losses.len(), 1);
    }
}
