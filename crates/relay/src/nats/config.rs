//! Where NATS is, and how a relay shows who it is.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use async_nats::{ConnectOptions, ServerAddr};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};

/// Replicas where the servers form a cluster and nobody said otherwise: one may fail at any time.
const CLUSTER_REPLICAS: usize = 3;

/// How relay nodes reach the NATS that they share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NatsConfig {
    /// `nats://HOST[:PORT]`, or `tls://HOST[:PORT]`; one of a cluster is enough to find the others.
    pub servers: Vec<String>,
    /// Who the relay is to NATS.
    pub login: NatsLogin,
    /// PEM file of the authority that signed the servers' certificates, in the place of the system's.
    pub ca: Option<PathBuf>,
    /// How many servers hold each mailbox and file, 1 to 5. By default 3 of a cluster, and 1 where there is no cluster.
    pub replicas: Option<u8>,
}

/// How a relay shows NATS who it is.
#[derive(Clone, PartialEq, Eq)]
pub enum NatsLogin {
    /// Not at all.
    Nobody,
    /// By name and password.
    Password {
        /// The name.
        user: String,
        /// The password.
        password: String,
    },
    /// By a credentials file, as `nsc` writes it.
    Credentials(PathBuf),
}

impl fmt::Debug for NatsLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nobody => f.write_str("Nobody"),
            Self::Password { user, .. } => f.debug_struct("Password").field("user", user).finish_non_exhaustive(),
            Self::Credentials(path) => f.debug_tuple("Credentials").field(path).finish(),
        }
    }
}

/// Why NATS can't be used as it was named.
#[derive(Debug, thiserror::Error)]
pub enum NatsError {
    /// An address is none.
    #[error("{address:?} {problem}")]
    Address {
        /// What was given.
        address: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A file could not be read, or does not hold what it should.
    #[error("{} can't be used for NATS: {problem}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// TLS could not be set up.
    #[error("TLS to NATS can't be set up: {0}")]
    Tls(String),
}

impl NatsConfig {
    /// NATS at addresses that are separated by commas; whoever comes may use it.
    ///
    /// # Errors
    /// [`NatsError::Address`] when one is none.
    pub fn new(addresses: &str) -> Result<Self, NatsError> {
        let servers: Vec<String> = addresses.split(',').map(|address| address.trim().to_owned()).collect();
        for address in &servers {
            parse(address)?;
        }
        Ok(Self { servers, login: NatsLogin::Nobody, ca: None, replicas: None })
    }

    /// The addresses in one line, for people.
    #[must_use]
    pub fn names(&self) -> String {
        self.servers.join(", ")
    }

    /// How many replicas to ask for, of what kind of server.
    pub(crate) fn replicas(&self, is_cluster: bool) -> usize {
        match self.replicas {
            Some(replicas) => replicas.into(),
            None if is_cluster => CLUSTER_REPLICAS,
            None => 1,
        }
    }

    pub(super) fn addresses(&self) -> Result<Vec<ServerAddr>, NatsError> {
        self.servers.iter().map(|address| parse(address)).collect()
    }

    /// What a connection needs to know beyond the addresses.
    pub(super) async fn options(&self) -> Result<ConnectOptions, NatsError> {
        // Also to servers of which others tell: what they say of them has no scheme, and they get the password, too.
        let needs_tls = self.servers.iter().all(|address| address.starts_with("tls://"));
        let options = ConnectOptions::new().tls_client_config(self.tls()?).require_tls(needs_tls);
        Ok(match &self.login {
            NatsLogin::Nobody => options,
            NatsLogin::Password { user, password } => options.user_and_password(user.clone(), password.clone()),
            NatsLogin::Credentials(path) => {
                let file = |error: std::io::Error| NatsError::File { path: path.clone(), problem: error.to_string() };
                options.credentials_file(path).await.map_err(file)?
            }
        })
    }

    fn tls(&self) -> Result<ClientConfig, NatsError> {
        let mut roots = RootCertStore::empty();
        match &self.ca {
            None => {
                roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            }
            Some(path) => {
                let file = |problem: String| NatsError::File { path: path.clone(), problem };
                let certificates = CertificateDer::pem_file_iter(path).map_err(|error| file(error.to_string()))?;
                for certificate in certificates {
                    let certificate = certificate.map_err(|error| file(error.to_string()))?;
                    roots.add(certificate).map_err(|error| file(error.to_string()))?;
                }
                if roots.is_empty() {
                    return Err(file("holds no certificate".to_owned()));
                }
            }
        }
        let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
        let builder =
            builder.with_safe_default_protocol_versions().map_err(|error| NatsError::Tls(error.to_string()))?;
        Ok(builder.with_root_certificates(roots).with_no_client_auth())
    }
}

fn parse(address: &str) -> Result<ServerAddr, NatsError> {
    let wrong = |problem: &str| NatsError::Address { address: address.to_owned(), problem: problem.to_owned() };
    if !address.starts_with("nats://") && !address.starts_with("tls://") {
        return Err(wrong("does not begin with nats:// or tls://"));
    }
    if address.ends_with("://") {
        return Err(wrong("names no host"));
    }
    let parsed = ServerAddr::from_str(address).map_err(|error| wrong(&format!("is no address of NATS: {error}")))?;
    if parsed.username().is_some() || parsed.password().is_some() {
        // Who lists the programs of a machine sees their arguments.
        return Err(NatsError::Address {
            address: "the address".to_owned(),
            problem: "must not hold a password; name and password go into the environment".to_owned(),
        });
    }
    Ok(parsed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_checked_and_hold_no_password() {
        let config = NatsConfig::new("nats://one, tls://two:4223").unwrap();
        assert_eq!(config.names(), "nats://one, tls://two:4223");
        let addresses = config.addresses().unwrap();
        assert_eq!((addresses[0].port(), addresses[1].port()), (4222, 4223));
        assert!(!addresses[0].tls_required() && addresses[1].tls_required());
        for wrong in ["", "one:4222", "nats://", "nats://one:port", "http://one", "nats://one,two"] {
            assert!(NatsConfig::new(wrong).is_err(), "{wrong:?}");
        }
        let refused = NatsConfig::new("nats://relay:secret@one").unwrap_err().to_string();
        assert!(refused.contains("environment") && !refused.contains("secret"), "{refused}");
        let login = NatsLogin::Password { user: "relay".into(), password: "secret".into() };
        assert!(!format!("{login:?}").contains("secret"));
    }

    #[test]
    fn a_cluster_keeps_three() {
        let config = NatsConfig::new("nats://one").unwrap();
        assert_eq!((config.replicas(false), config.replicas(true)), (1, 3));
        assert_eq!(NatsConfig { replicas: Some(1), ..config }.replicas(true), 1);
    }
}
