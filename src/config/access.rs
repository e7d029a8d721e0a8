//! Access rules: the one place that decides who may do what, asked for every request against the current snapshot.

use nix::unistd::{Group, User};

use super::section::{At, Section, nearest};
use super::tree::Value;
use jwtkeeper_core::types::{OVERFLOW, Peer};
use jwtkeeper_wire::Right;

/// Whom a rule is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Who {
    /// A uid.
    User(u32),
    /// A gid, primary or supplementary.
    Group(u32),
}

/// One `[[access]]` table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Whom it is for, as of when the configuration was read.
    pub who: Who,
    /// The name that the configuration gives, where it gives one.
    pub name: Option<String>,
    /// The realms that it is about; none are all.
    pub realms: Vec<String>,
    /// The rights that it allows.
    pub allow: Vec<Right>,
}

impl Rule {
    fn is_for(&self, peer: &Peer) -> bool {
        match self.who {
            Who::User(uid) => peer.is_user(uid),
            Who::Group(gid) => peer.is_in(gid),
        }
    }

    fn allows(&self, right: Right, realm: &str) -> bool {
        self.allow.contains(&right) && (self.realms.is_empty() || self.realms.iter().any(|name| name == realm))
    }
}

/// The rules. Without any, whoever may open the socket may do everything but what ends every session or touches the
/// daemon itself: that is root's and the daemon's own user's. With rules, what none allows is denied, to root too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// The daemon's own user.
    pub own_uid: u32,
    /// The rules.
    pub rules: Vec<Rule>,
}

impl Access {
    /// Returns true if `peer` is root or the daemon's own user, who can do anything to the daemon by other means.
    pub fn is_administrator(&self, peer: &Peer) -> bool {
        peer.is_user(0) || peer.is_user(self.own_uid)
    }

    /// Returns true if `peer` may do this in `realm`.
    pub fn permits(&self, peer: &Peer, right: Right, realm: &str) -> bool {
        match right {
            // They can do that by a signal, whatever the rules say.
            Right::Reload if self.is_administrator(peer) => true,
            Right::RevokeBefore | Right::Reload if self.rules.is_empty() => self.is_administrator(peer),
            _ if self.rules.is_empty() => true,
            right => self
                .rules
                .iter()
                .any(|rule| rule.is_for(peer) && rule.allows(right, realm)),
        }
    }
}

/// The rules of a configuration that has these realms.
pub(super) fn read_access<'n>(top: &Section<'_>, realms: impl Iterator<Item = &'n String> + Clone) -> Vec<Rule> {
    let sections = top.sections("access");
    if let Some(node) = top.node("access").filter(|_| sections.is_empty())
        && matches!(&node.value, Value::List(rules) if rules.is_empty())
    {
        let message = "access has no rule, and so would let everyone who may open the socket do everything; remove it to mean that";
        top.fault(&node.place, message);
    }
    let sections = sections.into_iter();
    sections
        .filter_map(|section| {
            let who = read_who(&section);
            let named = section.texts("realms");
            let allow = read_rights(&section);
            check_realms(&section, named.as_ref(), realms.clone());
            if named.is_some() && allow.contains(&Right::Reload) {
                let message = "reload is about all realms; allow it in a rule without realms";
                section.fault(section.place(), message);
            }
            section.finish();
            let (who, name) = who?;
            let realms = named.map(|(names, _)| names).unwrap_or_default();
            Some(Rule {
                who,
                name,
                realms,
                allow,
            })
        })
        .collect()
}

fn check_realms<'n>(
    section: &Section<'_>,
    named: Option<&At<Vec<String>>>,
    realms: impl Iterator<Item = &'n String> + Clone,
) {
    let Some((names, place)) = named else { return };
    if names.is_empty() {
        section.fault(
            place,
            "access.realms is empty; name realms, or leave it out to mean all",
        );
    }
    for name in names {
        if !realms.clone().any(|realm| realm == name) {
            section.fault(
                place,
                format!("access.realms names \"{name}\", and there is no such realm"),
            );
        }
    }
}

fn read_rights(section: &Section<'_>) -> Vec<Right> {
    let Some((names, place)) = section.texts("allow") else {
        if section.node("allow").is_none() {
            section.fault(
                section.place(),
                "access.allow is missing; list what the rule allows, such as [\"validate\"]",
            );
        }
        return Vec::new();
    };
    if names.is_empty() {
        section.fault(
            &place,
            "access.allow is empty; list what the rule allows, or remove the rule",
        );
    }
    let of = |name: &String| {
        let found = Right::ALL
            .into_iter()
            .find(|(_, known)| known == name)
            .map(|(right, _)| right);
        if found.is_none() {
            let hint = match nearest(name, Right::ALL.into_iter().map(|(_, known)| known)) {
                Some(near) => format!("did you mean {near}?"),
                None => format!("the rights are {}", Right::ALL.map(|(_, known)| known).join(", ")),
            };
            section.fault(&place, format!("unknown right \"{name}\" in access.allow; {hint}"));
        }
        found
    };
    names.iter().filter_map(of).collect()
}

/// The user or group of a rule, and its name if that is how it is given.
fn read_who(section: &Section<'_>) -> Option<(Who, Option<String>)> {
    let (who, name, place) = match (section.node("user"), section.node("group")) {
        (Some(node), None) => {
            let (uid, name) = read_id(section, "user", &node.value, &node.place, |name| {
                Ok(User::from_name(name)?.map(|user| user.uid.as_raw()))
            })?;
            (Who::User(uid), name, &node.place)
        }
        (None, Some(node)) => {
            let (gid, name) = read_id(section, "group", &node.value, &node.place, |name| {
                Ok(Group::from_name(name)?.map(|group| group.gid.as_raw()))
            })?;
            (Who::Group(gid), name, &node.place)
        }
        _ => {
            section.fault(
                section.place(),
                "an access rule is for one user or one group; set user or group",
            );
            return None;
        }
    };
    let (Who::User(id) | Who::Group(id)) = who;
    if id == OVERFLOW || id == u32::MAX {
        let message = format!("{id} stands for whoever has no name here, and matches nobody; name another");
        section.fault(place, message);
    }
    Some((who, name))
}

fn read_id(
    section: &Section<'_>,
    key: &str,
    value: &Value,
    place: &super::tree::Place,
    find: impl FnOnce(&str) -> nix::Result<Option<u32>>,
) -> Option<(u32, Option<String>)> {
    let message = match value {
        Value::Integer(id) => match u32::try_from(*id) {
            Ok(id) => return Some((id, None)),
            Err(_) => format!("access.{key} must be a name or a number of 32 bits"),
        },
        Value::Text(name) => match find(name) {
            Ok(Some(id)) => return Some((id, Some(name.clone()))),
            Ok(None) => format!("there is no {key} \"{name}\" on this host; create it, or name another"),
            Err(error) => format!("the {key} \"{name}\" cannot be looked up: {error}"),
        },
        other => format!("access.{key} must be a name or a number, not {}", other.kind()),
    };
    section.fault(place, message);
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(uid: u32) -> Peer {
        Peer {
            uid,
            gid: uid,
            groups: Vec::new(),
            pid: None,
        }
    }

    fn rule(who: Who, realms: &[&str], allow: &[Right]) -> Rule {
        Rule {
            who,
            name: None,
            realms: realms.iter().map(ToString::to_string).collect(),
            allow: allow.to_vec(),
        }
    }

    fn access(own_uid: u32, rules: Vec<Rule>) -> Access {
        Access { own_uid, rules }
    }

    #[test]
    fn without_rules_ending_every_session_and_reload_are_for_root_and_our_own_user() {
        let access = access(990, Vec::new());
        for (right, _) in Right::ALL {
            let guarded = matches!(right, Right::RevokeBefore | Right::Reload);
            for (uid, own) in [(0, true), (990, true), (1000, false), (991, false)] {
                assert_eq!(
                    access.permits(&peer(uid), right, "default"),
                    own || !guarded,
                    "{uid} {}",
                    right.name()
                );
            }
        }
    }

    /// Each right, by user, by primary group, by supplementary group, and by none of them, in two realms.
    #[test]
    fn with_rules_only_what_one_allows_is_permitted() {
        let by_user = peer(1000);
        let by_group = Peer {
            uid: 1,
            gid: 33,
            groups: vec![],
            pid: None,
        };
        let by_supplementary = Peer {
            uid: 2,
            gid: 2,
            groups: vec![5, 33],
            pid: None,
        };
        let nobody = Peer {
            uid: 3,
            gid: 3,
            groups: vec![4],
            pid: None,
        };
        for (right, _) in Right::ALL {
            let access = access(
                990,
                vec![
                    rule(Who::User(1000), &["a"], &[right]),
                    rule(Who::Group(33), &["a"], &[right]),
                ],
            );
            for (peer, named) in [
                (&by_user, true),
                (&by_group, true),
                (&by_supplementary, true),
                (&nobody, false),
            ] {
                for (other, _) in Right::ALL {
                    assert_eq!(
                        access.permits(peer, other, "a"),
                        named && other == right,
                        "{peer:?} {other:?}"
                    );
                    assert!(!access.permits(peer, other, "b"), "{peer:?} {other:?}");
                }
            }
            for own in [0, 990] {
                for (other, _) in Right::ALL {
                    let permitted = access.permits(&peer(own), other, "a");
                    assert_eq!(permitted, other == Right::Reload, "{own} {other:?}");
                }
            }
        }
        let everywhere = access(990, vec![rule(Who::User(1000), &[], &[Right::Issue])]);
        assert!(everywhere.permits(&by_user, Right::Issue, "a") && everywhere.permits(&by_user, Right::Issue, "b"));
    }

    /// Whoever has no name here is nobody, even to a daemon that has none itself.
    #[test]
    fn the_overflow_ids_are_nobody() {
        let rules = vec![
            rule(Who::User(OVERFLOW), &[], &Right::ALL.map(|(right, _)| right)),
            rule(Who::Group(OVERFLOW), &[], &Right::ALL.map(|(right, _)| right)),
        ];
        let nameless = Peer {
            uid: OVERFLOW,
            gid: OVERFLOW,
            groups: vec![OVERFLOW],
            pid: None,
        };
        for access in [access(OVERFLOW, rules), access(OVERFLOW, Vec::new())] {
            assert!(!access.permits(&nameless, Right::Reload, "default"));
            assert!(access.permits(&peer(0), Right::Reload, "default"));
        }
        let rules = vec![rule(Who::Group(OVERFLOW), &[], &Right::ALL.map(|(right, _)| right))];
        assert!(!access(0, rules).permits(&nameless, Right::Validate, "default"));
    }
}
