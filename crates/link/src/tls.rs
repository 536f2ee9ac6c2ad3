//! TLS 1.3 with raw public keys on both sides (RFC 7250): the key that the handshake proves is the machine ID.
//!
//! The only verifiers of the project are here; rustls 0.24 changes their traits, so they stay in one file. There are no
//! certificates, no names, no SNI. There is no resumption either: a resumed session would not call the verifier.

use std::sync::{Arc, OnceLock};

use proto::{id::MachineId, identity::Identity};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, DistinguishedName, Error, ServerConfig, SignatureScheme,
    client::{
        AlwaysResolvesClientRawPublicKeys, Resumption,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, WebPkiSupportedAlgorithms, aws_lc_rs, verify_tls13_signature_with_raw_key},
    pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName, SubjectPublicKeyInfoDer, UnixTime},
    server::{
        AlwaysResolvesServerRawPublicKeys, NoServerSessionStorage,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
    sign::CertifiedKey,
    version::TLS13,
};
use zeroize::Zeroizing;

use crate::error::LinkError;

/// DER of `SubjectPublicKeyInfo` up to the 32 bytes of an Ed25519 key (RFC 8410, 4).
const SPKI_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// DER of an Ed25519 private key in PKCS#8 up to the 32 bytes of the seed (RFC 8410, 7).
const PKCS8_PREFIX: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];

/// TLS settings of this machine, for both directions.
#[derive(Debug, Clone)]
pub(crate) struct Tls {
    provider: Arc<CryptoProvider>,
    key: Arc<CertifiedKey>,
    /// For accepting. Any well-formed key is let in: who it belongs to is asked after the handshake.
    pub(crate) server: Arc<ServerConfig>,
}

/// Settings for one dial, and the key that was found there.
#[derive(Debug)]
pub(crate) struct Dial {
    pub(crate) config: Arc<ClientConfig>,
    found: Arc<OnceLock<MachineId>>,
}

impl Dial {
    /// The key that the other side showed, even if it was the wrong one.
    pub(crate) fn found(&self) -> Option<MachineId> {
        self.found.get().copied()
    }
}

impl Tls {
    pub(crate) fn new(identity: &Identity) -> Result<Self, LinkError> {
        let provider = Arc::new(provider());
        let key = Arc::new(certified_key(identity).map_err(|error| LinkError::Tls(error.to_string()))?);
        let verifier = Arc::new(AnyMachine { algorithms: provider.signature_verification_algorithms });
        let mut server = ServerConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&[&TLS13])
            .map_err(|error| LinkError::Tls(error.to_string()))?
            .with_client_cert_verifier(verifier)
            .with_cert_resolver(Arc::new(AlwaysResolvesServerRawPublicKeys::new(key.clone())));
        server.send_tls13_tickets = 0;
        server.session_storage = Arc::new(NoServerSessionStorage {});
        Ok(Self { provider, key, server: Arc::new(server) })
    }

    /// Settings for one dial. With `expect`, any other key ends the handshake before this machine shows its own.
    pub(crate) fn dial(&self, expect: Option<MachineId>) -> Result<Dial, Error> {
        let found = Arc::new(OnceLock::new());
        let verifier =
            OneMachine { expect, found: found.clone(), algorithms: self.provider.signature_verification_algorithms };
        let mut config = ClientConfig::builder_with_provider(self.provider.clone())
            .with_protocol_versions(&[&TLS13])?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_client_cert_resolver(Arc::new(AlwaysResolvesClientRawPublicKeys::new(self.key.clone())));
        config.enable_sni = false;
        config.resumption = Resumption::disabled();
        Ok(Dial { config: Arc::new(config), found })
    }
}

/// The machine at the other end of a finished handshake.
pub(crate) fn peer(connection: &rustls::CommonState) -> Option<MachineId> {
    machine_of(connection.peer_certificates()?.first()?)
}

fn provider() -> CryptoProvider {
    CryptoProvider {
        cipher_suites: vec![
            aws_lc_rs::cipher_suite::TLS13_AES_128_GCM_SHA256,
            aws_lc_rs::cipher_suite::TLS13_AES_256_GCM_SHA384,
            aws_lc_rs::cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
        ],
        // The hybrid first: what is recorded today stays secret from a quantum computer of tomorrow.
        kx_groups: vec![aws_lc_rs::kx_group::X25519MLKEM768, aws_lc_rs::kx_group::X25519],
        ..aws_lc_rs::default_provider()
    }
}

fn certified_key(identity: &Identity) -> Result<CertifiedKey, Error> {
    let mut pkcs8 = Zeroizing::new(Vec::with_capacity(PKCS8_PREFIX.len() + 32));
    pkcs8.extend_from_slice(&PKCS8_PREFIX);
    pkcs8.extend_from_slice(identity.seed().as_ref());
    let key = aws_lc_rs::sign::any_eddsa_type(&PrivatePkcs8KeyDer::from(pkcs8.as_slice()))?;
    let mut spki = SPKI_PREFIX.to_vec();
    spki.extend_from_slice(identity.machine_id().as_bytes());
    Ok(CertifiedKey::new(vec![CertificateDer::from(spki)], key))
}

/// The machine that a raw public key names; `None` for anything but an Ed25519 key.
fn machine_of(key: &CertificateDer<'_>) -> Option<MachineId> {
    let bytes = key.as_ref().strip_prefix(&SPKI_PREFIX)?;
    Some(MachineId::from_bytes(bytes.try_into().ok()?))
}

fn check_key(key: &CertificateDer<'_>, rest: &[CertificateDer<'_>]) -> Result<MachineId, Error> {
    if !rest.is_empty() {
        return Err(CertificateError::BadEncoding.into());
    }
    machine_of(key).ok_or_else(|| CertificateError::BadEncoding.into())
}

/// Proves that the other side holds the private key of the one it showed.
fn check_signature(
    message: &[u8],
    key: &CertificateDer<'_>,
    signature: &DigitallySignedStruct,
    algorithms: &WebPkiSupportedAlgorithms,
) -> Result<HandshakeSignatureValid, Error> {
    let key = SubjectPublicKeyInfoDer::from(key.as_ref());
    verify_tls13_signature_with_raw_key(message, &key, signature, algorithms)
}

pub(crate) fn no_tls12() -> Result<HandshakeSignatureValid, Error> {
    Err(Error::General("only TLS 1.3 is spoken".into()))
}

/// Lets in any machine that proves its key.
#[derive(Debug)]
struct AnyMachine {
    algorithms: WebPkiSupportedAlgorithms,
}

impl ClientCertVerifier for AnyMachine {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        check_key(end_entity, intermediates).map(|_| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        no_tls12()
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        check_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}

/// Accepts the machine that is expected, or any if none is, and notes which it was.
#[derive(Debug)]
struct OneMachine {
    expect: Option<MachineId>,
    found: Arc<OnceLock<MachineId>>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for OneMachine {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let machine = check_key(end_entity, intermediates)?;
        let found = *self.found.get_or_init(|| machine);
        if found != machine || self.expect.is_some_and(|expected| expected != machine) {
            return Err(CertificateError::ApplicationVerificationFailure.into());
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        no_tls12()
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        check_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use rustls::{NamedGroup, ProtocolVersion};
    use tokio_rustls::{TlsAcceptor, TlsConnector};

    use super::*;

    fn identity(seed: u8) -> Identity {
        Identity::from_seed([seed; 32])
    }

    async fn handshake(
        server: &Tls,
        dial: &Dial,
    ) -> (
        std::io::Result<tokio_rustls::client::TlsStream<tokio::io::DuplexStream>>,
        std::io::Result<tokio_rustls::server::TlsStream<tokio::io::DuplexStream>>,
    ) {
        let (near, far) = tokio::io::duplex(64 * 1024);
        let name = ServerName::IpAddress(std::net::IpAddr::from([127, 0, 0, 1]).into());
        let connecting = TlsConnector::from(dial.config.clone()).connect(name, near);
        tokio::join!(connecting, TlsAcceptor::from(server.server.clone()).accept(far))
    }

    #[tokio::test]
    async fn each_side_learns_the_key_of_the_other_over_a_hybrid_exchange() {
        let (anna, bob) = (identity(1), identity(2));
        let dial = Tls::new(&anna).unwrap().dial(Some(bob.machine_id())).unwrap();
        let (client, server) = handshake(&Tls::new(&bob).unwrap(), &dial).await;
        let (client, server) = (client.unwrap(), server.unwrap());
        assert_eq!(peer(client.get_ref().1), Some(bob.machine_id()));
        assert_eq!(peer(server.get_ref().1), Some(anna.machine_id()));
        assert_eq!(server.get_ref().1.protocol_version(), Some(ProtocolVersion::TLSv1_3));
        let group = server.get_ref().1.negotiated_key_exchange_group().unwrap();
        assert_eq!(group.name(), NamedGroup::X25519MLKEM768);
        assert_eq!(server.get_ref().1.server_name(), None, "because names are nobody's business");
        assert_eq!(server.get_ref().1.handshake_kind(), Some(rustls::HandshakeKind::Full));
    }

    #[tokio::test]
    async fn a_dialler_that_expects_another_key_hangs_up_without_showing_its_own() {
        let (anna, bob, carol) = (identity(1), identity(2), identity(3));
        let dial = Tls::new(&anna).unwrap().dial(Some(carol.machine_id())).unwrap();
        let (client, server) = handshake(&Tls::new(&bob).unwrap(), &dial).await;
        assert!(client.is_err());
        assert_eq!(dial.found(), Some(bob.machine_id()));
        let error = server.unwrap_err().to_string();
        assert!(error.contains("alert"), "because the alert comes in place of anna's key: {error}");
    }

    #[test]
    fn only_ed25519_keys_name_a_machine() {
        let mut spki = SPKI_PREFIX.to_vec();
        spki.extend_from_slice(&[7; 32]);
        assert_eq!(machine_of(&CertificateDer::from(spki.clone())), Some(MachineId::from_bytes([7; 32])));
        spki.push(0);
        assert_eq!(machine_of(&CertificateDer::from(spki.clone())), None);
        assert_eq!(machine_of(&CertificateDer::from(spki[..30].to_vec())), None);
        spki[8] = 0x6e;
        assert_eq!(machine_of(&CertificateDer::from(spki[..44].to_vec())), None, "because that is X25519");
    }
}
