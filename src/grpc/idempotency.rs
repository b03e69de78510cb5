//! An order's id from the call's metadata, as other services take it: the key
//! `idempotency-key`, a token or a quoted string (the IETF draft
//! "The Idempotency-Key HTTP Header Field").

use tonic::Response;
use tonic::metadata::{MetadataMap, MetadataValue};

use crate::admission::Admission;
use crate::grpc::error::{CallError, ErrorReason};
use crate::grpc::proto::{SubmitRequest, SubmitResponse};
use crate::metrics::Reason;

/// In a request: the id of an order that has none.
pub(super) const KEY: &str = "idempotency-key";
/// In a response: the outcome is that of an earlier call.
const REPLAYED: &str = "idempotent-replayed";

/// The request, whose order has its id from the metadata if it has none.
pub(super) fn with_key(
    admission: &Admission,
    metadata: &MetadataMap,
    mut request: SubmitRequest,
) -> Result<SubmitRequest, CallError> {
    let mut keys = metadata.get_all(KEY).iter();
    let (Some(key), Some(order)) = (keys.next(), &mut request.order) else {
        return Ok(request);
    };
    let invalid = |detail: &str| {
        admission.reject(Reason::Invalid);
        ErrorReason::InvalidRequest.error(detail).field(KEY)
    };
    let Some(key) = key.to_str().ok().and_then(unquoted) else {
        return Err(invalid("idempotency-key is no token and no quoted string"));
    };
    if keys.next().is_some() {
        return Err(invalid("idempotency-key is there more than once"));
    }
    if order.id.is_empty() {
        order.id.push_str(key);
    } else if order.id != key {
        return Err(invalid("idempotency-key is not the order's id"));
    }
    Ok(request)
}

/// An id has no character that a quoted string would escape.
fn unquoted(key: &str) -> Option<&str> {
    let key = key.trim();
    match key.strip_prefix('"') {
        Some(quoted) => quoted.strip_suffix('"'),
        None => Some(key),
    }
}

/// The response, marked if it repeats an outcome.
pub(super) fn marked(response: SubmitResponse) -> Response<SubmitResponse> {
    let repeats = response.duplicate && response.seq > 0;
    let mut response = Response::new(response);
    if repeats {
        let value = MetadataValue::from_static("true");
        response.metadata_mut().insert(REPLAYED, value);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_may_be_quoted() {
        assert_eq!(unquoted("ord-1"), Some("ord-1"));
        assert_eq!(unquoted(" \"ord-1\" "), Some("ord-1"));
        assert_eq!(unquoted("\"ord-1"), None);
        assert_eq!(unquoted("\""), None);
    }
}
