//! The configuration in effect, defaults and all, as TOML that reads back to the same.

use std::fmt::Write;

use super::access::{Rule, Who};
use super::audit::{AuditSettings, AuditTo};
use super::metrics::MetricsSettings;
use super::realm::RealmSettings;
use super::settings::Settings;
use super::sources::KeySource;
use super::store::{ReachSettings, StoreSettings};
use jwtkeeper_core::keyring::LockKey;
use jwtkeeper_core::realm::{CookieLock, OnReuse, RotateOn};

/// The text. It names files and holds nothing of what is in them.
pub fn print(settings: &Settings) -> String {
    let mut out = Lines(print_top(settings));
    for rule in &settings.access {
        print_rule(&mut out, rule);
    }
    for realm in settings.realms.values() {
        print_realm(&mut out, realm);
    }
    out.0
}

/// Everything but access rules and realms.
pub(super) fn print_top(settings: &Settings) -> String {
    let mut out = Lines(String::new());
    out.text("socket", &settings.socket.display().to_string());
    out.text("socket_mode", &format!("0{:o}", settings.socket_mode));
    out.text("state_dir", &settings.state_dir.display().to_string());
    out.table("store");
    print_store(&mut out, &settings.store);
    out.table("log");
    out.text("level", &settings.log_level);
    out.text("format", settings.log_format.name());
    settings.audit.iter().for_each(|audit| print_audit(&mut out, audit));
    out.table("reload");
    out.span("poll", settings.reload.poll.as_millis() as u64);
    out.span("settle", settings.reload.settle.as_millis() as u64);
    if let Some(metrics) = &settings.metrics {
        out.table("metrics");
        match metrics {
            MetricsSettings::Socket { path, mode } => {
                out.text("socket", &path.display().to_string());
                out.text("socket_mode", &format!("0{mode:o}"));
            }
            MetricsSettings::Listen(address) => out.text("listen", &address.to_string()),
        }
    }
    out.table("limits");
    let limits = &settings.limits;
    out.raw("connections", limits.connections);
    out.raw("connections_per_uid", limits.connections_per_uid);
    out.raw("requests_per_uid", limits.requests_per_uid);
    out.raw("entries_per_realm", limits.entries_per_realm);
    out.raw("entries_per_uid", limits.entries_per_uid);
    out.raw("max_frame", limits.max_frame);
    out.raw("in_flight", limits.in_flight);
    out.span("frame_timeout", limits.frame_timeout.as_millis() as u64);
    out.span("idle_timeout", limits.idle_timeout.as_millis() as u64);
    out.span("write_timeout", limits.write_timeout.as_millis() as u64);
    out.span("shutdown_grace", limits.shutdown_grace.as_millis() as u64);
    out.0
}

/// One realm.
pub(super) fn print_one(realm: &RealmSettings) -> String {
    let mut out = Lines(String::new());
    print_realm(&mut out, realm);
    out.0
}

fn print_audit(out: &mut Lines, audit: &AuditSettings) {
    out.table("audit");
    match &audit.to {
        AuditTo::Journal => out.text("to", "journal"),
        AuditTo::File(file) => {
            out.text("to", "file");
            out.text("file", &file.display().to_string());
        }
    }
    out.text("on_failure", audit.on_failure.name());
}

fn print_rule(out: &mut Lines, rule: &Rule) {
    out.table_in_list("access");
    let (key, id) = match rule.who {
        Who::User(uid) => ("user", uid),
        Who::Group(gid) => ("group", gid),
    };
    match &rule.name {
        Some(name) => out.text(key, name),
        None => out.raw(key, id),
    }
    out.list("realms", rule.realms.iter().map(String::as_str));
    out.list("allow", rule.allow.iter().map(|right| right.name()));
}

fn print_store(out: &mut Lines, store: &StoreSettings) {
    let StoreSettings::Redis(redis) = store else {
        return out.text("kind", "embedded");
    };
    out.text("kind", "redis");
    out.table("store.redis");
    match &redis.reach {
        ReachSettings::One(url) => out.text("url", url),
        ReachSettings::Sentinels(urls, name) => {
            out.list("sentinels", urls.iter().map(String::as_str));
            out.text("sentinel_master", name);
        }
        ReachSettings::Cluster(urls) => out.list("cluster", urls.iter().map(String::as_str)),
    }
    let access = &redis.access;
    for (key, name) in [
        ("username", &access.username),
        ("sentinel_username", &access.sentinel_username),
    ] {
        name.iter().for_each(|name| out.text(key, name));
    }
    let files = [
        &access.password_file,
        &access.sentinel_password_file,
        &access.ca_file,
        &access.cert_file,
        &access.key_file,
    ];
    for file in files.into_iter().flatten() {
        out.text(file.key(), &file.path.display().to_string());
    }
    if access.allow_world_readable {
        out.raw("allow_world_readable", true);
    }
    out.span("max_staleness", redis.terms.max_staleness.as_millis() as u64);
    out.text(
        "on_stale",
        if redis.terms.serve_stale {
            "serve"
        } else {
            "unavailable"
        },
    );
    out.span("full_scan_interval", redis.terms.full_scan_interval.as_millis() as u64);
    out.span("repair_grace", redis.terms.repair_grace.as_millis() as u64);
    out.raw("require_durable", redis.terms.require_durable);
    out.raw("wait_replicas", redis.terms.wait_replicas);
}

fn print_realm(out: &mut Lines, realm: &RealmSettings) {
    let policy = &realm.policy;
    let name = quote(&realm.name);
    out.table(&format!("realms.{name}"));
    out.text("algorithm", realm.algorithm.name());
    let (KeySource::Private(key) | KeySource::Public(key)) = &realm.key;
    out.text(key.key(), &key.path.display().to_string());
    realm.kid.iter().for_each(|kid| out.text("kid", kid));
    if let Some(version) = &realm.version_file {
        out.text("version_file", &version.path.display().to_string());
    }
    policy.issuer.iter().for_each(|issuer| out.text("issuer", issuer));
    out.list("audience", policy.audience.iter().map(String::as_str));
    out.span("expiry", policy.expiry.saturating_mul(1000));
    out.span("max_lifetime", policy.max_lifetime.saturating_mul(1000));
    out.raw("require_iat", policy.require_iat);
    out.span("clock_skew", policy.clock_skew_ms);
    out.span("rotation_grace", policy.rotation_grace_ms);
    policy
        .session_lifetime
        .iter()
        .for_each(|span| out.span("session_lifetime", span.saturating_mul(1000)));
    policy
        .renew_before
        .iter()
        .for_each(|span| out.span("renew_before", span.saturating_mul(1000)));
    let whose = match policy.rotate_on {
        RotateOn::Any => "any",
        RotateOn::Cookie => "cookie",
    };
    out.text("rotate_on", whose);
    out.raw("max_token", policy.max_token);
    out.text("subject_claim", &policy.subject_claim);
    out.list(
        "allow_overrides",
        policy.allow_overrides.iter().map(|claim| claim.name()),
    );
    out.text("cookie_lock", lock_name(policy.cookie_lock));
    if key.key() == "secret_file" {
        out.text("lock_key", lock_key_name(policy.lock_key));
        out.list(
            "accept_lock_keys",
            policy.accept_lock_keys.iter().map(|key| lock_key_name(*key)),
        );
    }
    let reuse = match policy.on_reuse {
        OnReuse::Report => "report",
        OnReuse::RevokeSession => "revoke_session",
    };
    out.text("on_reuse", reuse);
    out.text("denylist", &realm.denylist);
    out.text("store_prefix", &realm.store_prefix);
    out.raw("allow_weak_secret", realm.allow_weak_secret);
    out.raw("allow_world_readable", realm.allow_world_readable);
    out.table(&format!("realms.{name}.cookie"));
    let cookie = &policy.cookie;
    out.text("name", &cookie.name);
    cookie.domain.iter().for_each(|domain| out.text("domain", domain));
    out.text("path", cookie.path.as_deref().unwrap_or_default());
    out.raw("secure", cookie.secure);
    out.raw("http_only", cookie.http_only);
    out.text("same_site", cookie.same_site.name());
    for retired in &realm.retired_keys {
        out.table_in_list(&format!("realms.{name}.retired_keys"));
        out.text("algorithm", retired.algorithm.name());
        out.text("file", &retired.file.path.display().to_string());
        retired.kid.iter().for_each(|kid| out.text("kid", kid));
    }
    for (index, foreign) in policy.foreign_issuers.iter().enumerate() {
        out.table_in_list(&format!("realms.{name}.foreign_issuers"));
        out.text("issuer", &foreign.issuer);
        out.list("typ", foreign.typ.iter().map(String::as_str));
        out.raw("require_jti", foreign.require_jti);
        if let Some(source) = realm.foreign_keys.iter().find(|source| source.index == index) {
            out.text("algorithm", source.algorithm.name());
            out.text(source.file.key(), &source.file.path.display().to_string());
            source.kid.iter().for_each(|kid| out.text("kid", kid));
        }
    }
}

fn lock_name(lock: CookieLock) -> &'static str {
    match lock {
        CookieLock::Off => "off",
        CookieLock::Optional => "optional",
        CookieLock::Required => "required",
    }
}

fn lock_key_name(lock: LockKey) -> &'static str {
    match lock {
        LockKey::Derived => "derived",
        LockKey::Concat => "concat",
    }
}

fn quote(text: &str) -> String {
    toml::Value::from(text).to_string()
}

struct Lines(String);

impl Lines {
    fn raw(&mut self, key: &str, value: impl std::fmt::Display) {
        let _ = writeln!(self.0, "{key} = {value}"); // writing to a String cannot fail
    }

    fn text(&mut self, key: &str, value: &str) {
        self.raw(key, quote(value));
    }

    fn span(&mut self, key: &str, ms: u64) {
        let span = humantime::format_duration(std::time::Duration::from_millis(ms)).to_string();
        self.text(key, &span);
    }

    fn list<'v>(&mut self, key: &str, values: impl Iterator<Item = &'v str>) {
        let values: Vec<_> = values.map(quote).collect();
        if !values.is_empty() {
            self.raw(key, format!("[{}]", values.join(", ")));
        }
    }

    fn table(&mut self, name: &str) {
        let _ = writeln!(self.0, "\n[{name}]");
    }

    fn table_in_list(&mut self, name: &str) {
        let _ = writeln!(self.0, "\n[[{name}]]");
    }
}
