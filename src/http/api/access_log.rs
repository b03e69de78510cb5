//! A line for each request that was answered, in the log: who asked for what,
//! and what came of it. Never a path, a header or a body: clients choose those.

use std::time::Instant;

use crate::access::{AccessSample, Client};
use crate::config;
use crate::http::wire::Method;
use crate::http::wire::reply::Reply;
use crate::metrics::Route;
use crate::order::TraceParent;

/// The one status of an error that is an outcome.
const ORDER_FAILED: u16 = 422;

pub(crate) struct AccessLog(AccessSample);

/// What is known of a request before its reply.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Begun {
    at: Instant,
    method: Option<Method>,
    traceparent: Option<TraceParent>,
}

impl AccessLog {
    pub(crate) fn new(which: config::AccessLog) -> Self {
        Self(AccessSample::new(which))
    }

    /// A request begins; `None` if it won't be logged.
    #[inline]
    pub(crate) fn begin(
        &self,
        method: Option<Method>,
        traceparent: impl FnOnce() -> Option<TraceParent>,
    ) -> Option<Begun> {
        self.0.is_on().then(|| Begun {
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
        if self.0.is_on() {
            self.log(begun, route, client, reply);
        }
    }

    #[cold]
    #[inline(never)]
    fn log(&self, begun: Option<Begun>, route: Route, client: Option<&Client>, reply: &Reply) {
        let status = reply.status;
        let is_error = status >= 400 && status != ORDER_FAILED;
        let now = Instant::now();
        let trace = begun.and_then(|begun| begun.traceparent);
        self.0.log(is_error, now, |left_out| {
            tracing::info!(
                client = client.and_then(Client::name).map(|name| name.as_str()),
                method = begun.and_then(|begun| begun.method).map(Method::as_str),
                route = route.as_str(),
                status,
                duration_us = begun.map(|begun| (now - begun.at).as_micros() as u64),
                bytes = reply.body.as_slice().len(),
                trace_id = trace.map(|trace| trace.trace_id().to_string()),
                left_out,
                "request"
            );
        });
    }
}
