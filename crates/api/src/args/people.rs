//! Machines and their people: who, how they are called, whether they are there.

use serde::{Deserialize, Serialize};
use ts_rs::TS;
use utoipa::ToSchema;

/// Names a machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UserArgs {
    /// Its machine ID.
    pub user_id: String,
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

/// Adds a machine, by its address or by an invitation.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[ts(optional_fields)]
pub struct AddContactArgs {
    /// `192.168.1.7`, `192.168.1.7:4281`, `[fe80::1%eth0]:4281` or a host name; the port defaults to 4281.
    pub address: Option<String>,
    /// An invitation, `landline://add/…`, up to 2,048 bytes.
    pub link: Option<String>,
}

impl std::fmt::Debug for AddContactArgs {
    /// Without the link, which holds a token.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AddContactArgs").field("address", &self.address).finish_non_exhaustive()
    }
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
