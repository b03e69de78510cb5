//! HTTP: the order port and the admin port.
//!
//! Routes are plain functions from a request to a reply and know no socket;
//! two engines call them: our own HTTP/1.1 loop, and `may_minihttp`. Both run on
//! `may` coroutines.
//!
//! | folder | holds |
//! |---|---|
//! | `minihttp` | the adapter to the other engine: the admin port |
//! | `server` | listener and connections of our own loop: the order port |
//! | `runtime` | how a coroutine is woken: by the pipeline, and by time |
//! | `api` | the routes: request in, reply (or something to wait for) out |
//! | `wire` | where a request ends, and the bytes of a reply |

pub(crate) mod api;
pub(crate) mod minihttp;
pub(crate) mod runtime;
pub(crate) mod server;
pub(crate) mod wire;
