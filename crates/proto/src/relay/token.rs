//! Secrets that open something at a relay: who has one may. None of them shows in a log.

use std::fmt;

use crate::relay::RelayAddress;
use crate::secret::secret;

const TOKEN_CONTEXT: &str = "landline/relay-token/1";
const HASH_CONTEXT: &str = "landline/relay-token-hash/1";

secret! {
    /// What a machine gives a contact, so that the contact may put, watch and open at its relays. Random; never shown to
    /// a relay: what is shown is [`Self::at`].
    GrantSecret, 32
}

secret! {
    /// What a contact shows a relay. Each relay is shown another one, so that a relay that keeps what it was shown can do
    /// nothing with it at others.
    Token, 32
}

secret! {
    /// Opens one end of a tunnel, once.
    Ticket, 32
}

impl GrantSecret {
    /// The token for one relay. Issuer and holder compute it from the address as the issuer's profile writes it.
    pub fn at(&self, relay: &RelayAddress) -> Token {
        let mut hasher = blake3::Hasher::new_derive_key(TOKEN_CONTEXT);
        hasher.update(self.as_bytes()).update(relay.origin().as_bytes());
        Token::from_bytes(*hasher.finalize().as_bytes())
    }
}

impl Token {
    /// What the relay keeps of it.
    pub fn hash(&self) -> TokenHash {
        TokenHash(blake3::derive_key(HASH_CONTEXT, self.as_bytes()))
    }
}

/// What a relay keeps of a token: enough to know it again, too little to use it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenHash([u8; 32]);

impl TokenHash {
    /// Takes the 32 bytes of the wire or the store.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, ..] = self.0;
        write!(f, "TokenHash({a:02x}{b:02x}{c:02x}{d:02x})")
    }
}
