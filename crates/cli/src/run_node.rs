//! `landline node`: a node without a window, which serves the API and the interface for a browser.

use std::io::{self, IsTerminal as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr};

use api::{Api, ApiConfig, Listen};
use node::{Config, KeyStorage, KeyStore, Node};
use serde_json::json;

use crate::client::data_dir;
use crate::ending::{Ending, log_to_stderr};
use crate::options::{KeyPlace, NodeOptions, Place};
use crate::{output, tasks};

/// Runs until SIGTERM, SIGINT or the end of the session.
pub(crate) async fn run(place: &Place, options: NodeOptions) -> anyhow::Result<()> {
    // Before anything begins, so that an early signal ends the program cleanly, too.
    let mut ending = Ending::new()?;
    log_to_stderr();
    let data_dir = data_dir(place)?;
    let listen = match (place.api, place.port) {
        (Some(addr), _) => Listen::Exactly(addr.0),
        (None, Some(port)) => Listen::Exactly(SocketAddr::from((Ipv4Addr::LOCALHOST, port))),
        (None, None) => Listen::Usual,
    };
    if let Listen::Exactly(addr) = listen
        && !addr.ip().is_loopback()
    {
        note(&format!(
            "warning: the API at {addr} can be reached from other machines. It is not encrypted; whoever hears a token on \
             the way can read and write everything."
        ));
    }

    let mut config = Config::new(&data_dir);
    config.name = options.name;
    config.downloads = api::default_downloads(&data_dir);
    config.typed_peers = options.peers;
    config.relays = options.relays;
    config.mdns = !options.no_mdns;
    config.beacon = !options.no_beacon;
    config.key_store = match options.key_store {
        KeyPlace::Keyring => KeyStore::KeyRing,
        KeyPlace::File => KeyStore::File,
    };
    if let Some(listen) = options.listen {
        config.listen = listen;
    }
    let node = Node::start(config).await?;
    let api = match Api::start(node.clone(), ApiConfig { listen, ..ApiConfig::default() }).await {
        Ok(api) => api,
        Err(error) => {
            node.shutdown().await;
            return Err(error.into());
        }
    };
    let announced = announce(&node, &api, place.json);
    if announced.is_ok() && options.open {
        let opened = api.login_link().map_err(Into::into).and_then(|link| tasks::open_in_browser(&link));
        if let Err(error) = opened {
            note(&format!("warning: {error:#}"));
        }
    }
    if announced.is_ok() {
        ending.wait().await;
        if !place.json && io::stderr().is_terminal() {
            note("Ending; press Ctrl+C again to end at once.");
        }
    }
    let clean = async {
        api.shutdown().await;
        node.shutdown().await;
    };
    tokio::select! {
        () = clean => announced,
        () = ending.wait() => std::process::exit(1),
    }
}

/// Says that the node is ready, and how to get at it.
fn announce(node: &Node, api: &Api, as_json: bool) -> anyhow::Result<()> {
    let (machine_id, url) = (node.machine_id().to_string(), api.url());
    let listen = node.listen_addr();
    if as_json {
        let ready = json!({ "ready": true, "machineId": machine_id, "api": url, "listen": listen.to_string() });
        return output::json(&ready);
    }
    let link = api.login_link()?;
    let key = match node.key_storage() {
        KeyStorage::KeyRing => "in the system's key ring",
        KeyStorage::File => "in a file of the profile that only you can read",
    };
    let rows = [
        ["  Machine ID", &machine_id],
        ["  Name", &node.me().name],
        ["  Peers", &reachable(node, listen)],
        ["  Profile", &node.data_dir().display().to_string()],
        ["  Private key", key],
        ["  API", &url],
    ];
    let rows = rows.map(|row| row.map(output::plain));
    output::line(&format!("Landline {} is running.\n\n{}", env!("CARGO_PKG_VERSION"), output::table(&rows)))?;
    output::line(&format!("\nOpen it in a browser (this link works once, within ten minutes):\n\n  {link}\n"))?;
    Ok(output::line("Ctrl+C ends it.")?)
}

/// The addresses that can be typed on another machine.
fn reachable(node: &Node, listen: SocketAddr) -> String {
    if !listen.ip().is_unspecified() {
        return listen.to_string();
    }
    let mut addresses: Vec<String> = Vec::new();
    for interface in node.network().interfaces {
        for address in interface.addresses {
            match address.parse() {
                Ok(std::net::IpAddr::V4(v4)) if !v4.is_loopback() => addresses.push(format!("{v4}:{}", listen.port())),
                Ok(std::net::IpAddr::V6(v6)) if !v6.is_loopback() && !v6.is_unicast_link_local() => {
                    addresses.push(format!("[{v6}]:{}", listen.port()));
                }
                _ => {}
            }
        }
    }
    if addresses.is_empty() { format!("port {}", listen.port()) } else { addresses.join(", ") }
}

pub(crate) fn note(text: &str) {
    let _ = writeln!(io::stderr(), "{}", output::plain(text));
}
