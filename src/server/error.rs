//! Why the service could not start.

use std::io;
use std::net::SocketAddr;

use crate::access::TokenFileError;
use crate::cpu::plan::PlanError;
use crate::ledger::journal::OpenError;
use crate::ledger::nats::NatsError;
use crate::server::pending_orders::PendingOrdersError;
use crate::tls::TlsError;

/// Why the service could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The threads can't be placed as asked: bad usage.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// An address can't be bound.
    #[error("can't listen on {flag} {address}: {source}")]
    Bind {
        /// The flag that names it.
        flag: &'static str,
        /// The address.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// The process may open too few descriptors to serve anybody.
    #[error("the limit of open descriptors is {limit}; raise it (ulimit -n) to {needed} or more")]
    Descriptors {
        /// The limit.
        limit: u64,
        /// The least that will do.
        needed: usize,
    },
    /// The certificate or its key can't be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The tokens can't be read.
    #[error(transparent)]
    TokenFile(#[from] TokenFileError),
    /// The ledger can't be opened.
    #[error(transparent)]
    Ledger(#[from] OpenError),
    /// The stream can't be used.
    #[error(transparent)]
    Nats(#[from] NatsError),
    /// The pending orders of the last drain can't be taken up again.
    #[error(transparent)]
    PendingOrder(#[from] PendingOrdersError),
    /// The system gives no thread, memory or descriptor.
    #[error("can't start {what}: {source}")]
    System {
        /// For what.
        what: &'static str,
        /// What the system says.
        source: io::Error,
    },
    /// The system gives no memory, thread or descriptor to a library that
    /// panics then, with this message.
    #[error("can't start: {0}")]
    Panicked(String),
}

impl StartError {
    /// For `map_err`: the system refuses what this needs.
    pub(super) fn system(what: &'static str) -> impl Fn(io::Error) -> Self {
        move |source| Self::System { what, source }
    }
}
