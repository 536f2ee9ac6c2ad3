//! What can go wrong: starting a node, and any of its commands.

use std::path::PathBuf;

/// What kind of failure, so that a caller can pick its own status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorClass {
    /// A value that cannot be accepted.
    Invalid,
    /// A value beyond its limit.
    TooLarge,
    /// What was named does not exist here.
    NotFound,
    /// It contradicts the present state.
    Conflict,
    /// It is not allowed.
    Forbidden,
    /// It cannot be done now (storage full, shutting down); later it may.
    Unavailable,
    /// A fault of the program.
    Internal,
}

/// Why a command was not carried out. One type for all commands, so that each surface maps it once.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NodeError {
    /// A value that cannot be accepted.
    #[error("{message}")]
    Invalid {
        /// Stable code.
        code: &'static str,
        /// Which field.
        field: &'static str,
        /// What is wrong with it.
        message: String,
    },
    /// A value beyond its limit.
    #[error("{message}")]
    TooLarge {
        /// Stable code.
        code: &'static str,
        /// Which field.
        field: &'static str,
        /// What it can hold.
        limit: u64,
        /// What it was given.
        actual: u64,
        /// Both in words.
        message: String,
    },
    /// What was named does not exist here.
    #[error("{message}")]
    NotFound {
        /// Stable code.
        code: &'static str,
        /// What was looked for.
        message: String,
    },
    /// It contradicts the present state.
    #[error("{message}")]
    Conflict {
        /// Stable code.
        code: &'static str,
        /// How.
        message: String,
    },
    /// It is not allowed.
    #[error("{message}")]
    Forbidden {
        /// Stable code.
        code: &'static str,
        /// Why.
        message: String,
    },
    /// It cannot be done now; later it may.
    #[error("{message}")]
    Unavailable {
        /// Stable code.
        code: &'static str,
        /// Why.
        message: String,
    },
    /// A fault of the program, already logged.
    #[error("{message}")]
    Internal {
        /// What failed, without private content.
        message: String,
    },
}

impl NodeError {
    /// The stable code that programs match on, such as `message_too_long`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Invalid { code, .. }
            | Self::TooLarge { code, .. }
            | Self::NotFound { code, .. }
            | Self::Conflict { code, .. }
            | Self::Forbidden { code, .. }
            | Self::Unavailable { code, .. } => code,
            Self::Internal { .. } => "internal",
        }
    }

    /// The field that is at fault, when one is.
    #[must_use]
    pub fn field(&self) -> Option<&'static str> {
        match self {
            Self::Invalid { field, .. } | Self::TooLarge { field, .. } => Some(field),
            _ => None,
        }
    }

    /// The limit that was exceeded, when one was.
    #[must_use]
    pub fn limit(&self) -> Option<u64> {
        match self {
            Self::TooLarge { limit, .. } => Some(*limit),
            _ => None,
        }
    }

    /// What kind of failure it is.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Invalid { .. } => ErrorClass::Invalid,
            Self::TooLarge { .. } => ErrorClass::TooLarge,
            Self::NotFound { .. } => ErrorClass::NotFound,
            Self::Conflict { .. } => ErrorClass::Conflict,
            Self::Forbidden { .. } => ErrorClass::Forbidden,
            Self::Unavailable { .. } => ErrorClass::Unavailable,
            Self::Internal { .. } => ErrorClass::Internal,
        }
    }
}

/// Why a node did not start. Each message says what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Another program has this profile open.
    #[error("the profile {dir} is already open in {holder}")]
    ProfileInUse {
        /// The profile directory.
        dir: PathBuf,
        /// The other program, as `process 1234` when it is known.
        holder: String,
    },
    /// The profile directory cannot be used.
    #[error("cannot use the profile directory {dir}: {source}")]
    Directory {
        /// The profile directory.
        dir: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The private key of an existing profile cannot be read.
    #[error("{0}")]
    Key(String),
    /// The database cannot be opened.
    #[error("cannot open the database: {0}")]
    Database(String),
    /// The network side cannot be started.
    #[error("cannot start the network: {0}")]
    Network(String),
    /// A value of the configuration cannot be accepted.
    #[error("{field}: {message}")]
    Config {
        /// Which one.
        field: &'static str,
        /// What is wrong with it.
        message: String,
    },
}

/// A text that breaks a rule of [`proto::text`].
pub(crate) fn text_error(field: &'static str, error: proto::text::TextError) -> NodeError {
    use proto::text::TextError;
    match error {
        TextError::TooLong { limit, actual } => NodeError::TooLarge {
            code: "text_too_long",
            field,
            limit: limit as u64,
            actual: actual as u64,
            message: format!("{field} can hold {limit} bytes; this one has {actual}"),
        },
        TextError::Empty | TextError::Invisible => {
            NodeError::Invalid { code: "text_empty", field, message: format!("{field} {error}") }
        }
        _ => NodeError::Invalid { code: "text_not_allowed", field, message: format!("{field} {error}") },
    }
}

impl From<store::StoreError> for NodeError {
    fn from(error: store::StoreError) -> Self {
        use store::StoreError;
        let message = error.to_string();
        match error {
            StoreError::Full => Self::Unavailable { code: "storage_full", message },
            StoreError::ReadOnly => Self::Unavailable { code: "storage_read_only", message },
            StoreError::Busy => Self::Unavailable { code: "storage_busy", message },
            StoreError::Closed => {
                Self::Unavailable { code: "shutting_down", message: "the node is shutting down".to_owned() }
            }
            _ => {
                tracing::error!(error = message, "the database failed");
                Self::Internal { message }
            }
        }
    }
}
