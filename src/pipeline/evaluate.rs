//! The call of the user's processor.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::order::Order;
use crate::pipeline::processor::{Processor, Verdict};
use crate::sync::log_limit::LogLimit;

/// Runs the processor; a panic in it is a failed order.
pub(crate) fn evaluate(processor: &dyn Processor, order: &Order) -> Verdict {
    // The processor's own state is its own business: it may be poisoned, and
    // panic again, and that fails the next order only.
    match catch_unwind(AssertUnwindSafe(|| processor.process(order))) {
        Ok(verdict) => verdict.bounded(),
        Err(panic) => {
            // Dropping the panic's payload may panic again; that is forgotten.
            if let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(panic))) {
                std::mem::forget(again);
            }
            static LIMIT: LogLimit = LogLimit::new();
            LIMIT.log(|suppressed| {
                let id = order.id();
                tracing::error!(suppressed, %id, "the processor panicked; the order has failed");
            });
            Verdict::failed("the processor panicked")
        }
    }
}
