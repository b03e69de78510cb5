//! The read side as front ends see it: requests to the NATS thread.

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use crate::ledger::nats::cluster::Cluster;
use crate::ledger::nats::position::Position;
use crate::ledger::nats::reader::{Answer, Request};
use crate::ledger::{Archive, Find, LedgerId, Read, ReadError, ReadRange};
use crate::metrics::NatsGauges;
use crate::order::OrderId;

/// Requests that may wait for the NATS thread.
pub(super) const REQUESTS_MAX: usize = 1024;

pub(super) struct NatsArchive {
    pub(super) requests: mpsc::Sender<Request>,
    pub(super) position: Arc<Position>,
    pub(super) cluster: Arc<Cluster>,
    pub(super) id: LedgerId,
}

impl NatsArchive {
    fn request(&self, request: Request) {
        let (TrySendError::Full(request) | TrySendError::Closed(request)) =
            match self.requests.try_send(request) {
                Ok(()) => return,
                Err(refused) => refused,
            };
        match request {
            Request::Seq(_, reply) => reply(Err(ReadError::Busy)),
            Request::Id(_, reply) => reply(Err(ReadError::Busy)),
            Request::Range { reply, .. } => reply(Err(ReadError::Busy)),
        }
    }
}

impl Archive for NatsArchive {
    fn read(&self, seq: u64, reply: Answer<Read>) {
        self.request(Request::Seq(seq, reply));
    }

    fn read_range(&self, after: u64, limit: usize, bytes_max: usize, reply: Answer<ReadRange>) {
        self.request(Request::Range {
            after,
            limit,
            bytes_max,
            reply,
        });
    }

    fn find(&self, id: &OrderId, reply: Answer<Find>) {
        self.request(Request::Id(id.as_str().into(), reply));
    }

    fn is_shared(&self) -> bool {
        true
    }

    fn watched(&self) {
        self.position.watched.notify_one();
    }

    fn last_seq(&self) -> u64 {
        self.position.last()
    }

    fn oldest_seq(&self) -> u64 {
        self.position.oldest()
    }

    fn ledger_id(&self) -> LedgerId {
        self.id
    }

    fn nats(&self) -> Option<NatsGauges> {
        Some(self.cluster.gauges())
    }

    fn kind(&self) -> &'static str {
        "nats"
    }
}
