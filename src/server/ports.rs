//! The ports, and how many connections they may have.

use std::io;
use std::net::{SocketAddr, TcpListener};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::config::{Config, HttpEngine};
use crate::grpc;
use crate::http::server;
use crate::server::error::StartError;

/// Descriptors left free by connections: for the admin port and for files.
const DESCRIPTORS_RESERVED: usize = 64;
/// What the process itself has open: standard streams, poll lists, listeners.
const DESCRIPTORS_OWN: usize = 32;

/// The order port.
pub(super) enum OrderPort {
    Native(TcpListener),
    /// may_minihttp binds the address itself.
    Minihttp(SocketAddr),
}

/// Binds the order port.
pub(super) fn bind_order_port(config: &Config) -> Result<OrderPort, StartError> {
    match config.http_engine {
        HttpEngine::MayMinihttp => Ok(OrderPort::Minihttp(config.listen)),
        HttpEngine::Native => listen(config.listen)
            .map(OrderPort::Native)
            .map_err(|source| StartError::Bind {
                flag: "--listen",
                address: config.listen,
                source,
            }),
    }
}

/// Binds the gRPC port, if it is wanted.
pub(super) fn bind_grpc(config: &Config) -> Result<Option<TcpListener>, StartError> {
    let Some(address) = config.grpc_listen else {
        return Ok(None);
    };
    let bound = listen(address).map_err(|source| StartError::Bind {
        flag: "--grpc-listen",
        address,
        source,
    })?;
    Ok(Some(bound))
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    use socket2::{Domain, Socket, Type};
    let domain = if address.is_ipv4() {
        Domain::IPV4
    } else {
        Domain::IPV6
    };
    let socket = Socket::new(domain, Type::STREAM, None)?;
    // Past connections in TIME_WAIT don't keep a restart from binding.
    socket.set_reuse_address(true)?;
    // Accepted sockets inherit it. Replies are small and complete: nothing is
    // gained by delaying them.
    socket.set_tcp_nodelay(true)?;
    socket.bind(&address.into())?;
    /// A burst of this many connections waits for the accept loop.
    const BACKLOG: i32 = 4096;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Raises the soft descriptor limit as far as it goes, and returns how many
/// connections fit under it, on the order port and on the gRPC port, which gets
/// a quarter of them at most.
pub(super) fn connection_limits(
    wanted: usize,
    wanted_grpc: usize,
) -> Result<(usize, usize), StartError> {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    let current = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(_) => limit.current,
    };
    let refusing = server::REFUSING_MAX + grpc::REFUSING_MAX * wanted_grpc.min(1);
    let reserved = DESCRIPTORS_RESERVED + DESCRIPTORS_OWN + refusing;
    let free = current.map_or(usize::MAX, |current| {
        usize::try_from(current)
            .unwrap_or(usize::MAX)
            .saturating_sub(reserved)
    });
    let grpc = wanted_grpc.min((free / 4).max(1));
    let fits = wanted.min(free.saturating_sub(grpc));
    if fits == 0 {
        let limit = current.unwrap_or_default();
        return Err(StartError::Descriptors {
            limit,
            needed: reserved + 1 + wanted_grpc.min(1),
        });
    }
    for (flag, wanted, fits) in [
        ("--max-connections", wanted, fits),
        ("--grpc-max-connections", wanted_grpc, grpc),
    ] {
        if fits < wanted {
            tracing::warn!(
                "{flag} {wanted} lowered to {fits}: the process may open {} descriptors",
                current.unwrap_or_default()
            );
        }
    }
    Ok((fits, grpc))
}
