//! The PROXY protocol, before anything else on a proxy's connection.

use std::io::ErrorKind;
use std::net::SocketAddr;

use tokio::net::TcpStream;

use crate::peer::{ProxyHeader, Source};
use crate::sync::log_limit::LogLimit;

/// What is received at a time: the header is read to its end and no further.
const PIECE_BYTES: usize = 256;

/// Receives the header: on whose behalf the proxy has connected. `None` if it
/// sends none that is valid.
pub(super) async fn receive(stream: &mut TcpStream, peer: SocketAddr) -> Option<Source> {
    let mut header = ProxyHeader::new();
    let mut bytes = [0; PIECE_BYTES];
    loop {
        let wanted = header.wanted().min(PIECE_BYTES);
        if wanted == 0 {
            return Some(header.source());
        }
        stream.readable().await.ok()?;
        let received = match stream.try_read(&mut bytes[..wanted]) {
            Ok(0) => return None,
            Ok(received) => received,
            Err(error) if error.kind() == ErrorKind::WouldBlock => continue,
            Err(_) => return None,
        };
        if let Err(error) = header.take(&bytes[..received]) {
            static LIMIT: LogLimit = LogLimit::new();
            LIMIT.log(|suppressed| {
                let what = "a trusted proxy's gRPC connection has no PROXY protocol header";
                tracing::warn!(suppressed, %peer, %error, "{what}");
            });
            return None;
        }
    }
}
