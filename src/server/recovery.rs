//! Recovery: what the last process left is read, on a thread of its own if the
//! caller wants to be able to end meanwhile.
//!
//! It can take minutes, and hang in a system call on a disk that doesn't
//! answer. Nothing waits for it when the process is to end: like a kill, that
//! leaves a directory that the next start recovers.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Instant;

use crate::dedupe::claims::Claim;
use crate::ledger::journal::OpenError;
use crate::pipeline::Pipeline;
use crate::server::error::StartError;
use crate::server::open_ledger;
use crate::server::open_ledger::OpenLedger;
use crate::server::pending_orders::{self, PendingStore};
use crate::server::running::{Opening, Server};
use crate::sync::crash;

/// The part of a start that reads the ledger; see [`Server::recovery`].
pub struct Recovery {
    pipeline: Arc<Pipeline>,
    opening: Opening,
}

/// A ledger that has been recovered, for [`Server::open_recovered`]. Until then
/// its outcomes can be [read](Self::outcomes_after).
pub struct Recovered {
    pub(super) opening: Opening,
    pub(super) ledger: OpenLedger,
    /// Of the pending orders.
    claims: HashSet<Claim>,
}

impl Recovery {
    /// Opens the ledger and takes up the pending orders of the last drain.
    ///
    /// # Errors
    /// When the ledger can't be opened or the pending orders can't be taken up.
    pub fn run(self) -> Result<Recovered, StartError> {
        let began = Instant::now();
        let Self { pipeline, opening } = self;
        let mut ledger = opening.ledger.open(&pipeline, &opening.key)?;
        let found = ledger.archive.ledger_id();
        if let Some(expected) = opening.expected.filter(|it| *it != found) {
            // Of a stream: a journal has refused already.
            let found = Some(found);
            return Err(OpenError::Unexpected { expected, found }.into());
        }
        let pending = std::mem::take(&mut ledger.pending);
        let claims = pending_orders::claim(&pipeline, pending, &opening.key)?;
        if let Some(recovered) = &ledger.recovered {
            open_ledger::report(recovered, began.elapsed());
        }
        Ok(Recovered {
            opening,
            ledger,
            claims,
        })
    }

    /// The same on a thread of its own, whose panic ends the process. `done`
    /// gets the result there.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn spawn(
        self,
        done: impl FnOnce(Result<Recovered, StartError>) + Send + 'static,
    ) -> Result<(), StartError> {
        crash::spawn("recovery", move || done(self.run()))
            .map(drop)
            .map_err(StartError::system("the recovery"))
    }
}

impl Server {
    /// What is left to do before orders can be taken, for a caller that must
    /// not wait for it: recovery may take a while after a crash. Hand the
    /// result to [`open_recovered`](Self::open_recovered), or [drain] the
    /// server meanwhile and end the process.
    ///
    /// [drain]: Self::drain
    ///
    /// # Panics
    /// When called twice.
    pub fn recovery(&mut self) -> Recovery {
        Recovery {
            pipeline: self.pipeline.clone(),
            opening: self.opening.take().expect("recovered once"),
        }
    }

    /// Takes orders from now on.
    ///
    /// # Errors
    /// When the system gives no threads.
    pub fn open_recovered(&mut self, recovered: Recovered) -> Result<(), StartError> {
        let Recovered {
            opening,
            ledger,
            claims,
        } = recovered;
        // Before the gate opens: without space it opens for nobody. The
        // committer lifts it.
        let _ = self.pipeline.gate.shed(ledger.ledger.unavailable());
        let threads = self.pipeline.start(
            &opening.plan,
            opening.processor,
            ledger.ledger,
            ledger.archive,
            opening.on_fault,
        );
        let threads = threads.map_err(StartError::system("the workers"))?;
        self.threads = Some(threads);
        self.pending = PendingStore::start(&self.pipeline, ledger.pending_file, claims)
            .map_err(StartError::system("the feeder"))?;
        self.pipeline.gate.open();
        // Watchers of the gate are woken now, not behind the first order.
        self.pipeline.wake_queues.flush();
        Ok(())
    }

    /// Opens the ledger, which may take a while after a crash, takes up the
    /// pending orders of the last drain, and takes orders from then on. Until
    /// then they get a 503.
    ///
    /// # Errors
    /// When the ledger can't be opened, the pending orders can't be taken up,
    /// or the system gives no threads.
    ///
    /// # Panics
    /// If it is open already.
    pub fn open(&mut self) -> Result<(), StartError> {
        let recovered = self.recovery().run()?;
        self.open_recovered(recovered)
    }
}
