//! Which failures to connect are final: another attempt would end alike.

use std::error::Error;
use std::io;

use async_nats::rustls::{AlertDescription, Error as TlsError};
use async_nats::{ConnectError, ConnectErrorKind};

use crate::ledger::nats::error::NatsError;
use crate::ledger::nats::options::{Credentials, Options};

/// Why another attempt would not help, if it wouldn't. The crate's texts have no
/// secrets in them.
pub(super) fn is_final(error: &ConnectError, options: &Options) -> Option<NatsError> {
    match (error.kind(), &options.credentials) {
        // It can't sign with what the file holds.
        (ConnectErrorKind::Authentication, Some(Credentials::NKey(file))) => {
            Some(NatsError::NoSeed(file.clone()))
        }
        (ConnectErrorKind::AuthorizationViolation | ConnectErrorKind::Authentication, _) => {
            Some(NatsError::Refused(error.to_string()))
        }
        (ConnectErrorKind::Tls, _) => Some(NatsError::TlsFiles(error.to_string())),
        _ => of_tls(tls_error(error)?),
    }
}

/// A network that fails looks otherwise: its errors are no messages of TLS.
fn of_tls(error: &TlsError) -> Option<NatsError> {
    match error {
        TlsError::InvalidCertificate(why) => Some(NatsError::Untrusted(why.to_string())),
        TlsError::AlertReceived(
            alert @ (AlertDescription::NoCertificate
            | AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnknownCA
            | AlertDescription::AccessDenied
            | AlertDescription::DecryptError
            | AlertDescription::CertificateRequired),
        ) => Some(NatsError::ClientUntrusted(format!("{alert:?}"))),
        TlsError::InvalidMessage(_) => Some(NatsError::NoTls),
        _ => None,
    }
}

/// The error of TLS among an error's causes. I/O errors wrap others without
/// naming them as their source.
fn tls_error(error: &ConnectError) -> Option<&TlsError> {
    let mut cause: Option<&(dyn Error + 'static)> = error.source();
    while let Some(error) = cause {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        let wrapped = error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref);
        cause = match wrapped {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    None
}

#[cfg(test)]
mod tests {
    use async_nats::rustls::CertificateError;

    use super::*;

    #[test]
    fn an_error_of_tls_is_found_among_the_causes() {
        let tls = TlsError::InvalidCertificate(CertificateError::UnknownIssuer);
        let inner = io::Error::new(io::ErrorKind::InvalidData, tls.clone());
        let outer = io::Error::other(inner);
        let error = ConnectError::with_source(ConnectErrorKind::Io, outer);
        assert_eq!(tls_error(&error), Some(&tls));
        assert!(matches!(of_tls(&tls), Some(NatsError::Untrusted(_))));
    }

    #[test]
    fn a_network_that_fails_is_no_final_error() {
        let reset = io::Error::from(io::ErrorKind::ConnectionReset);
        let error = ConnectError::with_source(ConnectErrorKind::Io, reset);
        assert_eq!(tls_error(&error), None);
        let closed = TlsError::AlertReceived(AlertDescription::CloseNotify);
        assert!(of_tls(&closed).is_none());
    }
}
