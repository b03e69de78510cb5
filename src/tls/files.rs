//! Certificates and keys as they lie on disk, checked as far as can be without
//! a client.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::config;
use crate::tls::certificate::Certificate;
use crate::tls::error::TlsError;
use crate::tls::expiry::Validity;

/// The most that a file may have: bundles of all public roots have 250 KiB.
const FILE_BYTES_MAX: u64 = 4 << 20;

/// The files, by flag.
#[derive(Clone, Debug)]
pub(super) struct Files {
    pub(super) cert: PathBuf,
    pub(super) key: PathBuf,
    client_ca: Option<PathBuf>,
}

/// What they hold.
pub(super) struct Identity {
    pub(super) chain: Vec<CertificateDer<'static>>,
    pub(super) key: PrivateKeyDer<'static>,
    /// Of the certificate of the chain that expires first.
    pub(super) validity: Validity,
    pub(super) client_roots: Option<RootCertStore>,
}

impl Files {
    /// `None` without `--tls-cert`.
    pub(super) fn of(config: &config::Tls) -> Option<Self> {
        let (cert, key) = config.cert.clone().zip(config.key.clone())?;
        Some(Self {
            cert,
            key,
            client_ca: config.client_ca.clone(),
        })
    }

    pub(super) fn read(&self, now: SystemTime) -> Result<Identity, TlsError> {
        let chain = certificates("--tls-cert", &self.cert)?;
        let validity = check_time(&self.cert, &chain, now)?;
        let key = private_key(&self.key)?;
        let client_roots = self.client_ca.as_deref().map(roots).transpose()?;
        Ok(Identity {
            chain,
            key,
            validity,
            client_roots,
        })
    }
}

/// All certificates of a file: one at least.
fn certificates(flag: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let text = read(flag, path, |_| Ok(()))?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    match certificates {
        Ok(found) if found.is_empty() => Err(content(flag, path, "has no certificate in PEM")),
        Ok(found) => Ok(found),
        Err(error) => Err(content(flag, path, error)),
    }
}

/// Checks that all of these are valid now; returns when the first to expire is.
fn check_time(
    path: &Path,
    chain: &[CertificateDer<'_>],
    now: SystemTime,
) -> Result<Validity, TlsError> {
    let wrong = |why: String| content("--tls-cert", path, why);
    let mut first: Option<Validity> = None;
    for der in chain {
        let validity = Certificate::parse(der).and_then(|certificate| certificate.validity());
        let (from, until) = validity.ok_or_else(|| wrong("is no X.509 certificate".to_owned()))?;
        let shown = humantime::format_rfc3339_seconds;
        if now < from {
            return Err(wrong(format!("is not valid before {}", shown(from))));
        }
        if now > until {
            return Err(wrong(format!("expired at {}", shown(until))));
        }
        if first.is_none_or(|first| until < first.until) {
            first = Some(Validity { from, until });
        }
    }
    Ok(first.expect("there is one at least"))
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let text = read("--tls-key", path, |file| check_mode(path, file))?;
    PrivateKeyDer::from_pem_slice(&text).map_err(|_| {
        let why = "has no private key in PEM (PKCS #8, SEC1 or PKCS #1, not encrypted)";
        content("--tls-key", path, why)
    })
}

/// Only its owner may read a key; where that is root, a group may, too, since
/// the process runs as another user then.
fn check_mode(path: &Path, file: &File) -> Result<(), TlsError> {
    const OTHERS: u32 = 0o077;
    const ALL_BUT_GROUP_READS: u32 = 0o037;
    let metadata = file.metadata().map_err(unreadable("--tls-key", path))?;
    let mode = metadata.mode() & 0o7777;
    let forbidden = if metadata.uid() == 0 {
        ALL_BUT_GROUP_READS
    } else {
        OTHERS
    };
    if mode & forbidden == 0 {
        return Ok(());
    }
    Err(TlsError::Permissions {
        path: path.to_owned(),
        mode,
    })
}

/// The roots that clients' certificates must be signed by.
fn roots(path: &Path) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates("--tls-client-ca", path)? {
        let added = roots.add(certificate);
        added.map_err(|error| content("--tls-client-ca", path, error))?;
    }
    Ok(roots)
}

fn read(
    flag: &'static str,
    path: &Path,
    check: impl FnOnce(&File) -> Result<(), TlsError>,
) -> Result<Vec<u8>, TlsError> {
    // Asked first: opening a pipe waits for somebody to write to it, and it
    // can't be read again.
    if !path.metadata().map_err(unreadable(flag, path))?.is_file() {
        return Err(content(flag, path, "is not a regular file"));
    }
    let file = File::open(path).map_err(unreadable(flag, path))?;
    check(&file)?;
    let mut bytes = Vec::new();
    let read = file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes);
    read.map_err(unreadable(flag, path))?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        let why = format!("is over {FILE_BYTES_MAX} bytes");
        return Err(content(flag, path, why));
    }
    Ok(bytes)
}

fn unreadable(flag: &'static str, path: &Path) -> impl Fn(std::io::Error) -> TlsError {
    let path = path.to_owned();
    move |source| TlsError::Read {
        flag,
        path: path.clone(),
        source,
    }
}

fn content(flag: &'static str, path: &Path, why: impl std::fmt::Display) -> TlsError {
    TlsError::Content {
        flag,
        path: path.to_owned(),
        why: why.to_string(),
    }
}
