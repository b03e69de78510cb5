//! The configurations that new connections are made with.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::SystemTime;

use rustls::crypto::{CryptoProvider, ring};
use rustls::server::NoServerSessionStorage;
use rustls::{Error, InconsistentKeys, ServerConfig};

use crate::config;
use crate::tls::clients::NamedClients;
use crate::tls::error::TlsError;
use crate::tls::expiry::Validity;
use crate::tls::files::{Files, Identity};

/// TLS on both ports.
pub(crate) struct Tls {
    files: Files,
    /// Locked for as long as it takes to clone what is in it, when a connection
    /// begins, and to replace it.
    current: RwLock<Configurations>,
}

struct Configurations {
    orders: Arc<ServerConfig>,
    grpc: Arc<ServerConfig>,
    validity: Validity,
}

impl Tls {
    /// Reads the files; `None` if TLS isn't asked for.
    pub(crate) fn load(config: &config::Tls) -> Result<Option<Arc<Self>>, TlsError> {
        let Some(files) = Files::of(config) else {
            return Ok(None);
        };
        let current = RwLock::new(configurations(&files)?);
        Ok(Some(Arc::new(Self { files, current })))
    }

    /// Reads the files again. Connections that are open, or in their handshake,
    /// stay as they are; after an error, so does everything.
    pub(crate) fn reload(&self) -> Result<(), TlsError> {
        let configurations = configurations(&self.files)?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = configurations;
        Ok(())
    }

    /// For a connection to the order port.
    pub(crate) fn orders(&self) -> Arc<ServerConfig> {
        self.current().orders.clone()
    }

    /// For a connection to the gRPC port.
    pub(crate) fn grpc(&self) -> Arc<ServerConfig> {
        self.current().grpc.clone()
    }

    /// When the certificate expires, or one that it is signed by.
    pub(crate) fn not_after(&self) -> SystemTime {
        self.current().validity.until
    }

    /// Logs a warning if that is soon.
    pub(crate) fn warn_of_expiry(&self) {
        let validity = self.current().validity;
        validity.warn(SystemTime::now());
    }

    fn current(&self) -> std::sync::RwLockReadGuard<'_, Configurations> {
        self.current.read().unwrap_or_else(PoisonError::into_inner)
    }
}

fn configurations(files: &Files) -> Result<Configurations, TlsError> {
    let now = SystemTime::now();
    let identity = files.read(now)?;
    let validity = identity.validity;
    let not_after = humantime::format_rfc3339_seconds(validity.until);
    let orders = configuration(files, identity)?;
    tracing::info!(%not_after, "TLS certificate read");
    validity.warn(now);
    let with_protocols = |protocols: &[&[u8]]| {
        let mut config = orders.clone();
        config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
        Arc::new(config)
    };
    Ok(Configurations {
        orders: with_protocols(&[b"http/1.1", b"http/1.0"]),
        grpc: with_protocols(&[b"h2"]),
        validity,
    })
}

fn configuration(files: &Files, identity: Identity) -> Result<ServerConfig, TlsError> {
    let refused = |error: Error| TlsError::Refused(error.to_string());
    let provider: Arc<CryptoProvider> = ring::default_provider().into();
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(refused)?;
    let builder = match identity.client_roots {
        None => builder.with_no_client_auth(),
        Some(roots) => {
            let clients = NamedClients::new(roots, provider).map_err(TlsError::Refused)?;
            builder.with_client_cert_verifier(clients)
        }
    };
    let mut config = builder
        .with_single_cert(identity.chain, identity.key)
        .map_err(|error| match error {
            Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => TlsError::KeyMismatch {
                cert: files.cert.clone(),
                key: files.key.clone(),
            },
            error => refused(error),
        })?;
    // With new keys each time: a ticket from before could name a client that is
    // no longer let in.
    config.ticketer = ring::Ticketer::new().map_err(refused)?;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    Ok(config)
}
