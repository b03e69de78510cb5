//! The servers and the stream as this instance sees them, for people.

use std::sync::{Mutex, PoisonError};

use async_nats::Client;
use async_nats::connection::State;

use crate::ledger::LedgerId;
use crate::ledger::nats::protocol::StreamInfo;
use crate::metrics::NatsGauges;

pub(super) struct Cluster {
    client: Client,
    stream: String,
    /// Tells this process' messages from others'.
    pub(super) instance: String,
    /// Written by the NATS thread when the leader has answered, read by
    /// scrapes.
    copies: Mutex<Copies>,
}

/// The copies of the stream, as its leader described them last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Copies {
    replicas: u64,
    current: u64,
    leader: Option<String>,
}

impl Cluster {
    pub(super) fn new(client: Client, stream: &str, info: &StreamInfo) -> Self {
        Self {
            client,
            stream: stream.to_owned(),
            instance: LedgerId::random().to_string()[..16].to_owned(),
            copies: Mutex::new(Copies::of(info)),
        }
    }

    pub(super) fn described(&self, info: &StreamInfo) {
        *self.copies.lock().unwrap_or_else(PoisonError::into_inner) = Copies::of(info);
    }

    pub(super) fn gauges(&self) -> NatsGauges {
        let server = self.client.server_info();
        let copies = self.copies.lock().unwrap_or_else(PoisonError::into_inner);
        let Copies {
            replicas,
            current,
            leader,
        } = copies.clone();
        NatsGauges {
            connected: self.client.connection_state() == State::Connected,
            server: server.server_name,
            version: server.version,
            cluster: server.cluster,
            stream: self.stream.clone(),
            replicas,
            replicas_current: current,
            leader,
            instance: self.instance.clone(),
        }
    }
}

impl Copies {
    fn of(info: &StreamInfo) -> Self {
        let replicas = info.config["num_replicas"].as_u64().unwrap_or(1);
        let Some(cluster) = &info.cluster else {
            return Self {
                replicas,
                current: 1, // the server that answers
                leader: None,
            };
        };
        let leader = Some(cluster.leader.clone()).filter(|leader| !leader.is_empty());
        let following = cluster.replicas.iter();
        let following = following.filter(|copy| copy.current && !copy.offline);
        Self {
            replicas,
            current: following.count() as u64 + u64::from(leader.is_some()),
            leader,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn copies(info: serde_json::Value) -> Copies {
        Copies::of(&serde_json::from_value(info).unwrap())
    }

    #[test]
    fn copies_that_are_up_to_date_count_with_their_leader() {
        let alone = serde_json::json!({"config": {"num_replicas": 1}, "created": "t"});
        let one = Copies {
            replicas: 1,
            current: 1,
            leader: None,
        };
        assert_eq!(copies(alone), one);
        let replicas = serde_json::json!([
            {"name": "b", "current": true, "active": 1},
            {"name": "c", "current": true, "offline": true, "lag": 7},
            {"name": "d", "current": false},
        ]);
        let led = |leader: &str| {
            copies(serde_json::json!({
                "config": {"num_replicas": 4}, "created": "t",
                "cluster": {"name": "east", "leader": leader, "replicas": replicas},
            }))
        };
        assert_eq!(
            (led("a").current, led("a").leader.as_deref()),
            (2, Some("a"))
        );
        assert_eq!((led("").current, led("").leader), (1, None));
    }
}
