//! The one door between programs and the node: who calls, whether the caller may, and the call itself.

use std::sync::Arc;
use std::time::Duration;

use node::Node;
use node::clock::Clock;
use serde_json::Value;

use crate::args::Scope;
use crate::commands::{self, Command};
use crate::error::ApiError;
use crate::login::Logins;
use crate::private;
use crate::tokens::Tokens;

/// Everything that a command can reach. Cheap to clone.
#[derive(Clone)]
pub struct Door {
    /// The node.
    pub node: Node,
    /// The tokens of its API.
    pub tokens: Tokens,
    /// One-time codes for the web page.
    pub logins: Logins,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// Who calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Tells callers apart: a token's ID, `owner`, or `window`.
    pub id: String,
    /// What the caller may do.
    pub scopes: Vec<Scope>,
}

/// One call on its way to its handler.
pub(crate) struct Call<'a> {
    pub(crate) door: &'a Door,
    pub(crate) caller: &'a Caller,
}

impl Caller {
    /// The application's own window: the person at this machine, who may do everything.
    #[must_use]
    pub fn window() -> Self {
        Self::everything("window")
    }

    pub(crate) fn everything(id: &str) -> Self {
        Self { id: id.to_owned(), scopes: vec![Scope::Read, Scope::Send, Scope::Admin] }
    }

    /// Whether the caller learns where files lie on this machine.
    pub(crate) fn sees_paths(&self) -> bool {
        self.scopes.contains(&Scope::Admin)
    }

    /// Refuses a caller without `scope`.
    ///
    /// # Errors
    /// 403 `scope_missing`.
    pub fn require(&self, scope: Scope) -> Result<(), ApiError> {
        if self.scopes.contains(&scope) {
            return Ok(());
        }
        Err(ApiError::new(
            axum::http::StatusCode::FORBIDDEN,
            "scope_missing",
            format!("This token lacks the scope \"{}\".", scope.name()),
        ))
    }
}

impl Door {
    /// Calls a command by its name.
    ///
    /// # Errors
    /// 404 for an unknown command, 403 when the caller lacks its scope, and what the command itself refuses.
    pub async fn dispatch(&self, caller: &Caller, name: &str, args: Value) -> Result<Value, ApiError> {
        let command = Command::find(name).ok_or_else(|| {
            ApiError::new(axum::http::StatusCode::NOT_FOUND, "unknown_command", "There is no such command.")
                .field("command")
        })?;
        self.call(caller, command, args).await
    }

    /// Calls a command.
    ///
    /// # Errors
    /// 403 when the caller lacks its scope, and what the command itself refuses.
    pub async fn call(&self, caller: &Caller, command: Command, args: Value) -> Result<Value, ApiError> {
        caller.require(command.scope())?;
        let mut answer = commands::run(command, &Call { door: self, caller }, args).await?;
        if !caller.sees_paths() {
            private::hide_paths(&mut answer);
        }
        Ok(answer)
    }

    /// Unix time.
    pub(crate) fn now(&self) -> Duration {
        Duration::from_millis(self.clock.wall_ms())
    }
}

impl std::fmt::Debug for Door {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Door").field("node", &self.node).finish_non_exhaustive()
    }
}
