//! Why the stream can't be used. Each error says what can be done about it.

use std::io;
use std::path::PathBuf;

/// Why the NATS ledger can't be opened.
#[derive(Debug, thiserror::Error)]
pub enum NatsError {
    /// A file with a secret can't be read.
    #[error("can't read {}: {source}", file.display())]
    Secret {
        /// The file.
        file: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The server is too old.
    #[error("the NATS server at {server} is version {version}: {least} or later is needed")]
    TooOld {
        /// The server's name.
        server: String,
        /// Its version.
        version: String,
        /// The least that will do.
        least: &'static str,
    },
    /// The server's messages are too short for the longest order.
    #[error(
        "the NATS server takes messages of {max_payload} bytes, and an order of --max-body may \
         need {needed}: raise its max_payload or lower --max-body"
    )]
    MaxPayload {
        /// The server's limit.
        max_payload: usize,
        /// What the longest order takes.
        needed: usize,
    },
    /// The server doesn't accept the credentials.
    #[error("the NATS server refuses the credentials: {0}")]
    Refused(String),
    /// The file can't be what signs for the client.
    #[error("can't use {}: it holds no seed of an NKey", .0.display())]
    NoSeed(PathBuf),
    /// The files for TLS don't belong together, or are none.
    #[error("can't use the certificates of --nats-tls-ca, --nats-tls-cert and --nats-tls-key: {0}")]
    TlsFiles(String),
    /// The server's certificate is of no authority known here, or not its own.
    #[error(
        "the NATS server's certificate is not trusted ({0}): --nats-tls-ca names the file with \
         the certificates of its authority"
    )]
    Untrusted(String),
    /// The server wants another client certificate, or any.
    #[error(
        "the NATS server refuses this client's certificate ({0}): --nats-tls-cert and \
         --nats-tls-key name one that it trusts"
    )]
    ClientUntrusted(String),
    /// TLS was asked for.
    #[error(
        "the NATS server speaks no TLS, which --nats-tls-ca and --nats-tls-cert require: turn \
         it on there, or leave them out"
    )]
    NoTls,
    /// JetStream is off, for the server or for the account.
    #[error("JetStream is not enabled on the NATS server ({0}): start it with -js")]
    NoJetStream(String),
    /// The stream can't be created.
    #[error("can't create the stream {stream}: {why}")]
    Create {
        /// Its name.
        stream: String,
        /// What the server says.
        why: String,
    },
    /// The stream that exists would break a promise.
    #[error("the stream {stream} can't be the ledger: {}", differences.join("; "))]
    Stream {
        /// Its name.
        stream: String,
        /// What is wrong with it.
        differences: Vec<String>,
    },
    /// The system gives no thread.
    #[error("can't start the NATS thread: {0}")]
    Thread(#[from] io::Error),
}
