//! The systemd unit of the daemon, if this host has it: its user, and the network that its sandbox leaves.

use std::process::{Command, Stdio};

use crate::config::{MetricsSettings, ReachSettings, Settings, StoreSettings};
use crate::process::Failure;

/// The unit's name.
pub(super) const NAME: &str = "jwtkeeperd.service";
/// The properties that a check needs.
const PROPERTIES: &str = "--property=LoadState,User,PrivateNetwork,RestrictAddressFamilies";

/// The unit, as systemd has loaded it, drop-ins included.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Unit {
    /// The user; empty for root.
    pub(super) user: String,
    private_network: bool,
    /// The families of `RestrictAddressFamilies=`; empty for all, `~` before those that are forbidden.
    families: String,
}

impl Unit {
    /// Asks systemd; `None` where it does not run or has no such unit.
    pub(super) fn of_the_daemon() -> Option<Self> {
        let output = Command::new("systemctl")
            .args(["show", PROPERTIES, NAME])
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .output()
            .ok()?;
        Self::parse(&String::from_utf8_lossy(&output.stdout))
    }

    fn parse(shown: &str) -> Option<Self> {
        let property = |name: &str| {
            let mut lines = shown.lines().filter_map(|line| line.split_once('='));
            lines.find(|(key, _)| *key == name).map_or("", |(_, value)| value)
        };
        (property("LoadState") == "loaded").then(|| Self {
            user: property("User").to_owned(),
            private_network: property("PrivateNetwork") == "yes",
            families: property("RestrictAddressFamilies").to_owned(),
        })
    }

    /// The setting that keeps the unit from using an address family, if one does.
    fn obstacle(&self, families: &[&str]) -> Option<String> {
        if self.private_network {
            return Some("PrivateNetwork=yes".to_owned());
        }
        let (names, denied) = match self.families.strip_prefix('~') {
            Some(names) => (names, true),
            None => (&*self.families, false),
        };
        let has = |family: &&str| names.split_whitespace().any(|name| name == *family);
        let open = self.families.is_empty() || families.iter().any(|family| has(family) != denied);
        (!open).then(|| format!("RestrictAddressFamilies={}", self.families))
    }

    /// The settings that need a network which the unit does not have.
    pub(super) fn forbids(&self, settings: &Settings) -> Vec<Failure> {
        let metrics = match &settings.metrics {
            Some(MetricsSettings::Listen(address)) => {
                let family = if address.is_ipv4() { "AF_INET" } else { "AF_INET6" };
                self.obstacle(&[family]).map(|obstacle| {
                    format!(
                        "metrics.listen {address}: {NAME} forbids it ({obstacle}); set metrics.socket instead, or install the drop-in \
                         metrics.conf"
                    )
                })
            }
            _ => None,
        };
        let redis = match &settings.store {
            StoreSettings::Redis(redis) if by_tcp(&redis.reach) => {
                self.obstacle(&["AF_INET", "AF_INET6"]).map(|obstacle| {
                    format!("store.redis: {NAME} forbids TCP ({obstacle}); install the drop-in redis-tcp.conf")
                })
            }
            _ => None,
        };
        metrics.into_iter().chain(redis).map(Failure::Sandbox).collect()
    }
}

fn by_tcp(reach: &ReachSettings) -> bool {
    match reach {
        ReachSettings::One(url) => url.starts_with("redis:") || url.starts_with("rediss:"),
        ReachSettings::Sentinels(..) | ReachSettings::Cluster(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(families: &str, private: &str) -> Unit {
        let shown =
            format!("LoadState=loaded\nUser=jwtkeeper\nPrivateNetwork={private}\nRestrictAddressFamilies={families}\n");
        Unit::parse(&shown).unwrap()
    }

    #[test]
    fn the_setting_that_forbids_a_family_is_named() {
        for (families, private, wanted, obstacle) in [
            ("AF_UNIX", "yes", &["AF_INET"][..], Some("PrivateNetwork=yes")),
            ("AF_UNIX", "no", &["AF_INET"], Some("RestrictAddressFamilies=AF_UNIX")),
            ("AF_UNIX AF_INET", "no", &["AF_INET"], None),
            (
                "AF_UNIX AF_INET",
                "no",
                &["AF_INET6"],
                Some("RestrictAddressFamilies=AF_UNIX AF_INET"),
            ),
            ("AF_UNIX AF_INET", "no", &["AF_INET", "AF_INET6"], None),
            ("", "no", &["AF_INET"], None),
            ("~AF_PACKET", "no", &["AF_INET"], None),
            ("~AF_INET", "no", &["AF_INET"], Some("RestrictAddressFamilies=~AF_INET")),
        ] {
            let found = unit(families, private).obstacle(wanted);
            assert_eq!(found.as_deref(), obstacle, "{families} {private}");
        }
    }

    #[test]
    fn a_unit_that_is_not_there_is_none() {
        assert_eq!(Unit::parse("LoadState=not-found\nUser=\n"), None);
        assert_eq!(Unit::parse(""), None);
        assert_eq!(unit("AF_UNIX", "yes").user, "jwtkeeper");
    }
}
