//! The PROXY protocol, before anything else on a proxy's connection.

use crate::clock;
use crate::http::api::service::Service;
use crate::http::server::connection::ending::Ending;
use crate::http::server::socket::Socket;
use crate::peer::{Origin, ProxyHeader};
use crate::sync::log_limit::LogLimit;

/// What is received at a time: the header is read to its end and no further.
const PIECE_BYTES: usize = 256;

/// Receives the header, within `--head-timeout`, if the connection has to begin
/// with one.
pub(crate) fn receive(
    socket: &mut Socket,
    origin: &mut Origin,
    service: &Service,
) -> Result<(), Ending> {
    if !origin.begins_with_header(&service.proxies) {
        return Ok(());
    }
    let until = clock::deadline(service.limits.head_timeout);
    let mut header = ProxyHeader::new();
    let mut bytes = [0; PIECE_BYTES];
    loop {
        let wanted = header.wanted().min(PIECE_BYTES);
        if wanted == 0 {
            break;
        }
        let piece = &mut bytes[..wanted];
        let received = socket
            .read_some(piece, until, || !service.is_closing())
            .map_err(|_| Ending::Drop)?;
        if let Err(error) = header.take(&piece[..received]) {
            static LIMIT: LogLimit = LogLimit::new();
            LIMIT.log(|suppressed| {
                let peer = origin.peer();
                let what = "a trusted proxy's connection has no PROXY protocol header";
                tracing::warn!(suppressed, %peer, %error, "{what}");
            });
            return Err(Ending::Drop);
        }
    }
    origin.relay(header.source(), &service.proxies);
    Ok(())
}
