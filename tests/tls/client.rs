//! A client in TLS that sends any bytes, and can break off anywhere.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{
    ClientConfig, ClientConnection, HandshakeKind, RootCertStore, StreamOwned,
    SupportedProtocolVersion,
};

use crate::authority::{Authority, Signed};
use crate::harness::PATIENCE;

/// A configuration that trusts the authority; its sessions are resumed.
pub(crate) fn config(authority: &Authority, signed: Option<&Signed>) -> Arc<ClientConfig> {
    config_of(rustls::DEFAULT_VERSIONS, authority, signed).into()
}

/// The same that speaks these versions.
pub(crate) fn config_of(
    versions: &[&'static SupportedProtocolVersion],
    authority: &Authority,
    signed: Option<&Signed>,
) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_file(authority.ca()).unwrap())
        .unwrap();
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots);
    match signed {
        None => builder.with_no_client_auth(),
        Some(Signed { cert, key }) => {
            let chain = vec![CertificateDer::from_pem_file(cert).unwrap()];
            let key = PrivateKeyDer::from_pem_file(key).unwrap();
            builder.with_client_auth_cert(chain, key).unwrap()
        }
    }
}

pub(crate) struct TlsClient(pub StreamOwned<ClientConnection, TcpStream>);

impl TlsClient {
    pub(crate) fn to(address: SocketAddr, config: &Arc<ClientConfig>) -> Self {
        let stream = TcpStream::connect_timeout(&address, PATIENCE).expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        let name = "localhost".try_into().unwrap();
        let connection = ClientConnection::new(config.clone(), name).unwrap();
        Self(StreamOwned::new(connection, stream))
    }

    #[track_caller]
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.write_all(bytes.as_ref()).expect("sent");
        self.0.flush().expect("sent");
    }

    /// Status and body of the next reply, which has a length.
    #[track_caller]
    pub(crate) fn reply(&mut self) -> (u16, String) {
        self.try_reply().expect("a reply before the end")
    }

    /// The same; `None` if the connection ends before it.
    #[track_caller]
    pub(crate) fn try_reply(&mut self) -> Option<(u16, String)> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            match self.0.read(&mut byte) {
                Ok(1) => head.push(byte[0]),
                Ok(_) => return None,
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return None,
                Err(error) => panic!("no reply: {error}"),
            }
        }
        let head = String::from_utf8(head).unwrap();
        let status = head["HTTP/1.1 ".len()..][..3].parse().unwrap();
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("Content-Length: "));
        let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
        self.0.read_exact(&mut body).expect("the whole body");
        Some((status, String::from_utf8(body).unwrap()))
    }

    #[track_caller]
    pub(crate) fn ask(&mut self, request: impl AsRef<[u8]>) -> (u16, String) {
        self.send(request);
        self.reply()
    }

    pub(crate) fn is_resumed(&self) -> bool {
        self.0.conn.handshake_kind() == Some(HandshakeKind::Resumed)
    }

    /// Whether the server ends the connection here, having said so in TLS.
    #[track_caller]
    pub(crate) fn ends_cleanly(&mut self) {
        let mut rest = Vec::new();
        let ended = self.0.read_to_end(&mut rest);
        assert!(matches!(ended, Ok(0)), "{ended:?} with {rest:?}");
    }
}

impl TlsClient {
    /// Whether the server ends the connection instead of replying.
    pub(crate) fn refused(&mut self) -> bool {
        !matches!(self.0.read(&mut [0]), Ok(1))
    }

    /// Whether this is answered, or refused already while it is sent.
    pub(crate) fn is_served(&mut self, request: &[u8]) -> bool {
        self.0.write_all(request).is_ok() && !self.refused()
    }
}
