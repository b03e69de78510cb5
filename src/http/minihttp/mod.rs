//! The adapter from `may_minihttp` to the routes: the admin port, and the order
//! port under `--http-engine may_minihttp`.
//!
//! The crate frames requests itself, and less strictly than an open port
//! needs. What can be checked before a body is read is refused here; a request
//! whose end can't be trusted ends the connection (the crate closes it once it
//! reads the end of the stream, so its receiving side is shut down). What it
//! can't do is listed in [`LIMITS`].

mod connection;
mod request;
mod response;
mod socket;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use may_minihttp::HttpServiceFactory;
use rustix::net::sockopt::set_tcp_nodelay;
use rustix::net::{Shutdown, shutdown};
use socket2::{Domain, Socket, Type};

use crate::http::api::router::Port;
use crate::http::api::service::Service;
use crate::http::minihttp::connection::Connection;
use crate::http::runtime::run_queue::RunQueues;
use crate::http::runtime::timers::Timers;

/// What this engine can't do, for the log and the docs.
pub const LIMITS: &str = "no batches and no feed, no timeouts, at most 16 request headers, no \
    100-continue, no Connection: close, no Location header; a request that it can't parse ends \
    the connection without a reply, and replies before it may be lost; replies to requests that \
    a client sends ahead without reading collect in memory without a bound; for trusted networks \
    only";

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
        // Fails if anybody listens there.
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
        Port::Orders => service.limits.max_connections,
    };
    Engine {
        port,
        service,
        run_queues,
        timers,
        open: Arc::default(),
        ledger_line: Arc::default(),
        connections_max,
    }
    .start(bound)?;
    Ok(bound)
}

struct Engine {
    port: Port,
    service: Arc<Service>,
    run_queues: Arc<RunQueues>,
    timers: Arc<Timers>,
    /// Connections open now.
    open: Arc<AtomicUsize>,
    /// The header line that names the ledger, once it was asked for.
    ledger_line: Arc<OnceLock<&'static str>>,
    connections_max: usize,
}

impl HttpServiceFactory for Engine {
    type Service = Connection;

    fn new_service(&self, socket: usize) -> Connection {
        let before = self.open.fetch_add(1, Ordering::Relaxed);
        let connection = Connection {
            port: self.port,
            service: self.service.clone(),
            run_queues: self.run_queues.clone(),
            timers: self.timers.clone(),
            open: self.open.clone(),
            ledger_line: self.ledger_line.clone(),
            socket: socket as RawFd,
            task_waker: None,
            requests: 0,
            ended: before >= self.connections_max,
        };
        connection.service.metrics().http.connections.inc();
        connection.with_socket(|socket| {
            // As on the other engine; a broken socket says so by itself.
            let _ = set_tcp_nodelay(socket, true);
            if connection.ended {
                let _ = shutdown(socket, Shutdown::Both);
            }
        });
        connection
    }
}
