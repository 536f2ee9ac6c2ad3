//! Discovery by UDP broadcast, which often arrives where multicast is filtered.
//!
//! Every node sends a small datagram from each of its IPv4 addresses to that subnet's broadcast address, and dials whom
//! it hears. Nobody answers a beacon by a beacon, so nothing can be amplified. All nodes of one computer share the
//! port: the system delivers a broadcast to every socket that is bound to it.

use std::{
    collections::HashMap,
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    num::NonZeroU32,
    sync::Arc,
    time::Duration,
};

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use proto::{beacon::Beacon, id::MachineId, limits};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::{
    net::UdpSocket,
    sync::{mpsc, watch},
    time::{Instant, MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;

use crate::{
    announce::Announcement,
    config::InterfaceScope,
    event::{DiscoveryState, Hint, HintSource},
    interfaces::Interface,
    registry::Input,
    timing::Timings,
};

/// Pause before the port is tried again.
const RETRY: Duration = Duration::from_secs(10);

/// A machine whose beacon was missed this many times in a row is taken for gone.
const MISSED: u32 = 3;

/// Machines that are remembered for noticing that they are gone.
const HEARD: usize = 1024;

/// Beacons that are looked at per second, more at once; the rest is dropped.
const BEACONS_PER_SECOND: u32 = 100;
const BEACONS_BURST: u32 = 300;

/// What the beacon needs.
pub(crate) struct BeaconPost {
    pub(crate) me: MachineId,
    pub(crate) port: u16,
    pub(crate) scope: InterfaceScope,
    pub(crate) timings: Timings,
    pub(crate) announcement: watch::Receiver<Announcement>,
    pub(crate) interfaces: watch::Receiver<Arc<Vec<Interface>>>,
    pub(crate) inputs: mpsc::Sender<Input>,
    pub(crate) stop: CancellationToken,
}

impl BeaconPost {
    /// Sends and hears until stopped.
    pub(crate) async fn run(mut self) {
        loop {
            let reason = match open(self.port) {
                Ok(socket) => match self.serve(&socket).await {
                    Ok(()) => return,
                    Err(error) => error.to_string(),
                },
                Err(error) => format!("UDP port {} cannot be used: {error}", self.port),
            };
            tracing::info!("the beacon does not work: {reason}");
            self.tell(DiscoveryState::Failed(reason)).await;
            tokio::select! {
                () = self.stop.cancelled() => return,
                changed = self.interfaces.changed() => if changed.is_err() { return },
                () = tokio::time::sleep(RETRY) => {}
            }
        }
    }

    async fn tell(&self, state: DiscoveryState) {
        self.inputs.send(Input::Discovery { source: HintSource::Beacon, state }).await.ok();
    }

    async fn serve(&mut self, socket: &UdpSocket) -> io::Result<()> {
        self.tell(DiscoveryState::Running).await;
        let mut heard = Heard::new();
        let mut buffer = [0; limits::BEACON_BYTES + 1];
        let mut tick = interval(self.timings.beacon);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = self.stop.cancelled() => return Ok(()),
                _ = tick.tick() => {
                    self.send_all().await;
                    for machine in heard.lost(Instant::now(), self.timings.beacon * MISSED) {
                        self.inputs.send(Input::Gone { machine, source: HintSource::Beacon }).await.ok();
                    }
                }
                changed = self.announcement.changed() => match changed {
                    Ok(()) => tick.reset_immediately(),
                    Err(_) => return Ok(()),
                },
                changed = self.interfaces.changed() => match changed {
                    Ok(()) => tick.reset_immediately(),
                    Err(_) => return Ok(()),
                },
                received = socket.recv_from(&mut buffer) => {
                    // Some systems report the refusal of an earlier datagram here.
                    let Ok((length, from)) = received else { continue };
                    if let Some(input) = buffer.get(..length).and_then(|datagram| self.hear(datagram, from, &mut heard)) {
                        self.inputs.send(input).await.ok();
                    }
                }
            }
        }
    }

    async fn send_all(&mut self) {
        let announcement = self.announcement.borrow_and_update().clone();
        let interfaces = self.interfaces.borrow_and_update().clone();
        if !announcement.visible {
            return;
        }
        let datagram = Beacon {
            version: limits::PROTOCOL_VERSION,
            machine: self.me,
            port: announcement.listen.port(),
            instance: announcement.instance,
        }
        .encode();
        for (source, broadcast) in interfaces.iter().flat_map(|interface| &interface.broadcasts) {
            let listened = announcement.listen.ip();
            if !listened.is_unspecified() && listened != IpAddr::V4(*source) {
                continue;
            }
            if let Err(error) = send(*source, (*broadcast, self.port).into(), &datagram).await {
                tracing::debug!(%source, %error, "beacon not sent");
            }
        }
    }

    fn hear(&self, datagram: &[u8], from: SocketAddr, heard: &mut Heard) -> Option<Input> {
        if self.scope == InterfaceScope::Loopback && !from.ip().is_loopback() || heard.rate.check().is_err() {
            return None;
        }
        let beacon = Beacon::decode(datagram).ok()?;
        let address = SocketAddr::new(from.ip(), beacon.port);
        if beacon.machine == self.me {
            let own = self.announcement.borrow().instance;
            return (beacon.instance != own).then_some(Input::SameIdentity(address));
        }
        heard.note(beacon.machine, Instant::now());
        let hint = Hint { machine: beacon.machine, name: None, addrs: vec![address], source: HintSource::Beacon };
        Some(Input::Sighted(hint))
    }
}

/// Whose beacon was heard when.
struct Heard {
    at: HashMap<MachineId, Instant>,
    rate: DefaultDirectRateLimiter,
}

impl Heard {
    fn new() -> Self {
        let rate = NonZeroU32::new(BEACONS_PER_SECOND).unwrap_or(NonZeroU32::MIN);
        let burst = NonZeroU32::new(BEACONS_BURST).unwrap_or(NonZeroU32::MIN);
        Self { at: HashMap::new(), rate: RateLimiter::direct(Quota::per_second(rate).allow_burst(burst)) }
    }

    fn note(&mut self, machine: MachineId, now: Instant) {
        if self.at.len() < HEARD || self.at.contains_key(&machine) {
            self.at.insert(machine, now);
        }
    }

    fn lost(&mut self, now: Instant, silence: Duration) -> Vec<MachineId> {
        // One interval of grace for beacons that are under way.
        let is_lost = |at: &Instant| now.duration_since(*at) > silence;
        let lost: Vec<_> = self.at.iter().filter(|(_, at)| is_lost(at)).map(|(machine, _)| *machine).collect();
        for machine in &lost {
            self.at.remove(machine);
        }
        lost
    }
}

/// The shared receiving socket.
fn open(port: u16) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_reuse_address(true)?;
    // Linux shares by the option above alone, across users too; the BSDs need this one. With it Linux would still
    // deliver a broadcast to all.
    #[cfg(all(unix, not(target_os = "linux"), not(target_os = "android")))]
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)).into())?;
    UdpSocket::from_std(socket.into())
}

async fn send(source: Ipv4Addr, to: SocketAddr, datagram: &[u8]) -> io::Result<()> {
    // A socket of its own for each source address, for the moment of sending: the address is what the receiver dials.
    let socket = UdpSocket::bind((source, 0)).await?;
    socket.set_broadcast(true)?;
    socket.send_to(datagram, to).await.map(|_| ())
}
