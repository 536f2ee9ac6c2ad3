//! Starting a node: profile, key, database, tasks, network, in this order. What fails leaves everything as it was.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use link::tasks::{Spawner, Tasks};
use link::{DiscoveryConfig, Link, LinkConfig};
use proto::frame::Hello;
use proto::id::MachineId;
use proto::identity::Identity;
use proto::limits;
use proto::relay::RelayAddress;
use store::relays::OwnRelay;
use store::search::Search;
use store::{OpenError, Reader, Store, StoreError};
use tokio::sync::mpsc;
use zeroize::Zeroizing;

use crate::core::{Core, Parts};
use crate::files::Files;
use crate::identity_store::{self, SystemRing};
use crate::node::{Inner, visibility};
use crate::people::People;
use crate::profile::OwnProfile;
use crate::profile_dir::ProfileDir;
use crate::relays::Relays;
use crate::settings::Kept;
use crate::{
    Config, KeyStorage, StartError, centre, erasing, expiring, files, indexing, mailbox, neighbours, outgoing,
    publishing, relays,
};

/// Longest typed address: a host name has 253 bytes at most (RFC 1035), and a port six.
pub(crate) const ADDRESS_BYTES: usize = 260;

/// Addresses of contacts that are dialled at the start, newest first.
const REMEMBERED: u32 = 512;

/// What was opened of the profile.
struct Opened {
    dir: ProfileDir,
    identity: Arc<Identity>,
    key_storage: KeyStorage,
    store: Store,
}

/// What the database said.
struct Loaded {
    profile: Option<OwnProfile>,
    kept: Kept,
    epoch: Option<u64>,
    people: People,
    addresses: Vec<(MachineId, SocketAddr)>,
    typed: Vec<String>,
    relays: Vec<OwnRelay>,
}

pub(crate) async fn start(config: Config) -> Result<Inner, StartError> {
    let tasks = Tasks::new();
    let spawner = tasks.spawner();
    let started = config.clock.monotonic();
    let opened = {
        let config = config.clone();
        let open = tasks.spawn_blocking("open the profile", move || open(&config));
        open.await.map_err(|ended| StartError::Database(ended.to_string()))??
    };
    match run(&config, &opened, &spawner).await {
        Ok((core, listen)) => Ok(Inner {
            core,
            tasks,
            data_dir: opened.dir.path().to_owned(),
            dir: Mutex::new(Some(opened.dir)),
            key_storage: opened.key_storage,
            listen,
            started,
            changing: tokio::sync::Mutex::new(()),
        }),
        Err(error) => {
            tasks.shutdown().await;
            // The start has failed already; what was written is safe all the same.
            let _ = opened.store.close().await;
            Err(error)
        }
    }
}

/// Opens what lies on the disk. Blocks.
fn open(config: &Config) -> Result<Opened, StartError> {
    let random = |error: getrandom::Error| StartError::Key(format!("the system gives no randomness: {error}"));
    let mut id = [0; 16];
    getrandom::fill(&mut id).map_err(random)?;
    let mut dir = ProfileDir::open(&config.data_dir, uuid::Builder::from_random_bytes(id).into_uuid())?;
    let mut seed = Zeroizing::new([0; 32]);
    getrandom::fill(seed.as_mut_slice()).map_err(random)?;
    let (identity, key_storage) = identity_store::load_or_create(&mut dir, &SystemRing, config.key_store, &seed)?;
    let store = Store::open(&dir.database()).map_err(|error| database(&error))?;
    let files = dir.files();
    crate::profile_dir::create_private(&files).map_err(|source| StartError::Directory { dir: files, source })?;
    Ok(Opened { dir, identity: Arc::new(identity), key_storage, store })
}

async fn run(config: &Config, opened: &Opened, spawner: &Spawner) -> Result<(Arc<Core>, SocketAddr), StartError> {
    let identity = opened.identity.clone();
    let loaded = {
        let identity = identity.clone();
        opened.store.read(move |reader| load(reader, &identity)).await.map_err(|error| failed(&error))?
    };
    let now_ms = config.clock.wall_ms();
    let (profile, new) = match loaded.profile {
        Some(profile) => (profile, false),
        None => {
            let first = OwnProfile::first(&identity, config.name.as_deref(), now_ms);
            let refused = |error| StartError::Config { field: "name", message: format!("the name {error}") };
            (first.map_err(refused)?, true)
        }
    };
    // A copy may not go on where the original goes on too: it writes a log of its own.
    let epoch = match loaded.epoch {
        Some(epoch) if !opened.dir.copied() => proto::id::Epoch::new(epoch),
        _ => outgoing::new_epoch().map_err(|error| StartError::Database(error.to_string()))?,
    };
    let relays = own_relays(config, loaded.relays)?;
    let addresses: Vec<RelayAddress> = relays.iter().map(|relay| relay.address.clone()).collect();
    let version = profile.signed().version();
    let state = profile.state().at_relays(&addresses, &identity, now_ms);
    profile.replace(state.map_err(|error| StartError::Config { field: "relay", message: error.to_string() })?);
    let new = new || profile.signed().version() != version;
    if new || loaded.epoch != Some(epoch.get()) {
        let state = profile.state();
        let first_time = loaded.epoch.is_none();
        let written = opened.store.write(move |tx| {
            store::meta::set_epoch(tx, epoch.get())?;
            if first_time {
                store::meta::set_created(tx, now_ms)?;
            }
            state.store(tx)
        });
        written.await.map_err(|error| failed(&error))?;
    }
    let files = opened.dir.files();
    let tidied = opened
        .store
        .read(move |reader| Ok(files::tidy(&files, |name| store::sources::is_known(reader, name).unwrap_or(true))));
    if let Err(error) = tidied.await.map_err(|error| failed(&error))? {
        tracing::warn!(%error, "what an earlier run left behind could not be removed");
    }
    let (outgoing, orders) = mpsc::channel(outgoing::QUEUE);
    let core = Arc::new(Core::new(Parts {
        identity,
        clock: config.clock.clone(),
        store: opened.store.clone(),
        search: Search::at(&opened.dir.path().join(store::search::FILE_NAME)),
        people: loaded.people,
        profile,
        files: Files::new(opened.dir.files(), config.downloads.clone().unwrap_or_else(|| opened.dir.downloads())),
        relays: Relays::new(relays),
        kept: loaded.kept,
        epoch,
        outgoing,
        spawner: spawner.clone(),
    }));
    let (link, events) = Link::start(link_config(config, &core, loaded.typed)?)
        .await
        .map_err(|error| StartError::Network(error.to_string()))?;
    let listen = link.listen_addr();
    let mut remembered: BTreeMap<MachineId, Vec<SocketAddr>> = BTreeMap::new();
    for (machine, address) in loaded.addresses {
        remembered.entry(machine).or_default().push(address);
    }
    for (machine, addresses) in remembered {
        link.remember(machine, addresses);
    }
    core.set_link(link);
    spawner.spawn("outgoing", outgoing::run(core.clone(), orders));
    let patience = relays::Patience { fault: config.timings.relay_fault, away: config.timings.relay_away };
    spawner.spawn("neighbours", neighbours::run(core.clone(), events, config.timings.redigest, patience));
    until_stopped(spawner, "relays", relays::run(core.clone()));
    until_stopped(spawner, "opening mail", mailbox::open(core.clone()));
    until_stopped(spawner, "posting", mailbox::post(core.clone()));
    until_stopped(spawner, "files", files::run(core.clone()));
    until_stopped(spawner, "depositing", files::deposit(core.clone()));
    until_stopped(spawner, "publishing", publishing::run(core.clone()));
    until_stopped(spawner, "indexing", indexing::run(core.clone()));
    until_stopped(spawner, "notification centre", centre::run(core.clone()));
    until_stopped(spawner, "expiring", expiring::run(core.clone()));
    until_stopped(spawner, "erasing", erasing::run(core.clone()));
    let noticing = core.clone();
    until_stopped(spawner, "notices", async move { noticing.notices.run(noticing.clone()).await });
    Ok((core, listen))
}

/// Spawns a task that has nothing to tidy up.
fn until_stopped(spawner: &Spawner, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
    let stopping = spawner.stopping();
    spawner.spawn(name, async move {
        tokio::select! {
            () = stopping => {}
            () = task => {}
        }
    });
}

fn load(reader: &Reader<'_>, identity: &Identity) -> Result<Loaded, StoreError> {
    let people = People::default();
    let me = identity.machine_id();
    people.load(store::machines::list(reader)?.into_iter().filter(|machine| machine.id != me).collect());
    Ok(Loaded {
        profile: OwnProfile::load(reader, identity)?,
        kept: Kept::load(reader)?,
        epoch: store::meta::epoch(reader)?,
        people,
        addresses: store::addresses::all_recent(reader, REMEMBERED)?,
        typed: store::addresses::typed(reader)?,
        relays: store::relays::list(reader)?,
    })
}

/// The relays that are stored, and those of the configuration, which count for this run.
fn own_relays(config: &Config, mut relays: Vec<OwnRelay>) -> Result<Vec<OwnRelay>, StartError> {
    for text in &config.relays {
        let address: RelayAddress = text.trim().parse().map_err(|error| StartError::Config {
            field: "relay",
            message: format!("the address \"{text}\" {error}"),
        })?;
        if !relays.iter().any(|relay| relay.address == address) {
            relays.push(OwnRelay { address, membership: None });
        }
    }
    if relays.len() > limits::RELAYS {
        let message = format!("there can be {} relays, and this makes {}", limits::RELAYS, relays.len());
        return Err(StartError::Config { field: "relay", message });
    }
    Ok(relays)
}

fn link_config(config: &Config, core: &Arc<Core>, stored: Vec<String>) -> Result<LinkConfig, StartError> {
    let mut typed = stored;
    for address in &config.typed_peers {
        if address.len() > ADDRESS_BYTES || address.trim().is_empty() {
            let message = format!("\"{address}\" is no address");
            return Err(StartError::Config { field: "peer", message });
        }
        if !typed.contains(address) {
            typed.push(address.clone());
        }
    }
    // The link must not keep the node alive: it is a part of it.
    let (for_hello, for_gate) = (Arc::downgrade(core), Arc::downgrade(core));
    let (identity, clock) = (core.identity.clone(), core.clock.clone());
    let fallback = core.profile.signed();
    let visibility = visibility(core.kept().settings.visibility);
    Ok(LinkConfig {
        identity,
        listen: config.listen,
        discovery: DiscoveryConfig {
            mdns: config.mdns,
            beacon: config.beacon,
            visibility,
            ..DiscoveryConfig::default()
        },
        typed,
        hello: Arc::new(move || {
            let profile = for_hello.upgrade().map_or_else(|| fallback.clone(), |core| core.profile.signed());
            // Version, port and instance are the link's to fill in.
            Hello {
                version: limits::PROTOCOL_VERSION,
                features: 0,
                listen_port: 0,
                wall_ms: clock.wall_ms(),
                instance: 0,
                profile,
            }
        }),
        gate: Arc::new(move |machine| for_gate.upgrade().map_or(link::Gate::Refuse, |core| core.people.gate(machine))),
        blobs: files::desk(Arc::downgrade(core)),
        clock: config.clock.clone(),
        timings: config.timings.link.clone(),
    })
}

fn database(error: &OpenError) -> StartError {
    StartError::Database(format!("{error}. {}", error.remedy()))
}

fn failed(error: &StoreError) -> StartError {
    StartError::Database(error.to_string())
}
