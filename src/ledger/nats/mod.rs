//! The ledger on NATS JetStream: any number of instances, one replicated
//! stream.
//!
//! # Once
//!
//! The outcome of an order is one message with the subject `orders.<id>`,
//! published with the expectation that the stream has no message of that
//! subject. The stream's leader checks it, so of all instances and all attempts
//! one wins; every other is refused, reads the message that is there, and
//! answers with its outcome if the content is the same, else with a conflict.
//! So sending an order again is always safe here, whatever the sender was told.
//!
//! Nothing is answered before the stream's acknowledgement. A message whose
//! acknowledgement doesn't come is published again under the same expectation
//! until its fate is known or the ack timeout has passed; each carries a
//! [submission](message) by which its sender knows it again.
//!
//! "Once" reaches as far back as the stream keeps messages (its `max_age`), and
//! as far as the stream exists: one that was deleted has forgotten all ids, so
//! that is a failure of the ledger and nothing to continue after.
//!
//! # Threads
//!
//! One thread with a runtime of its own does all that waits for the network.
//! The committer hands orders over through a bounded queue and takes
//! completions from another; readers send requests through a bounded channel.
//!
//! | file | holds |
//! |---|---|
//! | `options`, `open`, `error` | what is asked for; opening; why it is refused |
//! | `connect`, `refused`, `events` | credentials, TLS, reconnecting; which failures are final |
//! | `api`, `protocol`, `base64` | JetStream's requests and replies |
//! | `stream` | the stream's configuration: created, or checked |
//! | `message` | the format of an outcome as a message |
//! | `shared`, `ledger` | the committer's side |
//! | `publisher`, `entry`, `replies`, `taken` | in flight: sent, sent again, answered |
//! | `batches`, `batch` | which orders are sent together; as one atomic publish |
//! | `cluster` | the servers and the stream, for `/stats` |
//! | `probe`, `health` | whether the stream is there and orders can be taken |
//! | `session`, `hooks`, `limits` | what the thread works with |
//! | `archive`, `reader`, `position` | the read side |

mod api;
mod archive;
mod base64;
mod batch;
mod batches;
mod cluster;
mod connect;
mod entry;
mod error;
mod events;
mod health;
mod hooks;
mod ledger;
mod limits;
mod message;
mod open;
mod options;
mod position;
mod probe;
mod protocol;
mod publisher;
mod reader;
mod refused;
mod replies;
mod session;
mod shared;
mod stream;
mod taken;

pub(crate) use self::error::NatsError;
pub(crate) use self::hooks::Hooks;
pub(crate) use self::limits::BYTES_MAX;
pub(crate) use self::open::open;
pub(crate) use self::options::Options;
