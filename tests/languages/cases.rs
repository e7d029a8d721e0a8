//! The cases of tests/session_flow.json, whose first member says what each member means.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    about: Vec<String>,
    cases: Vec<Case>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    pub name: String,
    pub daemon: DaemonState,
    pub realm: String,
    pub token: TokenState,
    pub path: Option<String>,
    pub authorization: Option<String>,
    pub cookie: Option<String>,
    pub regenerate: Option<Map<String, Value>>,
    pub expect: Expect,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DaemonState {
    Up,
    StoreAway,
    StoreUnread,
    Gone,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenState {
    None,
    Valid,
    Flagged,
    StaleVersion,
    Unlocked,
    Rotated,
    Revoked,
    RevokedBetween,
    Expired,
    Malformed,
    BadSignature,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    pub status: u16,
    pub authorization: Option<Authorization>,
    pub cookie: CookieExpected,
    pub claims: Option<ClaimsExpected>,
    #[serde(default)]
    pub claims_include: Map<String, Value>,
    #[serde(default)]
    pub claims_lack: Vec<String>,
    pub body: Option<String>,
    pub www_authenticate: Option<String>,
    pub retry_after: Option<String>,
    #[serde(default)]
    pub still_valid: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Authorization {
    Successor,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CookieExpected {
    Untouched,
    Set,
    Cleared,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClaimsExpected {
    Old,
    Successor,
}

/// The cases, by the daemon's state and the realm.
pub fn by_state() -> BTreeMap<DaemonState, BTreeMap<String, Vec<Case>>> {
    let text = std::fs::read_to_string(crate::app::root("tests/session_flow.json")).unwrap();
    let file: File = serde_json::from_str(&text).unwrap();
    assert!(file.about.len() > 20, "the file does not say what it means");
    let mut states: BTreeMap<_, BTreeMap<_, Vec<_>>> = BTreeMap::new();
    for case in file.cases {
        let realms = states.entry(case.daemon).or_default();
        realms.entry(case.realm.clone()).or_default().push(case);
    }
    states
}

#[test]
fn every_case_has_a_name_of_its_own() {
    let mut names: Vec<_> = by_state()
        .into_values()
        .flatten()
        .flat_map(|(_, cases)| cases)
        .map(|case| case.name)
        .collect();
    let all = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), all);
    assert!(all >= 25, "cases are gone");
}
