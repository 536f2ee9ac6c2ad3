//! A connection to a relay.

use std::sync::Arc;

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use proto::Identity;
use proto::relay::{FromRelay, Login, PATH, RelayAddress, SUBPROTOCOL, ToRelay, Token, TokenEntry};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::{WebSocketStream, client_async};

/// TCP or TLS.
pub(in crate::roles) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A WebSocket at a relay.
pub(in crate::roles) type Socket = WebSocketStream<Box<dyn Stream>>;

/// 32 bytes that nobody guesses: a seed, a token.
pub(in crate::roles) fn random() -> Result<[u8; 32]> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}

/// How a relay is reached.
#[derive(Clone)]
pub(in crate::roles) struct Door {
    pub(in crate::roles) address: RelayAddress,
    tls: Option<TlsConnector>,
}

impl Door {
    pub(in crate::roles) fn new(address: RelayAddress) -> Result<Self> {
        let tls = if address.is_plain() { None } else { Some(credulous()?) };
        Ok(Self { address, tls })
    }

    /// Opens a WebSocket at a path of the relay.
    pub(in crate::roles) async fn dial(&self, path: &str) -> Result<Socket> {
        let (host, port) = (self.address.host(), self.address.port());
        let stream = TcpStream::connect((host.as_str(), port)).await?;
        stream.set_nodelay(true)?;
        let stream: Box<dyn Stream> = match &self.tls {
            None => Box::new(stream),
            Some(tls) => Box::new(tls.connect(ServerName::try_from(host.clone())?, stream).await?),
        };
        let mut request = format!("ws://{host}:{port}{path}").into_client_request()?;
        request.headers_mut().insert("sec-websocket-protocol", SUBPROTOCOL.parse()?);
        Ok(client_async(request, stream).await?.0)
    }
}

/// A client's connection to a relay.
pub(in crate::roles) struct Wire {
    pub(in crate::roles) socket: Socket,
    nonce: [u8; 32],
    requests: u32,
}

impl Wire {
    /// Connects without saying who it is.
    pub(in crate::roles) async fn connect(door: &Door) -> Result<Self> {
        let mut wire = Self { socket: door.dial(PATH).await?, nonce: [0; 32], requests: 0 };
        let FromRelay::Challenge { nonce, .. } = wire.next().await? else { bail!("the relay sent no challenge") };
        wire.nonce = nonce;
        Ok(wire)
    }

    /// Connects and logs in.
    pub(in crate::roles) async fn log_in(door: &Door, identity: &Identity) -> Result<Self> {
        let mut wire = Self::connect(door).await?;
        let address = &door.address;
        let login = Login::sign(identity, &wire.nonce, address, address.key().copied(), None);
        wire.send(&ToRelay::Login(login)).await?;
        match wire.next().await? {
            FromRelay::Welcome { .. } => Ok(wire),
            answer => bail!("no welcome, but {answer:?}"),
        }
    }

    pub(in crate::roles) async fn send(&mut self, frame: &ToRelay) -> Result<()> {
        Ok(self.socket.send(Message::Binary(frame.encode().into())).await?)
    }

    /// The next frame.
    pub(in crate::roles) async fn next(&mut self) -> Result<FromRelay> {
        Ok(FromRelay::decode(&binary(&mut self.socket).await?)?)
    }

    /// A number for a request.
    pub(in crate::roles) fn number(&mut self) -> u32 {
        self.requests += 1;
        self.requests
    }

    /// Asks, and gives the answer. What else comes meanwhile is not needed.
    pub(in crate::roles) async fn ask(&mut self, frame: &ToRelay) -> Result<FromRelay> {
        self.send(frame).await?;
        loop {
            let answer = self.next().await?;
            if answer.request().is_some() && answer.request() == frame.request() {
                return Ok(answer);
            }
        }
    }

    /// Gives out a token by which others may put and open.
    pub(in crate::roles) async fn gives(&mut self) -> Result<Token> {
        let token = Token::from_bytes(random()?);
        let entry = TokenEntry { hash: token.hash(), lifetime_s: None };
        let request = self.number();
        match self.ask(&ToRelay::Tokens { request, add: vec![entry], remove: vec![], replace: false }).await? {
            FromRelay::Done { .. } => Ok(token),
            answer => bail!("the token was not taken: {answer:?}"),
        }
    }
}

/// The next binary message of a socket.
pub(in crate::roles) async fn binary(socket: &mut Socket) -> Result<Bytes> {
    loop {
        if let Message::Binary(bytes) = socket.next().await.context("the relay ended the connection")?? {
            return Ok(bytes);
        }
    }
}

/// Takes any certificate: here it is not a relay's identity that is measured.
#[derive(Debug)]
struct Credulous(Vec<SignatureScheme>);

fn credulous() -> Result<TlsConnector> {
    let provider = default_provider();
    let verifier = Credulous(provider.signature_verification_algorithms.supported_schemes());
    let config = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

impl ServerCertVerifier for Credulous {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.clone()
    }
}
