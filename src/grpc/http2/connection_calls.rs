//! What the calls of a connection share.

use std::sync::{Arc, Mutex};

use tokio::sync::Semaphore;

use crate::access::Caller;
use crate::grpc::call_permits::ConnectionPermits;
use crate::grpc::front_end::FrontEnd;
use crate::grpc::limits::UNWRITTEN_BYTES_MAX;
use crate::grpc::router::Services;
use crate::peer::Origin;

pub(super) struct ConnectionCalls {
    pub(super) services: Arc<dyn Services>,
    pub(super) front_end: Arc<FrontEnd>,
    pub(super) permits: ConnectionPermits,
    /// Locked while a call begins, which awaits nothing.
    pub(super) caller: Mutex<Caller>,
    pub(super) origin: Origin,
    /// Bytes of responses that `h2` may have and the socket has not.
    pub(super) unwritten: Arc<Semaphore>,
}

impl ConnectionCalls {
    pub(super) fn new(
        services: Arc<dyn Services>,
        front_end: Arc<FrontEnd>,
        caller: Caller,
        origin: Origin,
    ) -> Self {
        Self {
            permits: front_end.permits.of_connection(),
            caller: Mutex::new(caller),
            origin,
            services,
            front_end,
            unwritten: Arc::new(Semaphore::new(UNWRITTEN_BYTES_MAX)),
        }
    }
}
