//! Which clients are let in, by their certificates.

use std::sync::Arc;
use std::time::SystemTime;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, RootCertStore,
    SignatureScheme,
};

use crate::tls::certificate::Certificate;

/// The longest name of a client, in bytes (`ub-common-name`, RFC 5280 appendix
/// A.1, counts 64 characters).
pub(super) const NAME_BYTES_MAX: usize = 64;

/// The longest chain of certificates that a client may show, in bytes: it is
/// held as long as the connection.
const CHAIN_BYTES_MAX: usize = 16 << 10;

/// The name of the client with these certificates, at the end of its handshake.
///
/// # Errors
/// When one has expired. A resumed session brings along the certificates of its
/// first handshake, which alone were verified: without this a client could
/// resume again and again, for ever.
pub(crate) fn client_at<'a>(
    certificates: &'a [CertificateDer<'_>],
    now: SystemTime,
) -> Result<Option<&'a str>, Error> {
    let is_valid = |certificate: &CertificateDer<'_>| {
        let validity = Certificate::parse(certificate)?.validity()?;
        (now <= validity.1).then_some(())
    };
    if certificates
        .iter()
        .all(|certificate| is_valid(certificate).is_some())
    {
        Ok(client_name(certificates))
    } else {
        Err(CertificateError::Expired.into())
    }
}

/// The name of the client with these certificates: its own comes first.
pub(super) fn client_name<'a>(certificates: &'a [CertificateDer<'_>]) -> Option<&'a str> {
    let name = Certificate::parse(certificates.first()?)?.name()?;
    let is_plain = |c: char| !c.is_control() && !matches!(c, '\u{2028}' | '\u{2029}');
    let fits = (1..=NAME_BYTES_MAX).contains(&name.len()) && name.chars().all(is_plain);
    fits.then_some(name)
}

/// Whether this ends a handshake because of what the client has shown, or has
/// not.
pub(crate) fn refuses_client(error: &Error) -> bool {
    matches!(
        error,
        Error::InvalidCertificate(_) | Error::NoCertificatesPresented
    )
}

/// Lets in clients whose certificate is signed by one of the roots and has a
/// name.
#[derive(Debug)]
pub(super) struct NamedClients(Arc<dyn ClientCertVerifier>);

impl NamedClients {
    pub(super) fn new(
        roots: RootCertStore,
        provider: Arc<CryptoProvider>,
    ) -> Result<Arc<Self>, String> {
        let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider).build();
        let verifier = verifier.map_err(|error| error.to_string())?;
        Ok(Arc::new(Self(verifier)))
    }
}

impl ClientCertVerifier for NamedClients {
    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let chain = std::iter::once(end_entity).chain(intermediates);
        if chain.map(|certificate| certificate.len()).sum::<usize>() > CHAIN_BYTES_MAX {
            return Err(CertificateError::ApplicationVerificationFailure.into());
        }
        let verified = self.0.verify_client_cert(end_entity, intermediates, now)?;
        // What its holder does would be nobody's.
        if client_name(std::slice::from_ref(end_entity)).is_none() {
            return Err(CertificateError::ApplicationVerificationFailure.into());
        }
        Ok(verified)
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.0.root_hint_subjects()
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}
