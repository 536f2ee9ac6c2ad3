//! Files: added to be sent, and on their way.

use serde::{Deserialize, Serialize};
use ts_rs::TS;
use utoipa::ToSchema;

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
