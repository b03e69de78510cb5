//! TLS: what the files say, and the configurations that connections are made
//! with. Pure of sockets: the front ends move the bytes.
//!
//! `rustls` with `ring`, TLS 1.2 and 1.3. Sessions are resumed by tickets, so
//! that the service keeps nothing of a client that is gone. No early data: what
//! arrives in it can be replayed.
//!
//! | file | holds |
//! |---|---|
//! | `reloaded` | [`Tls`]: the configurations in force, made again on SIGHUP |
//! | `files` | certificates and keys as they lie on disk |
//! | `expiry` | when certificates expire, and whether that is soon |
//! | `certificate` | a certificate's names and its time, read from DER |
//! | `clients` | which clients are let in, by their certificates |
//! | `error` | why files can't be used |

mod certificate;
mod clients;
mod error;
mod expiry;
mod files;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod reloaded;
#[cfg(test)]
mod tests;

pub(crate) use self::clients::{client_at, refuses_client};
pub use self::error::TlsError;
pub(crate) use self::reloaded::Tls;

/// The most that a client may send before its handshake is over: a greeting
/// takes 2 KiB, a chain of certificates some more.
pub(crate) const HANDSHAKE_BYTES_MAX: usize = 32 << 10;
