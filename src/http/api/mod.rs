//! The HTTP API: plain functions from a request to a reply. No socket here.

pub(crate) mod batch;
pub(crate) mod feed;
pub(crate) mod observer;
pub(crate) mod orders;
pub(crate) mod problem;
pub(crate) mod router;
pub(crate) mod service;
pub(crate) mod submit;
