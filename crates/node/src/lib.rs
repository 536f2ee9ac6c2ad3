//! The embedded chat node: identity, sessions, messages, sync with other machines, presence, notices.
//!
//! A program builds a [`Config`], calls [`Node::start`] and then only speaks to the handle: one method for each command,
//! and [`Node::changes`] for everything that happens. The node holds no user interface and no server of its own.

mod changes;
pub mod clock;
mod config;
mod error;
mod node;
mod request;
pub mod view;

pub use changes::{Changes, Lagged};
pub use config::{Config, KeyStore};
pub use error::{ErrorClass, NodeError, StartError};
pub use node::Node;
pub use request::{FocusState, KeyStorage, MePatch, NewToken, PageRequest, SendRequest, SessionPatch, TokenRecord, UserFilter};
