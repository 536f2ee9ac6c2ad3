//! How the program is called.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Parser;

/// Landline: chat between the machines of a network, without a server.
#[derive(Debug, Clone, Parser)]
#[command(name = "landline-desktop", version)]
pub struct Options {
    /// A link: landline://session/ID shows that session, landline://add/… asks whether to add whose invitation it is.
    #[arg(value_name = "LINK")]
    pub link: Option<String>,
    /// Uses another profile: own identity, own sessions.
    #[arg(long, value_name = "NAME", env = "LANDLINE_PROFILE")]
    pub profile: Option<String>,
    /// Keeps the profile in this folder.
    #[arg(long, value_name = "DIR", env = "LANDLINE_DATA_DIR", conflicts_with = "profile")]
    pub data_dir: Option<PathBuf>,
    /// Starts without a window; the tray opens it.
    #[arg(long)]
    pub hidden: bool,
    /// Name for a new profile.
    #[arg(long, value_name = "TEXT")]
    pub name: Option<String>,
    /// Where other machines reach this one.
    #[arg(long, value_name = "ADDR:PORT")]
    pub listen: Option<SocketAddr>,
    /// Where programs of this machine reach the local API.
    #[arg(long, value_name = "ADDR:PORT")]
    pub api: Option<SocketAddr>,
    /// A machine to link with, in addition to those that are found.
    #[arg(long = "peer", value_name = "ADDR:PORT")]
    pub peers: Vec<String>,
    /// Finds and announces nothing by multicast DNS.
    #[arg(long)]
    pub no_mdns: bool,
    /// Sends and hears no broadcast beacon.
    #[arg(long)]
    pub no_beacon: bool,
    /// Keeps a new private key in a file instead of the system's key ring.
    #[arg(long)]
    pub key_file: bool,
}

impl Options {
    /// Whether this is the profile that a plain start opens.
    #[must_use]
    pub fn opens_default_profile(&self) -> bool {
        self.profile.is_none() && self.data_dir.is_none()
    }
}
