//! A line for each request that was answered, in the log: who asked for what,
//! and what came of it. Never a path, a header or a body: clients choose those.

use std::net::IpAddr;
use std::time::Instant;

use crate::access::AccessSample;
use crate::config;
use crate::http::wire::Method;
use crate::http::wire::reply::Reply;
use crate::metrics::Route;
use crate::order::{Client as ClientName, TraceParent};
use crate::peer::Origin;

/// The one status of an error that is an outcome.
const ORDER_FAILED: u16 = 422;

pub(crate) struct AccessLog(AccessSample);

/// What is known of a request before its reply.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Begun {
    at: Instant,
    method: Option<Method>,
    asked: Asked,
}

/// What a request's head says that is logged.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    pub(crate) traceparent: Option<TraceParent>,
    /// Who asks, where that isn't the peer.
    pub(crate) client_address: Option<IpAddr>,
}

impl AccessLog {
    pub(crate) fn new(which: config::AccessLog) -> Self {
        Self(AccessSample::new(which))
    }

    pub(crate) fn is_on(&self) -> bool {
        self.0.is_on()
    }

    /// A request begins; `None` if it won't be logged.
    #[inline]
    pub(crate) fn begin(
        &self,
        method: Option<Method>,
        asked: impl FnOnce() -> Asked,
    ) -> Option<Begun> {
        self.0.is_on().then(|| Begun {
            at: Instant::now(),
            method,
            asked: asked(),
        })
    }

    /// A request has its reply; `begun` is missing if its head wasn't understood.
    #[inline]
    pub(crate) fn end(
        &self,
        begun: Option<Begun>,
        origin: Option<&Origin>,
        route: Route,
        client: Option<ClientName>,
        reply: &Reply,
    ) {
        if self.is_on() {
            self.log(begun, origin, route, client, reply);
        }
    }

    #[cold]
    #[inline(never)]
    fn log(
        &self,
        begun: Option<Begun>,
        origin: Option<&Origin>,
        route: Route,
        client: Option<ClientName>,
        reply: &Reply,
    ) {
        let status = reply.status;
        let is_error = status >= 400 && status != ORDER_FAILED;
        let now = Instant::now();
        let asked = begun.map(|begun| begun.asked);
        let trace = asked.and_then(|asked| asked.traceparent);
        let client_address = match asked {
            Some(asked) => asked.client_address,
            None => origin.and_then(Origin::relayed),
        };
        self.0.log(is_error, now, |left_out| {
            tracing::info!(
                peer = origin.map(|origin| origin.peer().to_string()),
                client_address = client_address.map(|address| address.to_string()),
                client = client.as_ref().map(|name| name.as_str()),
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
