//! The local API: the one command list, REST, Socket.IO, OpenAPI, tokens and the web page.

pub mod args;
pub mod commands;
pub mod door;
pub mod error;
mod handlers;
pub mod login;
pub mod results;
pub mod tokens;
pub mod types;
