//! A line for each call that has ended, in the log: who asked for what, and what
//! came of it. Never an unknown path, metadata or a message: clients choose
//! those.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use http::HeaderMap;
use tonic::Code;

use crate::grpc::front_end::FrontEnd;
use crate::grpc::metadata::Metadata;
use crate::grpc::request;
use crate::grpc::route::Route;
use crate::order::{Client as ClientName, TraceParent};
use crate::peer::Origin;

/// A call that is logged when this is dropped; without a log, nothing.
pub(super) struct CallLog(Option<Box<OpenCall>>);

struct OpenCall {
    front_end: Arc<FrontEnd>,
    at: Instant,
    route: Route,
    traceparent: Option<TraceParent>,
    peer: SocketAddr,
    /// Who asks, where that isn't the peer.
    client_address: Option<IpAddr>,
    client: Option<ClientName>,
    /// Of a stream.
    counts: Option<Arc<StreamCounts>>,
    /// `None`: the client has taken the call back, or is gone.
    status: Option<Code>,
}

/// Messages of a stream of orders, or of the feed.
#[derive(Default)]
pub(super) struct StreamCounts {
    requests: AtomicU64,
    responses: AtomicU64,
}

impl CallLog {
    /// A call begins.
    pub(super) fn begin(
        front_end: &Arc<FrontEnd>,
        origin: &Origin,
        path: &str,
        headers: &HeaderMap,
    ) -> Self {
        Self(front_end.access_sample.is_on().then(|| {
            let route = Route::of(path);
            let is_stream = matches!(route, Route::SubmitStream | Route::Follow);
            Box::new(OpenCall {
                at: Instant::now(),
                route,
                traceparent: request::traceparent(headers),
                peer: origin.peer(),
                client_address: origin.behind(&front_end.proxies, &Metadata(headers)),
                client: None,
                counts: is_stream.then(Arc::default),
                status: None,
                front_end: front_end.clone(),
            })
        }))
    }

    /// Whose call it is, if anyone's.
    pub(super) fn client(&mut self, client: Option<ClientName>) {
        if let Some(call) = &mut self.0 {
            call.client = client;
        }
    }

    /// Where the messages of a stream are counted.
    pub(super) fn counts(&self) -> Option<Arc<StreamCounts>> {
        self.0.as_ref()?.counts.clone()
    }

    /// The status that the call ends with.
    pub(super) fn status(&mut self, code: Code) {
        if let Some(call) = &mut self.0 {
            call.status = Some(code);
        }
    }
}

impl StreamCounts {
    pub(super) fn request(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn response(&self) {
        self.responses.fetch_add(1, Ordering::Relaxed);
    }
}

impl Drop for CallLog {
    #[inline]
    fn drop(&mut self) {
        if let Some(call) = self.0.take() {
            call.log();
        }
    }
}

impl OpenCall {
    #[cold]
    fn log(&self) {
        let status = self.status.unwrap_or(Code::Cancelled);
        // A call that has no end of its own is always taken back.
        let is_over = matches!(self.route, Route::Follow | Route::HealthWatch);
        let is_error = status != Code::Ok && !(is_over && status == Code::Cancelled);
        let now = Instant::now();
        let count = |of: fn(&StreamCounts) -> &AtomicU64| {
            let counts = self.counts.as_ref();
            counts.map(|counts| of(counts).load(Ordering::Relaxed))
        };
        self.front_end.access_sample.log(is_error, now, |left_out| {
            tracing::info!(
                peer = %self.peer,
                client_address = self.client_address.map(|address| address.to_string()),
                client = self.client.as_ref().map(|name| name.as_str()),
                method = self.route.method(),
                status = name(status),
                duration_us = (now - self.at).as_micros() as u64,
                requests = count(|counts| &counts.requests),
                responses = count(|counts| &counts.responses),
                trace_id = self.traceparent.map(|trace| trace.trace_id().to_string()),
                left_out,
                "call"
            );
        });
    }
}

/// A code as gRPC's specification names it.
const fn name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}
