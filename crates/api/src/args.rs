//! What each command takes. JSON objects in camel case; an unknown field is refused, so a typing error never passes
//! as "not given".

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use ts_rs::TS;
use utoipa::ToSchema;

use crate::error::{ApiError, excerpt};
use node::view::{MessageType, NotificationKind, Notify, Preview, Sound, Theme, Visibility};

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

/// Names a machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UserArgs {
    /// Its machine ID.
    pub user_id: String,
}

/// Names a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SessionArgs {
    /// Its ID.
    pub session_id: String,
}

/// Names a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MessageArgs {
    /// Its ID.
    pub message_id: String,
}

/// Changes the own profile; what is not given stays.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[ts(optional_fields)]
pub struct UpdateMeArgs {
    /// Name shown to others, 1–64 bytes.
    pub name: Option<String>,
    /// Device name, up to 64 bytes.
    pub device: Option<String>,
    /// Status text, up to 140 bytes; empty clears it.
    pub status_text: Option<String>,
    /// Index into the avatar colours (0–11).
    pub colour: Option<u8>,
    /// Whether the person has been through the first-run screen.
    pub welcomed: Option<bool>,
}

/// Which machines `users` lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum UserFilter {
    /// All that are known, blocked ones too.
    #[default]
    All,
    /// Those with a link, that a message would reach now.
    Online,
    /// Those on this network now.
    Nearby,
}

/// Which machines to list.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[ts(optional_fields)]
pub struct UsersArgs {
    /// All that are known (the default), those online, or those on this network now.
    pub filter: Option<UserFilter>,
}

/// Adds a machine by its address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AddContactArgs {
    /// `192.168.1.7`, `192.168.1.7:4281`, `[fe80::1%eth0]:4281` or a host name; the port defaults to 4281.
    pub address: String,
}

/// Opens the direct session with a machine, or finds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreateSessionArgs {
    /// The other machine's ID.
    pub receiver_user_id: String,
}

/// Changes a session on this machine only; what is not given stays, `null` clears.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UpdateSessionArgs {
    /// The session.
    pub session_id: String,
    /// Pins it on top.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub pinned: Option<bool>,
    /// Takes it out of the list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub archived: Option<bool>,
    /// Mutes it until then (RFC 3339); `null` unmutes.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[ts(optional, type = "string | null")]
    #[schema(value_type = Option<String>)]
    pub muted_until: Option<Option<String>>,
    /// Keeps an unsent text, up to 65,536 bytes; `null` forgets it.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[ts(optional, type = "string | null")]
    #[schema(value_type = Option<String>)]
    pub draft: Option<Option<String>>,
    /// The message that the unsent text answers; `null` for none.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[ts(optional, type = "string | null")]
    #[schema(value_type = Option<String>)]
    pub draft_reply_to: Option<Option<String>>,
    /// What the unsent message carries, in this order, at most 32; `null` for nothing.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[ts(as = "Option<Vec<UploadRef>>", optional = nullable)]
    #[schema(value_type = Option<Vec<UploadRef>>)]
    pub draft_attachments: Option<Option<Vec<UploadRef>>>,
    /// Marks it as unread by hand, until it is read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub marked_unread: Option<bool>,
    /// Which messages raise a notification.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub notify: Option<Notify>,
    /// Days for which messages are kept on this machine, 1–3650; `null` for ever.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[ts(optional, type = "number | null")]
    #[schema(value_type = Option<u32>)]
    pub retention_days: Option<Option<u32>>,
}

/// Asks for a page of a session's messages. At most one of the cursors; without one, the newest page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[ts(optional_fields)]
pub struct MessagesArgs {
    /// The session.
    pub session_id: String,
    /// Older than this cursor: `nextBefore` of a page, a message's `order`, or a message ID.
    pub before: Option<String>,
    /// Newer than this cursor: `nextAfter` of a page, a message's `order`, or a message ID.
    pub after: Option<String>,
    /// Half a page on either side of this message ID, or of the first unread message when it says `unread`.
    pub around: Option<String>,
    /// Half a page on either side of the first message shown at this time (RFC 3339) or later.
    pub date: Option<String>,
    /// Most messages, 1–200; 50 when not given.
    pub limit: Option<u32>,
}

/// Looks for messages. Everything that is given must hold; there must be words or a filter.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[ts(optional_fields)]
pub struct SearchArgs {
    /// Words, up to 512 bytes, that all occur, in any order and also inside of words; neither case nor accents count.
    /// What stands between quotation marks is one word.
    pub q: Option<String>,
    /// Written by this machine.
    pub from: Option<String>,
    /// In this session.
    #[serde(rename = "in")]
    pub session_id: Option<String>,
    /// `text`, `image` (pictures alone) or `file`.
    #[serde(rename = "type")]
    pub message_type: Option<MessageType>,
    /// Shown at this time (RFC 3339) or later.
    pub since: Option<String>,
    /// Shown at this time (RFC 3339) or earlier.
    pub until: Option<String>,
    /// Older than this cursor: `nextBefore` of a page.
    pub before: Option<String>,
    /// Most hits, 1–50; 20 when not given.
    pub limit: Option<u32>,
}

/// Which records of the notification centre to list.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[ts(optional_fields)]
pub struct NotificationsArgs {
    /// Only those not read.
    pub unread: Option<bool>,
    /// Only those of this kind.
    pub kind: Option<NotificationKind>,
    /// Older than this cursor: `nextBefore` of a page.
    pub before: Option<String>,
    /// Most records, 1–200; 50 when not given.
    pub limit: Option<u32>,
}

/// Makes a record in the notification centre.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[ts(optional_fields)]
pub struct CreateNotificationArgs {
    /// What it is about; `message` when not given.
    pub kind: Option<NotificationKind>,
    /// A line, 1–256 bytes.
    pub title: String,
    /// A text, up to 4,096 bytes.
    pub body: Option<String>,
    /// The session that it opens.
    pub session_id: Option<String>,
}

/// Names a record of the notification centre.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NotificationArgs {
    /// Its ID.
    pub notification_id: String,
}

/// Takes old records out of the notification centre.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[ts(optional_fields)]
pub struct CleanupArgs {
    /// Those older than so many days, 0–3650; 30 when not given.
    pub days_old: Option<u32>,
}

/// Sends a message. Exactly one of `sessionId` and `receiverUserId`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[ts(optional_fields)]
pub struct SendMessageArgs {
    /// The session to write to.
    pub session_id: Option<String>,
    /// Or the machine to write to; its session is opened when there is none.
    pub receiver_user_id: Option<String>,
    /// The text: 1–65,536 bytes, not blank, without NUL; may be empty beside attachments.
    pub message: String,
    /// What is attached, at most 32.
    pub attachments: Option<Vec<UploadRef>>,
    /// `text` (the default), `image` or `file`; what is shown follows from the attachments.
    pub message_type: Option<MessageType>,
    /// The caller's own handle, up to 128 bytes, echoed with the message and its changes on this machine.
    pub temp_id: Option<String>,
    /// The message of the same session that it answers.
    pub reply_to: Option<String>,
    /// Machine IDs of those that it mentions, at most 32.
    pub mentions: Option<Vec<String>>,
}

/// Gives an own message another text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[ts(optional_fields)]
pub struct EditMessageArgs {
    /// The message.
    pub message_id: String,
    /// The text: 1–65,536 bytes, not blank, without NUL.
    pub message: String,
    /// Machine IDs of those that it mentions, at most 32; as before when not given.
    pub mentions: Option<Vec<String>>,
}

/// From whom a message is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum DeleteFor {
    /// From everyone who has it; only an own one.
    All,
    /// From this machine only.
    Me,
}

/// Deletes a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DeleteMessageArgs {
    /// The message.
    pub message_id: String,
    /// From everyone, or from this machine only.
    pub r#for: DeleteFor,
}

/// Reacts to a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[ts(optional_fields)]
pub struct ReactArgs {
    /// The message.
    pub message_id: String,
    /// One emoji, up to 64 bytes.
    pub emoji: String,
    /// Whether to react so, or no longer; true when not given.
    pub on: Option<bool>,
}

/// Pins a message in its session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PinMessageArgs {
    /// The message.
    pub message_id: String,
    /// Whether it is pinned from now on.
    pub on: bool,
}

/// Sends messages again into other sessions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ForwardMessageArgs {
    /// The messages in the order in which they are sent, 1–100.
    pub message_ids: Vec<String>,
    /// The sessions, 1–20.
    pub session_ids: Vec<String>,
}

/// Says whether this person writes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TypingArgs {
    /// The session.
    pub session_id: String,
    /// Whether they write. It ends by itself after 3 seconds.
    pub typing: bool,
}

/// What a person can say of their presence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum OwnStatus {
    /// At the machine.
    Online,
    /// Away from it.
    Away,
}

/// Says whether this person is at the machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SetStatusArgs {
    /// Online or away.
    pub status: OwnStatus,
}

/// Sets after how long new messages of a session disappear.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SetTimerArgs {
    /// The session.
    pub session_id: String,
    /// Seconds, 5 to 31,536,000 (a year); 0: they stay.
    pub seconds: u32,
}

/// Names something that was added to be sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UploadRef {
    /// Its ID, from `add_file` or `POST attachments`.
    pub upload_id: String,
}

/// Names a file or folder of this computer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AddFileArgs {
    /// Its absolute path.
    pub path: String,
}

/// Fetches an attachment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[ts(optional_fields)]
pub struct AcceptAttachmentArgs {
    /// The attachment.
    pub attachment_id: String,
    /// The folder that it goes to, which exists; the downloads when not given. Needs the scope `admin`.
    pub save_to: Option<String>,
}

/// Names a transfer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TransferArgs {
    /// Its ID.
    pub transfer_id: String,
}

/// Marks a session as read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[ts(optional_fields)]
pub struct MarkSessionReadArgs {
    /// The session.
    pub session_id: String,
    /// Up to and with this message; all of it when not given.
    pub message_id: Option<String>,
}

/// Changes settings; what is not given stays.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct UpdateSettingsArgs {
    /// Whether this machine asks the system to show notifications.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub notifications: Option<bool>,
    /// How much a notification tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub preview: Option<Preview>,
    /// Appearance.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub theme: Option<Theme>,
    /// Interface language tag; empty follows the system.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub language: Option<String>,
    /// Text size in percent, 80–160.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub zoom: Option<u16>,
    /// Who sees this machine under Nearby.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub visibility: Option<Visibility>,
    /// Enter sends (else Mod+Enter).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub enter_sends: Option<bool>,
    /// What closing the window does where there is no tray; `null` asks again.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[ts(optional, type = "boolean | null")]
    #[schema(value_type = Option<bool>)]
    pub close_keeps_running: Option<Option<bool>>,
    /// Start with the system session.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub autostart: Option<bool>,
    /// Tell others what was read, and show what they read.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub read_receipts: Option<bool>,
    /// Tell others that this person writes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub send_typing: Option<bool>,
    /// Tell others whether this person is away.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub share_presence: Option<bool>,
    /// Minutes without input after which this person counts as away, 1–240.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub away_after_minutes: Option<u16>,
    /// Whether notifications are silent between two hours of the day.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub quiet_enabled: Option<bool>,
    /// From when, local time: `22:00`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub quiet_from: Option<String>,
    /// To when, local time: `07:00`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub quiet_to: Option<String>,
    /// The sound of a notification.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub sound: Option<Sound>,
    /// Days for which records of the notification centre are kept, 1–3650.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub notification_days: Option<u16>,
    /// Files of accepted machines up to this many bytes are fetched without asking.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub auto_accept_bytes: Option<u64>,
    /// Folder for received files, up to 4,096 bytes; empty: the system's download folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub download_folder: Option<String>,
}

/// Tells the node what is on a screen, so that it raises no notification for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[ts(optional_fields)]
pub struct FocusArgs {
    /// Which window or page tells; a made-up name, the same for its whole life, up to 64 bytes.
    pub viewer: String,
    /// The session it shows, if any.
    pub session_id: Option<String>,
    /// Whether it has the keyboard focus and is visible.
    pub focused: bool,
}

/// What a token allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Look: sessions, messages, machines, status.
    Read,
    /// Write: open sessions, send, mark as read.
    Send,
    /// Change the node: profile, settings, trust, tokens.
    Admin,
}

/// Makes a token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[ts(optional_fields)]
pub struct CreateTokenArgs {
    /// What it is for, 1–64 bytes.
    pub name: String,
    /// What it allows; at least one.
    pub scopes: Vec<Scope>,
    /// Seconds until it expires, 1 to 31,536,000 (a year); 7 days when not given.
    pub expires_in_seconds: Option<u32>,
}

/// Names a token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TokenArgs {
    /// Its ID, as listed.
    pub token_id: String,
}

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
