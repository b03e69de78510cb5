//! Why certificates and keys can't be used.

use std::io;
use std::path::PathBuf;

/// Why TLS can't be configured as asked.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file can't be read.
    #[error("can't read {flag} {}: {source}", path.display())]
    Read {
        /// The flag that names it.
        flag: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file has something else in it.
    #[error("{flag} {}: {why}", path.display())]
    Content {
        /// The flag that names it.
        flag: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// Others may read the key.
    #[error(
        "--tls-key {}: its mode is {mode:04o}, and a key must not be open to others: chmod 0600, \
         or 0640 where root owns it",
        path.display()
    )]
    Permissions {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// The key belongs to another certificate.
    #[error("--tls-key {} doesn't fit --tls-cert {}", key.display(), cert.display())]
    KeyMismatch {
        /// The certificate's file.
        cert: PathBuf,
        /// The key's file.
        key: PathBuf,
    },
    /// `rustls` refuses.
    #[error("can't configure TLS: {0}")]
    Refused(String),
}
