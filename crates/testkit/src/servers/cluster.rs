//! A cluster of three primaries, and as many replicas as a test wants.

use super::one::Server;
use super::process::free_port;
use crate::pace::until;

const PRIMARIES: usize = 3;
const SLOTS: usize = 16_384;

/// The primaries first, in the order of their slots; then the replicas, of the first primary, the second, and so on.
pub struct Cluster {
    pub servers: Vec<Server>,
    /// The primary of each slot.
    owners: Vec<usize>,
}

impl Cluster {
    /// One that is well, on all its members' word.
    pub fn start(replicas: usize, arguments: &[&str]) -> Self {
        let mut all = vec!["--cluster-enabled", "yes", "--cluster-node-timeout", "1000"];
        all.extend(arguments);
        let servers: Vec<_> = (0..PRIMARIES + replicas)
            .map(|_| Server::at(free_port(), &all))
            .collect();
        for (number, server) in servers.iter().enumerate().take(PRIMARIES) {
            let slot = |number: usize| number * SLOTS / PRIMARIES;
            // One by one: ranges are of Redis 7.
            let slots: Vec<_> = (slot(number)..slot(number + 1)).map(|slot| slot.to_string()).collect();
            let mut words = vec!["CLUSTER", "ADDSLOTS"];
            words.extend(slots.iter().map(String::as_str));
            server.ask::<()>(&words);
            server.ask::<()>(&["CLUSTER", "SET-CONFIG-EPOCH", &(number + 1).to_string()]);
        }
        for server in &servers[1..] {
            servers[0].ask::<()>(&["CLUSTER", "MEET", "127.0.0.1", &server.port().to_string()]);
        }
        let owners = (0..PRIMARIES).flat_map(|number| {
            let slot = |number: usize| number * SLOTS / PRIMARIES;
            std::iter::repeat_n(number, slot(number + 1) - slot(number))
        });
        let owners = owners.collect();
        let cluster = Self { servers, owners };
        for (number, replica) in cluster.servers.iter().enumerate().skip(PRIMARIES) {
            let id: String = cluster.servers[number % PRIMARIES].ask(&["CLUSTER", "MYID"]);
            until("the replica knows its primary", || {
                replica.try_ask::<()>(&["CLUSTER", "REPLICATE", &id]).is_ok()
            });
        }
        cluster.well();
        for replica in cluster.servers.iter().skip(PRIMARIES) {
            until("the replica follows", || replica.info("master_link_status") == "up");
        }
        cluster
    }

    /// Waits until all say that all is well.
    pub fn well(&self) {
        let size = self.servers.len().to_string();
        for server in &self.servers {
            until("the cluster is well", || {
                let info: String = server.try_ask(&["CLUSTER", "INFO"]).unwrap_or_default();
                let said = |name: &str, value: &str| info.lines().any(|line| line == format!("{name}:{value}"));
                said("cluster_state", "ok")
                    && said("cluster_known_nodes", &size)
                    && said("cluster_size", "3")
                    && (server.is_primary() || server.info("master_link_status") == "up")
            });
        }
    }

    pub fn urls(&self) -> Vec<String> {
        self.servers.iter().map(Server::tcp_url).collect()
    }

    /// Which of the primaries has a key.
    pub fn owner(&self, key: &str) -> usize {
        self.owners[slot(key)]
    }

    /// The slots of one of the primaries.
    pub fn slots_of(&self, primary: usize) -> Vec<usize> {
        (0..SLOTS).filter(|slot| self.owners[*slot] == primary).collect()
    }

    /// Moves a slot and what lies in it to another primary, as `redis-cli --cluster reshard` does.
    pub fn move_slot(&mut self, slot: usize, to: usize) -> usize {
        self.begin_move(slot, to);
        let count = self.move_keys(slot, to);
        self.end_move(slot, to);
        count
    }

    /// From now on a slot is on its way.
    pub fn begin_move(&self, slot: usize, to: usize) {
        let from = self.owners[slot];
        let id = |number: usize| self.servers[number].ask::<String>(&["CLUSTER", "MYID"]);
        let text = slot.to_string();
        self.servers[to].ask::<()>(&["CLUSTER", "SETSLOT", &text, "IMPORTING", &id(from)]);
        self.servers[from].ask::<()>(&["CLUSTER", "SETSLOT", &text, "MIGRATING", &id(to)]);
    }

    /// Moves what lies in a slot that is on its way; says how many keys.
    pub fn move_keys(&self, slot: usize, to: usize) -> usize {
        let from = &self.servers[self.owners[slot]];
        let (slot, port) = (slot.to_string(), self.servers[to].port().to_string());
        let mut count = 0;
        loop {
            let keys: Vec<String> = from.ask(&["CLUSTER", "GETKEYSINSLOT", &slot, "100"]);
            if keys.is_empty() {
                return count;
            }
            count += keys.len();
            let mut words = vec!["MIGRATE", "127.0.0.1", &port, "", "0", "5000", "KEYS"];
            words.extend(keys.iter().map(String::as_str));
            from.ask::<()>(&words);
        }
    }

    /// The slot has arrived.
    pub fn end_move(&mut self, slot: usize, to: usize) {
        let from = std::mem::replace(&mut self.owners[slot], to);
        let id: String = self.servers[to].ask(&["CLUSTER", "MYID"]);
        let mut others: Vec<_> = (0..PRIMARIES).filter(|number| ![from, to].contains(number)).collect();
        others.splice(0..0, [to, from]);
        for number in others {
            self.servers[number].ask::<()>(&["CLUSTER", "SETSLOT", &slot.to_string(), "NODE", &id]);
        }
    }

    /// Returns the value of a key, wherever it is.
    pub fn get(&self, key: &str) -> Option<String> {
        self.servers[self.owner(key)].ask(&["GET", key])
    }
}

/// The hash slot of a key, or of what stands in its first braces.
pub fn slot(key: &str) -> usize {
    const CRC: crc::Crc<u16> = crc::Crc::<u16>::new(&crc::CRC_16_XMODEM);
    let tag = key.split_once('{').and_then(|(_, rest)| rest.split_once('}'));
    let tag = tag.map(|(tag, _)| tag).filter(|tag| !tag.is_empty());
    usize::from(CRC.checksum(tag.unwrap_or(key).as_bytes())) % SLOTS
}
