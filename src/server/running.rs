//! A running service.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::cpu::plan::Plan;
use crate::grpc;
use crate::http::api::service::Service;
use crate::http::runtime::timers::Timers;
use crate::http::server::Listener;
use crate::ledger::{LedgerFailed, LedgerId};
use crate::order::HashKey;
use crate::pipeline::gate::GateState;
use crate::pipeline::processor::Processor;
use crate::pipeline::{Pipeline, Threads};
use crate::server::open_ledger::LedgerConfig;
use crate::server::pending_orders::PendingStore;
use crate::tls::Tls;

/// A running service: started by [`start`](Self::start), opened for orders by
/// [`open`](Self::open), ended by [`drain`](Self::drain).
pub struct Server {
    pub(super) pipeline: Arc<Pipeline>,
    pub(super) service: Arc<Service>,
    pub(super) timers: Arc<Timers>,
    /// `None` without `--tls-cert`.
    pub(super) tls: Option<Arc<Tls>>,
    /// Taken by the recovery.
    pub(super) opening: Option<Opening>,
    /// `None` until the ledger is open.
    pub(super) threads: Option<Threads>,
    pub(super) pending: PendingStore,
    /// `None` under `--http-engine may_minihttp`.
    pub(super) native: Option<Listener>,
    pub(super) http: SocketAddr,
    pub(super) admin: Option<SocketAddr>,
    /// `None` under `--grpc-listen off`.
    pub(super) grpc: Option<grpc::GrpcServer>,
}

/// What the opening of the ledger needs.
pub(super) struct Opening {
    pub(super) ledger: LedgerConfig,
    pub(super) key: HashKey,
    pub(super) plan: Plan,
    pub(super) processor: Arc<dyn Processor>,
    /// `--expect-ledger`.
    pub(super) expected: Option<LedgerId>,
    pub(super) on_fault: Arc<dyn Fn(LedgerFailed) + Send + Sync>,
}

impl Server {
    /// The address of the order port.
    pub fn http(&self) -> SocketAddr {
        self.http
    }

    /// The address of the admin port, unless it is off.
    pub fn admin(&self) -> Option<SocketAddr> {
        self.admin
    }

    /// The address of the gRPC port, unless it is off.
    pub fn grpc(&self) -> Option<SocketAddr> {
        self.grpc.as_ref().map(grpc::GrpcServer::address)
    }

    /// Whether orders are taken: not while it recovers, while its ledger takes
    /// none, or once it ends.
    pub fn takes_orders(&self) -> bool {
        self.pipeline.gate.state() == GateState::Open
    }

    /// Reads the files again that can be: tokens, and those of TLS. Tokens hold
    /// from the next request on, and for gRPC streams that are open;
    /// certificates for new connections. Files that can't be used change
    /// nothing, and the log says why.
    pub fn reload(&self) {
        let tokens = self.service.access.reload();
        match &tokens {
            None => {}
            Some(Ok(tokens)) => {
                if let Some(grpc) = &self.grpc {
                    grpc.tokens_reloaded();
                }
                tracing::info!(tokens, "SIGHUP: the token file was read again");
            }
            Some(Err(error)) => {
                tracing::error!("SIGHUP: {error}; the tokens of before remain in force");
            }
        }
        match self.tls.as_ref().map_or(Ok(()), |tls| tls.reload()) {
            Ok(()) if tokens.is_none_or(|tokens| tokens.is_ok()) => {
                tracing::info!("SIGHUP: what can be read again has been");
            }
            Ok(()) => {}
            Err(error) => tracing::error!("SIGHUP: what was in force remains so: {error}"),
        }
    }

    /// Logs a warning if the TLS certificate expires soon, as the start and
    /// [`reload`](Self::reload) do. To be called once a day.
    pub fn warn_of_expiry(&self) {
        if let Some(tls) = &self.tls {
            tls.warn_of_expiry();
        }
    }

    /// For the tests of this package; no part of the public API.
    #[doc(hidden)]
    pub fn pipeline(&self) -> &Arc<Pipeline> {
        &self.pipeline
    }
}
