//! `POST /submit` with `application/x-ndjson`: a result for each line, and limits that hold.

#[path = "../harness/mod.rs"]
mod harness;

mod drain;
mod framing;
mod journal;
mod lines;
mod random;
mod reply;
mod request;
mod timeouts;
mod waiting;
