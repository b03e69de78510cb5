//! Why a batch is refused as a whole, and how long its body may take. What was
//! admitted of it before is not undone.

use std::time::Duration;

use crate::http::api::limits::Limits;
use crate::http::api::problem::{Problem, closed, unsupported_coding};
use crate::http::wire::reply::Reply;
use crate::http::wire::{BodyFraming, ContentCoding};
use crate::metrics::Reason;
use crate::pipeline::gate::GateState;

/// How many times `--body-timeout` all of a batch may take to arrive, and how
/// many times `--write-timeout` its reply to be received.
pub(crate) const BODY_TIMEOUTS: u32 = 20;
/// How long a drain waits for the rest of a body: long enough for what is on
/// its way, whose lines get a result each.
pub const LAST_BYTES: Duration = Duration::from_secs(1);

/// Why a batch was not begun.
#[derive(Debug)]
pub(crate) struct BatchRefusal {
    pub reply: Reply,
    /// The reason it is counted under, once.
    pub reason: Reason,
}

impl BatchRefusal {
    /// Checks what the head says of the body.
    pub(super) fn check_length(limits: &Limits, body: BodyFraming) -> Result<(), Box<Self>> {
        match body {
            BodyFraming::None => {
                let report = Problem::LengthRequired.report("a batch is sent as the body");
                Err(Self::new(report.reply(), Reason::Invalid))
            }
            BodyFraming::Length(bytes) if bytes > limits.max_batch_body => {
                Err(Self::new(too_large(limits), Reason::TooLarge))
            }
            BodyFraming::Length(_) | BodyFraming::Chunked => Ok(()),
        }
    }

    /// Checks whether the content can be decoded.
    pub(super) fn check_coding(coding: ContentCoding) -> Result<(), Box<Self>> {
        match coding {
            ContentCoding::Unknown => {
                Err(Self::new(unsupported_coding("gzip, zstd"), Reason::Invalid))
            }
            _ => Ok(()),
        }
    }

    /// Checks whether orders are taken.
    pub(super) fn check_gate(state: GateState) -> Result<(), Box<Self>> {
        let reason = match state {
            GateState::Open => return Ok(()),
            GateState::LedgerDown | GateState::LedgerFull | GateState::LedgerAway => Reason::Ledger,
            GateState::Recovering => Reason::Starting,
            GateState::Draining => Reason::Draining,
        };
        Err(Self::new(closed(state).reply(), reason))
    }

    pub(super) fn too_many_batches() -> Box<Self> {
        let report = Problem::TooManyBatches
            .report("as many batches are being read as --max-batches allows")
            .retry_after(1);
        Self::new(report.reply(), Reason::Full)
    }

    pub(super) fn out_of_memory() -> Box<Self> {
        let report = Problem::BodyMemory
            .report("all bodies being read are over their limit (--body-bytes)")
            .retry_after(1);
        Self::new(report.reply(), Reason::Full)
    }

    pub(super) fn out_of_reply_memory() -> Box<Self> {
        Self::new(out_of_reply_memory(), Reason::Full)
    }

    fn new(reply: Reply, reason: Reason) -> Box<Self> {
        Box::new(Self { reply, reason })
    }
}

/// The refusal of a body over `--max-batch-body`.
pub(crate) fn too_large(limits: &Limits) -> Reply {
    let max = limits.max_batch_body;
    let detail = format!("the batch is over the limit of {max} bytes (--max-batch-body)");
    Problem::BodyTooLarge.report(detail).reply()
}

/// The refusal of a body with
/// [`Consumed::TooManyLines`](super::Consumed::TooManyLines).
pub(crate) fn too_many_lines(limits: &Limits) -> Reply {
    let max = limits.max_batch_orders;
    let detail = format!(
        "the batch has more than twice the {max} orders of --max-batch-orders; \
         those up to the limit were taken"
    );
    Problem::BodyTooLarge.report(detail).reply()
}

/// The refusal of a body with
/// [`Consumed::OutOfMemory`](super::Consumed::OutOfMemory).
pub(crate) fn out_of_reply_memory() -> Reply {
    let detail = "the results of all batches are over their limit (--reply-bytes); what was taken \
        of this one is not undone, and all of it may be sent again";
    Problem::ReplyMemory.report(detail).retry_after(1).reply()
}

/// The refusal of a body whose content is not what its coding makes.
pub(crate) fn undecodable() -> Reply {
    let detail = "the content is not what its Content-Encoding says, ends early, or needs a window \
        over 8 MiB; what was taken of it is not undone";
    Problem::MalformedRequest.report(detail).reply()
}

/// The refusal of a body that took longer than [`BODY_TIMEOUTS`].
pub(crate) fn took_too_long() -> Reply {
    let detail = format!(
        "the batch took over {BODY_TIMEOUTS} times --body-timeout to arrive; \
         what was taken of it is not undone"
    );
    Problem::RequestTimeout.report(detail).reply()
}

/// The refusal of a body that has not ended [`LAST_BYTES`] into a drain.
pub(crate) fn drained() -> Reply {
    let detail = "this process is about to end; what was taken of the batch is not undone, and \
        all of it may be sent again, to another";
    Problem::Draining.report(detail).retry_after(1).reply()
}
