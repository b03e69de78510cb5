//! The figures of the gRPC port, present only while it is open.

use crate::metrics::counter::{CounterFamily, Gauge};
use crate::metrics::label::{Label, label};

/// Written by tasks of the gRPC front end.
#[derive(Debug, Default)]
pub struct GrpcMetrics {
    /// Connections open now.
    pub connections: Gauge,
    /// How many are served at a time, as far as the descriptor limit allows.
    pub connections_max: Gauge,
    /// Calls that have begun and not ended, by method.
    open_calls: [Gauge; GrpcMethod::COUNT],
    /// Calls that have ended, by method and status code.
    calls: CounterFamily<(GrpcMethod, GrpcCode), { GrpcMethod::COUNT * GrpcCode::COUNT }>,
}

impl GrpcMetrics {
    pub fn begin(&self, method: GrpcMethod) {
        self.open_calls[method as usize].inc();
    }

    /// Counts a call that [began](Self::begin) as ended.
    pub fn end(&self, method: GrpcMethod, code: GrpcCode) {
        self.calls.inc((method, code));
        self.open_calls[method as usize].dec();
    }

    pub(super) fn open_calls(&self) -> impl Iterator<Item = (GrpcMethod, u64)> {
        let methods = GrpcMethod::ALL.iter();
        methods.map(|method| (*method, self.open_calls[*method as usize].get()))
    }

    /// The cells that are not zero, by method and then code.
    pub(super) fn calls_ended(&self) -> impl Iterator<Item = (GrpcMethod, GrpcCode, u64)> {
        let cells = GrpcMethod::ALL
            .iter()
            .flat_map(|method| GrpcCode::all().map(move |code| (*method, code)));
        cells
            .map(|(method, code)| (method, code, self.calls.get((method, code))))
            .filter(|(_, _, count)| *count > 0)
    }
}

label! {
    /// The method of a gRPC call: `grpc_calls{method}`. Never the path itself,
    /// which a client could make up without end.
    GrpcMethod {
        /// `OrderService/Submit`.
        Submit = "submit",
        /// `OrderService/SubmitStream`.
        SubmitStream = "submit_stream",
        /// `OrderService/GetOrder`.
        GetOrder = "get_order",
        /// `OrderService/Follow`.
        Follow = "follow",
        /// `Health/Check` and `Health/Watch`.
        Health = "health",
        /// Reflection, by both its names.
        Reflection = "reflection",
        /// No service, or no method of one.
        Other = "other",
    }
}

/// The names of gRPC's status codes, by their number.
const GRPC_CODES: [&str; 17] = [
    "ok",
    "cancelled",
    "unknown",
    "invalid_argument",
    "deadline_exceeded",
    "not_found",
    "already_exists",
    "permission_denied",
    "resource_exhausted",
    "failed_precondition",
    "aborted",
    "out_of_range",
    "unimplemented",
    "internal",
    "unavailable",
    "data_loss",
    "unauthenticated",
];

/// A gRPC status code as a label: `grpc_calls{code}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GrpcCode(u8);

impl GrpcCode {
    /// The client took the call back, or went away.
    pub const CANCELLED: Self = Self(1);
    /// What a number that is none becomes.
    const UNKNOWN: Self = Self(2);
    /// How many values there are.
    pub const COUNT: usize = GRPC_CODES.len();

    /// The label of a code's number.
    pub fn of(code: i32) -> Self {
        let known = usize::try_from(code).is_ok_and(|code| code < Self::COUNT);
        if known {
            Self(code as u8)
        } else {
            Self::UNKNOWN
        }
    }

    /// Every value, by its number.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..Self::COUNT as u8).map(Self)
    }

    /// The label's value on the wire.
    pub fn as_str(self) -> &'static str {
        GRPC_CODES[usize::from(self.0)]
    }
}

impl Label for (GrpcMethod, GrpcCode) {
    const COUNT: usize = GrpcMethod::COUNT * GrpcCode::COUNT;

    #[inline]
    fn index(self) -> usize {
        self.0.index() * GrpcCode::COUNT + usize::from(self.1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grpc_code_is_labelled_with_its_name() {
        assert_eq!(GrpcCode::of(0).as_str(), "ok");
        assert_eq!(GrpcCode::CANCELLED, GrpcCode::of(1));
        assert_eq!(GrpcCode::of(16).as_str(), "unauthenticated");
        for none in [-1, 17, i32::MAX, i32::MIN, 256] {
            assert_eq!(GrpcCode::of(none).as_str(), "unknown");
        }
        let cells = GrpcMethod::ALL
            .iter()
            .flat_map(|method| GrpcCode::all().map(|code| (*method, code).index()));
        assert!(cells.eq(0..<(GrpcMethod, GrpcCode)>::COUNT));
    }
}
