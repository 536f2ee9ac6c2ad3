//! Tokens: JWTs that this node signs for the programs of its owner.
//!
//! A token is valid when its signature fits the key that is derived from this profile's identity, it has not expired,
//! and the store knows its ID as not revoked. So a token of another machine, of an earlier owner or of a profile that
//! was made anew is refused. The owner's own token, in `api.json`, is made at each start and known in memory only.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use node::{NewToken, Node, TokenRecord};
use serde::{Deserialize, Serialize};

use crate::args::{CreateTokenArgs, Scope};
use crate::door::Caller;
use crate::error::ApiError;
use crate::results::CreatedToken;

/// What the signing key is derived for.
const PURPOSE: &str = "landline/api-token/1";

/// How long a token lives when nothing is said: a week, as in the command line's examples.
const DEFAULT_LIFE: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Longest life of a token: a year. Whoever wants longer makes a new one in time.
const LONGEST_LIFE: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Most characters of anything that is looked at as a token: ours have about 350.
const TOKEN_BYTES: usize = 4096;

/// Name of the owner as a caller.
const OWNER: &str = "owner";

impl Scope {
    /// As in a token and on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Send => "send",
            Self::Admin => "admin",
        }
    }

    fn find(name: &str) -> Option<Self> {
        [Self::Read, Self::Send, Self::Admin].into_iter().find(|scope| scope.name() == name)
    }
}

/// What a token says. Times in Unix seconds, as RFC 7519 has them.
#[derive(Debug, Serialize, Deserialize)]
struct Claims {
    /// Its ID.
    jti: String,
    /// Scopes, separated by spaces (RFC 8693).
    scope: String,
    /// When it was made.
    iat: u64,
    /// When it ends; the owner's own ends with the program.
    #[serde(skip_serializing_if = "Option::is_none")]
    exp: Option<u64>,
}

/// The tokens of a node. Cheap to clone.
#[derive(Clone)]
pub struct Tokens {
    inner: Arc<Inner>,
}

struct Inner {
    signing: EncodingKey,
    verifying: DecodingKey,
    owner: String,
    /// Every token that the store knows, by ID. This process alone changes them: a profile is open in one program.
    known: RwLock<HashMap<String, Known>>,
}

#[derive(Debug, Clone, Copy)]
struct Known {
    revoked: bool,
    expires: Option<Duration>,
}

impl Tokens {
    /// Reads the known tokens and derives the key.
    ///
    /// # Errors
    /// When the store cannot be read or the system gives no randomness.
    pub async fn load(node: &Node) -> Result<Self, ApiError> {
        let secret = node.derived_secret(PURPOSE);
        let known = node
            .tokens()
            .await?
            .into_iter()
            .map(|record| {
                let expires = record.expires_at.as_deref().and_then(unix);
                (record.token_id, Known { revoked: record.revoked_at.is_some(), expires })
            })
            .collect();
        Ok(Self {
            inner: Arc::new(Inner {
                signing: EncodingKey::from_secret(&secret),
                verifying: DecodingKey::from_secret(&secret),
                owner: random_hex()?,
                known: RwLock::new(known),
            }),
        })
    }

    /// The owner's token: everything is allowed, until the program ends.
    ///
    /// # Errors
    /// When signing fails.
    pub fn owner_token(&self, now: Duration) -> Result<String, ApiError> {
        let all = [Scope::Read, Scope::Send, Scope::Admin];
        self.sign(&Claims { jti: self.inner.owner.clone(), scope: joined(&all), iat: now.as_secs(), exp: None })
    }

    /// Makes a token.
    ///
    /// # Errors
    /// 422 for a name, scopes or life that cannot be; 409 when there are too many.
    pub async fn create(&self, node: &Node, now: Duration, args: CreateTokenArgs) -> Result<CreatedToken, ApiError> {
        let CreateTokenArgs { name, mut scopes, expires_in_seconds } = args;
        scopes.sort_unstable();
        scopes.dedup();
        if scopes.is_empty() {
            return Err(ApiError::invalid("scopes", "A token needs at least one of the scopes read, send, admin."));
        }
        let life = expires_in_seconds.map_or(DEFAULT_LIFE, |seconds| Duration::from_secs(seconds.into()));
        if life.is_zero() || life > LONGEST_LIFE {
            return Err(ApiError::invalid("expiresInSeconds", "A token lives between a second and a year.")
                .limit(LONGEST_LIFE.as_secs()));
        }
        let expires = Duration::from_secs((now + life).as_secs());
        let record = node
            .create_token_record(NewToken {
                name,
                scopes: scopes.iter().map(|scope| scope.name().to_owned()).collect(),
                expires_ms: Some(expires.as_secs().saturating_mul(1000)),
            })
            .await?;
        let token = self.sign(&Claims {
            jti: record.token_id.clone(),
            scope: joined(&scopes),
            iat: now.as_secs(),
            exp: Some(expires.as_secs()),
        })?;
        self.write().insert(record.token_id.clone(), Known { revoked: false, expires: Some(expires) });
        Ok(CreatedToken { token, info: record.into() })
    }

    /// Revokes a token; open connections that use it end with their next event.
    ///
    /// # Errors
    /// 404 when there is none with this ID; what the store refuses.
    pub async fn revoke(&self, node: &Node, id: &str) -> Result<TokenRecord, ApiError> {
        let record = node.revoke_token(id).await?;
        // By the ID as the store writes it: what was asked may spell it in another way.
        if let Some(known) = self.write().get_mut(&record.token_id) {
            known.revoked = true;
        }
        Ok(record)
    }

    /// Finds out who calls with a token.
    ///
    /// # Errors
    /// 401, with a code that says why: `token_malformed`, `token_invalid`, `token_expired`, `token_revoked`.
    pub fn verify(&self, token: &str, now: Duration) -> Result<Caller, ApiError> {
        let malformed = || ApiError::unauthorized("token_malformed", "This is not a token of Landline.");
        if token.len() > TOKEN_BYTES {
            return Err(malformed());
        }
        let mut validation = Validation::new(Algorithm::HS256);
        // Expiry is judged below, by the node's own clock.
        validation.required_spec_claims.clear();
        validation.validate_exp = false;
        validation.validate_aud = false;
        let claims = jsonwebtoken::decode::<Claims>(token, &self.inner.verifying, &validation)
            .map_err(|error| match error.kind() {
                ErrorKind::InvalidSignature | ErrorKind::InvalidAlgorithm => ApiError::unauthorized(
                    "token_invalid",
                    "This token was not signed by this node; make one with `landline token create`.",
                ),
                _ => malformed(),
            })?
            .claims;
        if claims.jti == self.inner.owner {
            return Ok(Caller::everything(OWNER));
        }
        self.check(&claims.jti, now)?;
        if claims.exp.is_none_or(|exp| exp <= now.as_secs()) {
            return Err(expired());
        }
        let scopes = claims.scope.split(' ').filter_map(Scope::find).collect();
        Ok(Caller { id: claims.jti, scopes })
    }

    /// Whether a caller that was let in may still go on: asked at each event of a connection that lives long.
    ///
    /// # Errors
    /// 401 when its token has been revoked or has expired since.
    pub fn check(&self, caller: &str, now: Duration) -> Result<(), ApiError> {
        if caller == OWNER {
            return Ok(());
        }
        let known = self.inner.known.read().unwrap_or_else(PoisonError::into_inner).get(caller).copied();
        match known {
            None => Err(ApiError::unauthorized(
                "token_invalid",
                "This node does not know this token any more; make one with `landline token create`.",
            )),
            Some(Known { revoked: true, .. }) => {
                Err(ApiError::unauthorized("token_revoked", "This token has been revoked."))
            }
            Some(Known { expires: Some(at), .. }) if at <= now => Err(expired()),
            Some(_) => Ok(()),
        }
    }

    fn sign(&self, claims: &Claims) -> Result<String, ApiError> {
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), claims, &self.inner.signing)
            .map_err(|error| ApiError::internal(&error))
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, HashMap<String, Known>> {
        self.inner.known.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokens").finish_non_exhaustive()
    }
}

fn expired() -> ApiError {
    ApiError::unauthorized("token_expired", "This token has expired; make one with `landline token create`.")
}

fn joined(scopes: &[Scope]) -> String {
    scopes.iter().map(|scope| scope.name()).collect::<Vec<_>>().join(" ")
}

fn unix(rfc3339: &str) -> Option<Duration> {
    let time = time::OffsetDateTime::parse(rfc3339, &time::format_description::well_known::Rfc3339).ok()?;
    Some(Duration::from_millis(u64::try_from(time.unix_timestamp_nanos() / 1_000_000).ok()?))
}

/// 128 random bits as text.
pub(crate) fn random_hex() -> Result<String, ApiError> {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).map_err(|error| ApiError::internal(&error))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
