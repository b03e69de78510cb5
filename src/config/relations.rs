//! What must hold between two settings, each of which is inside its own limits.
//!
//! Sizes nest: one order's body fits the budget of all bodies being read, and of all orders inside,
//! or it could never be taken however idle the service is; and it fits a record of the journal.

use crate::config::quantity::show_bytes;
use crate::config::{Ack, Config, Ledger, MAX_BODY};
use crate::ledger::journal::{RECORD_BYTES_MAX, RECORD_OVERHEAD_MAX};
use crate::pipeline::processor::REASON_BYTES_MAX;

// The longest body that can be allowed is an order that the journal can hold, whatever the verdict
// says of it: what was let in must not fail for its length.
const _: () =
    assert!(*MAX_BODY.end() as usize + RECORD_OVERHEAD_MAX + REASON_BYTES_MAX <= RECORD_BYTES_MAX);

/// A relation that does not hold.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Broken {
    /// The flags it is between, without dashes; the first is named in the error if it was given,
    /// else the second.
    pub flags: [&'static str; 2],
    /// What is asked of the first, with the second's value.
    pub why: String,
    /// The same, asked of the second.
    pub why_second: String,
}

/// The first relation that does not hold.
pub(super) fn check(config: &Config) -> Result<(), Broken> {
    let body = config.max_body as u64;
    fits("queue-bytes", config.queue_bytes as u64, "max-body", body)?;
    fits("body-bytes", config.body_bytes as u64, "max-body", body)?;
    fits("max-batch-body", config.max_batch_body, "max-body", body)?;
    if let (Ledger::Nats(_), Ack::Queued) = (&config.ledger, config.ack) {
        return Err(Broken {
            flags: ["ack", "ledger"],
            why: "does not go with --ledger nats://, which keeps nothing on disk here".into(),
            why_second: "does not go with --ack queued, since it keeps nothing on disk here".into(),
        });
    }
    let ports = [
        ("listen", Some(config.listen)),
        ("admin-listen", config.admin_listen),
        ("grpc-listen", config.grpc_listen),
    ];
    for (i, (first, at)) in ports.iter().enumerate() {
        for (second, other) in &ports[i + 1..] {
            // Port 0 asks for a free one, so two of it never meet.
            if at.is_some_and(|at| at.port() != 0) && at == other {
                return Err(Broken {
                    flags: [second, first],
                    why: format!("is the address of --{first}, too"),
                    why_second: format!("is the address of --{second}, too"),
                });
            }
        }
    }
    Ok(())
}

/// `outer` has to be at least `inner`.
fn fits(outer: &'static str, size: u64, inner: &'static str, part: u64) -> Result<(), Broken> {
    if size >= part {
        return Ok(());
    }
    Err(Broken {
        flags: [outer, inner],
        why: format!("must be at least --{inner} ({})", show_bytes(part)),
        why_second: format!("must be at most --{outer} ({})", show_bytes(size)),
    })
}
