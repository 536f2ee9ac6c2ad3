//! What encrypts between client and relay, and the key by which clients know it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::SystemTime;

use rustls::ServerConfig;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::NoServerSessionStorage;
use rustls::version::TLS13;

/// Name of the relay's own certificate and key in the data folder.
const OWN_CERT: &str = "relay-cert.pem";
const OWN_KEY: &str = "relay-key.pem";

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file could not be read or written.
    #[error("{} can't be used: {error}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// A file does not hold what it should.
    #[error("{} holds no usable {what}: {detail}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What should be in it.
        what: &'static str,
        /// What is wrong.
        detail: String,
    },
    /// The TLS library refused.
    #[error("TLS can't be set up: {0}")]
    Library(String),
}

/// The certificate in use. Files that change are read again, so a renewed certificate needs no restart.
#[derive(Debug)]
pub(crate) struct Tls {
    cert: PathBuf,
    key: PathBuf,
    loaded: RwLock<Loaded>,
}

#[derive(Debug, Clone)]
struct Loaded {
    config: Arc<ServerConfig>,
    /// Hashes of the public key, and of the one before it: a client may have seen that one a moment ago.
    keys: Vec<[u8; 32]>,
    changed: [Option<SystemTime>; 2],
}

impl Tls {
    /// The relay's own certificate, made when there is none.
    pub(crate) fn own(folder: &Path) -> Result<Self, TlsError> {
        let (cert, key) = (folder.join(OWN_CERT), folder.join(OWN_KEY));
        if !key.exists() {
            make(&cert, &key)?;
        }
        Self::files(cert, key)
    }

    /// A certificate and its key from PEM files.
    pub(crate) fn files(cert: PathBuf, key: PathBuf) -> Result<Self, TlsError> {
        let loaded = load(&cert, &key)?;
        Ok(Self { cert, key, loaded: RwLock::new(loaded) })
    }

    /// What new connections use.
    pub(crate) fn config(&self) -> Arc<ServerConfig> {
        self.loaded.read().unwrap_or_else(PoisonError::into_inner).config.clone()
    }

    /// Hashes of the public keys that clients may have seen, the present one first.
    pub(crate) fn keys(&self) -> Vec<[u8; 32]> {
        self.loaded.read().unwrap_or_else(PoisonError::into_inner).keys.clone()
    }

    /// Reads the files again when they have changed. Files that can't be used leave things as they are.
    pub(crate) fn refresh(&self) {
        let before = self.loaded.read().unwrap_or_else(PoisonError::into_inner).clone();
        let changed = changed(&self.cert, &self.key);
        if changed == before.changed {
            return;
        }
        let loaded = match load(&self.cert, &self.key) {
            Ok(mut loaded) => {
                tracing::info!("the certificate was read again");
                let old = before.keys.first().filter(|key| !loaded.keys.contains(key)).copied();
                loaded.keys.extend(old);
                loaded
            }
            Err(error) => {
                tracing::warn!(%error, "the certificate stays as it was");
                Loaded { changed, ..before }
            }
        };
        *self.loaded.write().unwrap_or_else(PoisonError::into_inner) = loaded;
    }
}

fn changed(cert: &Path, key: &Path) -> [Option<SystemTime>; 2] {
    [cert, key].map(|path| fs::metadata(path).and_then(|file| file.modified()).ok())
}

fn load(cert: &Path, key: &Path) -> Result<Loaded, TlsError> {
    let changed = changed(cert, key);
    let readable =
        |path: &Path| fs::File::open(path).map(drop).map_err(|error| TlsError::Io { path: path.into(), error });
    readable(cert)?;
    readable(key)?;
    let content = |path: &Path, what, detail: String| TlsError::Content { path: path.into(), what, detail };
    let certs: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(cert)
        .and_then(Iterator::collect)
        .map_err(|error| content(cert, "certificate", error.to_string()))?;
    if certs.is_empty() {
        return Err(content(cert, "certificate", "it has none".into()));
    }
    let private = PrivateKeyDer::from_pem_file(key).map_err(|error| content(key, "private key", error.to_string()))?;
    let provider = Arc::new(provider());
    let signer = provider
        .key_provider
        .load_private_key(private.clone_key())
        .map_err(|error| content(key, "private key", error.to_string()))?;
    let public =
        signer.public_key().ok_or_else(|| content(key, "private key", "its public key can't be told".into()))?;
    let hash = sha256(public.as_ref());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])
        .map_err(|error| TlsError::Library(error.to_string()))?
        .with_no_client_auth()
        .with_single_cert(certs, private)
        .map_err(|error| content(cert, "certificate for the key", error.to_string()))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    // Connections last for days: resuming them would save little, and keep keys.
    config.send_tls13_tickets = 0;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    Ok(Loaded { config: Arc::new(config), keys: vec![hash], changed })
}

fn provider() -> CryptoProvider {
    CryptoProvider {
        // The hybrid first: what is recorded today stays secret from a quantum computer of tomorrow.
        kx_groups: vec![aws_lc_rs::kx_group::X25519MLKEM768, aws_lc_rs::kx_group::X25519],
        ..aws_lc_rs::default_provider()
    }
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    let digest = ::aws_lc_rs::digest::digest(&::aws_lc_rs::digest::SHA256, bytes);
    hash.iter_mut().zip(digest.as_ref()).for_each(|(to, from)| *to = *from);
    hash
}

/// Makes a key and a certificate that it signs itself. Clients compare the key, so what the certificate says matters to
/// nobody.
fn make(cert: &Path, key: &Path) -> Result<(), TlsError> {
    let library = |error: rcgen::Error| TlsError::Library(error.to_string());
    let pair = rcgen::KeyPair::generate().map_err(library)?;
    let params = rcgen::CertificateParams::new(vec!["landline-relay".to_owned()]).map_err(library)?;
    let certificate = params.self_signed(&pair).map_err(library)?;
    // The key last: as long as it is missing, both are made.
    write_private(cert, &certificate.pem()).map_err(|error| TlsError::Io { path: cert.into(), error })?;
    write_private(key, &pair.serialize_pem()).map_err(|error| TlsError::Io { path: key.into(), error })
}

/// Writes a file that only its owner may read, whole or not at all.
fn write_private(path: &Path, text: &str) -> io::Result<()> {
    let beside = path.with_extension("new");
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&beside)?;
    io::Write::write_all(&mut file, text.as_bytes())?;
    file.sync_all()?;
    fs::rename(beside, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_own_certificate_stays_over_restarts() {
        let folder = tempfile::tempdir().unwrap();
        let first = Tls::own(folder.path()).unwrap().keys();
        assert_eq!(first.len(), 1);
        assert_eq!(Tls::own(folder.path()).unwrap().keys(), first, "because clients know it by this key");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = fs::metadata(folder.path().join(OWN_KEY)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
    }

    #[test]
    fn a_renewed_certificate_is_read_and_a_broken_one_is_not() {
        let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let tls = Tls::own(folder.path()).unwrap();
        let before = tls.keys();
        let renewed = Tls::own(other.path()).unwrap().keys();
        for name in [OWN_CERT, OWN_KEY] {
            fs::copy(other.path().join(name), folder.path().join(name)).unwrap();
        }
        let touch = |seconds| {
            let time = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
            fs::File::options().write(true).open(folder.path().join(OWN_KEY)).unwrap().set_modified(time).unwrap();
        };
        touch(1);
        tls.refresh();
        assert_eq!(
            tls.keys(),
            [renewed.clone(), before].concat(),
            "because who saw the old one a moment ago may log in"
        );
        fs::write(folder.path().join(OWN_KEY), "-----BEGIN").unwrap();
        touch(2);
        tls.refresh();
        assert_eq!(tls.keys()[0], renewed[0]);
        let refused = Tls::own(folder.path()).unwrap_err().to_string();
        assert!(refused.contains(OWN_KEY) && refused.contains("private key"), "{refused}");
    }

    #[test]
    fn a_key_that_does_not_fit_is_refused() {
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        Tls::own(one.path()).unwrap();
        Tls::own(two.path()).unwrap();
        let refused = Tls::files(one.path().join(OWN_CERT), two.path().join(OWN_KEY)).unwrap_err().to_string();
        assert!(refused.contains("certificate for the key"), "{refused}");
        let refused = Tls::files(one.path().join("none.pem"), two.path().join(OWN_KEY)).unwrap_err().to_string();
        assert!(refused.contains("none.pem"), "{refused}");
    }
}
