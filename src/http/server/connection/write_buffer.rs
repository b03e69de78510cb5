//! Replies on their way out: gathered, and sent together.

use std::time::{Duration, Instant};

use crate::http::server::connection::capacity::{GATHERED_BYTES, KEPT_BYTES};
use crate::http::server::socket::Socket;
use crate::http::wire::date::{DATE_LEN, write_date};
use crate::http::wire::reply::{CONTINUE, Framing, Reply};
use crate::sync::memory_budget::FREE_BYTES;

/// A body that takes long is written in pieces of this size: each has the write
/// timeout for itself.
const PIECE_BYTES: usize = 256 << 10;

/// The peer didn't take what was written: nothing may follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WriteFailed;

/// Replies that have not been sent. Once a write has failed, all others do.
#[derive(Debug)]
pub(crate) struct WriteBuffer {
    bytes: Vec<u8>,
    /// For the peer to take what is written at a time.
    timeout: Duration,
    broken: bool,
}

impl WriteBuffer {
    pub(crate) fn new(timeout: Duration) -> Self {
        Self {
            bytes: Vec::new(),
            timeout,
            broken: false,
        }
    }

    /// Whether no more replies should be gathered.
    pub(crate) fn is_full(&self) -> bool {
        self.bytes.len() >= GATHERED_BYTES
    }

    /// Lets the client send its body.
    pub(crate) fn push_continue(&mut self) {
        self.bytes.extend_from_slice(CONTINUE);
    }

    /// Gathers a reply; one with a large body is sent.
    pub(crate) fn reply(
        &mut self,
        socket: &mut Socket,
        reply: &Reply,
        framing: Framing,
    ) -> Result<(), WriteFailed> {
        let body = if framing.head_only {
            &[]
        } else {
            reply.body.as_slice()
        };
        if !is_large(body) {
            self.push(reply, framing);
            return self.check();
        }
        self.push_head(reply, framing);
        self.flush(socket)?;
        self.write(socket, body, self.timeout)
    }

    /// Sends a reply whose body may take long: all of it has `limit`.
    pub(crate) fn send(
        &mut self,
        socket: &mut Socket,
        reply: &Reply,
        framing: Framing,
        limit: Duration,
    ) -> Result<(), WriteFailed> {
        let body = reply.body.as_slice();
        if !is_large(body) {
            self.push(reply, framing);
            return self.flush(socket);
        }
        self.push_head(reply, framing);
        self.flush(socket)?;
        let end = Instant::now() + limit;
        for piece in body.chunks(PIECE_BYTES) {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                self.broken = true;
                return Err(WriteFailed);
            }
            self.write(socket, piece, self.timeout.min(left))?;
        }
        Ok(())
    }

    /// Sends what has been gathered.
    pub(crate) fn flush(&mut self, socket: &mut Socket) -> Result<(), WriteFailed> {
        self.check()?;
        if !self.bytes.is_empty() {
            self.broken = socket.write(&self.bytes, self.timeout).is_err();
            self.clear();
        }
        self.check()
    }

    fn check(&self) -> Result<(), WriteFailed> {
        if self.broken {
            Err(WriteFailed)
        } else {
            Ok(())
        }
    }

    fn write(
        &mut self,
        socket: &mut Socket,
        bytes: &[u8],
        timeout: Duration,
    ) -> Result<(), WriteFailed> {
        socket.write(bytes, timeout).map_err(|_| {
            self.broken = true;
            WriteFailed
        })
    }

    fn push(&mut self, reply: &Reply, framing: Framing) {
        reply.encode(framing, &date(), &mut self.bytes);
    }

    fn push_head(&mut self, reply: &Reply, framing: Framing) {
        reply.encode_head(framing, &date(), &mut self.bytes);
    }

    fn clear(&mut self) {
        self.bytes.clear();
        if self.bytes.capacity() > KEPT_BYTES {
            self.bytes = Vec::new();
        }
    }
}

/// Whether a body is written from where it lies: so a client that reads no
/// replies has no copies of them, and what it has is counted.
fn is_large(body: &[u8]) -> bool {
    body.len() > FREE_BYTES
}

fn date() -> [u8; DATE_LEN] {
    let mut date = [0; DATE_LEN];
    write_date(&mut date);
    date
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &[u8] = b"{}";

    fn buffer() -> WriteBuffer {
        WriteBuffer::new(Duration::from_secs(1))
    }

    #[test]
    fn replies_are_gathered_in_order() {
        let mut buffer = buffer();
        buffer.push(&Reply::fixed(200, "application/json", BODY), Framing::LAST);
        buffer.push_continue();
        buffer.push(&Reply::empty(404), Framing::LAST);
        let text = String::from_utf8(buffer.bytes).unwrap();
        let starts: Vec<&str> = text.split("HTTP/1.1 ").skip(1).collect();
        assert!(starts[0].starts_with("200 OK") && starts[0].ends_with("{}"));
        assert_eq!(starts[1], "100 Continue\r\n\r\n");
        assert!(starts[2].starts_with("404"));
    }

    #[test]
    fn a_full_buffer_is_given_back_when_it_is_sent() {
        let mut buffer = buffer();
        let reply = Reply::bytes(200, "text/plain", vec![b'x'; FREE_BYTES]);
        while !buffer.is_full() {
            buffer.push(&reply, Framing::LAST);
        }
        // Of replies that are not written from where they lie.
        assert!(buffer.bytes.capacity() <= 2 * KEPT_BYTES);
        buffer.bytes.reserve(2 * KEPT_BYTES);
        buffer.clear();
        assert_eq!(buffer.bytes.capacity(), 0);

        buffer.push(&Reply::empty(404), Framing::LAST);
        let capacity = buffer.bytes.capacity();
        buffer.clear();
        assert_eq!(buffer.bytes.capacity(), capacity, "small: kept");
    }
}
