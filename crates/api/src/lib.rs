//! The local API of a node: one list of commands, and the ways to call them.
//!
//! [`commands`] is the list. REST ([`Api`]), Socket.IO, the desktop window ([`dispatch`]), the OpenAPI document and the
//! interface's TypeScript types all come from it. [`door::Door`] is where every call passes: it knows who calls and what
//! the caller may do.

mod api_file;
pub mod args;
mod attachments;
mod budget;
pub mod commands;
mod data_dir;
pub mod door;
pub mod error;
mod events;
mod guard;
mod handlers;
pub mod login;
mod metrics;
pub mod openapi;
mod page;
mod private;
mod requests;
mod rest;
pub mod results;
mod routes;
mod server;
mod socket;
mod sse;
pub mod tokens;
pub mod types;

pub use api_file::{ApiFile, FILE_NAME as API_FILE_NAME};
pub use budget::Rate;
pub use data_dir::{DataDirError, default_data_dir, default_downloads};
pub use rest::BODY_BYTES;
pub use server::{Api, ApiConfig, DEFAULT_PORT, Listen, StartError, dispatch};
