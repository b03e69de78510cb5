//! `POST /submit` with `application/x-ndjson`: many orders, one a line.
//!
//! A [`Batch`] is a state machine without a socket: an engine feeds it the
//! body's bytes as they arrive, it offers an order for each line and keeps one
//! result for each. It never blocks; when the queue is full for a line's order
//! ([`Batch::retry_blocked`]) the engine stops reading, which the client feels
//! as TCP's own backpressure.
//!
//! # What it holds
//!
//! The piece of a line whose end has not come (`--max-body` at most); a result
//! for each line, at most [`RESULT_BYTES_MAX`](result_line::RESULT_BYTES_MAX)
//! bytes and about 60 as a rule; for each line without an answer a ticket.
//! Lines past `--max-batch-orders` are rejected unread; when there are as many
//! of them again the whole batch is refused, so that the results stay bounded,
//! too.
//!
//! # Waking
//!
//! Orders of a batch carry no waker: the pipeline then treats them as orders
//! that nobody waits for one by one, which spares wake-ups of its threads. The
//! batch watches the pipeline's progress instead, once it has to wait.
//!
//! | file | holds |
//! |---|---|
//! | `intake.rs` | [`Batch`]: from the head to the last byte of the body |
//! | `lines.rs`, `offer.rs` | lines out of bytes, and a line's order into the pipeline |
//! | `completion.rs` | [`BatchCompletion`]: from the last byte to the reply |
//! | `results.rs`, `result_line.rs`, `reasons.rs` | the results, in the order of the lines |
//! | `refusal.rs` | why a batch is refused as a whole |

mod completion;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod intake;
mod lines;
mod offer;
mod reasons;
mod refusal;
mod result_line;
mod results;

pub(crate) use self::completion::BatchCompletion;
pub(crate) use self::intake::{Batch, Consumed, READ_BYTES};
pub use self::refusal::LAST_BYTES;
pub(crate) use self::refusal::{
    BODY_TIMEOUTS, drained, out_of_reply_memory, too_large, too_many_lines, took_too_long,
    undecodable,
};
