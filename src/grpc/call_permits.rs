//! Permits for open calls, a semaphore for each kind.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::grpc::error::{CallError, ErrorReason};
use crate::grpc::limits::CallKind;

/// The semaphores, in the order of [`CallKind::ALL`].
pub(super) struct CallPermits([Arc<Semaphore>; CallKind::ALL.len()]);

// The kinds index the semaphores.
const _: () = {
    let mut index = 0;
    while index < CallKind::ALL.len() {
        assert!(CallKind::ALL[index] as usize == index);
        index += 1;
    }
};

impl CallPermits {
    pub(super) fn new() -> Self {
        Self(CallKind::ALL.map(|kind| Arc::new(Semaphore::new(kind.open_max()))))
    }

    /// A permit for one more open call of this kind.
    pub(super) fn try_acquire(&self, kind: CallKind) -> Result<OwnedSemaphorePermit, CallError> {
        let semaphore = self.0[kind as usize].clone();
        semaphore.try_acquire_owned().map_err(|_| {
            let calls = kind.plural();
            ErrorReason::TooManyStreams
                .error(format!("as many {calls} as the server takes"))
                .retry_after(1)
        })
    }
}
