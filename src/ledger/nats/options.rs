//! What the ledger is opened with.

use std::path::PathBuf;
use std::time::Duration;

use crate::config::{Config, Ledger};

/// Servers, stream, limits, and where the credentials are.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// `HOST:PORT`, at least one.
    pub(super) servers: Vec<String>,
    /// The stream's name.
    pub(super) stream: String,
    /// Copies of the stream; at least so many if it exists.
    pub(super) replicas: usize,
    /// How long an id is known: the stream's `max_age`, or less.
    pub(super) once_window: Duration,
    /// How long an outcome is published for before it is given up.
    pub(super) ack_timeout: Duration,
    /// Bytes of the longest order.
    pub(super) order_bytes_max: usize,
    pub(super) credentials: Option<Credentials>,
    /// Certificates of the authorities that the servers' are signed by.
    pub(super) tls_ca: Option<PathBuf>,
    /// The client's certificate and its key.
    pub(super) tls_identity: Option<(PathBuf, PathBuf)>,
}

/// How the client proves who it is. Secrets are in files, which are read when
/// the ledger is opened.
#[derive(Clone, Debug)]
pub(super) enum Credentials {
    User {
        name: String,
        password_file: PathBuf,
    },
    /// A file with a token.
    Token(PathBuf),
    /// A file with the seed of an NKey.
    NKey(PathBuf),
    /// A credentials file: a JWT and a seed.
    File(PathBuf),
}

impl Options {
    /// What the flags say; `None` if they name another ledger.
    pub(crate) fn of(config: &Config) -> Option<Self> {
        let Ledger::Nats(servers) = &config.ledger else {
            return None;
        };
        let user = config
            .nats
            .user
            .clone()
            .zip(config.nats.password_file.clone());
        let credentials = user
            .map(|(name, password_file)| Credentials::User {
                name,
                password_file,
            })
            .or_else(|| config.nats.token_file.clone().map(Credentials::Token))
            .or_else(|| config.nats.nkey_file.clone().map(Credentials::NKey))
            .or_else(|| config.nats.creds_file.clone().map(Credentials::File));
        Some(Self {
            servers: servers.clone(),
            stream: config.nats.stream.clone(),
            replicas: config.nats.replicas,
            once_window: config.nats.dedupe_window,
            ack_timeout: config.ack_timeout,
            order_bytes_max: config.max_body,
            credentials,
            tls_ca: config.nats.tls_ca.clone(),
            tls_identity: config
                .nats
                .tls_cert
                .clone()
                .zip(config.nats.tls_key.clone()),
        })
    }
}
