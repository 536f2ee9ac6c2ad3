//! What each command takes. JSON objects in camel case; an unknown field is refused, so a typing error never passes
//! as "not given".

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use ts_rs::TS;
use utoipa::ToSchema;

use crate::error::{ApiError, excerpt};

mod files;
mod messages;
mod notifications;
mod people;
mod relays;
mod sessions;
mod settings;
mod tokens;

pub use files::{AcceptAttachmentArgs, AddFileArgs, TransferArgs, UploadRef};
pub use messages::{
    DeleteFor, DeleteMessageArgs, EditMessageArgs, ForwardMessageArgs, MessageArgs, PinMessageArgs, ReactArgs,
    SendMessageArgs,
};
pub use notifications::{CleanupArgs, CreateNotificationArgs, NotificationArgs, NotificationsArgs};
pub use people::{AddContactArgs, OwnStatus, SetStatusArgs, UpdateMeArgs, UserArgs, UserFilter, UsersArgs};
pub use relays::{AddRelayArgs, RelayArgs};
pub use sessions::{
    CreateSessionArgs, FocusArgs, MarkSessionReadArgs, MessagesArgs, SearchArgs, SessionArgs, SetTimerArgs, TypingArgs,
    UpdateSessionArgs,
};
pub use settings::UpdateSettingsArgs;
pub use tokens::{CreateTokenArgs, Scope, TokenArgs};

/// Most characters of an ID, a name or another short argument. The node's own rules are narrower; this keeps a
/// megabyte from reaching them.
pub const SHORT_TEXT_BYTES: usize = 512;

/// Most bytes of `tempId`.
pub const TEMP_ID_BYTES: usize = 128;

/// Most bytes of a draft: that of a message.
pub const DRAFT_BYTES: usize = 65_536;

/// Reads the arguments of a command.
///
/// # Errors
/// 400 when the value is no object; 422 with the field when a field is unknown, missing or of a wrong type.
pub fn parse<A: DeserializeOwned>(value: Value) -> Result<A, ApiError> {
    let value = match value {
        Value::Null => Value::Object(serde_json::Map::new()),
        Value::Object(_) => value,
        _ => return Err(ApiError::malformed("The arguments must be one JSON object.")),
    };
    serde_path_to_error::deserialize(value).map_err(|error| {
        let path = error.path().to_string();
        let cause = error.into_inner().to_string();
        // serde names a missing or an unknown field only in its words, between backticks.
        let named = ["missing field `", "unknown field `"]
            .iter()
            .find_map(|start| cause.strip_prefix(start)?.split('`').next().map(str::to_owned));
        let field = match (path.as_str(), named) {
            ("." | "", Some(named)) => named,
            ("." | "", None) => String::from("arguments"),
            (path, Some(named)) if !path.ends_with(&named) => format!("{path}.{named}"),
            (path, _) => path.to_owned(),
        };
        ApiError::invalid(excerpt(&field), format!("{}: {}.", excerpt(&field), excerpt(&cause)))
    })
}

/// Tells "not given" (keep) from `null` (clear) in a patch.
fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Option<Option<T>>, D::Error> {
    Option::<T>::deserialize(from).map(Some)
}

/// No arguments.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, TS, ToSchema)]
#[serde(deny_unknown_fields)]
#[ts(type = "Record<string, never>")]
pub struct NoArgs {}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::StatusCode;
    use serde_json::json;

    fn refused<A: DeserializeOwned + std::fmt::Debug>(value: Value) -> ApiError {
        parse::<A>(value).expect_err("because these arguments are wrong")
    }

    #[test]
    fn an_error_names_the_field() {
        let error = refused::<MessagesArgs>(json!({"sessionId": "x", "limit": "many"}));
        assert_eq!((error.status, error.body.field.as_deref()), (StatusCode::UNPROCESSABLE_ENTITY, Some("limit")));
        let error = refused::<SendMessageArgs>(json!({"sessionId": "x"}));
        assert_eq!(error.body.field.as_deref(), Some("message"), "because it is missing");
        let error = refused::<SendMessageArgs>(json!({"message": "hi", "mesage": "hi"}));
        assert_eq!(error.body.field.as_deref(), Some("mesage"), "because it is unknown");
        let error = refused::<CreateTokenArgs>(json!({"name": "bot", "scopes": ["read", "fly"]}));
        assert_eq!(error.body.field.as_deref(), Some("scopes[1]"), "because it is nested");
        let error = refused::<UserArgs>(json!({"userId": null}));
        assert_eq!(error.body.field.as_deref(), Some("userId"));
    }

    #[test]
    fn arguments_are_one_object() {
        for value in [json!([]), json!("x"), json!(7), json!(true)] {
            assert_eq!(refused::<NoArgs>(value).status, StatusCode::BAD_REQUEST);
        }
        assert!(parse::<NoArgs>(Value::Null).is_ok(), "because a command without arguments may be called without");
    }

    #[test]
    fn an_error_does_not_repeat_a_megabyte() {
        let error = refused::<MessagesArgs>(json!({"sessionId": "x", "limit": "9".repeat(1 << 20)}));
        assert!(error.body.message.len() < 1024, "because the caller's input is only excerpted");
        let error = refused::<NoArgs>(json!({"x".repeat(1 << 20): 1}));
        assert!(error.body.field.is_some_and(|field| field.len() < 1024));
    }

    #[test]
    fn a_patch_tells_null_from_nothing() {
        let patch: UpdateSessionArgs = parse(json!({"sessionId": "x", "draft": null})).unwrap();
        assert_eq!((patch.draft, patch.muted_until), (Some(None), None));
    }
}
