//! What must hold between two settings, each of which is inside its own limits.
//!
//! Sizes nest: one order's body fits the budget of all bodies being read, and of all orders inside,
//! or it could never be taken however idle the service is.

use crate::config::flags::Config;
use crate::config::quantity::show_bytes;
use crate::config::usage::{Given, UsageError};

/// A relation that does not hold between two flags (without dashes).
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Broken {
    flags: [&'static str; 2],
    /// What is required of the first, with the second's value.
    why: String,
    /// The same, required of the second.
    why_second: String,
}

impl Broken {
    /// Names the first flag if it was given, else the second; `given` says how a flag got its
    /// value, `None` for a default.
    pub(super) fn into_usage_error(self, given: impl Fn(&str) -> Option<Given>) -> UsageError {
        let [first, second] = self.flags;
        let (given, why) = match (given(first), given(second)) {
            (Some(given), _) => (given, self.why),
            (None, Some(given)) => (given, self.why_second),
            (None, None) => (Given::flag(&format!("--{first}"), ""), self.why),
        };
        UsageError::Value { given, why }
    }
}

/// The first relation that does not hold.
pub(super) fn check(config: &Config) -> Result<(), Broken> {
    let body = config.max_body as u64;
    fits("queue-bytes", config.queue_bytes as u64, "max-body", body)?;
    fits("body-bytes", config.body_bytes as u64, "max-body", body)?;
    fits("max-batch-body", config.max_batch_body, "max-body", body)?;
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
                    why: format!("is also the address of --{first}"),
                    why_second: format!("is also the address of --{second}"),
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
