//! Replies on their way out: gathered, sent, and at the end waited for.

use std::time::{Duration, Instant};

use crate::http::api::problem::Report;
use crate::http::server::connection::Connection;
use crate::http::server::connection::input::{INPUT_BYTES, KEPT_BYTES};
use crate::http::wire::date::{DATE_LEN, write_date};
use crate::http::wire::reply::{Body, Framing, Reply};
use crate::metrics::Route;

/// Replies are sent once so much has come together, whatever else is waiting.
pub(crate) const OUTPUT_BYTES: usize = 64 << 10;
/// After the last reply: what is read and dropped, and for how long, so that
/// the reply isn't lost to a reset (RFC 9112 section 9.6).
const LINGER_BYTES: usize = 1 << 20;
const LINGER: Duration = Duration::from_secs(2);

impl Connection {
    pub(crate) fn reply(&mut self, route: Route, reply: &Reply, framing: Framing) {
        self.service.metrics().http.request(route, reply.status);
        let mut date = [0; DATE_LEN];
        write_date(&mut date);
        let page = match &reply.body {
            Body::Shared(page) if !framing.head_only => &page[..],
            _ => &[],
        };
        if page.len() < OUTPUT_BYTES {
            reply.encode(framing, &date, &mut self.output);
            return;
        }
        // Written from where it lies: it is counted there, and here it isn't.
        reply.encode_head(framing, &date, &mut self.output);
        self.turn.bytes += page.len();
        if self.flush() {
            let timeout = self.service.limits.write_timeout;
            self.broken = self.socket.write(page, timeout).is_err();
        }
    }

    /// The last reply of this connection.
    pub(crate) fn last(&mut self, route: Route, report: Report<'_>) {
        self.reply(route, &report.reply(), Framing::LAST);
    }

    /// Sends what is in the output buffer; `false` if the peer doesn't take it.
    pub(crate) fn flush(&mut self) -> bool {
        if self.output.is_empty() || self.broken {
            return !self.broken;
        }
        let timeout = self.service.limits.write_timeout;
        self.broken = self.socket.write(&self.output, timeout).is_err();
        self.output.clear();
        if self.output.capacity() > KEPT_BYTES {
            self.output = Vec::new();
        }
        !self.broken
    }

    /// The same with no request in execution: all replies are out then.
    pub(crate) fn flush_all(&mut self) -> bool {
        let written = self.flush();
        self.executing = None;
        written
    }

    /// Sends what is left, then waits for the peer to close, within limits.
    pub(crate) fn linger(mut self) {
        if !self.flush_all() || self.socket.finish().is_err() {
            return;
        }
        let until = Instant::now() + LINGER;
        let mut dropped = 0;
        self.input = Vec::with_capacity(INPUT_BYTES);
        while dropped < LINGER_BYTES {
            self.input.clear();
            match self.socket.read(&mut self.input, until, || true) {
                Ok(()) => dropped += self.input.len(),
                Err(_) => return,
            }
        }
    }
}
