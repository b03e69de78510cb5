//! HTTP: the order port and the admin port.
//!
//! Routes are plain functions from a request to a reply and know no socket
//! ([`routes`]); two engines call them: our own HTTP/1.1 loop ([`native`]) and
//! `may_minihttp` ([`minihttp`]). Both run on `may` coroutines.
//!
//! | room | holds |
//! |---|---|
//! | [`routes`] | the route table: request in, reply (or something to wait for) out |
//! | [`submit`], [`batch`], [`orders`], [`feed`] | the routes that do more than show something |
//! | [`problem`], [`reply`], [`date`] | what a reply is and how it is written |
//! | [`framing`] | where a request ends: head and body, without a socket |
//! | [`native`] | listener and connections of our own loop |
//! | [`minihttp`] | the adapter to the other engine |
//! | [`deadline`], [`run_queues`] | how a coroutine is woken: by time, by the pipeline |
//! | [`observer`] | the thread that puts scrapes together |

pub(crate) mod api;
pub(crate) mod minihttp;
pub(crate) mod runtime;
pub(crate) mod server;
pub(crate) mod wire;
