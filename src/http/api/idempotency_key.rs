//! `Idempotency-Key`: the id of an order that names none itself
//! (draft-ietf-httpapi-idempotency-key-header). The draft asks for a quoted
//! string; most clients send it bare.

use crate::http::api::problem::{Problem, Report, rejected};
use crate::http::api::service::Service;
use crate::http::wire::list;
use crate::http::wire::reply::Reply;
use crate::metrics::Reason;
use crate::order::{Order, OrderId};

pub(crate) const FIELD: &str = "Idempotency-Key";

/// The order that this body is, with the key as its id if it has none.
pub(super) fn decode(service: &Service, body: &[u8], key: &str) -> Result<Order, Box<Reply>> {
    let invalid = |detail: String| {
        service.admission.reject(Reason::Invalid);
        Box::new(bad(detail).reply())
    };
    let text = list::unquoted(key).unwrap_or(key.into());
    let id = OrderId::parse(&text).map_err(|why| invalid(format!("{FIELD} {why}")))?;
    match service.admission.decode_named(body, &id) {
        Ok(order) if *order.id() == id => Ok(order),
        Ok(_) => Err(invalid(format!(
            "{FIELD} and the order's id differ: send one of them, or the same twice"
        ))),
        Err(rejection) => {
            let report = rejected(&rejection, service.limits.overload_status);
            Err(Box::new(report.reply()))
        }
    }
}

/// A key that is of no use.
pub(crate) fn bad(detail: impl Into<String>) -> Report<'static> {
    let detail: String = detail.into();
    Problem::InvalidParameter.report(detail).parameter(FIELD)
}
