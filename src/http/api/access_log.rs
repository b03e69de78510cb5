//! A line for each request that was answered, in the log: who asked for what,
//! and what came of it. Never a path, a header or a body: clients choose those.
//!
//! A client decides how many there are, so there is a limit, with a count of
//! those that were left out in the next line.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::access::Client;
use crate::config;
use crate::http::wire::Method;
use crate::http::wire::reply::Reply;
use crate::metrics::Route;
use crate::order::TraceParent;
use crate::sync::rate_limit::{Rate, RateLimit};

/// Lines a second, and at once.
const LINES_PER_SECOND: u32 = 100;
const BURST_LINES: u32 = 200;
/// The one status of an error that is an outcome.
const ORDER_FAILED: u16 = 422;

pub(crate) struct AccessLog {
    which: config::AccessLog,
    limit: RateLimit,
    rate: Rate,
    left_out: AtomicU64,
}

/// What is known of a request before its reply.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Begun {
    at: Instant,
    method: Option<Method>,
    traceparent: Option<TraceParent>,
}

impl AccessLog {
    pub(crate) fn new(which: config::AccessLog) -> Self {
        Self {
            which,
            limit: RateLimit::default(),
            rate: Rate::new(LINES_PER_SECOND, Duration::from_secs(1), BURST_LINES),
            left_out: AtomicU64::new(0),
        }
    }

    /// A request begins; `None` if it won't be logged.
    #[inline]
    pub(crate) fn begin(
        &self,
        method: Option<Method>,
        traceparent: impl FnOnce() -> Option<TraceParent>,
    ) -> Option<Begun> {
        (self.which != config::AccessLog::Off).then(|| Begun {
            at: Instant::now(),
            method,
            traceparent: traceparent(),
        })
    }

    /// A request has its reply; `begun` is missing if its head wasn't understood.
    #[inline]
    pub(crate) fn end(
        &self,
        begun: Option<Begun>,
        route: Route,
        client: Option<&Client>,
        reply: &Reply,
    ) {
        if self.which != config::AccessLog::Off {
            self.log(begun, route, client, reply);
        }
    }

    #[cold]
    #[inline(never)]
    fn log(&self, begun: Option<Begun>, route: Route, client: Option<&Client>, reply: &Reply) {
        let status = reply.status;
        let is_error = status >= 400 && status != ORDER_FAILED;
        if !is_error && self.which == config::AccessLog::Errors {
            return;
        }
        let now = Instant::now();
        if self.limit.take(&self.rate, now).is_err() {
            self.left_out.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let left_out = self.left_out.swap(0, Ordering::Relaxed);
        let trace = begun.and_then(|begun| begun.traceparent);
        tracing::info!(
            client = client.and_then(Client::name).map(|name| name.as_str()),
            method = begun.and_then(|begun| begun.method).map(Method::as_str),
            route = route.as_str(),
            status,
            duration_us = begun.map(|begun| (now - begun.at).as_micros() as u64),
            bytes = reply.body.as_slice().len(),
            trace_id = trace.map(|trace| trace.trace_id().to_string()),
            left_out = (left_out > 0).then_some(left_out),
            "request"
        );
    }
}
