//! What is committed for an order: its outcome, and the record that the feed
//! shows.

use std::borrow::Cow;
use std::sync::Arc;

use crate::order::{Submission, TRACEPARENT_LEN, TraceParent};

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
    /// How it was submitted, if anything is known of that. Boxed, since a ledger
    /// in memory has millions of records.
    pub submitter: Option<Box<Submitter>>,
}

/// Who submitted an order, and as part of which trace, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Submitter {
    pub client: Option<Cow<'static, str>>,
    pub traceparent: Option<TraceParent>,
}

impl Record {
    /// Bytes of its texts: what a reader's limit counts.
    pub fn text_bytes(&self) -> usize {
        let reason = self.outcome.reason.as_ref();
        let submitter = self.submitter.as_deref();
        self.id.len()
            + self.order.len()
            + reason.map_or(0, |reason| reason.len())
            + submitter.map_or(0, Submitter::text_bytes)
    }
}

impl Submitter {
    /// `None` if neither is known.
    pub(crate) fn boxed(
        client: Option<Cow<'static, str>>,
        traceparent: Option<TraceParent>,
    ) -> Option<Box<Self>> {
        (client.is_some() || traceparent.is_some()).then(|| {
            Box::new(Self {
                client,
                traceparent,
            })
        })
    }

    /// As it is known from the submission itself.
    pub(crate) fn of(submission: &Submission) -> Option<Box<Self>> {
        let client = submission.client.map(|client| client.as_str().into());
        Self::boxed(client, submission.traceparent)
    }

    fn text_bytes(&self) -> usize {
        let traceparent = self.traceparent.map_or(0, |_| TRACEPARENT_LEN);
        self.client.as_ref().map_or(0, |client| client.len()) + traceparent
    }
}
