//! The health document (docs/protocol.md lists its members) as a client must read it: members that are missing, of
//! an older daemon, or of another type are unknown; those of a newer one that we do not know are passed over.

use jwtkeeper_client::Health;
use serde::Deserialize as Read;
use serde::de::Deserializer;
use serde_json::Value;

/// The health document of a daemon.
#[derive(Debug, Default, Read)]
#[serde(default)]
pub(crate) struct Document {
    #[serde(deserialize_with = "lenient")]
    pub(crate) version: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub(crate) uptime_seconds: Option<u64>,
    #[serde(deserialize_with = "each")]
    pub(crate) faults: Vec<String>,
    #[serde(deserialize_with = "each")]
    pub(crate) warnings: Vec<String>,
    #[serde(deserialize_with = "lenient")]
    pub(crate) reload: Reload,
    #[serde(deserialize_with = "lenient")]
    pub(crate) store: Store,
    #[serde(deserialize_with = "each")]
    pub(crate) realms: Vec<Realm>,
    #[serde(deserialize_with = "lenient")]
    pub(crate) realms_left_out: u64,
    #[serde(deserialize_with = "lenient")]
    pub(crate) reuses: Option<u64>,
    /// Requests by operation, and perhaps more finely, where the daemon counts them.
    #[serde(deserialize_with = "lenient")]
    pub(crate) requests: Value,
}

#[derive(Debug, Default, Read)]
#[serde(default)]
pub(crate) struct Reload {
    #[serde(deserialize_with = "lenient")]
    pub(crate) watch: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub(crate) reloads: Option<u64>,
    #[serde(deserialize_with = "each")]
    pub(crate) changes: Vec<Change>,
}

/// One of the last changes.
#[derive(Debug, Read)]
pub(crate) struct Change {
    pub(crate) at: u64,
    pub(crate) generation: u64,
    pub(crate) text: String,
}

#[derive(Debug, Default, Read)]
#[serde(default)]
pub(crate) struct Store {
    #[serde(deserialize_with = "lenient")]
    pub(crate) kind: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub(crate) entries: Option<u64>,
    #[serde(deserialize_with = "lenient")]
    pub(crate) changes: Option<u64>,
    #[serde(deserialize_with = "lenient")]
    pub(crate) commits: Option<u64>,
    #[serde(deserialize_with = "lenient")]
    pub(crate) age_ms: Option<u64>,
    #[serde(deserialize_with = "lenient")]
    pub(crate) pending: Option<u64>,
    #[serde(deserialize_with = "lenient")]
    pub(crate) repaired: Option<u64>,
    #[serde(deserialize_with = "lenient")]
    pub(crate) unknown: Option<u64>,
}

#[derive(Debug, Default, Read)]
#[serde(default)]
pub(crate) struct Realm {
    #[serde(deserialize_with = "lenient")]
    pub(crate) name: String,
    #[serde(deserialize_with = "lenient")]
    pub(crate) generation: Option<u64>,
    #[serde(deserialize_with = "lenient")]
    pub(crate) version: Value,
    #[serde(deserialize_with = "each")]
    pub(crate) keys: Vec<Key>,
    /// Tokens minted by this daemon since its start.
    #[serde(deserialize_with = "lenient")]
    pub(crate) issued: Option<u64>,
    /// As the document's own.
    #[serde(deserialize_with = "lenient")]
    pub(crate) requests: Value,
}

#[derive(Debug, Default, Read)]
#[serde(default)]
pub(crate) struct Key {
    #[serde(deserialize_with = "lenient")]
    pub(crate) role: String,
    #[serde(deserialize_with = "lenient")]
    pub(crate) algorithm: String,
    #[serde(deserialize_with = "lenient")]
    pub(crate) fingerprint: String,
}

impl Document {
    pub(crate) fn of(health: &Health) -> Self {
        serde_json::from_slice(health.document.as_bytes()).unwrap_or_default()
    }

    /// A realm; `None` also where there was no room for it.
    pub(crate) fn realm(&self, name: &str) -> Option<&Realm> {
        self.realms.iter().find(|realm| realm.name == name)
    }
}

/// A value of the type, or what stands for none.
fn lenient<'de, D: Deserializer<'de>, T: serde::de::DeserializeOwned + Default>(from: D) -> Result<T, D::Error> {
    let value = Value::deserialize(from)?;
    Ok(serde_json::from_value(value).unwrap_or_default())
}

/// Returns the members of a list that are of the type.
fn each<'de, D: Deserializer<'de>, T: serde::de::DeserializeOwned>(from: D) -> Result<Vec<T>, D::Error> {
    let all: Vec<Value> = lenient(from)?;
    Ok(all
        .into_iter()
        .filter_map(|value| serde_json::from_value(value).ok())
        .collect())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_or_of_another_type_does_no_harm() {
        let text = r#"{"version":7,"uptime_seconds":"long","faults":["a",{"text":"b"},"c"],"reload":[],
            "store":{"kind":"redis","age_ms":null,"entries":-1,"commits":4,"colour":"red"},
            "realms":[{"name":"default","version":[1],"keys":[{"role":"current"},5]},7],"more":{}}"#;
        let document: Document = serde_json::from_str(text).unwrap();
        assert_eq!((&document.version, document.uptime_seconds), (&None, None));
        assert_eq!(document.faults, ["a", "c"]);
        assert_eq!((document.store.age_ms, document.store.entries), (None, None));
        assert_eq!(document.store.commits, Some(4));
        let realm = document.realm("default").unwrap();
        assert_eq!((realm.keys.len(), realm.issued), (1, None));
        assert_eq!(document.realms.len(), 1);
        let empty: Document = serde_json::from_str("{}").unwrap();
        assert!(empty.realms.is_empty() && empty.reload.changes.is_empty());
    }
}
