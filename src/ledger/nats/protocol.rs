//! What JetStream replies: acknowledgements, errors, the stream's description,
//! stored messages.

use serde::Deserialize;

/// Errors by number, as in the server's `errors.json`.
pub(super) mod code {
    /// Too few servers that could hold a copy are there.
    pub(in crate::ledger::nats) const NO_PEERS: u32 = 10_005;
    /// The cluster has no leader for its streams' assignments.
    pub(in crate::ledger::nats) const CLUSTER_NOT_AVAILABLE: u32 = 10_008;
    pub(in crate::ledger::nats) const INSUFFICIENT_RESOURCES: u32 = 10_023;
    pub(in crate::ledger::nats) const NO_MESSAGE_FOUND: u32 = 10_037;
    pub(in crate::ledger::nats) const NOT_ENABLED_FOR_ACCOUNT: u32 = 10_039;
    pub(in crate::ledger::nats) const STORAGE_EXCEEDED: u32 = 10_047;
    pub(in crate::ledger::nats) const STREAM_NAME_IN_USE: u32 = 10_058;
    pub(in crate::ledger::nats) const STREAM_NOT_FOUND: u32 = 10_059;
    /// The subject belongs to a stream of another name.
    pub(in crate::ledger::nats) const STREAM_NOT_MATCH: u32 = 10_060;
    /// The subject has a message.
    pub(in crate::ledger::nats) const WRONG_LAST_SEQUENCE: u32 = 10_071;
    pub(in crate::ledger::nats) const NOT_ENABLED: u32 = 10_076;
    /// A message of the same subject is about to be stored.
    pub(in crate::ledger::nats) const IN_PROCESS: u32 = 10_164;
    pub(in crate::ledger::nats) const BATCHES_DISABLED: u32 = 10_174;
    pub(in crate::ledger::nats) const BATCH_HEADER_UNSUPPORTED: u32 = 10_177;
    /// The store is full, in messages or bytes, or for this subject.
    pub(in crate::ledger::nats) const STORE_FAILED: u32 = 10_077;
}

/// An error that a server reports.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
pub(super) struct ApiError {
    #[serde(default)]
    pub(super) err_code: u32,
    #[serde(default)]
    pub(super) description: String,
}

impl std::fmt::Display for ApiError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} (error {})", self.description, self.err_code)
    }
}

impl ApiError {
    /// The subject has a message.
    pub(super) fn is_taken(&self) -> bool {
        self.err_code == code::WRONG_LAST_SEQUENCE
            || self.err_code == code::STORE_FAILED && self.description.contains("per subject")
    }
}

/// A reply that may be an error.
#[derive(Debug, Deserialize)]
pub(super) struct Reply<R> {
    pub(super) error: Option<ApiError>,
    #[serde(flatten)]
    pub(super) body: Option<R>,
}

/// The acknowledgement of a published message.
#[derive(Debug, Deserialize)]
pub(super) struct PubAck {
    pub(super) error: Option<ApiError>,
    #[serde(default)]
    pub(super) seq: u64,
}

/// The stream as its leader describes it.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct StreamInfo {
    pub(super) config: serde_json::Value,
    /// When it was created; tells it from another of the same name.
    pub(super) created: String,
    #[serde(default)]
    pub(super) state: StreamState,
    pub(super) cluster: Option<ClusterInfo>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub(super) struct StreamState {
    #[serde(default)]
    pub(super) first_seq: u64,
    #[serde(default)]
    pub(super) last_seq: u64,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct ClusterInfo {
    #[serde(default)]
    pub(super) leader: String,
    /// The others that have a copy.
    #[serde(default)]
    pub(super) replicas: Vec<PeerInfo>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub(super) struct PeerInfo {
    /// It has what the leader has.
    #[serde(default)]
    pub(super) current: bool,
    #[serde(default)]
    pub(super) offline: bool,
}

impl StreamInfo {
    /// Whether messages are sent in batches: where there is one copy, a batch is
    /// synced once. More copies gather messages by themselves.
    pub(super) fn takes_batches(&self) -> bool {
        self.config["num_replicas"] == 1 && self.config["allow_atomic"] == true
    }

    /// Whether a replicated stream has no leader at the moment.
    pub(super) fn lacks_leader(&self) -> bool {
        self.cluster.as_ref().is_some_and(|it| it.leader.is_empty())
    }
}

/// A message that the stream's leader has read, in base64.
#[derive(Debug, Deserialize)]
pub(super) struct StoredReply {
    pub(super) message: StoredMessage,
}

#[derive(Debug, Deserialize)]
pub(super) struct StoredMessage {
    pub(super) subject: String,
    pub(super) seq: u64,
    #[serde(default)]
    pub(super) hdrs: String,
    #[serde(default)]
    pub(super) data: String,
    pub(super) time: String,
}
