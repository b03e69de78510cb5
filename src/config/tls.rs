//! The flags of TLS on the order port and the gRPC port.

use std::path::PathBuf;

use clap::Args;

use crate::config::value;

/// What TLS needs; without a certificate both ports speak plain HTTP.
#[derive(Args, Clone, Debug, Default, PartialEq)]
pub struct Tls {
    /// Certificate (PEM) of the order port and the gRPC port, with those that
    /// it is signed by; they speak TLS then, and the admin port doesn't. Read
    /// again on SIGHUP, as the next two are [default: none]
    #[arg(id = "tls_cert", long = "tls-cert", value_name = "FILE", value_parser = value::path)]
    pub cert: Option<PathBuf>,

    /// Its key (PEM), which others may not read [default: none]
    #[arg(id = "tls_key", long = "tls-key", value_name = "FILE", value_parser = value::path)]
    pub key: Option<PathBuf>,

    /// Certificates (PEM) that clients' ones must be signed by; a client
    /// without one is refused then, and its certificate's name is the client's
    /// [default: none]
    #[arg(id = "tls_client_ca", long = "tls-client-ca", value_name = "FILE", value_parser = value::path)]
    pub client_ca: Option<PathBuf>,
}
