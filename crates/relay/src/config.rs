//! What a relay is told when it starts, and every default in one place.

use std::net::{Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use crate::nats::NatsConfig;

/// Port on which a relay listens unless told otherwise.
pub const PORT: u16 = 4282;

/// How a relay runs.
#[derive(Debug, Clone)]
pub struct Config {
    /// Folder that holds the database, the relay's own certificate and its list of invitations. Made when it is missing.
    pub data_dir: PathBuf,
    /// Where to listen.
    pub listen: SocketAddr,
    /// Host name or address in the addresses that are shown, when clients use another than those of this machine.
    pub host: Option<String>,
    /// Who encrypts.
    pub transport: Transport,
    /// Where mailboxes and files are kept.
    pub store: Store,
    /// Origins (`wss://relay.example.org:443`) under which clients reach a relay that does not encrypt itself. Needed
    /// unless it listens on loopback only.
    pub origins: Vec<String>,
    /// The header in which a proxy in front says who connected, such as `X-Forwarded-For`; its last entry counts.
    pub source_header: Option<String>,
    /// Who may have a mailbox here.
    pub access: Access,
    /// Moves a database that is there aside and begins a new one.
    pub start_anew: bool,
    /// What one client may take.
    pub limits: Limits,
}

impl Config {
    /// A relay for everybody on the usual port of all addresses, with a certificate of its own.
    #[must_use]
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        Self {
            data_dir: data_dir.into(),
            listen: SocketAddr::from((Ipv6Addr::UNSPECIFIED, PORT)),
            host: None,
            transport: Transport::OwnCertificate,
            store: Store::Sqlite,
            origins: Vec::new(),
            source_header: None,
            access: Access::Open,
            start_anew: false,
            limits: Limits::default(),
        }
    }
}

/// Who encrypts what is between client and relay. (What clients say to each other is encrypted within, in any case.)
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Transport {
    /// The relay, with a self-signed certificate that it makes and keeps; clients know it by the key in the address.
    OwnCertificate,
    /// The relay, with these PEM files.
    Files {
        /// The certificate and those that lead to its authority.
        cert: PathBuf,
        /// The private key.
        key: PathBuf,
    },
    /// Nobody (on loopback), or a proxy in front.
    Plain,
}

/// Where mailboxes and files are kept, and with it whether the relay can have more than one node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Store {
    /// In the data folder: one node.
    Sqlite,
    /// In NATS JetStream. All nodes that use the same are one relay: any client may be at any of them.
    Nats(NatsConfig),
}

/// Who may log in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Access {
    /// Every machine.
    Open,
    /// Only members.
    Members {
        /// A file with a machine ID in each line. It is read again when it changes.
        list: Option<PathBuf>,
        /// Whether a token of `landline relay invite` admits, too.
        invitations: bool,
    },
}

/// What clients may take. The defaults are those of the protocol's page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// How long an item is kept for its recipient. 21 days: a holiday, and a day less than a prekey's secret lives on.
    pub ttl: Duration,
    /// Items in a mailbox.
    pub items: u32,
    /// Bytes of envelopes in a mailbox.
    pub bytes: u64,
    /// Mailboxes.
    pub mailboxes: u32,
    /// How long a mailbox stays whose owner does not come.
    pub forget_after: Duration,
    /// Items of strangers in a mailbox.
    pub request_items: u32,
    /// Bytes of a stranger's envelope. 18 KiB holds the class of 16 KiB: a request of 4 KiB, with the profile, the prekey and
    /// the grant by which it can be answered, does not fit into the one below.
    pub request_bytes: u32,
    /// How long a stranger's item is kept.
    pub request_ttl: Duration,
    /// Items that one source may put into request slots in a minute.
    pub requests_per_minute: u32,
    /// Delivery tokens of a machine.
    pub tokens: u32,
    /// Items that one token may put in a minute, beyond a burst.
    pub puts_per_minute: u32,
    /// Items that one token may put at once.
    pub puts_burst: u32,
    /// Tunnels that one token may open in a minute: each file takes one, and a message carries up to 32.
    pub opens_per_minute: u32,
    /// Prekeys that one source may ask for in a minute.
    pub prekeys_per_minute: u32,
    /// New connections of one source in a minute, beyond a burst of half as many.
    pub connections_per_minute: u32,
    /// Connections of one source at a time.
    pub connections_per_source: u32,
    /// Connections at a time.
    pub connections: u32,
    /// Frames that one connection may send in a second; what exceeds that waits.
    pub frames_per_second: u32,
    /// Tunnels of a machine at a time.
    pub circuits_per_machine: u32,
    /// Tunnels at a time.
    pub circuits: u32,
    /// Bytes that a tunnel passes on in a second, each way; 0 for as many as go through.
    pub circuit_bytes_per_second: u64,
    /// Bytes of a file before it is padded and sealed; 0 takes no files.
    pub file_bytes: u64,
    /// How long a file is kept for those who fetch it.
    pub file_ttl: Duration,
    /// How long one is kept that does not become whole.
    pub file_unfinished: Duration,
    /// Files in a mailbox.
    pub files: u32,
    /// Bytes of files in a mailbox.
    pub files_bytes: u64,
    /// Bytes of all files.
    pub all_files_bytes: u64,
    /// Uploads that one token may begin or go on with in a minute.
    pub uploads_per_minute: u32,
    /// Files that are put and fetched at a time.
    pub transfers: u32,
    /// Those of one source.
    pub transfers_per_source: u32,
    /// In this time some of a file must have moved, or its connection is cut.
    pub stall: Duration,
    /// Time for a TLS handshake and the request after it.
    pub handshake: Duration,
    /// After so much silence a client is asked whether it is there.
    pub ping: Duration,
    /// After so much silence a client is taken for gone; a tunnel through which nothing goes, too.
    pub dead: Duration,
    /// After so much silence another node of the same relay is taken for gone, with all machines that are there.
    pub lease: Duration,
    /// How long a ticket for a tunnel counts.
    pub ticket: Duration,
    /// How often what has expired is removed, and files are looked at for changes.
    pub sweep: Duration,
}

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

impl Default for Limits {
    fn default() -> Self {
        Self {
            ttl: 21 * DAY,
            items: 1_000,
            bytes: 64 << 20,
            mailboxes: 100_000,
            // Long enough for a term abroad, short enough that those who left make room.
            forget_after: 180 * DAY,
            request_items: 16,
            request_bytes: 18 << 10,
            request_ttl: 7 * DAY,
            requests_per_minute: 3,
            tokens: 4_096,
            puts_per_minute: 60,
            puts_burst: 10,
            opens_per_minute: 120,
            prekeys_per_minute: 120,
            // A site behind one address has some hundred machines, which all come back when the relay restarts.
            connections_per_minute: 600,
            connections_per_source: 4_096,
            connections: 50_000,
            frames_per_second: 100,
            circuits_per_machine: 64,
            circuits: 4_096,
            circuit_bytes_per_second: 0,
            // What mail providers take is 25 MB; a phone's video of ten minutes has 500.
            file_bytes: 500 << 20,
            file_ttl: 21 * DAY,
            // A weekend with the lid closed.
            file_unfinished: 3 * DAY,
            files: 1_000,
            files_bytes: 2 << 30,
            all_files_bytes: 50 << 30,
            // A message with 32 pictures takes 64 files, each asked about and put.
            uploads_per_minute: 240,
            // Each holds half a MiB: 128 MiB in all.
            transfers: 256,
            transfers_per_source: 16,
            stall: Duration::from_secs(30),
            handshake: Duration::from_secs(10),
            ping: Duration::from_secs(30),
            dead: Duration::from_secs(90),
            lease: Duration::from_secs(15),
            ticket: Duration::from_secs(15),
            sweep: Duration::from_secs(5),
        }
    }
}
