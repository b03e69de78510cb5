//! TLS on the order port and the gRPC port, through real sockets: with curl,
//! `openssl s_client`, h2load and grpcio, whose certificates openssl(1) makes,
//! and with a client that breaks off where it likes.

#[path = "../harness/mod.rs"]
mod harness;

mod authority;
mod client;
mod clients;
mod figures;
mod grpc;
mod hostile;
mod http;
mod reload;
mod start;
