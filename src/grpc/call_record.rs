//! What becomes of a call, in the figures and in the log.

use std::sync::Arc;

use http::HeaderMap;
use tonic::{Code, Status};

use crate::grpc::access_log::CallLog;
use crate::grpc::front_end::FrontEnd;
use crate::grpc::route::Route;
use crate::metrics::{GrpcCode, GrpcMethod, GrpcMetrics};
use crate::peer::Origin;

/// An open call. Dropped, it counts as ended: with the status that was sent
/// last, or as taken back by its client.
pub(super) struct CallRecord {
    metrics: Arc<GrpcMetrics>,
    method: GrpcMethod,
    code: GrpcCode,
    pub(super) log: CallLog,
}

impl CallRecord {
    /// A call begins.
    pub(super) fn begin(
        front_end: &Arc<FrontEnd>,
        origin: &Origin,
        path: &str,
        headers: &HeaderMap,
    ) -> Self {
        let method = Route::of(path).label();
        front_end.metrics.begin(method);
        Self {
            metrics: front_end.metrics.clone(),
            method,
            code: GrpcCode::CANCELLED,
            log: CallLog::begin(front_end, origin, path, headers),
        }
    }

    /// The status that the call ends with.
    pub(super) fn status(&mut self, code: Code) {
        self.code = GrpcCode::of(code as i32);
        self.log.status(code);
    }

    /// The same from the headers or trailers that have it.
    pub(super) fn status_in(&mut self, headers: &HeaderMap) {
        if let Some(code) = headers.get(Status::GRPC_STATUS) {
            self.status(Code::from_bytes(code.as_bytes()));
        }
    }
}

impl Drop for CallRecord {
    fn drop(&mut self) {
        self.metrics.end(self.method, self.code);
    }
}
