//! Finding the primaries: of one server there is nothing to find; sentinels and clusters are asked again and again.

use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::time::Duration;

use redis::{Cmd, ConnectionAddr, ConnectionInfo, ErrorKind, FromRedisValue, RedisError, ServerErrorKind, Value};

use super::connection::Connection;
use super::servers::{Reach, Servers};

/// Slots of a cluster; other servers have them all.
pub(super) const SLOTS: u16 = 16384;

/// The time that a sentinel or a member of a cluster may take to say where the others are.
const GUIDE: Duration = Duration::from_secs(1);

/// A server that holds entries, and which.
#[derive(Debug, Clone)]
pub(super) struct Primary {
    pub(super) server: ConnectionInfo,
    pub(super) slots: Vec<RangeInclusive<u16>>,
}

impl Primary {
    fn of_all(server: ConnectionInfo) -> Vec<Self> {
        let slots = vec![0..=SLOTS - 1];
        vec![Self { server, slots }]
    }

    /// Returns the address.
    pub(super) fn name(&self) -> String {
        self.server.addr().to_string()
    }
}

/// The result of a discovery.
pub(super) struct Looked {
    pub(super) primaries: Vec<Primary>,
    /// It is known that these are the primaries now: by most of the sentinels, or by a cluster that is whole.
    pub(super) sure: bool,
}

impl Looked {
    fn sure(primaries: Vec<Primary>) -> Self {
        Self { primaries, sure: true }
    }
}

/// The discovery of primaries.
#[derive(Default)]
pub(super) struct Discovery {
    guides: HashMap<String, Connection>,
    /// Which member of a cluster is asked first.
    turn: usize,
    /// The last answer of most sentinels.
    said_last: Option<(String, u16)>,
}

impl Discovery {
    /// The primaries now. `known` are those that were found last, and `well` says whether they answer.
    pub(super) async fn look(
        &mut self,
        servers: &Servers,
        known: &[Primary],
        well: bool,
    ) -> Result<Looked, RedisError> {
        match &servers.reach {
            Reach::One(server) => Ok(Looked::sure(Primary::of_all(server.clone()))),
            Reach::Sentinels(sentinels, name) => self.ask_sentinels(servers, sentinels, name, known, well).await,
            Reach::Cluster(seeds) => {
                let mut last = cluster_down("none of its members answers".to_owned());
                // Each time another first: one that is cut off from the others must not be asked alone.
                self.turn = self.turn.wrapping_add(1);
                let all: Vec<_> = known.iter().map(|primary| &primary.server).chain(seeds).collect();
                let from = self.turn % all.len().max(1);
                for guide in all.iter().cycle().skip(from).take(all.len()) {
                    match self.ask_member(servers, guide).await {
                        Ok(primaries) => return Ok(Looked::sure(primaries)),
                        Err(error) => last = error,
                    }
                }
                Err(last)
            }
        }
    }

    /// Returns the answer of most sentinels: more than half of them must agree, to leave a primary that is known, and
    /// twice in a row, to leave one that is well: at the end of a failover they contradict each other for a while.
    async fn ask_sentinels(
        &mut self,
        servers: &Servers,
        sentinels: &[ConnectionInfo],
        name: &str,
        known: &[Primary],
        well: bool,
    ) -> Result<Looked, RedisError> {
        let mut question = redis::cmd("SENTINEL");
        question.arg("get-master-addr-by-name").arg(name);
        let mut said: HashMap<(String, u16), usize> = HashMap::new();
        let unknown = "no sentinel knows of a primary";
        let mut last = (ErrorKind::MasterNameNotFoundBySentinel, unknown, name.to_owned()).into();
        for sentinel in sentinels {
            match self.ask::<Option<(String, u16)>>(servers, sentinel, &question).await {
                Ok(Some(address)) => *said.entry(address).or_default() += 1,
                Ok(None) => {}
                Err(error) => last = error,
            }
        }
        let found = said.into_iter().max_by_key(|(_, count)| *count);
        let (Some((found, count)), Some(like)) = (found, sentinels.first()) else {
            return Err(last);
        };
        let (host, port) = found.clone();
        let server = like.clone().set_addr(address(Some(like.addr()), host, port));
        let again = self.said_last.replace(found.clone()).as_ref() == Some(&found);
        let most = count * 2 > sentinels.len();
        let primaries = Primary::of_all(server);
        let same = |known: &Primary| primaries.iter().all(|primary| primary.name() == known.name());
        if known.is_empty() || (most && (again || !well)) || known.iter().all(same) {
            Ok(Looked { primaries, sure: most })
        } else {
            let primaries = known.to_vec();
            Ok(Looked { primaries, sure: false })
        }
    }

    async fn ask_member(&mut self, servers: &Servers, member: &ConnectionInfo) -> Result<Vec<Primary>, RedisError> {
        let mut question = redis::cmd("CLUSTER");
        let state: String = self.ask(servers, member, question.arg("INFO")).await?;
        if !state.lines().any(|line| line == "cluster_state:ok") {
            return Err(cluster_down("a member says that it is down".to_owned()));
        }
        let mut question = redis::cmd("CLUSTER");
        question.arg("SLOTS");
        let ranges: Vec<Vec<Value>> = self.ask(servers, member, &question).await?;
        let mut primaries: Vec<Primary> = Vec::new();
        let mut covered = 0;
        for range in ranges {
            let [first, last, primary, ..] = range.as_slice() else {
                continue;
            };
            let (first, last): (u16, u16) = (read(first)?, read(last)?);
            let Value::Array(primary) = primary else { continue };
            let [host, port, ..] = primary.as_slice() else { continue };
            // Without a name of its own it is the one that was asked.
            let host: Option<String> = read(host)?;
            let host = host.filter(|host| !host.is_empty()).or_else(|| host_of(member.addr()));
            let address = address(Some(member.addr()), host.unwrap_or_default(), read(port)?);
            covered += (first..=last).len();
            let name = address.to_string();
            match primaries.iter_mut().find(|primary| primary.name() == name) {
                Some(primary) => primary.slots.push(first..=last),
                None => primaries.push(Primary {
                    server: member.clone().set_addr(address),
                    slots: vec![first..=last],
                }),
            }
        }
        if covered < usize::from(SLOTS) {
            let missing = usize::from(SLOTS) - covered;
            return Err(cluster_down(format!("{missing} slots have no primary")));
        }
        Ok(primaries)
    }

    async fn ask<T: FromRedisValue>(
        &mut self,
        servers: &Servers,
        guide: &ConnectionInfo,
        question: &Cmd,
    ) -> Result<T, RedisError> {
        let name = guide.addr().to_string();
        let ask = async {
            let mut connection = match self.guides.get(&name) {
                Some(connection) => connection.clone(),
                None => servers.guide(guide).await?,
            };
            let answer = question.query_async(&mut connection).await?;
            Ok((connection, answer))
        };
        let late = || Err((ErrorKind::Io, "it did not answer in time").into());
        match tokio::time::timeout(GUIDE, ask).await.unwrap_or_else(|_| late()) {
            Ok((connection, answer)) => {
                self.guides.insert(name, connection);
                Ok(answer)
            }
            Err(error) => {
                self.guides.remove(&name);
                Err(error)
            }
        }
    }
}

/// The hash slot of a key that has no braces, or of what stands in them.
pub(super) fn slot(key: &str) -> u16 {
    const CRC: crc::Crc<u16> = crc::Crc::<u16>::new(&crc::CRC_16_XMODEM);
    let tag = key.split_once('{').and_then(|(_, rest)| rest.split_once('}'));
    let tag = tag.map(|(tag, _)| tag).filter(|tag| !tag.is_empty());
    CRC.checksum(tag.unwrap_or(key).as_bytes()) % SLOTS
}

fn read<T: FromRedisValue>(value: &Value) -> Result<T, RedisError> {
    Ok(redis::from_redis_value(value.clone())?)
}

fn cluster_down(why: String) -> RedisError {
    (
        ErrorKind::Server(ServerErrorKind::ClusterDown),
        "the cluster is not whole",
        why,
    )
        .into()
}

fn host_of(address: &ConnectionAddr) -> Option<String> {
    match address {
        ConnectionAddr::Tcp(host, _) | ConnectionAddr::TcpTls { host, .. } => Some(host.clone()),
        _ => None,
    }
}

/// An address, with TLS where the one that told of it has it.
fn address(like: Option<&ConnectionAddr>, host: String, port: u16) -> ConnectionAddr {
    match like {
        Some(ConnectionAddr::TcpTls {
            insecure, tls_params, ..
        }) => ConnectionAddr::TcpTls {
            host,
            port,
            insecure: *insecure,
            tls_params: tls_params.clone(),
        },
        _ => ConnectionAddr::Tcp(host, port),
    }
}

#[cfg(test)]
mod tests {
    use super::slot;

    /// Values of the cluster specification, and of CLUSTER KEYSLOT.
    #[test]
    fn slots_are_those_of_the_specification() {
        assert_eq!(slot("123456789"), 0x31C3);
        assert_eq!(slot("foo"), 12182);
        assert_eq!(slot("{foo}bar"), slot("foo"));
        assert_eq!(slot("a{foo}{bar}"), slot("foo"));
        assert_eq!(slot("a{}b"), {
            const CRC: crc::Crc<u16> = crc::Crc::<u16>::new(&crc::CRC_16_XMODEM);
            CRC.checksum(b"a{}b") % 16384
        });
    }
}
