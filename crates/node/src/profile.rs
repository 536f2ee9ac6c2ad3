//! The own profile: what its owner says about this machine, signed for others.

use std::sync::{Mutex, MutexGuard, PoisonError};

use proto::identity::Identity;
use proto::limits;
use proto::register::{Profile, SignedProfile};
use proto::relay::RelayAddress;
use proto::text::{self, TextError};
use serde::{Deserialize, Serialize};
use store::{Reader, StoreError, Tx};

use crate::error::text_error;
use crate::view::Me;
use crate::{KeyStorage, MePatch, NodeError};

/// Under which name it is stored among the settings.
const NAME: &str = "me";

/// What is kept of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Kept {
    name: String,
    #[serde(default)]
    device: String,
    #[serde(default)]
    status_text: String,
    #[serde(default)]
    colour: u8,
    version: u64,
    #[serde(default)]
    welcomed: bool,
    #[serde(default)]
    relays: Vec<String>,
}

/// The own profile with its signature.
#[derive(Debug)]
pub(crate) struct OwnProfile {
    state: Mutex<State>,
}

/// One state of it; a changed one is stored first and then put in place.
#[derive(Debug, Clone)]
pub(crate) struct State {
    kept: Kept,
    signed: SignedProfile,
}

impl OwnProfile {
    /// Reads it; `None` when there is none yet.
    pub(crate) fn load(reader: &Reader<'_>, identity: &Identity) -> Result<Option<Self>, StoreError> {
        let Some(value) = store::settings::get(reader, NAME)? else { return Ok(None) };
        let kept: Kept =
            serde_json::from_value(value).map_err(|error| StoreError::Damaged(format!("profile: {error}")))?;
        let signed = sign(identity, &kept).map_err(|error| StoreError::Damaged(format!("profile: {error}")))?;
        Ok(Some(Self { state: Mutex::new(State { kept, signed }) }))
    }

    /// Makes the first one.
    ///
    /// # Errors
    /// When `name` was given and breaks a rule.
    pub(crate) fn first(identity: &Identity, name: Option<&str>, now_ms: u64) -> Result<Self, TextError> {
        let name = match name {
            Some(name) => text::clean_name(name)?,
            None => person_name(),
        };
        let machine = identity.machine_id();
        let [.., byte] = machine.as_bytes();
        let kept = Kept {
            name,
            device: device_name(),
            status_text: String::new(),
            colour: byte % limits::COLOURS,
            version: version_after(0, now_ms),
            welcomed: false,
            relays: Vec::new(),
        };
        let signed = sign(identity, &kept)?;
        Ok(Self { state: Mutex::new(State { kept, signed }) })
    }

    /// As it is now.
    pub(crate) fn state(&self) -> State {
        self.lock().clone()
    }

    /// Puts a stored state in place.
    pub(crate) fn replace(&self, state: State) {
        *self.lock() = state;
    }

    /// As others get it.
    pub(crate) fn signed(&self) -> SignedProfile {
        self.lock().signed.clone()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// As others get it.
    pub(crate) fn signed(&self) -> &SignedProfile {
        &self.signed
    }

    /// As its owner sees it.
    pub(crate) fn view(&self, storage: KeyStorage) -> Me {
        let machine = self.signed.machine();
        Me {
            machine_id: machine.to_string(),
            name: self.kept.name.clone(),
            device: self.kept.device.clone(),
            status_text: self.kept.status_text.clone(),
            colour: self.kept.colour,
            key_tag: machine.tag(),
            key_storage: storage.as_str().to_owned(),
            welcomed: self.kept.welcomed,
            relays: self.kept.relays.clone(),
        }
    }

    /// With a patch applied, signed anew when others would see a difference.
    pub(crate) fn patched(&self, patch: MePatch, identity: &Identity, now_ms: u64) -> Result<Self, NodeError> {
        let mut kept = self.kept.clone();
        if let Some(name) = patch.name {
            kept.name = text::clean_name(&name).map_err(|error| text_error("name", error))?;
        }
        if let Some(device) = patch.device {
            kept.device = text::clean_device(&device).map_err(|error| text_error("device", error))?;
        }
        if let Some(status_text) = patch.status_text {
            kept.status_text = text::clean_status(&status_text).map_err(|error| text_error("statusText", error))?;
        }
        if let Some(colour) = patch.colour {
            if colour >= limits::COLOURS {
                let message = format!("colour must be 0 to {}, not {colour}", limits::COLOURS - 1);
                return Err(NodeError::Invalid { code: "invalid_colour", field: "colour", message });
            }
            kept.colour = colour;
        }
        let told = kept != self.kept;
        if let Some(welcomed) = patch.welcomed {
            kept.welcomed = welcomed;
        }
        if !told {
            return Ok(Self { kept, signed: self.signed.clone() });
        }
        Self::renewed(kept, identity, now_ms)
    }

    /// With these relays as those where the machine is to be reached.
    pub(crate) fn at_relays(
        &self,
        relays: &[RelayAddress],
        identity: &Identity,
        now_ms: u64,
    ) -> Result<Self, NodeError> {
        let relays: Vec<String> = relays.iter().map(ToString::to_string).collect();
        if relays == self.kept.relays {
            return Ok(self.clone());
        }
        Self::renewed(Kept { relays, ..self.kept.clone() }, identity, now_ms)
    }

    fn renewed(mut kept: Kept, identity: &Identity, now_ms: u64) -> Result<Self, NodeError> {
        kept.version = version_after(kept.version, now_ms);
        let signed = sign(identity, &kept).map_err(|error| text_error("name", error))?;
        Ok(Self { kept, signed })
    }

    /// Writes it.
    pub(crate) fn store(&self, tx: &Tx<'_>) -> Result<(), StoreError> {
        let value = serde_json::to_value(&self.kept).map_err(|error| StoreError::Sql(error.to_string()))?;
        store::settings::set(tx, NAME, &value)
    }
}

/// The next version: greater than the last, and, as far as the clock is right, greater than any that a lost database had.
pub(crate) fn version_after(last: u64, now_ms: u64) -> u64 {
    now_ms.min(limits::WALL_MS_MAX).max(last + 1)
}

fn sign(identity: &Identity, kept: &Kept) -> Result<SignedProfile, TextError> {
    let profile = Profile {
        name: text::clean_name(&kept.name)?,
        device: text::clean_device(&kept.device)?,
        status_text: text::clean_status(&kept.status_text)?,
        colour: kept.colour,
        // What a later version can write and this one not is left out of what others get.
        relays: kept.relays.iter().filter_map(|address| address.parse().ok()).take(limits::RELAYS).collect(),
    };
    SignedProfile::sign(identity, kept.version, &profile).map_err(|_| TextError::Empty)
}

/// The name of whoever is logged in, else a word that says what this is.
fn person_name() -> String {
    ["LOGNAME", "USER", "USERNAME"]
        .iter()
        .filter_map(|variable| std::env::var(variable).ok())
        .find_map(|name| text::clean_name(&name).ok())
        .unwrap_or_else(|| "Landline".to_owned())
}

/// The computer's name, or nothing.
fn device_name() -> String {
    let from_file = std::fs::read_to_string("/etc/hostname").ok();
    from_file
        .into_iter()
        .chain(["HOSTNAME", "COMPUTERNAME"].iter().filter_map(|variable| std::env::var(variable).ok()))
        .find_map(|name| text::clean_name(&name).ok())
        .unwrap_or_default()
}
