//! The order port, listening.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use crate::http::api::service::Service;
use crate::http::runtime::run_queue::RunQueues;
use crate::http::runtime::timers::Timers;
use crate::http::server::accept_loop;
use crate::http::server::accept_loop::AcceptHandle;
use crate::http::server::spawner::Spawner;
use crate::tls::Tls;

pub(crate) struct Listener {
    accepting: Arc<AcceptHandle>,
    address: SocketAddr,
}

impl Listener {
    /// Serves what connects to `listener`, on coroutines; with `tls`, in TLS.
    ///
    /// # Errors
    /// When the listener can't be polled, or no timer slot is free for it.
    pub(crate) fn start(
        listener: TcpListener,
        service: Arc<Service>,
        tls: Option<Arc<Tls>>,
        run_queues: Arc<RunQueues>,
        timers: Arc<Timers>,
    ) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let spawner = Spawner::new(&listener, service, tls, run_queues.clone(), timers.clone());
        let accepting = accept_loop::start(listener, spawner, run_queues, &timers)?;
        Ok(Self { accepting, address })
    }

    /// The address bound.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops accepting and closes the listening socket, once all that has
    /// connected is accepted; open connections go on.
    pub(crate) fn stop(&self) {
        self.accepting.stop();
    }

    /// Whether the listening socket is closed.
    pub(crate) fn is_closed(&self) -> bool {
        self.accepting.is_closed()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.stop();
    }
}
