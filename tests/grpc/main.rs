//! The gRPC port, through real sockets, with the client generated from the same
//! file.

#[path = "../harness/mod.rs"]
mod harness;

mod access_log;
mod backpressure;
mod calls;
mod client;
mod connections;
mod drain;
mod faults;
mod figures;
mod follow;
mod front_ends;
mod health;
mod http2;
mod load;
mod small_frames;
mod stream;
mod submit;
mod token_changes;
mod tokens;
mod trace_context;
mod untaken;
