//! The settings that differ between two configurations, by name, from their printed forms: what is printed is compared.

use std::collections::BTreeMap;

use super::print::{print_one, print_top};
use super::realm::RealmSettings;
use super::settings::Settings;

/// A setting that differs.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Difference {
    /// The full name.
    pub(crate) name: String,
    /// A sentence with both values.
    pub(crate) text: String,
}

/// The settings outside of realms and access rules that differ.
pub(crate) fn of_top(before: &Settings, after: &Settings) -> Vec<Difference> {
    differences(&print_top(before), &print_top(after))
}

/// The settings of a realm that differ.
pub(crate) fn of_realm(before: &RealmSettings, after: &RealmSettings) -> Vec<Difference> {
    differences(&print_one(before), &print_one(after))
}

fn differences(before: &str, after: &str) -> Vec<Difference> {
    let (before, after) = (settings_of(before), settings_of(after));
    let lost = before.iter().filter(|(name, _)| !after.contains_key(*name));
    let lost = lost.map(|(name, value)| (name, format!("{name} = {value} is no longer set")));
    let new = after.iter().filter_map(|(name, value)| match before.get(name) {
        None => Some((name, format!("{name} is set to {value}"))),
        Some(old) if old != value => Some((name, format!("{name} changed from {old} to {value}"))),
        Some(_) => None,
    });
    let all = lost.chain(new).map(|(name, text)| (name.clone(), text));
    all.map(|(name, text)| Difference { name, text }).collect()
}

/// The values of printed settings by full name. Tables of a list are numbered from 0.
fn settings_of(printed: &str) -> BTreeMap<String, String> {
    let mut settings = BTreeMap::new();
    let mut in_lists: BTreeMap<String, usize> = BTreeMap::new();
    let mut table = String::new();
    for line in printed.lines() {
        if let Some(name) = line.strip_prefix("[[").and_then(|line| line.strip_suffix("]]")) {
            let count = in_lists.entry(name.to_owned()).or_default();
            table = format!("{name}[{count}].");
            *count += 1;
        } else if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            table = format!("{name}.");
        } else if let Some((key, value)) = line.split_once(" = ") {
            settings.insert(format!("{table}{key}"), value.to_owned());
        }
    }
    settings
}

#[cfg(test)]
mod tests {
    use super::differences;

    #[test]
    fn every_difference_is_named_with_both_values() {
        let before = "a = 1\nb = 2\n\n[t]\na = \"x\"\n\n[[t.l]]\nf = 1\n";
        let after = "a = 1\nc = 3\n\n[t]\na = \"y = z\"\n\n[[t.l]]\nf = 1\n\n[[t.l]]\nf = 2\n";
        let expected = [
            "b = 2 is no longer set",
            "c is set to 3",
            "t.a changed from \"x\" to \"y = z\"",
            "t.l[1].f is set to 2",
        ];
        let texts = |before, after| differences(before, after).into_iter().map(|one| one.text);
        assert_eq!(texts(before, after).collect::<Vec<_>>(), expected);
        assert_eq!(texts(after, after).count(), 0);
    }
}
