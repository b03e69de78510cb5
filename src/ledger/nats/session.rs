//! What the NATS thread works with once the stream is there.

use std::sync::Arc;

use crate::ledger::nats::api::Api;
use crate::ledger::nats::cluster::Cluster;
use crate::ledger::nats::hooks::Hooks;
use crate::ledger::nats::options::Options;
use crate::ledger::nats::position::Position;
use crate::order::HashKey;

pub(super) struct Session {
    pub(super) api: Api,
    pub(super) options: Options,
    pub(super) key: HashKey,
    pub(super) position: Arc<Position>,
    pub(super) cluster: Arc<Cluster>,
    pub(super) hooks: Hooks,
    /// When the stream was created.
    pub(super) created: String,
    /// Messages are sent in batches.
    pub(super) batches: bool,
}
