//! Permits for open calls: a semaphore for each kind over all connections, and
//! one for each connection's share.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::grpc::error::{CallError, ErrorReason};
use crate::grpc::limits::CallKind;

/// Semaphores in the order of [`CallKind::ALL`].
type Semaphores = [Arc<Semaphore>; CallKind::ALL.len()];

/// The permits over all connections.
pub(super) struct CallPermits {
    all: Arc<Semaphores>,
    connections_max: usize,
}

/// The same as one connection sees them.
#[derive(Clone)]
pub(super) struct ConnectionPermits {
    all: Arc<Semaphores>,
    share: Arc<Semaphores>,
}

/// A call's permits of one kind.
struct KindPermit {
    _share: OwnedSemaphorePermit,
    _all: OwnedSemaphorePermit,
}

/// What an open call holds until its response is taken: a permit of its kind,
/// or while its client takes nothing, one of the stalled.
pub(super) struct CallPermit {
    permits: ConnectionPermits,
    kind: CallKind,
    held: KindPermit,
    is_stalled: bool,
    /// Of a kind that may stay open; held to the end.
    _open: Option<KindPermit>,
}

// The kinds index the semaphores.
const _: () = {
    let mut index = 0;
    while index < CallKind::ALL.len() {
        assert!(CallKind::ALL[index] as usize == index);
        index += 1;
    }
};

impl CallPermits {
    pub(super) fn new(connections_max: usize) -> Self {
        Self {
            all: semaphores(|kind| kind.open_max(connections_max)),
            connections_max,
        }
    }

    pub(super) fn of_connection(&self) -> ConnectionPermits {
        ConnectionPermits {
            all: self.all.clone(),
            share: semaphores(|kind| kind.share_max(self.connections_max)),
        }
    }
}

fn semaphores(permits: impl Fn(CallKind) -> usize) -> Arc<Semaphores> {
    Arc::new(CallKind::ALL.map(|kind| Arc::new(Semaphore::new(permits(kind)))))
}

impl ConnectionPermits {
    /// A permit for one more open call of this kind.
    fn try_acquire(&self, kind: CallKind) -> Result<KindPermit, CallError> {
        let acquire = |semaphores: &Semaphores, on: &str| {
            let permit = semaphores[kind as usize].clone().try_acquire_owned();
            permit.map_err(|_| {
                let calls = kind.plural();
                ErrorReason::TooManyStreams
                    .error(format!("as many {calls} as the server takes{on}"))
                    .retry_after(1)
            })
        };
        Ok(KindPermit {
            _share: acquire(&self.share, " on one connection")?,
            _all: acquire(&self.all, "")?,
        })
    }

    /// Permits for one more open call of this kind, and of the other one.
    pub(super) fn try_begin(
        &self,
        kind: CallKind,
        open_kind: Option<CallKind>,
    ) -> Result<CallPermit, CallError> {
        Ok(CallPermit {
            held: self.try_acquire(kind)?,
            _open: open_kind.map(|kind| self.try_acquire(kind)).transpose()?,
            permits: self.clone(),
            kind,
            is_stalled: false,
        })
    }
}

impl CallPermit {
    /// The client doesn't take the response: the permit goes to another call.
    pub(super) fn stall(&mut self) -> Result<(), CallError> {
        if !self.is_stalled {
            self.held = self.permits.try_acquire(CallKind::Stalled)?;
            self.is_stalled = true;
        }
        Ok(())
    }

    /// It goes on. If there is no permit now, it keeps that of a stalled call.
    pub(super) fn resume(&mut self) {
        if let Ok(permit) = self.permits.try_acquire(self.kind) {
            self.held = permit;
            self.is_stalled = false;
        }
    }
}
