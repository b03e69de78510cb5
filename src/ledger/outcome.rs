//! What is committed for an order: its outcome, and the record that the feed
//! shows.

use std::sync::Arc;

/// How a committed order came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// The processor accepted it.
    Processed,
    /// The processor refused it; that is an outcome, too.
    Failed,
}

impl Status {
    /// The word in replies, in the feed and in the metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Processed => "processed",
            Self::Failed => "failed",
        }
    }
}

/// A committed outcome, as the client receives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// From 1, without gaps.
    pub seq: u64,
    pub status: Status,
    /// Of a failed order.
    pub reason: Option<Arc<str>>,
}

/// All that the ledger stores for an order: a line of the feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub outcome: Outcome,
    /// When the order was admitted, in nanoseconds since the Unix epoch.
    pub accepted_at: u64,
    /// When its outcome was committed, likewise.
    pub committed_at: u64,
    pub id: Box<str>,
    /// The JSON as received, white space outside strings stripped.
    pub order: Box<str>,
}

impl Record {
    /// Bytes of its texts: what a reader's limit counts.
    pub fn text_bytes(&self) -> usize {
        let reason = self.outcome.reason.as_ref();
        self.id.len() + self.order.len() + reason.map_or(0, |reason| reason.len())
    }
}
