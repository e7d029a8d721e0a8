//! The configuration as a whole, parsed and checked.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use super::access::{Rule, read_access};
use super::audit::{AuditSettings, read_audit};
use super::fault::Faults;
use super::metrics::{MetricsSettings, read_metrics};
use super::realm::RealmSettings;
use super::section::{Found, Section};
use super::socket::{MAX_SOCKET_PATH, read_mode};
use super::store::{StoreSettings, read_store};
use super::tree::{self, Place, Value};
use crate::files::{Digest, Files};

/// The settings of the daemon.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The file that was read.
    pub file: PathBuf,
    /// The path of the socket.
    pub socket: PathBuf,
    /// The socket file's mode.
    pub socket_mode: u32,
    /// The directory of the state.
    pub state_dir: PathBuf,
    /// The log's level, or directives such as `info,jwtkeeper::server=debug`.
    pub log_level: String,
    /// The form of the log's lines.
    pub log_format: LogFormat,
    /// The audit; `None` for no audit.
    pub audit: Option<AuditSettings>,
    /// The limits.
    pub limits: Limits,
    /// The handling of changed files.
    pub reload: ReloadSettings,
    /// The address of health and metrics over HTTP, if they are served.
    pub metrics: Option<MetricsSettings>,
    /// The store of the denylist.
    pub store: StoreSettings,
    /// The access rules; without any, whoever may open the socket has every right but an administrator's.
    pub access: Vec<Rule>,
    /// The realms.
    pub realms: BTreeMap<String, RealmSettings>,
    /// The settings whose new value takes effect only after a restart; the value here is the running one.
    pub pending_restart: Vec<&'static str>,
    /// The digests of its files, which tell this state from another.
    pub(crate) origin: Vec<(PathBuf, Digest)>,
}

/// The form of the log's lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// The journal's own where stderr is the journal, text elsewhere.
    #[default]
    Auto,
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

impl LogFormat {
    const ALL: [LogFormat; 3] = [LogFormat::Auto, LogFormat::Text, LogFormat::Json];

    /// The name, as configured.
    pub fn name(self) -> &'static str {
        match self {
            LogFormat::Auto => "auto",
            LogFormat::Text => "text",
            LogFormat::Json => "json",
        }
    }
}

/// The handling of changed files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReloadSettings {
    /// Within which time any change is seen, should no event tell of it.
    pub poll: Duration,
    /// The time for which a file written in place must be unchanged before it takes effect.
    pub settle: Duration,
}

impl Default for ReloadSettings {
    fn default() -> Self {
        Self {
            poll: Duration::from_secs(5),
            settle: Duration::from_secs(1),
        }
    }
}

/// Every limit of the server, in one place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Connections in all; 64 more wait, the rest are refused.
    pub connections: usize,
    /// Connections of one uid; more are refused.
    pub connections_per_uid: usize,
    /// Requests of one uid in a second, over all its connections, in whole HMAC validates; more wait. 0: no limit.
    pub requests_per_uid: usize,
    /// Entries of the denylist in one realm; more are refused. 0: no limit.
    pub entries_per_realm: usize,
    /// Entries of the denylist made by one uid since the start; more are refused. 0: no limit.
    pub entries_per_uid: usize,
    /// The longest message, in bytes.
    pub max_frame: usize,
    /// Requests of one connection that wait for their replies; more are not read.
    pub in_flight: usize,
    /// The time that a frame may take from its first byte to its last, and the first frame from the connection.
    pub frame_timeout: Duration,
    /// The time that a connection may ask nothing.
    pub idle_timeout: Duration,
    /// The time that replies may wait to be read.
    pub write_timeout: Duration,
    /// The time that requests in progress may take when the daemon stops.
    pub shutdown_grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 4096,
            connections_per_uid: 2048,
            requests_per_uid: 50_000,
            entries_per_realm: 5_000_000,
            entries_per_uid: 2_500_000,
            max_frame: jwtkeeper_wire::MAX_FRAME,
            in_flight: 1024,
            frame_timeout: Duration::from_secs(5),
            idle_timeout: Duration::from_secs(15 * 60),
            write_timeout: Duration::from_secs(10),
            shutdown_grace: Duration::from_secs(10),
        }
    }
}

impl Settings {
    /// Reads and checks the configuration; key files are not looked at.
    pub fn read(path: &Path, files: &mut Files) -> Result<Self, Faults> {
        let (settings, faults) = Self::read_what_is_there(path, files)?;
        faults.into_result(settings)
    }

    /// The same, but for faults of form: what could be read in spite of its faults.
    pub(crate) fn read_what_is_there(path: &Path, files: &mut Files) -> Result<(Self, Faults), Faults> {
        let root = tree::read(path, files)?;
        let found: Found = Rc::new(RefCell::default());
        let top = Section::new("", &root, &found);
        let text_path = |key, default: &str| top.path(key).map_or_else(|| PathBuf::from(default), |(path, _)| path);
        let socket = read_socket(&top);
        let realms = read_realms(&top);
        let (log_level, log_format) = read_log(&top);
        let settings = Self {
            file: path.to_owned(),
            metrics: read_metrics(&top, &socket),
            socket,
            socket_mode: read_mode(&top),
            state_dir: text_path("state_dir", "/var/lib/jwtkeeper"),
            log_level,
            log_format,
            audit: read_audit(&top),
            limits: read_limits(&top),
            reload: read_reload(&top),
            store: read_store(&top),
            access: read_access(&top, realms.keys()),
            realms,
            pending_restart: Vec::new(),
            origin: Self::origin(path, files),
        };
        check_prefixes(&top, &settings.realms);
        check_skews(&top, &settings.realms);
        top.finish();
        let faults = std::mem::take(&mut *found.borrow_mut());
        Ok((settings, faults))
    }

    /// Keeps the running values of settings that cannot change while the daemon runs, and names those that differ.
    pub(crate) fn keep_until_restart(&mut self, running: &Self) {
        fn keep<T: Clone + PartialEq>(name: &'static str, new: &mut T, running: &T) -> Option<&'static str> {
            let differs = new != running;
            if differs {
                new.clone_from(running);
            }
            differs.then_some(name)
        }
        let kept = [
            keep("socket", &mut self.socket, &running.socket),
            keep("socket_mode", &mut self.socket_mode, &running.socket_mode),
            keep("state_dir", &mut self.state_dir, &running.state_dir),
            keep("store", &mut self.store, &running.store),
            keep("audit", &mut self.audit, &running.audit),
            keep("log.format", &mut self.log_format, &running.log_format),
            keep("metrics", &mut self.metrics, &running.metrics),
        ];
        self.pending_restart = kept.into_iter().flatten().collect();
    }

    /// The key and version files that lie in a directory, links followed: of each the realm, the setting and the path.
    pub fn files_below(&self, directory: &Path) -> Vec<(&str, &'static str, &Path)> {
        let resolved = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let real = resolved(directory);
        let is_below = |path: &Path| path.starts_with(directory) || resolved(path).starts_with(&real);
        let all = self
            .realms
            .values()
            .flat_map(|realm| realm.files().map(move |file| (realm, file)));
        all.filter(|(_, file)| is_below(&file.path))
            .map(|(realm, file)| (&*realm.name, file.key(), &*file.path))
            .collect()
    }

    /// The denylists of all realms, each once, with its prefix in a shared store.
    pub(crate) fn prefixes(&self) -> Vec<(String, String)> {
        let all = self.realms.values();
        let all = all.map(|realm| (realm.denylist.clone(), realm.store_prefix.clone()));
        all.collect::<BTreeMap<_, _>>().into_iter().collect()
    }

    /// Returns the digests of the configuration's files, which tell one state from another.
    pub(crate) fn origin(path: &Path, files: &mut Files) -> Vec<(PathBuf, Digest)> {
        let all = Self::files(path, files).into_iter();
        all.map(|file| (file.clone(), files.digest(&file))).collect()
    }

    /// Returns the files.
    pub(crate) fn files(path: &Path, files: &mut Files) -> Vec<PathBuf> {
        tree::files_of(path, files)
    }
}

fn read_socket(top: &Section<'_>) -> PathBuf {
    let Some((path, place)) = top.path("socket") else {
        return PathBuf::from(jwtkeeper_wire::DEFAULT_SOCKET);
    };
    if path.as_os_str().len() > MAX_SOCKET_PATH {
        top.fault(
            &place,
            format!("the socket path has more than {MAX_SOCKET_PATH} bytes; choose a shorter one"),
        );
    }
    path
}

fn read_log(top: &Section<'_>) -> (String, LogFormat) {
    let default = "info".to_owned();
    let Some(log) = top.section("log") else {
        return (default, LogFormat::Auto);
    };
    let format = log.text("format").map(|(name, place)| {
        let found = LogFormat::ALL.into_iter().find(|format| format.name() == name);
        if found.is_none() {
            log.fault(&place, format!("log.format must be auto, text or json, not {name:?}"));
        }
        found.unwrap_or_default()
    });
    let level = log.text("level");
    if let Some((level, place)) = &level
        && !level.split(',').all(is_directive)
    {
        log.fault(
            place,
            format!("log.level must be error, warn, info, debug or trace, not \"{level}\""),
        );
    }
    log.finish();
    (level.map_or(default, |(level, _)| level), format.unwrap_or_default())
}

/// A level, or `target=level`. Anything else would be taken for a target, and would silence all others.
fn is_directive(text: &str) -> bool {
    const LEVELS: [&str; 6] = ["error", "warn", "info", "debug", "trace", "off"];
    let (target, level) = text.trim().rsplit_once('=').unwrap_or(("", text.trim()));
    LEVELS.contains(&level)
        && target
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, ':' | '_'))
}

fn read_limits(top: &Section<'_>) -> Limits {
    let mut limits = Limits::default();
    let Some(section) = top.section("limits") else {
        return limits;
    };
    let number = |key, default: usize, range| section.number(key, default as u64, range) as usize;
    limits.connections = number("connections", limits.connections, 1..=1_000_000);
    limits.connections_per_uid = number("connections_per_uid", limits.connections_per_uid, 1..=1_000_000);
    limits.requests_per_uid = number("requests_per_uid", limits.requests_per_uid, 0..=1_000_000_000);
    limits.entries_per_realm = number("entries_per_realm", limits.entries_per_realm, 0..=1_000_000_000);
    limits.entries_per_uid = number("entries_per_uid", limits.entries_per_uid, 0..=1_000_000_000);
    limits.max_frame = number("max_frame", limits.max_frame, 1024..=jwtkeeper_wire::MAX_FRAME as u64);
    limits.in_flight = number("in_flight", limits.in_flight, 1..=65_536);
    for (key, slot) in [
        ("frame_timeout", &mut limits.frame_timeout),
        ("idle_timeout", &mut limits.idle_timeout),
        ("write_timeout", &mut limits.write_timeout),
        ("shutdown_grace", &mut limits.shutdown_grace),
    ] {
        if let Some((ms, place)) = section.span(key) {
            if ms == 0 {
                section.fault(&place, format!("limits.{key} must be longer than nothing"));
            }
            *slot = Duration::from_millis(ms);
        }
    }
    section.finish();
    limits
}

/// A poll often enough to cost, or so seldom that nobody waits for it, is a slip of the pen.
const POLL: RangeInclusive<u64> = 20..=60 * 60 * 1000;
/// The longest `settle`: a reload waits for files to become stable.
const MOST_SETTLE: u64 = 10 * 1000;

fn read_reload(top: &Section<'_>) -> ReloadSettings {
    let mut reload = ReloadSettings::default();
    let Some(section) = top.section("reload") else {
        return reload;
    };
    if let Some((ms, place)) = section.span("poll") {
        if !POLL.contains(&ms) {
            section.fault(&place, "reload.poll must be from 20ms to 1h");
        }
        reload.poll = Duration::from_millis(ms);
    }
    if let Some((ms, place)) = section.span("settle") {
        if ms > MOST_SETTLE {
            section.fault(&place, "reload.settle must be at most 10s");
        }
        reload.settle = Duration::from_millis(ms);
    }
    section.finish();
    reload
}

fn read_realms(top: &Section<'_>) -> BTreeMap<String, RealmSettings> {
    let mut realms = BTreeMap::new();
    let node = top.node("realms");
    if let Some(node) = node {
        let section = Section::new("realms", node, top.found());
        for (name, node) in section.entries() {
            if let Some(realm) = RealmSettings::read(name, node, top.found()) {
                realms.insert(name.clone(), realm);
            }
        }
    }
    let none = match node.map(|node| &node.value) {
        Some(Value::Table(table)) => table.is_empty(),
        Some(_) => false, // said above
        None => true,
    };
    if none {
        top.fault(
            top.place(),
            "there is no realm; add [realms.default] with algorithm and secret_file",
        );
    }
    realms
}

/// A cutoff in one realm holds up the minting of all: where another realm allowed less skew, it could not mint.
fn check_skews(top: &Section<'_>, realms: &BTreeMap<String, RealmSettings>) {
    let mut skews = realms.values().map(|realm| realm.policy.clock_skew_ms);
    let first = skews.next();
    if skews.any(|skew| Some(skew) != first) {
        let message = "clock_skew differs between realms; it is about hosts, so set it alike in all";
        top.fault(&in_realms(top, "clock_skew"), message);
    }
}

/// The place of the last setting of this name in any realm: where files disagree, the one that is read last is at
/// fault.
fn in_realms(top: &Section<'_>, key: &str) -> Place {
    let realms = top
        .node("realms")
        .and_then(|node| node.value.table())
        .into_iter()
        .flatten();
    let nodes = realms.filter_map(|(_, realm)| realm.value.table()?.get(key));
    let places = nodes.map(|node| &node.place);
    let is_main = |place: &&Place| place.file == top.place().file;
    let last = places.max_by_key(|place| (!is_main(place), &place.file, place.line));
    last.unwrap_or(top.place()).clone()
}

/// Tracked prefixes of a shared store must not overlap: none may begin another.
fn check_prefixes(top: &Section<'_>, realms: &BTreeMap<String, RealmSettings>) {
    let prefixes = in_realms(top, "store_prefix");
    for one in realms.values() {
        for other in [jwtkeeper_redis::RECORDS, jwtkeeper_redis::SENTINELS] {
            if !one.store_prefix.starts_with(other) && !other.starts_with(&one.store_prefix) {
                continue;
            }
            let message = format!(
                "the store_prefix \"{}\" of realm {} overlaps \"{other}\", which names other keys",
                one.store_prefix, one.name
            );
            top.fault(&prefixes, message);
        }
        for other in realms.values().filter(|other| other.name != one.name) {
            if other.denylist == one.denylist {
                if one.name < other.name && other.store_prefix != one.store_prefix {
                    let (one, other) = (&one.name, &other.name);
                    let message =
                        format!("realms {one} and {other} share a denylist; set the same store_prefix in both");
                    top.fault(&prefixes, message);
                }
            } else if other.store_prefix.starts_with(&one.store_prefix) {
                top.fault(
                    &prefixes,
                    format!(
                        "the store_prefix \"{}\" of realm {} begins that of realm {}; make them differ",
                        one.store_prefix, one.name, other.name
                    ),
                );
            }
        }
    }
}
