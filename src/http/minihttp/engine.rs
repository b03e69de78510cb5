//! A port of this engine.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use may_minihttp::HttpServiceFactory;
use socket2::{Domain, Socket, Type};

use crate::http::api::router::Port;
use crate::http::api::service::Service;
use crate::http::minihttp::connection::{Connection, PortShared};
use crate::http::runtime::run_queue::RunQueues;
use crate::http::runtime::timers::Timers;

/// Connections on the admin port: scrapers, probes and a person.
pub(crate) const ADMIN_CONNECTIONS_MAX: usize = 32;

/// Starts the engine on `address`; answers with the address bound.
///
/// The crate binds by itself, with `SO_REUSEPORT`, so that a port in use would
/// go unnoticed and port 0 unknown. The port is therefore held by a socket
/// that doesn't listen until the crate has bound it, too.
///
/// # Errors
/// When the port is in use or can't be bound.
pub(crate) fn start(
    address: SocketAddr,
    port: Port,
    service: Arc<Service>,
    run_queues: Arc<RunQueues>,
    timers: Arc<Timers>,
) -> io::Result<SocketAddr> {
    if address.port() != 0 {
        // Fails if another process listens there.
        drop(TcpListener::bind(address)?);
    }
    let domain = if address.is_ipv4() {
        Domain::IPV4
    } else {
        Domain::IPV6
    };
    let holder = Socket::new(domain, Type::STREAM, None)?;
    holder.set_reuse_address(true)?;
    holder.set_reuse_port(true)?;
    holder.bind(&address.into())?;
    let bound = holder
        .local_addr()?
        .as_socket()
        .expect("an IP socket has an IP address");
    let connections_max = match port {
        Port::Admin => ADMIN_CONNECTIONS_MAX,
        Port::Orders | Port::SingleOrders => service.limits.max_connections,
    };
    let shared = Arc::new(PortShared {
        port,
        service,
        run_queues,
        timers,
        open: AtomicUsize::new(0),
        ledger_line: OnceLock::new(),
    });
    Engine {
        shared,
        connections_max,
    }
    .start(bound)?;
    Ok(bound)
}

struct Engine {
    shared: Arc<PortShared>,
    connections_max: usize,
}

impl HttpServiceFactory for Engine {
    type Service = Connection;

    fn new_service(&self, socket: usize) -> Connection {
        let before = self.shared.open.fetch_add(1, Ordering::Relaxed);
        Connection::new(&self.shared, socket as RawFd, before < self.connections_max)
    }
}
