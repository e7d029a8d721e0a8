//! The means of watching a daemon: the documentation, the alerts and the dashboard name the metrics that there are, all of them and
//! no others.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

use super::rich;
use jwtkeeper_testkit::daemons::http::{parsed, piped, start};

const ALERTS: &str = include_str!("../../../examples/prometheus/alerts.yml");
const DASHBOARD: &str = include_str!("../../../examples/grafana/jwtkeeper.json");
const DOCUMENT: &str = include_str!("../../../docs/metrics.md");

/// The names that a query can use, with the labels of each; and the names as the documentation has them.
struct Scraped {
    series: BTreeMap<String, BTreeSet<String>>,
    documented: BTreeMap<String, String>,
}

fn scraped() -> Scraped {
    let (daemon, at) = start(rich());
    let client = daemon.client();
    client.revoke_jti("some-jti").unwrap(); // there is a connection and a revocation to tell of
    let families = parsed(&at.page(true), "openmetrics");
    let mut found = Scraped {
        series: BTreeMap::new(),
        documented: BTreeMap::new(),
    };
    for family in &families {
        let (name, kind) = (family["name"].as_str().unwrap(), family["type"].as_str().unwrap());
        let suffixes: &[&str] = match kind {
            "counter" => &["_total"],
            "info" => &["_info"],
            "histogram" => &["_bucket", "_sum", "_count"],
            _ => &[""],
        };
        let samples = family["samples"].as_array().unwrap();
        for suffix in suffixes {
            let series = format!("{name}{suffix}");
            let of_it = samples.iter().filter(|sample| sample[0] == series.as_str());
            let labels = of_it.flat_map(|sample| sample[1].as_object().unwrap().keys().cloned());
            found.series.insert(series.clone(), labels.collect());
        }
        let name = if suffixes.len() == 1 {
            format!("{name}{}", suffixes[0])
        } else {
            name.to_owned()
        };
        found.documented.insert(name, kind.to_owned());
    }
    found
}

/// The rows of the document's tables whose first cell is a name in backticks.
fn rows() -> Vec<Vec<&'static str>> {
    let rows = DOCUMENT.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| row.trim_matches('|').split('|').map(str::trim).collect())
        .collect()
}

fn bare(cell: &str) -> &str {
    cell.trim_matches('`')
}

/// The names of metrics in a query.
fn names(query: &str) -> BTreeSet<&str> {
    let words = query.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words
        .filter(|word| word.starts_with("jwtkeeper_") || word.starts_with("process_"))
        .collect()
}

#[test]
fn every_metric_is_documented_and_no_other() {
    let scraped = scraped();
    let rows: Vec<_> = rows().into_iter().filter(|row| row.len() == 4).collect();
    let documented: BTreeSet<_> = rows.iter().map(|row| bare(row[0])).collect();
    assert_eq!(documented.len(), rows.len(), "one is documented twice");
    let there: BTreeSet<_> = scraped.documented.keys().map(String::as_str).collect();
    assert_eq!(documented, there);
    for row in rows {
        let (name, labels, kind) = (bare(row[0]), row[1], row[2]);
        assert_eq!(scraped.documented[name], kind, "{name}");
        let told: BTreeSet<_> = labels.split(", ").map(bare).filter(|label| !label.is_empty()).collect();
        let count = format!("{name}_count"); // of a histogram
        let found = scraped.series.get(name).or_else(|| scraped.series.get(&count));
        let found = found.into_iter().flatten();
        let found: BTreeSet<_> = found.map(String::as_str).collect();
        assert_eq!(told, found, "{name}");
    }
}

#[test]
fn alerts_are_right() {
    let rules = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/prometheus/alerts.yml");
    let tests = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/daemon/metrics/alerts_test.yml");
    piped(Command::new("promtool").args(["check", "rules", rules]), "");
    piped(Command::new("promtool").args(["test", "rules", tests]), "");
    let scraped = scraped();
    for name in names(ALERTS) {
        assert!(scraped.series.contains_key(name), "{name} is in no scrape");
    }
    let alerts: BTreeSet<_> = ALERTS
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- alert: "))
        .collect();
    let tested = include_str!("alerts_test.yml");
    let tested: BTreeSet<_> = tested
        .lines()
        .filter_map(|line| line.strip_prefix("  - name: "))
        .collect();
    let documented: BTreeSet<_> = DOCUMENT.lines().filter_map(|line| line.strip_prefix("### ")).collect();
    assert_eq!(alerts, documented);
    for alert in &alerts {
        let url = format!("/metrics.md#{}\"", alert.to_lowercase());
        assert!(ALERTS.contains(&url), "no runbook_url ends in {url}");
    }
    let untested: Vec<_> = alerts.difference(&tested).collect();
    assert!(untested.is_empty(), "{untested:?}");
}

#[test]
fn the_dashboard_shows_what_there_is() {
    let dashboard: Value = DASHBOARD.parse().unwrap();
    let scraped = scraped();
    let mut shown = BTreeSet::new();
    let (mut ids, mut places) = (BTreeSet::new(), Vec::new());
    let panels = dashboard["panels"].as_array().unwrap();
    for panel in panels {
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "two panels of one id");
        let at = |name: &str| panel["gridPos"][name].as_u64().unwrap();
        places.push((at("x"), at("y"), at("w"), at("h")));
        for target in panel["targets"].as_array().unwrap() {
            shown.extend(names(target["expr"].as_str().unwrap()));
        }
    }
    for (index, (x, y, w, h)) in places.iter().enumerate() {
        assert!(x + w <= 24);
        let overlaps = |(ox, oy, ow, oh): &(u64, u64, u64, u64)| {
            x < &(ox + ow) && ox < &(x + w) && y < &(oy + oh) && oy < &(y + h)
        };
        assert!(
            !places.iter().skip(index + 1).any(overlaps),
            "{:?}",
            panels[index]["title"]
        );
    }
    assert!(shown.len() > 25, "{shown:?}");
    for name in shown {
        assert!(scraped.series.contains_key(name), "{name} is in no scrape");
    }
    // Prometheus itself reads every query.
    let queries = panels.iter().flat_map(|panel| panel["targets"].as_array().unwrap());
    let rules = queries.enumerate().map(|(index, target)| {
        let query = target["expr"].as_str().unwrap().replace("$__rate_interval", "5m");
        format!("  - record: \"query:{index}\"\n    expr: {}\n", Value::from(query))
    });
    let rules = format!("groups:\n- name: queries\n  rules:\n{}", rules.collect::<String>());
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("queries.yml");
    std::fs::write(&file, rules).unwrap();
    piped(Command::new("promtool").args(["check", "rules"]).arg(file), "");
}
