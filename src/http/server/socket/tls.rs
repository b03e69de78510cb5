//! TLS on a coroutine's socket: its handshake, and content through its records
//! (RFC 8446).
//!
//! `rustls` holds no socket: it takes what was received and says what is to be
//! sent. What it holds of either is bounded: one record is decrypted at a time,
//! and its content is taken before more is received; nothing is encrypted
//! before what was is sent.

use std::io;
use std::io::{BufRead, ErrorKind, Read, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustls::pki_types::CertificateDer;
use rustls::{ServerConfig, ServerConnection};

use crate::http::server::socket::{Socket, SocketError, Stream};
use crate::tls::HANDSHAKE_BYTES_MAX;

/// What is encrypted and sent at a time: two records.
const PIECE_BYTES: usize = 32 << 10;
/// What the first byte of a client's is (`handshake`, RFC 8446 section 5.1).
const HANDSHAKE_RECORD: u8 = 22;

/// Why a connection has no TLS.
#[derive(Debug)]
pub(crate) enum HandshakeError {
    /// The client's first byte begins no handshake, but may begin a request.
    PlainHttp,
    /// It has been told why.
    Refused(rustls::Error),
    /// It was not over in time, or had more bytes than it may have, or the
    /// client has gone.
    Unfinished,
}

impl From<SocketError> for HandshakeError {
    fn from(_: SocketError) -> Self {
        Self::Unfinished
    }
}

/// What one call of the system brought.
struct Receiver<'a> {
    stream: &'a Stream,
    /// Bytes, and the first of them.
    received: usize,
    first: u8,
    /// It was all that there is.
    emptied: bool,
}

impl Read for Receiver<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let received = loop {
            match self.stream.read_into(buffer) {
                Err(Errno::INTR) => {}
                read => break read?,
            }
        };
        self.received = received;
        self.first = buffer.first().copied().unwrap_or_default();
        self.emptied = received < buffer.len();
        Ok(received)
    }
}

struct Sender<'a>(&'a Stream);

impl Write for Sender<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(self.0.send(bytes)?)
    }

    fn write_vectored(&mut self, slices: &[io::IoSlice<'_>]) -> io::Result<usize> {
        Ok(self.0.send_vectored(slices)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Socket {
    /// Has TLS from now on: the handshake, which has to be over at `until`, and
    /// is given up when `keep_waiting` doesn't hold.
    ///
    /// Each of its steps takes one turn among the connections that
    /// [give way](Socket::give_way): however many clients begin a handshake, a
    /// request that has come waits for one step of one of them.
    pub(crate) fn handshake(
        &mut self,
        config: Arc<ServerConfig>,
        until: Instant,
        keep_waiting: impl Fn() -> bool,
    ) -> Result<(), HandshakeError> {
        let connection = ServerConnection::new(config).map_err(HandshakeError::Refused)?;
        let mut tls = Box::new(connection);
        let mut received = 0;
        loop {
            while tls.wants_write() {
                match tls.write_tls(&mut Sender(&self.stream)) {
                    Ok(_) => {}
                    Err(error) => self.wait_to_send(&error, until)?,
                }
            }
            if !tls.is_handshaking() {
                break;
            }
            let (bytes, first) = self.receive_handshake(&mut tls, until, &keep_waiting)?;
            if received == 0 && first != HANDSHAKE_RECORD && first.is_ascii_graphic() {
                return Err(HandshakeError::PlainHttp);
            }
            received += bytes;
            if received > HANDSHAKE_BYTES_MAX {
                return Err(HandshakeError::Unfinished);
            }
            self.give_way();
            if let Err(error) = tls.process_new_packets() {
                // The alert. It fits into the buffer of a fresh socket; if not,
                // the client goes without.
                let _ = tls.write_tls(&mut Sender(&self.stream));
                return Err(HandshakeError::Refused(error));
            }
        }
        self.tls = Some(tls);
        Ok(())
    }

    /// Certificates that the client has shown: its own first.
    pub(crate) fn client_certificates(&self) -> &[CertificateDer<'static>] {
        let tls = self.tls.as_ref();
        tls.and_then(|tls| tls.peer_certificates())
            .unwrap_or_default()
    }

    /// Receives some of a handshake: how many bytes, and the first of them.
    fn receive_handshake(
        &mut self,
        tls: &mut ServerConnection,
        until: Instant,
        keep_waiting: &impl Fn() -> bool,
    ) -> Result<(usize, u8), SocketError> {
        loop {
            if self.readable {
                let mut receiver = self.receiver();
                match tls.read_tls(&mut receiver) {
                    Ok(0) => return Err(SocketError::Closed),
                    Ok(bytes) => {
                        let (first, emptied) = (receiver.first, receiver.emptied);
                        self.readable = self.hung_up || !emptied;
                        return Ok((bytes, first));
                    }
                    Err(error) if error.kind() == ErrorKind::WouldBlock => self.readable = false,
                    Err(_) => return Err(SocketError::Broken),
                }
            }
            self.await_bytes(until, keep_waiting)?;
        }
    }

    /// [`Socket::read`] through TLS. A client that closes its side without
    /// saying so in TLS has closed it all the same: where a request ends is
    /// known from its own framing, and one that was cut is none.
    pub(super) fn read_decrypted(
        &mut self,
        tls: &mut ServerConnection,
        buffer: &mut Vec<u8>,
        until: Instant,
        keep_waiting: impl Fn() -> bool,
    ) -> Result<(), SocketError> {
        loop {
            match take_content(tls, buffer) {
                Ok(0) => return Err(SocketError::Closed),
                Ok(_) => return Ok(()),
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock => {}
                    ErrorKind::UnexpectedEof => return Err(SocketError::Closed),
                    _ => return Err(SocketError::Broken),
                },
            }
            if !self.readable {
                self.await_bytes(until, &keep_waiting)?;
                continue;
            }
            let mut receiver = self.receiver();
            let read = tls.read_tls(&mut receiver);
            let (received, emptied) = (receiver.received, receiver.emptied);
            match read {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.readable = false;
                    continue;
                }
                Err(_) => return Err(SocketError::Broken),
            }
            self.readable = self.hung_up || !emptied;
            let processed = tls.process_new_packets();
            if tls.wants_write() {
                // An alert, or the answer to new keys; what is left of it goes
                // with the next reply.
                let _ = tls.write_tls(&mut Sender(&self.stream));
            }
            match processed {
                Ok(state) if state.plaintext_bytes_to_read() > 0 => {}
                Ok(_) => self.without_content(received, until)?,
                Err(_) => return Err(SocketError::Broken),
            }
        }
    }

    /// Records without content give a client no more time, and nobody else
    /// less.
    fn without_content(&mut self, received: usize, until: Instant) -> Result<(), SocketError> {
        self.quantum.count_bytes(received);
        if self.quantum.is_spent() {
            self.give_way();
        }
        if Instant::now() >= until {
            return Err(SocketError::TimedOut);
        }
        Ok(())
    }

    /// [`Socket::write`] through TLS.
    pub(super) fn write_encrypted(
        &mut self,
        tls: &mut ServerConnection,
        mut bytes: &[u8],
        timeout: Duration,
    ) -> Result<(), SocketError> {
        let mut until = None;
        loop {
            if !tls.wants_write() {
                if bytes.is_empty() {
                    return Ok(());
                }
                let piece = &bytes[..bytes.len().min(PIECE_BYTES)];
                let written = tls.writer().write(piece);
                bytes = &bytes[written.map_err(|_| SocketError::Broken)?..];
            }
            match tls.write_tls(&mut Sender(&self.stream)) {
                Ok(sent) => {
                    self.quantum.count_bytes(sent);
                    if !bytes.is_empty() && self.quantum.is_spent() {
                        self.give_way();
                    }
                }
                Err(error) => {
                    let until = *until.get_or_insert_with(|| Instant::now() + timeout);
                    self.wait_to_send(&error, until)?;
                }
            }
        }
    }

    /// Says in TLS that nothing more will be sent, as far as the socket takes
    /// it: a client that doesn't read need not know.
    pub(crate) fn close_notify(&mut self) {
        if let Some(tls) = &mut self.tls {
            tls.send_close_notify();
            while tls.wants_write() {
                match tls.write_tls(&mut Sender(&self.stream)) {
                    Ok(_) => {}
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    Err(_) => return,
                }
            }
        }
    }

    fn receiver(&self) -> Receiver<'_> {
        Receiver {
            stream: &self.stream,
            received: 0,
            first: 0,
            emptied: false,
        }
    }

    /// Waits until the socket takes more, if that is what a write has failed
    /// for.
    fn wait_to_send(&mut self, error: &io::Error, until: Instant) -> Result<(), SocketError> {
        match error.kind() {
            ErrorKind::Interrupted => Ok(()),
            ErrorKind::WouldBlock if Instant::now() >= until => Err(SocketError::TimedOut),
            ErrorKind::WouldBlock => {
                self.park(Some(until));
                Ok(())
            }
            _ => Err(SocketError::Broken),
        }
    }
}

/// Moves what is decrypted to `buffer`, as far as its spare capacity goes; 0 at
/// the end that the client has announced.
fn take_content(tls: &mut ServerConnection, buffer: &mut Vec<u8>) -> io::Result<usize> {
    let mut reader = tls.reader();
    let content = reader.fill_buf()?;
    let taken = content.len().min(buffer.capacity() - buffer.len());
    buffer.extend_from_slice(&content[..taken]);
    reader.consume(taken);
    Ok(taken)
}
