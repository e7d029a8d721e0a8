//! The section of the denylist store.

use std::path::PathBuf;
use std::time::Duration;

use redis::{ClientTlsConfig, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, TlsCertificates};

use super::fault::{Fault, Faults};
use super::section::Section;
use super::sources::{Located, located};
use super::tree::Place;
use crate::files::{FileKind, read_once};
use jwtkeeper_redis::{Keys, Reach, Servers, Terms};

/// The store of the denylist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreSettings {
    /// On this host alone, in `state_dir`.
    Embedded,
    /// In Redis, which a fleet shares.
    Redis(Box<RedisSettings>),
}

/// The settings of Redis.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedisSettings {
    /// The address.
    pub reach: ReachSettings,
    /// The files that open it, and the names that go with them.
    pub access: AccessSettings,
    /// The terms of use.
    pub terms: Terms,
}

/// The address of Redis: URLs without passwords.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReachSettings {
    /// One server.
    One(String),
    /// Sentinels, and what they call the primary.
    Sentinels(Vec<String>, String),
    /// Members of a cluster.
    Cluster(Vec<String>),
}

/// The credentials for Redis.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccessSettings {
    /// The ACL user.
    pub username: Option<String>,
    /// The file of the password.
    pub password_file: Option<Located>,
    /// The sentinels' ACL user.
    pub sentinel_username: Option<String>,
    /// The file of the password.
    pub sentinel_password_file: Option<Located>,
    /// The file of the certificate authority, unless the system knows it.
    pub ca_file: Option<Located>,
    /// The certificate that we show.
    pub cert_file: Option<Located>,
    /// The private key.
    pub key_file: Option<Located>,
    /// True if everyone may read the files of secrets.
    pub allow_world_readable: bool,
}

/// Shorter, and what is asked each second would seem late.
const LEAST_STALENESS: u64 = 3 * 1000;
/// Longer, and a revoked token is accepted for as long.
const MOST_STALENESS: u64 = 24 * 60 * 60 * 1000;

/// More often, and Redis does little else.
const FULL_SCAN_INTERVALS: std::ops::RangeInclusive<u64> = 10 * 1000..=24 * 60 * 60 * 1000;
/// Longer graces are not believed in Redis either.
const MOST_REPAIR_GRACE: u64 = 60 * 1000;

pub(super) fn read_store(top: &Section<'_>) -> StoreSettings {
    let Some(store) = top.section("store") else {
        return StoreSettings::Embedded;
    };
    let kinds = [("embedded", false), ("redis", true)];
    let redis = store.choice("kind", &kinds).unwrap_or(false);
    let settings = match (store.section("redis"), redis) {
        (Some(section), true) => read_redis(section),
        (None, true) => {
            store.fault(store.place(), "store.kind = \"redis\" needs [store.redis] with a url");
            None
        }
        (Some(section), false) => {
            let message = "[store.redis] is for store.kind = \"redis\"; set that, or remove it";
            store.fault(section.place(), message);
            None
        }
        (None, false) => None,
    };
    store.finish();
    settings.map_or(StoreSettings::Embedded, |settings| {
        StoreSettings::Redis(Box::new(settings))
    })
}

fn read_redis(section: Section<'_>) -> Option<RedisSettings> {
    let reach = read_reach(&section);
    let access = read_access(&section);
    let mut terms = Terms {
        max_staleness: Duration::from_secs(30),
        serve_stale: false,
        require_durable: section.flag("require_durable", false),
        wait_replicas: section.number("wait_replicas", 0, 0..=16) as u32,
        full_scan_interval: Duration::from_secs(5 * 60),
        repair_grace: Duration::from_secs(5),
        clock_skew_ms: 0, // the realms', once they are read
    };
    if let Some((ms, place)) = section.span("max_staleness") {
        if !(LEAST_STALENESS..=MOST_STALENESS).contains(&ms) {
            section.fault(&place, "store.redis.max_staleness must be from 3s to 24h");
        }
        terms.max_staleness = Duration::from_millis(ms);
    }
    if let Some((ms, place)) = section.span("full_scan_interval") {
        if !FULL_SCAN_INTERVALS.contains(&ms) {
            section.fault(&place, "store.redis.full_scan_interval must be from 10s to 24h");
        }
        terms.full_scan_interval = Duration::from_millis(ms);
    }
    if let Some((ms, place)) = section.span("repair_grace") {
        if ms > MOST_REPAIR_GRACE {
            section.fault(&place, "store.redis.repair_grace must be at most 60s");
        }
        terms.repair_grace = Duration::from_millis(ms);
    }
    let policies = [("unavailable", false), ("serve", true)];
    terms.serve_stale = section.choice("on_stale", &policies).unwrap_or(false);
    section.finish();
    Some(RedisSettings {
        reach: reach?,
        access,
        terms,
    })
}

fn read_reach(section: &Section<'_>) -> Option<ReachSettings> {
    let url = section.text("url");
    let sentinels = section.texts("sentinels");
    let name = section.text("sentinel_master");
    let cluster = section.texts("cluster");
    let list = |urls: &[String], place: &Place, key: &str| {
        if urls.is_empty() {
            section.fault(place, format!("store.redis.{key} is empty; name at least one"));
        }
        let any_tls = urls.iter().any(|url| url.starts_with("rediss:"));
        for url in urls {
            check_url(section, url, place, key);
            if url.starts_with("redis+unix:") || url.starts_with("unix:") || any_tls != url.starts_with("rediss:") {
                let message = format!("store.redis.{key} are all redis:// or all rediss://, by host and port");
                section.fault(place, message);
            }
        }
    };
    match (url, sentinels, cluster) {
        (Some((url, place)), None, None) => {
            check_url(section, &url, &place, "url");
            if let Some((_, place)) = name {
                section.fault(&place, "store.redis.sentinel_master goes with store.redis.sentinels");
            }
            Some(ReachSettings::One(url))
        }
        (None, Some((urls, place)), None) => {
            list(&urls, &place, "sentinels");
            if name.is_none() {
                let message = "store.redis.sentinels needs sentinel_master, the name that they know the primary by";
                section.fault(&place, message);
            }
            Some(ReachSettings::Sentinels(urls, name?.0))
        }
        (None, None, Some((urls, place))) => {
            list(&urls, &place, "cluster");
            Some(ReachSettings::Cluster(urls))
        }
        (None, None, None) => {
            let message = "[store.redis] says not where Redis is; set url = \"redis+unix:///run/redis/redis.sock\", or sentinels, or cluster";
            section.fault(section.place(), message);
            None
        }
        _ => {
            let message = "[store.redis] has one of url, sentinels and cluster; remove the others";
            section.fault(&section.culprit(&["url", "sentinels", "cluster"]), message);
            None
        }
    }
}

/// Checks a URL. It is not repeated in a fault: it may hold a password.
fn check_url(section: &Section<'_>, url: &str, place: &Place, key: &str) {
    let wrong = match url.into_connection_info() {
        Err(_) => "is none that is known: redis://HOST:PORT, rediss://HOST:PORT or redis+unix:///PATH",
        Ok(info) if info.redis_settings().password().is_some() => "must hold no password; name a password_file",
        Ok(info) if key == "cluster" && info.redis_settings().db() != 0 => "must name no database: a cluster has one",
        Ok(info) if matches!(info.addr(), ConnectionAddr::TcpTls { insecure: true, .. }) => {
            "must not turn off the check of certificates (#insecure); name a ca_file"
        }
        Ok(_) => return,
    };
    section.fault(place, format!("store.redis.{key} {wrong}"));
}

fn read_access(section: &Section<'_>) -> AccessSettings {
    let text = |key| section.text(key).map(|(text, _)| text);
    let access = AccessSettings {
        username: text("username"),
        password_file: located(section, "password_file"),
        sentinel_username: text("sentinel_username"),
        sentinel_password_file: located(section, "sentinel_password_file"),
        ca_file: located(section, "ca_file"),
        cert_file: located(section, "cert_file"),
        key_file: located(section, "key_file"),
        allow_world_readable: section.flag("allow_world_readable", false),
    };
    for (one, other) in [
        (access.username.is_some(), access.password_file.is_some()),
        (
            access.sentinel_username.is_some(),
            access.sentinel_password_file.is_some(),
        ),
    ] {
        if one && !other {
            let place = section.culprit(&["username", "sentinel_username"]);
            section.fault(&place, "a username in [store.redis] needs its password_file");
        }
    }
    if access.cert_file.is_some() != access.key_file.is_some() {
        let place = section.culprit(&["cert_file", "key_file"]);
        section.fault(&place, "store.redis.cert_file and key_file go together");
    }
    access
}

impl RedisSettings {
    /// Returns the servers. The files are read now, to report their faults, and again with each connection.
    pub fn servers(&self) -> Result<Servers, Faults> {
        self.access.read()?;
        let parse = |url: &String| url.as_str().into_connection_info();
        let all = |urls: &[String]| urls.iter().map(parse).collect::<Result<Vec<ConnectionInfo>, _>>();
        let reach = match &self.reach {
            ReachSettings::One(url) => parse(url).map(Reach::One),
            ReachSettings::Sentinels(urls, name) => all(urls).map(|urls| Reach::Sentinels(urls, name.clone())),
            ReachSettings::Cluster(urls) => all(urls).map(Reach::Cluster),
        };
        let broken = |error: redis::RedisError| -> Faults {
            let (file, line, message) = (PathBuf::new(), 0, error.to_string());
            Fault { file, line, message }.into()
        };
        let access = self.access.clone();
        Ok(Servers {
            reach: reach.map_err(broken)?,
            keys: Box::new(move || access.read().map_err(|faults| faults.to_string())),
        })
    }
}

impl AccessSettings {
    /// Reads what Redis is opened with, as it is now.
    fn read(&self) -> Result<Keys, Faults> {
        let mut faults = Faults::default();
        let mut read = |file: &Option<Located>, secret: bool| -> Option<Vec<u8>> {
            let file = file.as_ref()?;
            let kind = match (secret, self.allow_world_readable) {
                (false, _) => FileKind::Public,
                (true, false) => FileKind::Secret,
                (true, true) => FileKind::MountedSecret,
            };
            match read_once(&file.path, kind) {
                Ok(bytes) if bytes.is_empty() => faults.push(file.fault("is empty")),
                Ok(bytes) => return Some(bytes.to_vec()),
                Err(error) => faults.push(file.fault(error)),
            }
            None
        };
        let (password, sentinel) = (
            read(&self.password_file, true),
            read(&self.sentinel_password_file, true),
        );
        let (ca, cert, key) = (
            read(&self.ca_file, false),
            read(&self.cert_file, false),
            read(&self.key_file, true),
        );
        let mut text = |bytes: Option<Vec<u8>>, file: &Option<Located>| {
            let text = String::from_utf8(bytes?);
            if let (Err(_), Some(file)) = (&text, file) {
                faults.push(file.fault("is not UTF-8 text"));
            }
            let text = text.ok()?;
            Some(text.strip_suffix('\n').unwrap_or(&text).to_owned())
        };
        let client_tls = cert.zip(key).map(|(client_cert, client_key)| ClientTlsConfig {
            client_cert,
            client_key,
        });
        let tls = (ca.is_some() || client_tls.is_some()).then_some(TlsCertificates {
            client_tls,
            root_cert: ca,
        });
        let keys = Keys {
            username: self.username.clone(),
            password: text(password, &self.password_file),
            sentinel_username: self.sentinel_username.clone(),
            sentinel_password: text(sentinel, &self.sentinel_password_file),
            tls,
        };
        faults.into_result(keys)
    }
}
