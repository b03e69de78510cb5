//! The flags of `--ledger nats://…`: the stream, and how to prove who one is.
//! Secrets are named by file, never given.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::config::quantity::{HOUR, SECOND};
use crate::config::{quantity, value};

/// What `--ledger nats://…` needs beside the servers.
#[derive(Args, Clone, Debug, PartialEq)]
pub struct Nats {
    /// Stream that is the ledger; created if there is none, else checked
    #[arg(id = "nats_stream", long = "nats-stream", value_name = "NAME", default_value = "ORDERS", value_parser = value::stream_name)]
    pub stream: String,

    /// Copies of the stream (1 to 5); an existing one must have at least so
    /// many
    #[arg(id = "nats_replicas", long = "nats-replicas", value_name = "COPIES", default_value = "1", value_parser = quantity::count(1..=5, "copies"))]
    pub replicas: usize,

    /// How long the stream knows an id and keeps its outcome (1s to 8760h), some
    /// 500 bytes of a server's memory each; at least twice --ack-timeout. An
    /// existing stream must keep them at least so long
    #[arg(id = "nats_dedupe_window", long = "nats-dedupe-window", value_name = "TIME", default_value = "24h", value_parser = quantity::time(SECOND..=HOUR * 8760))]
    pub dedupe_window: Duration,

    /// User, with --nats-password-file [default: none]
    #[arg(
        id = "nats_user",
        long = "nats-user",
        value_name = "NAME",
        value_parser = value::text
    )]
    pub user: Option<String>,

    /// File with the password of --nats-user [default: none]
    #[arg(id = "nats_password_file", long = "nats-password-file", value_name = "FILE", value_parser = value::path)]
    pub password_file: Option<PathBuf>,

    /// File with a token [default: none]
    #[arg(id = "nats_token_file", long = "nats-token-file", value_name = "FILE", value_parser = value::path)]
    pub token_file: Option<PathBuf>,

    /// File with the seed of an NKey [default: none]
    #[arg(id = "nats_nkey_file", long = "nats-nkey-file", value_name = "FILE", value_parser = value::path)]
    pub nkey_file: Option<PathBuf>,

    /// Credentials file: a JWT and a seed [default: none]
    #[arg(id = "nats_creds_file", long = "nats-creds-file", value_name = "FILE", value_parser = value::path)]
    pub creds_file: Option<PathBuf>,

    /// Certificates (PEM) that the servers' are signed by; TLS is required then
    /// [default: none]
    #[arg(id = "nats_tls_ca", long = "nats-tls-ca", value_name = "FILE", value_parser = value::path)]
    pub tls_ca: Option<PathBuf>,

    /// Client certificate (PEM) for the servers, with --nats-tls-key; TLS is
    /// required then [default: none]
    #[arg(id = "nats_tls_cert", long = "nats-tls-cert", value_name = "FILE", value_parser = value::path)]
    pub tls_cert: Option<PathBuf>,

    /// Its key (PEM) [default: none]
    #[arg(id = "nats_tls_key", long = "nats-tls-key", value_name = "FILE", value_parser = value::path)]
    pub tls_key: Option<PathBuf>,
}
