//! The commands about tokens of the local API. The tokens themselves are made and checked there; here is what is kept of
//! them.

use proto::text;
use store::tokens::Token;
use uuid::Uuid;

use crate::error::text_error;
use crate::node::Node;
use crate::{NewToken, NodeError, TokenRecord, times};

/// Most tokens that are kept at once: a person's programs, not a service's users. Beyond, those that hold no more are
/// forgotten, the oldest first; a token that is not known is refused all the same.
const TOKENS: usize = 1_000;

/// Longest name of a scope in bytes, and most scopes of a token.
const SCOPE_BYTES: usize = 32;
const SCOPES: usize = 16;

impl Node {
    /// The remembered tokens of the local API, revoked ones too, newest first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn tokens(&self) -> Result<Vec<TokenRecord>, NodeError> {
        Ok(self.core().store.read(store::tokens::list).await?.into_iter().map(record).collect())
    }

    /// Remembers a token and gives it its ID.
    ///
    /// # Errors
    /// When a value cannot be accepted or the database cannot be written.
    pub async fn create_token_record(&self, token: NewToken) -> Result<TokenRecord, NodeError> {
        let name = text::clean_name(&token.name).map_err(|error| text_error("name", error))?;
        let plain = |scope: &String| {
            (1..=SCOPE_BYTES).contains(&scope.len())
                && scope.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-:.".contains(&byte))
        };
        if token.scopes.is_empty() || token.scopes.len() > SCOPES || !token.scopes.iter().all(plain) {
            let message = format!("scopes must be 1 to {SCOPES} plain words");
            return Err(NodeError::Invalid { code: "invalid_scopes", field: "scopes", message });
        }
        let bits = getrandom::u64().and_then(|high| Ok((high, getrandom::u64()?)));
        let (high, low) = bits.map_err(|error| NodeError::Internal { message: format!("no randomness: {error}") })?;
        let kept = Token {
            id: uuid::Builder::from_random_bytes(((u128::from(high) << 64) | u128::from(low)).to_be_bytes())
                .into_uuid()
                .to_string(),
            name,
            scopes: token.scopes.join(","),
            created_ms: self.core().clock.wall_ms(),
            expires_ms: token.expires_ms,
            revoked_ms: None,
            last_used_ms: None,
        };
        let (row, now_ms) = (kept.clone(), kept.created_ms);
        let added = self
            .core()
            .store
            .write(move |tx| {
                if store::tokens::list(tx)?.len() >= TOKENS && !store::tokens::forget_dead(tx, now_ms)? {
                    return Ok(false);
                }
                store::tokens::add(tx, &row).map(|()| true)
            })
            .await?;
        if !added {
            let message = format!("{TOKENS} tokens hold already; revoke one first");
            return Err(NodeError::Conflict { code: "too_many_tokens", message });
        }
        Ok(record(kept))
    }

    /// Revokes a token; one that was revoked before stays so.
    ///
    /// # Errors
    /// When it is not known.
    pub async fn revoke_token(&self, token: &str) -> Result<TokenRecord, NodeError> {
        let unknown = || NodeError::NotFound { code: "token_not_found", message: "there is no such token".to_owned() };
        let id: Uuid = token.parse().map_err(|_| unknown())?;
        let (id, now_ms) = (id.to_string(), self.core().clock.wall_ms());
        let kept = self
            .core()
            .store
            .write(move |tx| {
                store::tokens::revoke(tx, &id, now_ms)?;
                store::tokens::get(tx, &id)
            })
            .await?;
        kept.map(record).ok_or_else(unknown)
    }
}

fn record(token: Token) -> TokenRecord {
    TokenRecord {
        token_id: token.id,
        name: token.name,
        scopes: token.scopes.split(',').map(str::to_owned).collect(),
        created_at: times::text(token.created_ms),
        expires_at: token.expires_ms.map(times::text),
        revoked_at: token.revoked_ms.map(times::text),
    }
}
