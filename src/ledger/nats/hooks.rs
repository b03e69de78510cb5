//! How the ledger reaches the pipeline.

use std::sync::Arc;

use crate::ledger::Wake;

/// How the ledger reaches the pipeline.
#[derive(Clone)]
pub(crate) struct Hooks {
    /// Wakes the committer.
    pub(crate) wake: Wake,
    /// Wakes those who wait for outcomes of other instances.
    pub(crate) progress: Wake,
    /// Whether there are any.
    pub(crate) is_watched: Arc<dyn Fn() -> bool + Send + Sync>,
}
