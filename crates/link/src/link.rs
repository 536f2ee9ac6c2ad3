//! The handle of the link, and how its parts are put together.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use proto::{
    attachment::Blob,
    id::MachineId,
    prekey::SignedPrekey,
    relay::{FilePass, RelayAddress},
    sealed_file::{FileId, FileKey},
};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{
    announce::Announcement,
    beacon::BeaconPost,
    blob::{BlobError, Content, Dialler, Sink, Source},
    config::{HelloSource, InterfaceScope, LinkConfig, Visibility},
    dial::{self, Ways},
    error::{DialError, LinkError},
    event::{DiscoveryState, LinkEvent, NetworkState},
    greet::Greeter,
    interfaces,
    listener::{self, ConnIds, ListenerParts, Reception},
    mdns::Mdns,
    path::Path,
    reconnect::Targets,
    registry::{Command, Ends, Registry},
    relay::{Deposited, PutAs, PutError, RelayPlan, Relays, Stations},
    server::{self, Arrival},
    tasks::{Spawner, Tasks},
    tls::Tls,
};

/// Events that the node may leave waiting before the registry keeps them.
const EVENTS: usize = 256;

/// Messages to the registry that may wait; whoever sends more waits.
const INPUTS: usize = 256;

/// Handle to everything that talks to other machines. Cheap to clone. When the last clone is dropped, all sockets are
/// closed at once; [`Link::shutdown`] says goodbye first.
#[derive(Clone)]
pub struct Link {
    parts: Arc<Parts>,
}

struct Parts {
    listen: SocketAddr,
    instance: u64,
    me: MachineId,
    hello: HelloSource,
    visibility: Mutex<Visibility>,
    announcement: watch::Sender<Announcement>,
    network: watch::Receiver<Arc<NetworkState>>,
    /// Unbounded, because only this program sends, and no order may be lost.
    commands: mpsc::UnboundedSender<Command>,
    blobs: Dialler,
    relays: Relays,
    closing: Duration,
    goodbye: Duration,
    /// Links and attempts.
    links: Tasks,
    /// mDNS and beacon.
    discovery: Tasks,
    /// All else.
    tasks: Tasks,
    cut: CancellationToken,
    _cut_at_drop: DropGuard,
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("listen", &self.parts.listen).finish_non_exhaustive()
    }
}

impl Link {
    /// Listens, announces, looks for machines. Gives the handle and the stream of what happens, which must be drained.
    ///
    /// # Errors
    /// [`LinkError`]: no port is free, the key is unusable. That discovery can't start is no error; see
    /// [`NetworkState`].
    #[expect(clippy::unused_async, reason = "must be called on a runtime, which a plain function would not show")]
    pub async fn start(config: LinkConfig) -> Result<(Self, mpsc::Receiver<LinkEvent>), LinkError> {
        let me = config.identity.machine_id();
        let tls = Tls::new(&config.identity)?;
        let instance = random()?;
        let socket = listener::bind(config.listen)?;
        let bound = |source| LinkError::Listen { address: config.listen, tried: 1, source };
        let listen = socket.local_addr().map_err(bound)?;

        let (links, discovery, tasks) = (Tasks::new(), Tasks::new(), Tasks::new());
        let spawner = tasks.spawner();
        let (inputs_in, inputs) = mpsc::channel(INPUTS);
        let (commands, orders) = mpsc::unbounded_channel();
        let (events_in, events) = mpsc::channel(EVENTS);
        let scope = config.discovery.interfaces;
        let (interfaces, stirred) = interfaces::follow(scope, config.clock.clone(), &config.timings, &spawner);
        let (network_in, network) = watch::channel(Arc::new(NetworkState {
            listen,
            interfaces: interfaces.borrow().to_vec(),
            mdns: DiscoveryState::Off,
            beacon: DiscoveryState::Off,
            hints: 0,
            same_identity_at: None,
        }));
        let (stirs_in, stirs) = watch::channel(0);
        let cut = CancellationToken::new();
        let ids = ConnIds::default();
        let stations = Stations::new(&config.timings);
        let ways = Ways { tls: tls.clone(), stations: stations.clone(), timings: config.timings.clone() };
        let greeter = Arc::new(Greeter {
            me,
            instance,
            listen,
            hello: config.hello.clone(),
            gate: config.gate.clone(),
            ways: ways.clone(),
            ids: ids.clone(),
            inputs: inputs_in.clone(),
            stop: links.spawner().stop_token(),
        });
        let announcement = Announcement::new(config.discovery.visibility, &greeter.hello(), listen, instance);
        let (announce, announcement) = watch::channel(announcement);

        let mut targets = Targets::new(me, config.timings.clone(), random()?);
        let now = tokio::time::Instant::now();
        for text in &config.typed {
            match dial::parse_typed(text) {
                Ok(typed) => targets.add_typed(text.trim().to_owned(), typed, now),
                Err(error) => tracing::warn!("typed address left out: {error}"),
            }
        }
        let ends = Ends {
            inputs,
            commands: orders,
            events: events_in,
            interfaces: interfaces.clone(),
            stirred,
            network: network_in,
            stirs: stirs_in,
            stop: spawner.stop_token(),
        };
        spawner.spawn("registry", Registry::new(greeter.clone(), targets, links.spawner(), ends).run());

        let blobs = Dialler { ways, spawner: spawner.clone() };
        let parts =
            ListenerParts { tls, gate: config.gate.clone(), timings: config.timings.clone(), ids, cut: cut.clone() };
        let (reception, handshaken) = Reception::new(parts, listen, &spawner);
        listener::start(socket, reception.clone());
        let relays = Relays {
            identity: config.identity.clone(),
            stations,
            reception,
            inputs: inputs_in.clone(),
            spawner: spawner.clone(),
            stirs,
        };
        let arrivals = server::start(handshaken, config.blobs.clone(), &config.timings, &spawner);
        spawner.spawn("arrivals", take_arrivals(arrivals, greeter, links.spawner()));
        start_discovery(&config, me, &discovery, &announcement, &interfaces, &inputs_in);

        tracing::info!(me = %me.short(), %listen, "listening for peers");
        let parts = Parts {
            listen,
            instance,
            me,
            hello: config.hello,
            visibility: Mutex::new(config.discovery.visibility),
            announcement: announce,
            network,
            commands,
            blobs,
            relays,
            closing: config.timings.closing,
            goodbye: config.timings.goodbye,
            links,
            discovery,
            tasks,
            _cut_at_drop: cut.clone().drop_guard(),
            cut,
        };
        Ok((Self { parts: Arc::new(parts) }, events))
    }

    /// Where peers are listened for, with the real port.
    #[must_use]
    pub fn listen_addr(&self) -> SocketAddr {
        self.parts.listen
    }

    /// Random number of this start, as sent in `Hello`.
    #[must_use]
    pub fn instance(&self) -> u64 {
        self.parts.instance
    }

    /// Keeps a machine linked: its addresses from earlier links are dialled now, and again with back-off whenever
    /// there is no link. Calling again adds addresses.
    pub fn remember(&self, machine: MachineId, addresses: Vec<SocketAddr>) {
        self.order(Command::Remember { machine, addresses });
    }

    /// Stops keeping a machine linked. A link that stands stays.
    pub fn forget(&self, machine: &MachineId) {
        self.order(Command::Forget(*machine));
    }

    /// Dials an address that a person typed: `host`, `host:port`, `[IPv6%scope]:port`. Gives the machine that answered.
    /// Unless the text is no address or leads to this machine, it is kept and tried again with back-off, even when
    /// the first attempt fails.
    ///
    /// # Errors
    /// [`DialError`] says why the first attempt failed.
    pub async fn add_address(&self, address: &str) -> Result<MachineId, DialError> {
        let typed = dial::parse_typed(address)?;
        if let dial::Typed::Address(address) = &typed
            && self.is_own(*address)
        {
            return Err(DialError::Myself((*address).into()));
        }
        let (reply, answer) = oneshot::channel();
        self.order(Command::AddTyped { text: address.trim().to_owned(), typed, reply: Some(reply) });
        answer.await.unwrap_or(Err(DialError::ShuttingDown))
    }

    /// The addresses that a text leads to: `host:port`, `[IPv6%scope]:port`.
    ///
    /// # Errors
    /// [`DialError`] when it is no address, or a name that does not resolve.
    pub async fn resolve(&self, address: &str) -> Result<Vec<SocketAddr>, DialError> {
        dial::resolve(&dial::parse_typed(address)?).await
    }

    /// As [`Link::remember`], and says how the first attempt ended. Only this machine will do.
    ///
    /// # Errors
    /// [`DialError`] says why it failed; it is tried again with back-off. Without an address to dial there is no answer
    /// until discovery finds one.
    pub async fn reach(&self, machine: MachineId, addresses: Vec<SocketAddr>) -> Result<MachineId, DialError> {
        let (reply, answer) = oneshot::channel();
        self.order(Command::Reach { machine, addresses, reply });
        answer.await.unwrap_or(Err(DialError::ShuttingDown))
    }

    /// Stops trying a typed address. A link that stands stays.
    pub fn remove_address(&self, address: &str) {
        self.order(Command::RemoveTyped(address.trim().to_owned()));
    }

    /// Fetches a blob from a machine, from one of its groups on, and hands to `sink` what has been checked.
    ///
    /// # Errors
    /// [`BlobError`]; what came before stays checked, so it can go on from there.
    pub async fn fetch_blob(
        &self,
        peer: MachineId,
        path: &Path,
        blob: Blob,
        from: u64,
        sink: Box<dyn Sink>,
        cancel: &CancellationToken,
    ) -> Result<(), BlobError> {
        self.parts.blobs.fetch(peer, path, blob, from, sink, cancel).await
    }

    /// Brings a blob to a machine that asked for it, from one of its groups on. Returns when it is kept there.
    ///
    /// # Errors
    /// [`BlobError`].
    pub async fn bring_blob(
        &self,
        peer: MachineId,
        path: &Path,
        content: Content,
        from: u64,
        cancel: &CancellationToken,
    ) -> Result<(), BlobError> {
        self.parts.blobs.bring(peer, path, content, from, cancel).await
    }

    /// Lays a file of so many bytes down at a relay, sealed under this key, or goes on with that. Returns when the relay has
    /// all of it. `key` must be new for each file, and kept from before the first call for the calls that go on.
    ///
    /// # Errors
    /// [`BlobError`]; what the relay has stays there, and another call goes on from it.
    pub async fn deposit(
        &self,
        relay: &RelayAddress,
        pass: &FilePass,
        key: &FileKey,
        size: u64,
        source: Box<dyn Source>,
        cancel: &CancellationToken,
    ) -> Result<Deposited, BlobError> {
        self.parts.relays.deposit(relay, pass, key, size, source, cancel).await
    }

    /// Fetches a blob that lies at a relay under this key, from one of its groups on, and hands it to `sink`. `before` has the
    /// bytes in front of that, from wherever they came; all of it together is checked in the end.
    ///
    /// # Errors
    /// [`BlobError`]. On [`BlobError::Mismatch`] nothing of what came can be relied on, from any call; on others it can be
    /// gone on with.
    #[expect(clippy::too_many_arguments, reason = "each is a thing of its own")]
    pub async fn collect(
        &self,
        relay: &RelayAddress,
        key: &FileKey,
        blob: Blob,
        from: u64,
        before: Box<dyn Source>,
        sink: Box<dyn Sink>,
        cancel: &CancellationToken,
    ) -> Result<(), BlobError> {
        self.parts.relays.collect(relay, key, blob, from, before, sink, cancel).await
    }

    /// Takes a file away from a relay, by the pass with which it was laid down. It is no error when it is not there.
    ///
    /// # Errors
    /// [`BlobError`].
    pub async fn withdraw(&self, relay: &RelayAddress, pass: &FilePass, file: &FileId) -> Result<(), BlobError> {
        self.parts.relays.withdraw(relay, pass, file).await
    }

    /// Uses these relays from now on, and no others; at most 64, own ones and contacts'. What stays connected.
    ///
    /// How it stands with them comes as [`LinkEvent::Relay`], whom they see as [`LinkEvent::Present`], what they have kept
    /// for this machine as [`LinkEvent::Mail`].
    pub fn set_relays(&self, plans: Vec<RelayPlan>) {
        self.parts.relays.set(plans);
    }

    /// Leaves an envelope of at most [`proto::limits::ENVELOPE_BYTES`] for a machine at a relay in use. It is on the
    /// relay's disk when this returns. Waits while 64 others are under way at the relay. To put the same bytes again does
    /// no harm.
    ///
    /// # Errors
    /// [`PutError`] says why it is not there, or that this is not known.
    pub async fn put(
        &self,
        relay: &RelayAddress,
        machine: MachineId,
        by: PutAs,
        envelope: Bytes,
    ) -> Result<(), PutError> {
        self.parts.relays.stations.put(relay, machine, by, envelope).await
    }

    /// The prekey of a machine that a relay in use holds, if any. It is the machine's: the signature has been checked. It
    /// need not be the newest, or valid now.
    ///
    /// # Errors
    /// [`PutError`] says why the relay did not answer, or how it lied.
    pub async fn prekey(&self, relay: &RelayAddress, machine: MachineId) -> Result<Option<SignedPrekey>, PutError> {
        self.parts.relays.stations.prekey(relay, machine).await
    }

    /// Looks once more at all that lies in this machine's mailbox at a relay in use: what was not named as done may be
    /// taken now.
    pub fn fetch_again(&self, relay: &RelayAddress) {
        self.parts.relays.stations.fetch_again(relay);
    }

    /// Changes what is announced.
    pub fn set_visibility(&self, visibility: Visibility) {
        *self.parts.visibility.lock().unwrap_or_else(PoisonError::into_inner) = visibility;
        self.refresh_announcement();
    }

    /// Announces anew: call when the name in the profile has changed.
    pub fn refresh_announcement(&self) {
        let parts = &self.parts;
        let visibility = *parts.visibility.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Announcement::new(visibility, &(parts.hello)(), parts.listen, parts.instance);
        parts.announcement.send_if_modified(|before| {
            let changed = *before != now;
            *before = now;
            changed
        });
    }

    /// Ends the link to a machine and forgets its addresses. Call after the gate began to refuse it.
    pub fn drop_peer(&self, machine: &MachineId) {
        self.order(Command::DropPeer(*machine));
    }

    /// The network changed or the system woke: probes all links and dials again at once. The link notices by itself;
    /// this is for shells that learn of it earlier.
    pub fn wake(&self) {
        self.order(Command::Stir);
    }

    /// Network and discovery as they are now.
    #[must_use]
    pub fn network(&self) -> Arc<NetworkState> {
        self.parts.network.borrow().clone()
    }

    /// The ID under which this machine links.
    #[must_use]
    pub fn machine_id(&self) -> MachineId {
        self.parts.me
    }

    /// Says goodbye to the network and to every linked machine, and returns when no task and no socket is left.
    pub async fn shutdown(&self) {
        let parts = &self.parts;
        let (done, stopped) = oneshot::channel();
        self.order(Command::Stop(done));
        // An error means that the registry has ended already.
        stopped.await.ok();
        let farewells = parts.links.shutdown_within(parts.closing + Duration::from_millis(500));
        let goodbye = parts.discovery.shutdown_within(parts.goodbye * 2 + Duration::from_millis(500));
        tokio::join!(farewells, goodbye);
        parts.cut.cancel();
        parts.tasks.shutdown().await;
    }

    /// How this link reaches machines.
    #[cfg(test)]
    pub(crate) fn ways(&self) -> Ways {
        self.parts.blobs.ways.clone()
    }

    /// Names of the tasks that still run.
    #[cfg(test)]
    pub(crate) fn left_running(&self) -> Vec<String> {
        let parts = &self.parts;
        [&parts.links, &parts.discovery, &parts.tasks].into_iter().flat_map(|tasks| tasks.spawner().running()).collect()
    }

    fn order(&self, command: Command) {
        // After shutdown nobody takes orders, and none is needed.
        self.parts.commands.send(command).ok();
    }

    fn is_own(&self, address: SocketAddr) -> bool {
        let listen = self.parts.listen;
        if address.port() != listen.port() {
            return false;
        }
        let ip = address.ip().to_canonical();
        let own = |own: IpAddr| own == ip || ip == IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        if listen.ip().is_unspecified() {
            ip.is_loopback() || self.network().addresses().any(own)
        } else {
            own(listen.ip())
        }
    }
}

fn random() -> Result<u64, LinkError> {
    getrandom::u64().map_err(|error| LinkError::Random(error.to_string()))
}

async fn take_arrivals(mut arrivals: mpsc::Receiver<Arrival>, greeter: Arc<Greeter>, links: Spawner) {
    while let Some(arrival) = arrivals.recv().await {
        let name = format!("link {} {}", arrival.caller.id, arrival.caller.machine.short());
        links.spawn(name, greeter.clone().accept(arrival));
    }
}

fn start_discovery(
    config: &LinkConfig,
    me: MachineId,
    discovery: &Tasks,
    announcement: &watch::Receiver<Announcement>,
    interfaces: &watch::Receiver<Arc<Vec<interfaces::Interface>>>,
    inputs: &mpsc::Sender<crate::registry::Input>,
) {
    let scope: InterfaceScope = config.discovery.interfaces;
    let stop = discovery.spawner().stop_token();
    if config.discovery.mdns {
        let mdns = Mdns {
            me,
            scope,
            timings: config.timings.clone(),
            announcement: announcement.clone(),
            interfaces: interfaces.clone(),
            inputs: inputs.clone(),
            stop: stop.clone(),
        };
        discovery.spawn("mdns", mdns.run());
    }
    if config.discovery.beacon {
        let beacon = BeaconPost {
            me,
            port: config.discovery.beacon_port,
            scope,
            timings: config.timings.clone(),
            announcement: announcement.clone(),
            interfaces: interfaces.clone(),
            inputs: inputs.clone(),
            stop,
        };
        discovery.spawn("beacon", beacon.run());
    }
}
