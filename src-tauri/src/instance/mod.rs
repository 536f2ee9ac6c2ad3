//! One running program for each profile: a second start hands its wish to the first and ends.
//!
//! On Linux this is the freedesktop standard for applications on the bus, which is also how a notification server or a
//! launcher starts a program that has ended ([`linux`]); elsewhere Tauri's plugin does the handing over.

#[cfg(target_os = "linux")]
pub mod linux;

use crate::destination::Destination;

/// What a start, a link or the system asks of the running program: to come to the front, as a rule.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wish {
    /// Where to go; nowhere leaves the window where it is.
    pub destination: Option<Destination>,
    /// The permission to come to the front, from whoever asks.
    pub activation_token: Option<String>,
    /// A session to be marked as read instead, with the window left as it is.
    pub read: Option<Destination>,
}

/// The permission that the launcher gave this process, to pass on when another one is to come to the front.
#[must_use]
pub fn own_activation_token() -> Option<String> {
    ["XDG_ACTIVATION_TOKEN", "DESKTOP_STARTUP_ID"]
        .into_iter()
        .find_map(|name| std::env::var(name).ok().filter(|token| !token.is_empty()))
}
