//! What a connection has received: the request being read, and any that the
//! client has pipelined behind it.

use std::time::Instant;

use crate::http::server::connection::capacity::{BUFFER_BYTES, KEPT_BYTES};
use crate::http::server::socket::{Socket, SocketError};
use crate::http::wire::{FramingError, Head, HeadLimits, begins_with_head, parse_head};

/// Received bytes. Those of one request stay where they are until it has been
/// answered, since its [`Head`] refers to them.
#[derive(Debug, Default)]
pub(crate) struct ReadBuffer {
    bytes: Vec<u8>,
    /// Where the next request begins.
    start: usize,
    /// How far behind `start` the end of a head has been searched for.
    searched: usize,
}

impl ReadBuffer {
    /// What has been received from the next request on.
    pub(crate) fn received(&self) -> &[u8] {
        &self.bytes[self.start..]
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.start == self.bytes.len()
    }

    /// The next request's head; `None` until all of it has been received.
    pub(crate) fn parse_head(&mut self) -> Result<Option<Head>, FramingError> {
        let received = &self.bytes[self.start..];
        parse_head(received, &mut self.searched, &HeadLimits::default())
    }

    /// Whether a byte of the next request has been received; empty lines before
    /// it are not of it.
    pub(crate) fn has_begun(&self) -> bool {
        !self.behind_empty_lines().is_empty()
    }

    /// Whether the next request, which has no head that can be parsed, begins
    /// like a `HEAD` request.
    pub(crate) fn begins_with_head(&self) -> bool {
        begins_with_head(self.received())
    }

    fn behind_empty_lines(&self) -> &[u8] {
        let line_ends = |byte: &&u8| matches!(byte, b'\r' | b'\n');
        let received = self.received();
        &received[received.iter().take_while(line_ends).count()..]
    }

    /// Goes on behind the first `count` bytes. This moves no byte.
    pub(crate) fn consume(&mut self, count: usize) {
        self.start += count;
        debug_assert!(self.start <= self.bytes.len(), "received before consumed");
    }

    /// Takes `count` bytes out, `from` bytes behind the start: what a decoder
    /// has read behind a head that is still needed.
    pub(crate) fn remove(&mut self, from: usize, count: usize) {
        let from = self.start + from;
        self.bytes.drain(from..from + count);
    }

    /// Receives at least a byte, making space for `wanted`.
    pub(crate) fn fill(
        &mut self,
        socket: &mut Socket,
        wanted: usize,
        until: Instant,
        keep_waiting: impl Fn() -> bool,
    ) -> Result<(), SocketError> {
        self.make_space(wanted);
        socket.read(&mut self.bytes, until, keep_waiting)
    }

    /// Receives at least a byte into the empty buffer, which is given space for
    /// `wanted` and keeps it: for a body that goes through it piece by piece.
    pub(crate) fn refill(
        &mut self,
        socket: &mut Socket,
        wanted: usize,
        until: Instant,
        keep_waiting: impl Fn() -> bool,
    ) -> Result<(), SocketError> {
        debug_assert!(self.is_empty(), "what was received is consumed first");
        self.clear();
        self.bytes.reserve(wanted);
        socket.read(&mut self.bytes, until, keep_waiting)
    }

    /// An empty buffer that has grown large is given back: an idle connection
    /// holds little. Else received bytes move to the front only if that makes
    /// space that is needed, and the buffer grows only if little is left.
    fn make_space(&mut self, wanted: usize) {
        if self.is_empty() {
            self.clear();
            if self.bytes.capacity() > KEPT_BYTES {
                self.bytes = Vec::new();
            }
        } else if self.start > 0 && self.space() < wanted {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
        if self.space() < wanted.min(BUFFER_BYTES / 4) {
            self.bytes.reserve(wanted);
        }
    }

    fn space(&self) -> usize {
        self.bytes.capacity() - self.bytes.len()
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.start = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GET: &[u8] = b"GET /stats HTTP/1.1\r\nHost: a\r\n\r\n";

    /// As if `bytes` had been received in one read.
    fn receive(buffer: &mut ReadBuffer, bytes: &[u8]) {
        buffer.make_space(bytes.len().max(BUFFER_BYTES));
        assert!(buffer.space() >= bytes.len());
        buffer.bytes.extend_from_slice(bytes);
    }

    #[test]
    fn pipelined_requests_are_found_one_behind_the_other() {
        let mut buffer = ReadBuffer::default();
        let post = b"POST /submit HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}";
        receive(&mut buffer, &[GET, post, GET, &GET[..9]].concat());
        for body in [&b""[..], b"{}", b""] {
            let head = buffer.parse_head().unwrap().expect("it is here");
            assert!(buffer.received()[head.len..].starts_with(body));
            buffer.consume(head.len + body.len());
        }
        assert_eq!(buffer.parse_head().unwrap(), None);
        assert_eq!(buffer.received(), &GET[..9]);
        receive(&mut buffer, &GET[9..]);
        let head = buffer.parse_head().unwrap().expect("the rest of it came");
        assert_eq!(*head.path(buffer.received()), *b"/stats");
        buffer.consume(head.len);
        assert!(buffer.is_empty());
    }

    #[test]
    fn a_head_is_searched_on_where_the_last_search_stopped() {
        let mut buffer = ReadBuffer::default();
        receive(&mut buffer, &[GET, &GET[..1]].concat());
        buffer.consume(GET.len());
        // Byte by byte, behind a request that has been answered.
        for byte in &GET[1..] {
            assert_eq!(buffer.parse_head().unwrap(), None);
            assert_eq!(buffer.searched, buffer.received().len());
            receive(&mut buffer, &[*byte]);
        }
        assert!(buffer.parse_head().unwrap().is_some());
        assert_eq!(buffer.searched, 0, "the next head begins elsewhere");
    }

    #[test]
    fn bytes_move_to_the_front_only_for_space_that_is_needed() {
        let mut buffer = ReadBuffer::default();
        receive(&mut buffer, &[b'x'; BUFFER_BYTES - 8]);
        buffer.consume(100);
        let capacity = buffer.bytes.capacity();
        buffer.make_space(8);
        assert_eq!((buffer.start, buffer.space()), (100, 8), "enough is left");
        buffer.make_space(9);
        assert_eq!((buffer.start, buffer.space()), (0, 108));
        assert_eq!(buffer.received(), &[b'x'; BUFFER_BYTES - 108]);
        assert_eq!(buffer.bytes.capacity(), capacity, "moving was enough");
    }

    #[test]
    fn the_buffer_grows_only_when_little_space_is_left() {
        let mut buffer = ReadBuffer::default();
        buffer.make_space(BUFFER_BYTES);
        assert_eq!(buffer.space(), BUFFER_BYTES);
        receive(&mut buffer, &[b'x'; BUFFER_BYTES * 3 / 4]);
        buffer.make_space(BUFFER_BYTES);
        assert_eq!(buffer.space(), BUFFER_BYTES / 4, "a quarter is enough");
        buffer.bytes.push(b'x');
        buffer.make_space(BUFFER_BYTES);
        assert!(buffer.space() >= BUFFER_BYTES);
    }

    #[test]
    fn a_large_buffer_is_given_back_once_it_is_empty() {
        let mut buffer = ReadBuffer::default();
        receive(&mut buffer, &vec![b'x'; KEPT_BYTES + 1]);
        buffer.consume(KEPT_BYTES);
        buffer.make_space(1);
        assert!(buffer.bytes.capacity() > KEPT_BYTES, "a byte is in it");
        buffer.consume(1);
        buffer.make_space(BUFFER_BYTES);
        assert_eq!(buffer.space(), BUFFER_BYTES);
        assert_eq!(buffer.bytes.capacity(), BUFFER_BYTES);
    }

    #[test]
    fn a_decoded_body_is_removed_behind_its_head() {
        let mut buffer = ReadBuffer::default();
        receive(&mut buffer, b"oldHEADchunksNEXT");
        buffer.consume(3);
        buffer.remove(4, 6);
        assert_eq!(buffer.received(), b"HEADNEXT");
    }
}
