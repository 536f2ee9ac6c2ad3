//! Arguments of the commands about relays.

use serde::{Deserialize, Serialize};
use ts_rs::TS;
use utoipa::ToSchema;

/// Adds a relay where this machine is to be reached.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[ts(optional_fields)]
pub struct AddRelayArgs {
    /// `wss://HOST[:PORT][/#KEY]` as the relay prints it, or `ws://HOST[:PORT]`.
    pub address: String,
    /// What shows a relay for members that this machine is one: `lrm_…`, up to 64 bytes.
    #[serde(default)]
    pub membership: Option<String>,
}

impl std::fmt::Debug for AddRelayArgs {
    /// Without the membership, which admits whoever has it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AddRelayArgs").field("address", &self.address).finish_non_exhaustive()
    }
}

/// Names a relay of this machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RelayArgs {
    /// Its address, as it was added.
    pub address: String,
}
