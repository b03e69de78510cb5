//! What is known of a submission beside its order.

use crate::order::client::Client;
use crate::order::traceparent::TraceParent;

/// Who submitted an order, and as part of which trace: what a front end knows
/// of the request. It is no part of the order's content: a duplicate may have
/// another one, and the record has that of the first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Submission {
    pub(crate) client: Option<Client>,
    pub(crate) traceparent: Option<TraceParent>,
}

impl Submission {
    /// One of which nothing is known but its `traceparent`.
    #[cfg(test)]
    pub(crate) fn traced(traceparent: Option<TraceParent>) -> Self {
        Self {
            client: None,
            traceparent,
        }
    }
}
