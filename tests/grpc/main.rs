//! The gRPC port, through real sockets, with the client generated from the same file.

#[path = "../harness/mod.rs"]
mod harness;

mod client;
mod follow;
mod health;
mod limits;
mod stream;
mod submit;
