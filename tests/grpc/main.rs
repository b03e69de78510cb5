//! The gRPC port, through real sockets, with the client generated from the same file.

#[path = "../harness/mod.rs"]
mod harness;

mod client;
mod faults;
mod follow;
mod health;
mod limits;
mod load;
mod stream;
mod submit;
