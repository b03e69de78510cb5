//! Clients that users have, on the running service: HTTP libraries of five
//! languages, load generators, and schemathesis with the API's description.
//!
//! | file | holds |
//! |---|---|
//! | `kinds.rs` | what each library is asked to do, on which services |
//! | `program.rs` | a client program, and how it is run |
//! | `programs/` | one for each library; the parts between `docs:` marks stand in docs/clients.md |
//! | `go.rs`, `java.rs`, `node.rs`, `python.rs`, `dotnet.rs` | how each is built, and what it can't do |
//! | `curl.rs`, `load.rs` | command-line clients: retries, and load with their own reports |
//! | `schemathesis.rs`, `schemathesis/` | requests made from `/openapi.json`, valid and not |
//! | `docs.rs` | docs/clients.md shows what is run here |

#[path = "../tls/authority.rs"]
#[allow(dead_code, reason = "made for the tests of TLS")]
mod authority;
#[path = "../harness/mod.rs"]
mod harness;

mod curl;
mod docs;
mod dotnet;
mod go;
mod java;
mod kinds;
mod load;
mod node;
mod program;
mod python;
mod schemathesis;
mod tokens;
