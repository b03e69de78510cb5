//! An order with the processor's verdict, on its way to the ledger.

use std::sync::Arc;
use std::time::Instant;

use crate::ledger::{Item, Status};
use crate::order::Order;
use crate::pipeline::in_flight::InFlight;
use crate::pipeline::processor::Verdict;

pub struct Evaluated {
    pub(crate) job: Arc<InFlight>,
    pub(crate) verdict: Verdict,
    pub(crate) at: Instant,
}

impl Item for Evaluated {
    fn order(&self) -> &Order {
        &self.job.order
    }

    fn accepted_at(&self) -> u64 {
        self.job.accepted_at
    }

    fn status(&self) -> Status {
        match self.verdict {
            Verdict::Failed(_) => Status::Failed,
            _ => Status::Processed,
        }
    }

    fn reason(&self) -> Option<&Arc<str>> {
        match &self.verdict {
            Verdict::Failed(reason) => Some(reason),
            _ => None,
        }
    }
}
