//! `landline relay`: the server at which machines meet that cannot reach each other.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use node::clock::SystemClock;
use relay::{Access, Config, Limits, NatsConfig, NatsLogin, Relay, Store, Transport};
use serde_json::json;

use crate::client::data_dir;
use crate::ending::{Ending, log_to_stderr};
use crate::options::{Life, Place};
use crate::output;
use crate::run_node::note;

/// Folder of a relay below the usual profile's, when none is named.
const FOLDER: &str = "relay";

#[derive(Debug, Args)]
pub(crate) struct RelayOptions {
    #[command(subcommand)]
    task: Option<RelayTask>,
    /// Where clients reach it.
    #[arg(long, value_name = "ADDR:PORT", help = "Where to listen [default: [::]:4282]")]
    listen: Option<SocketAddr>,
    /// Host name or address to show in the relay's address, when clients use another than those of this machine
    #[arg(long, value_name = "HOST")]
    host: Option<String>,
    /// Certificate chain in PEM; without it the relay makes a certificate of its own
    #[arg(long, value_name = "FILE", requires = "key")]
    cert: Option<PathBuf>,
    /// Private key of the certificate in PEM
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,
    /// Do not encrypt: on loopback, or behind a proxy that does (then --origin says where clients reach it)
    #[arg(long, conflicts_with = "cert")]
    plain: bool,
    /// Address at which clients reach the proxy in front: wss://HOST:PORT (may be repeated)
    #[arg(long = "origin", value_name = "URL", requires = "plain")]
    origins: Vec<String>,
    /// Header in which the proxy in front says who connects, such as X-Forwarded-For
    #[arg(long, value_name = "NAME", requires = "plain")]
    source_header: Option<String>,
    /// Only for machines whose IDs stand in this file, one a line; it is read again when it changes
    #[arg(long, value_name = "FILE")]
    members: Option<PathBuf>,
    /// Only for members, and who shows a token of `landline relay invite` is one
    #[arg(long)]
    membership: bool,
    /// Move the database that is there aside and begin a new one
    #[arg(long)]
    start_anew: bool,
    #[command(flatten)]
    store: StoreOptions,
    #[command(flatten)]
    limits: LimitOptions,
}

#[derive(Debug, Subcommand)]
enum RelayTask {
    /// Make a token that admits to a relay with --membership
    Invite {
        /// Whom it is for, to know its line again in the file `invitations`
        #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
        name: String,
    },
}

/// Where mailboxes and files are kept.
#[derive(Debug, Args)]
#[command(next_help_heading = "Store")]
struct StoreOptions {
    /// Where mailboxes and files are kept: SQLite and a folder, or NATS servers, which many nodes may share.
    #[arg(
        help = "Where mailboxes and files are kept: sqlite, or nats://HOST[:PORT][,…] (tls:// with TLS), which many nodes may share",
        long,
        value_name = "STORE",
        default_value = "sqlite"
    )]
    store: String,
    /// Name with which the relay logs in to NATS
    #[arg(long, env = "LANDLINE_NATS_USER", value_name = "NAME", requires = "nats_password")]
    nats_user: Option<String>,
    /// The password for it. By the environment only, since others of this machine can read arguments.
    #[arg(long, env = "LANDLINE_NATS_PASSWORD", hide = true, hide_env_values = true)]
    nats_password: Option<String>,
    /// Credentials file for NATS, as nsc writes it, in the place of name and password
    #[arg(long, env = "LANDLINE_NATS_CREDS", value_name = "FILE", conflicts_with = "nats_user")]
    nats_creds: Option<PathBuf>,
    /// Certificate of the authority that NATS servers' certificates are from, in PEM, in the place of the system's
    #[arg(long, value_name = "FILE")]
    nats_ca: Option<PathBuf>,
    /// How many NATS servers hold each mailbox and file [default: 3 of a cluster, else 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=5))]
    replicas: Option<u8>,
}

impl StoreOptions {
    fn store(self) -> anyhow::Result<Store> {
        if self.store == "sqlite" {
            let options = [self.nats_creds.is_some(), self.nats_ca.is_some(), self.replicas.is_some()];
            anyhow::ensure!(
                !options.contains(&true),
                "--nats-creds, --nats-ca and --replicas need --store nats://HOST"
            );
            return Ok(Store::Sqlite);
        }
        let mut nats = NatsConfig::new(&self.store).context("--store is sqlite, or where NATS is")?;
        nats.login = match (self.nats_user, self.nats_password, self.nats_creds) {
            (_, _, Some(file)) => NatsLogin::Credentials(file),
            (Some(user), Some(password), None) => NatsLogin::Password { user, password },
            _ => NatsLogin::Nobody,
        };
        (nats.ca, nats.replicas) = (self.nats_ca, self.replicas);
        Ok(Store::Nats(nats))
    }
}

/// What clients may take. A test compares these with the library's own.
#[derive(Debug, Args)]
#[command(next_help_heading = "Limits")]
struct LimitOptions {
    /// How long an item is kept for its recipient
    #[arg(long, value_name = "TIME", default_value = "21d")]
    ttl: Life,
    /// Items in a mailbox
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    items: u32,
    /// MiB in a mailbox
    #[arg(long, value_name = "MIB", default_value_t = 64)]
    mailbox_mib: u32,
    /// Mailboxes
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    mailboxes: u32,
    /// After how long a mailbox is removed whose owner does not come
    #[arg(long, value_name = "TIME", default_value = "180d")]
    forget_after: Life,
    /// Items of strangers in a mailbox
    #[arg(long, value_name = "N", default_value_t = 16)]
    request_items: u32,
    /// KiB of a stranger's item
    #[arg(long, value_name = "KIB", default_value_t = 18)]
    request_kib: u32,
    /// How long a stranger's item is kept
    #[arg(long, value_name = "TIME", default_value = "7d")]
    request_ttl: Life,
    /// Items of strangers from one source in a minute
    #[arg(long, value_name = "N", default_value_t = 3)]
    requests_per_minute: u32,
    /// Delivery tokens of a machine
    #[arg(long, value_name = "N", default_value_t = 4_096)]
    tokens: u32,
    /// Items that one token puts in a minute
    #[arg(long, value_name = "N", default_value_t = 60)]
    puts_per_minute: u32,
    /// Items that one token puts at once
    #[arg(long, value_name = "N", default_value_t = 10)]
    puts_burst: u32,
    /// Tunnels that one token opens in a minute
    #[arg(long, value_name = "N", default_value_t = 120)]
    opens_per_minute: u32,
    /// Prekeys that one source asks for in a minute
    #[arg(long, value_name = "N", default_value_t = 120)]
    prekeys_per_minute: u32,
    /// New connections of one source in a minute
    #[arg(long, value_name = "N", default_value_t = 600)]
    connections_per_minute: u32,
    /// Connections of one source at a time
    #[arg(long, value_name = "N", default_value_t = 4_096)]
    connections_per_source: u32,
    /// Connections at a time
    #[arg(long, value_name = "N", default_value_t = 50_000)]
    connections: u32,
    /// Requests of one connection in a second; what exceeds that waits
    #[arg(long, value_name = "N", default_value_t = 100)]
    frames_per_second: u32,
    /// Tunnels of a machine at a time
    #[arg(long, value_name = "N", default_value_t = 64)]
    circuits_per_machine: u32,
    /// Tunnels at a time
    #[arg(long, value_name = "N", default_value_t = 4_096)]
    circuits: u32,
    /// KiB that a tunnel passes on in a second, each way; 0 for as many as go through
    #[arg(long, value_name = "KIB", default_value_t = 0)]
    circuit_kib_per_second: u32,
    /// MiB of a file; 0 takes no files
    #[arg(long, value_name = "MIB", default_value_t = 500)]
    file_mib: u32,
    /// How long a file is kept for those who fetch it
    #[arg(long, value_name = "TIME", default_value = "21d")]
    file_ttl: Life,
    /// Files in a mailbox
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    files: u32,
    /// MiB of files in a mailbox
    #[arg(long, value_name = "MIB", default_value_t = 2_048)]
    files_mib: u32,
    /// GiB of all files
    #[arg(long, value_name = "GIB", default_value_t = 50)]
    all_files_gib: u32,
    /// Uploads that one token begins or goes on with in a minute
    #[arg(long, value_name = "N", default_value_t = 240)]
    uploads_per_minute: u32,
    /// Files that are put and fetched at a time
    #[arg(long, value_name = "N", default_value_t = 256)]
    transfers: u32,
    /// Files that one source puts and fetches at a time
    #[arg(long, value_name = "N", default_value_t = 16)]
    transfers_per_source: u32,
}

impl From<LimitOptions> for Limits {
    fn from(options: LimitOptions) -> Self {
        let time = |life: Life| Duration::from_secs(life.0.into());
        Self {
            ttl: time(options.ttl),
            items: options.items,
            bytes: u64::from(options.mailbox_mib) << 20,
            mailboxes: options.mailboxes,
            forget_after: time(options.forget_after),
            request_items: options.request_items,
            request_bytes: options.request_kib.saturating_mul(1024),
            request_ttl: time(options.request_ttl),
            requests_per_minute: options.requests_per_minute,
            tokens: options.tokens,
            puts_per_minute: options.puts_per_minute,
            puts_burst: options.puts_burst,
            opens_per_minute: options.opens_per_minute,
            prekeys_per_minute: options.prekeys_per_minute,
            connections_per_minute: options.connections_per_minute,
            connections_per_source: options.connections_per_source,
            connections: options.connections,
            frames_per_second: options.frames_per_second,
            circuits_per_machine: options.circuits_per_machine,
            circuits: options.circuits,
            circuit_bytes_per_second: u64::from(options.circuit_kib_per_second) << 10,
            file_bytes: u64::from(options.file_mib) << 20,
            file_ttl: time(options.file_ttl),
            files: options.files,
            files_bytes: u64::from(options.files_mib) << 20,
            all_files_bytes: u64::from(options.all_files_gib) << 30,
            uploads_per_minute: options.uploads_per_minute,
            transfers: options.transfers,
            transfers_per_source: options.transfers_per_source,
            ..Self::default()
        }
    }
}

/// Runs until SIGTERM, SIGINT or the end of the session.
pub(crate) async fn run(place: &Place, options: RelayOptions) -> anyhow::Result<()> {
    // Before anything begins, so that an early signal ends the program cleanly, too.
    let mut ending = Ending::new()?;
    let folder = match &place.data_dir {
        Some(dir) => dir.clone(),
        None => data_dir(place)?.join(FOLDER),
    };
    if let Some(RelayTask::Invite { name }) = options.task {
        let token = relay::invite(&folder, &name)?;
        return match place.json {
            true => output::json(&json!({ "token": token })),
            false => Ok(output::line(&token)?),
        };
    }
    log_to_stderr();
    let relay = Relay::start(config(folder, options)?, Arc::new(SystemClock::new())).await?;
    let announced = announce(&relay, place.json);
    if announced.is_ok() {
        ending.wait().await;
    }
    tokio::select! {
        ended = relay.shutdown() => announced.and(ended.map_err(Into::into)),
        // Asked again: at once.
        () = ending.wait() => std::process::exit(1),
    }
}

fn config(folder: PathBuf, options: RelayOptions) -> anyhow::Result<Config> {
    let mut config = Config::new(folder);
    if let Some(listen) = options.listen {
        config.listen = listen;
    }
    config.host = options.host;
    config.transport = match (options.cert, options.key) {
        (Some(cert), Some(key)) => Transport::Files { cert, key },
        _ if options.plain => Transport::Plain,
        _ => Transport::OwnCertificate,
    };
    config.origins = options.origins;
    config.source_header = options.source_header;
    config.access = if options.members.is_some() || options.membership {
        Access::Members { list: options.members, invitations: options.membership }
    } else {
        Access::Open
    };
    config.start_anew = options.start_anew;
    config.limits = options.limits.into();
    config.store = options.store.store()?;
    Ok(config)
}

/// Says that the relay is ready, and its address.
fn announce(relay: &Relay, as_json: bool) -> anyhow::Result<()> {
    let addresses: Vec<String> = relay.addresses().iter().map(ToString::to_string).collect();
    let (address, listen) = (addresses.first(), relay.addr());
    if as_json {
        let ready = json!({ "ready": true, "address": address, "addresses": addresses, "listen": listen.to_string() });
        return output::json(&ready);
    }
    output::line(&format!("Landline {} relays at {listen}.\n\nIts address:", env!("CARGO_PKG_VERSION")))?;
    if address.is_none() {
        note("warning: no address of this relay is short enough to be typed; name one with --host");
    }
    for address in addresses {
        output::line(&format!("\n  {}", output::plain(&address)))?;
    }
    Ok(output::line("\nCtrl+C ends it.")?)
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::options::{Options, Task};

    fn options(args: &[&str]) -> RelayOptions {
        let parsed = Options::try_parse_from([&["landline", "relay"], args].concat()).unwrap();
        let Task::Relay(options) = parsed.task else { panic!("another task") };
        *options
    }

    fn set(args: &[&str]) -> Config {
        config(PathBuf::new(), options(args)).unwrap()
    }

    #[test]
    fn options_say_where_mailboxes_are_kept() {
        assert_eq!(set(&[]).store, Store::Sqlite);
        let Store::Nats(nats) = set(&["--store", "nats://one,tls://two", "--replicas", "3"]).store else {
            panic!("not NATS")
        };
        assert_eq!((nats.servers.len(), nats.replicas, nats.login), (2, Some(3), NatsLogin::Nobody));
        let Store::Nats(nats) = set(&["--store", "nats://one", "--nats-creds", "file"]).store else {
            panic!("not NATS")
        };
        assert_eq!(nats.login, NatsLogin::Credentials("file".into()));
        for wrong in [["--store", "postgres"], ["--store", "nats://relay:secret@one"], ["--nats-ca", "file"]] {
            assert!(config(PathBuf::new(), options(&wrong)).is_err(), "{wrong:?}");
        }
        for wrong in [["--replicas", "0"], ["--replicas", "6"], ["--nats-user", "relay"]] {
            assert!(Options::try_parse_from([&["landline", "relay"], &wrong[..]].concat()).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn defaults_are_those_of_the_relay() {
        assert_eq!(Limits::from(options(&[]).limits), Limits::default());
        let few = set(&["--ttl", "3d", "--mailbox-mib", "5", "--request-kib", "1"]);
        assert_eq!((few.limits.ttl, few.limits.bytes), (Duration::from_secs(3 * 24 * 60 * 60), 5 << 20));
        assert_eq!(few.limits.request_bytes, 1024);
    }

    #[test]
    fn options_say_who_encrypts_and_who_may_come() {
        assert_eq!(set(&[]).transport, Transport::OwnCertificate);
        assert_eq!(set(&["--plain"]).transport, Transport::Plain);
        let files = set(&["--cert", "a", "--key", "b"]).transport;
        assert_eq!(files, Transport::Files { cert: "a".into(), key: "b".into() });
        assert_eq!(set(&[]).access, Access::Open);
        let invited = set(&["--membership"]).access;
        assert_eq!(invited, Access::Members { list: None, invitations: true });
        let listed = set(&["--members", "m"]).access;
        assert_eq!(listed, Access::Members { list: Some("m".into()), invitations: false });
        for wrong in [["--cert", "a"], ["--origin", "wss://a"], ["--source-header", "X-Real-IP"]] {
            assert!(Options::try_parse_from([&["landline", "relay"], &wrong[..]].concat()).is_err(), "{wrong:?}");
        }
    }
}
