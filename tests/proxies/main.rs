//! nginx, HAProxy and Envoy in front of the service, with the configurations of
//! docs/proxies.md.

#[path = "../tls/authority.rs"]
#[allow(dead_code, reason = "made for the tests of TLS")]
mod authority;
#[path = "../harness/mod.rs"]
mod harness;

mod addresses;
mod nginx;
mod overload;
mod proxy;
mod requests;
mod retries;
mod shared;
