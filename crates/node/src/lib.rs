//! The embedded chat node: identity, sessions, messages, sync with other machines, presence, notices.
//!
//! A program builds a [`Config`], calls [`Node::start`] and then only speaks to the handle: one method for each command,
//! and [`Node::changes`] for everything that happens. The node holds no user interface and no server of its own.

mod appending;
mod centre;
mod changes;
pub mod clock;
mod config;
mod contacts;
mod conversations;
mod core;
mod dispatch;
mod erasing;
mod error;
mod expiring;
mod files;
mod forwarding;
mod hub;
mod identity_store;
mod incoming;
mod indexing;
mod intake;
mod invitations;
mod ledger;
mod mailbox;
mod marks;
mod membership;
mod messaging;
mod neighbours;
mod networks;
mod node;
mod notices;
mod notify;
mod operating;
mod outgoing;
mod people;
mod profile;
mod profile_dir;
mod publishing;
mod reads;
mod refusals;
mod relays;
mod request;
mod searching;
mod sending;
mod settings;
mod signals;
mod start;
mod sync;
mod times;
mod tokens;
pub mod view;
mod views;

pub use changes::{Changes, Lagged};
pub use config::{Config, DEFAULT_PEER_PORT, KeyStore, Timings};
pub use error::{ErrorClass, NodeError, StartError};
pub use files::{Content, Uploading};
pub use link::tasks::{self, Spawner, Task, Tasks};
pub use node::Node;
pub use request::{
    DeleteFor, FocusState, KeyStorage, MePatch, NewNotification, NewToken, NotificationsRequest, PageRequest,
    SearchRequest, SendRequest, SessionPatch, TokenRecord, UserFilter,
};
