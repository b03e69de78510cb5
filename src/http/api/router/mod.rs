//! The route table: what a request is, decided from its head, and what answers
//! it.
//!
//! Nothing here knows a socket, so both engines and the tests call the same
//! functions. An engine [decides](route()) once a request, before it reads the
//! body; then it reads that as a whole and [calls](call()) the route, or hands
//! it to a [`Batch`](crate::http::api::batch::Batch) as it arrives, or refuses
//! the request unread. A route never blocks: what takes time comes as a
//! [`Wait`].

mod call;
mod decision;
mod refusal;
mod table;
#[cfg(test)]
mod tests;

#[cfg(test)]
pub(crate) use self::call::PAGE_POLICY;
pub(crate) use self::call::{Wait, call};
pub(crate) use self::decision::{Action, RequestHead, Routed, Target, route};
pub(crate) use self::refusal::RouteRefusal;
pub(crate) use self::table::Port;
pub(crate) use crate::http::api::handled::Handled;
pub(crate) use crate::http::api::request::Request;
