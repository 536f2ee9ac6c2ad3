//! Discovery by mDNS / DNS-SD.
//!
//! What a record says is a hint; identity comes from the handshake. The library's traps, found by measurement, and how
//! they are met: the browse is started anew at intervals, because its own interval doubles up to an hour; nothing is
//! ever "verified", because under loss that removes the living; a removal is a hint and ends no link; the machine ID is
//! in the instance name, because the TXT record can be missing; names are derived from the ID and are not probed for,
//! so that a copy of this profile is not renamed; the host name is never the system's.

use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr, SocketAddrV6},
    sync::Arc,
    time::Duration,
};

use mdns_sd::{DaemonEvent, IfKind, Receiver, ResolvedService, ScopedIp, ServiceDaemon, ServiceEvent, ServiceInfo};
use proto::{
    id::{MACHINE_ID_PREFIX, MachineId},
    limits, text,
};
use tokio::{
    sync::{mpsc, watch},
    time::{MissedTickBehavior, interval, timeout},
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

/// DNS-SD service type.
const SERVICE: &str = "_landline._tcp.local.";

/// How often the library looks for new addresses, in seconds; our own watch tells us earlier of most.
const ADDRESS_CHECK_SECONDS: u32 = 2;

/// Pause before mDNS is tried again after it failed for a reason that no interface explains.
const RETRY: Duration = Duration::from_secs(10);

/// What mDNS needs.
pub(crate) struct Mdns {
    pub(crate) me: MachineId,
    pub(crate) scope: InterfaceScope,
    pub(crate) timings: Timings,
    pub(crate) announcement: watch::Receiver<Announcement>,
    pub(crate) interfaces: watch::Receiver<Arc<Vec<Interface>>>,
    pub(crate) inputs: mpsc::Sender<Input>,
    pub(crate) stop: CancellationToken,
}

/// Why a run of the daemon ended.
enum Outcome {
    Stopped,
    Failed(String),
}

impl Mdns {
    /// Announces and browses until stopped; then says goodbye. Starts over when it fails or an interface comes.
    pub(crate) async fn run(mut self) {
        loop {
            let reason = if self.interfaces.borrow_and_update().is_empty() {
                "no network interface is up".to_owned()
            } else {
                match self.serve().await {
                    Outcome::Stopped => return,
                    Outcome::Failed(reason) => reason,
                }
            };
            tracing::info!("mDNS does not work: {reason}");
            self.tell(DiscoveryState::Failed(reason)).await;
            tokio::select! {
                () = self.stop.cancelled() => return,
                changed = self.interfaces.changed() => if changed.is_err() { return },
                () = tokio::time::sleep(RETRY) => {}
            }
        }
    }

    async fn tell(&self, state: DiscoveryState) {
        self.inputs.send(Input::Discovery { source: HintSource::Mdns, state }).await.ok();
    }

    async fn serve(&mut self) -> Outcome {
        let daemon = match start_daemon(self.scope) {
            Ok(daemon) => daemon,
            Err(error) => return Outcome::Failed(error.to_string()),
        };
        let served = self.serve_with(&daemon).await;
        match &served {
            Ok(()) => self.say_goodbye(&daemon).await,
            Err(error) => tracing::debug!(%error, "mDNS daemon failed"),
        }
        if let Ok(status) = daemon.shutdown() {
            timeout(self.timings.goodbye, status.recv_async()).await.ok();
        }
        served.map_or_else(|error| Outcome::Failed(error.to_string()), |()| Outcome::Stopped)
    }

    /// Returns `Ok` when stopped.
    async fn serve_with(&mut self, daemon: &ServiceDaemon) -> mdns_sd::Result<()> {
        let trouble = daemon.monitor()?;
        self.announce(daemon)?;
        let mut seen = daemon.browse(SERVICE)?;
        self.tell(DiscoveryState::Running).await;
        let mut rebrowse = interval(self.timings.rebrowse);
        rebrowse.set_missed_tick_behavior(MissedTickBehavior::Delay);
        rebrowse.reset();
        let mut machines = HashMap::new();
        loop {
            tokio::select! {
                () = self.stop.cancelled() => return Ok(()),
                event = seen.recv_async() => match event {
                    Ok(event) => self.hear(event, &mut machines).await,
                    // Closed, because the events came faster than we took them.
                    Err(_) => seen = self.browse_again(daemon).await?,
                },
                _ = rebrowse.tick() => seen = self.browse_again(daemon).await?,
                changed = self.announcement.changed() => match changed {
                    Ok(()) => self.announce(daemon)?,
                    Err(_) => return Ok(()),
                },
                changed = self.interfaces.changed() => {
                    if changed.is_err() {
                        return Ok(());
                    }
                    if self.interfaces.borrow_and_update().is_empty() {
                        return Err(mdns_sd::Error::Msg("no network interface is up".into()));
                    }
                    self.announce(daemon)?;
                    seen = self.browse_again(daemon).await?;
                }
                event = trouble.recv_async() => if let Ok(DaemonEvent::Error(error)) = event {
                    tracing::debug!(%error, "mDNS");
                },
            }
        }
    }

    /// The old receiver closes and nothing is removed by it (measured).
    async fn browse_again(&self, daemon: &ServiceDaemon) -> mdns_sd::Result<Receiver<ServiceEvent>> {
        loop {
            match daemon.browse(SERVICE) {
                // The command queue of the daemon is full: it is busy, not broken.
                Err(mdns_sd::Error::Again) => tokio::time::sleep(Duration::from_millis(100)).await,
                browsing => return browsing,
            }
        }
    }

    fn announce(&mut self, daemon: &ServiceDaemon) -> mdns_sd::Result<()> {
        let announcement = self.announcement.borrow_and_update().clone();
        let fullname = format!("{}.{SERVICE}", label(&self.me));
        if !announcement.visible {
            daemon.unregister(&fullname)?;
            return Ok(());
        }
        daemon.register(service(&self.me, &announcement, self.scope)?)
    }

    async fn say_goodbye(&self, daemon: &ServiceDaemon) {
        let fullname = format!("{}.{SERVICE}", label(&self.me));
        let Ok(done) = daemon.unregister(&fullname) else { return };
        if timeout(self.timings.goodbye, done.recv_async()).await.is_err() {
            tracing::debug!("the mDNS goodbye took too long");
        }
    }

    async fn hear(&self, event: ServiceEvent, machines: &mut HashMap<String, MachineId>) {
        let input = match event {
            ServiceEvent::ServiceResolved(service) => {
                let Some(machine) = machine_of(&service) else { return };
                if machine == self.me {
                    match same_identity(&service, &self.announcement.borrow()) {
                        Some(address) => Input::SameIdentity(address),
                        None => return,
                    }
                } else {
                    machines.insert(service.fullname.to_lowercase(), machine);
                    Input::Sighted(hint(machine, &service))
                }
            }
            ServiceEvent::ServiceRemoved(_, fullname) => match machines.remove(&fullname.to_lowercase()) {
                Some(machine) => Input::Gone { machine, source: HintSource::Mdns },
                None => return,
            },
            _ => return,
        };
        self.inputs.send(input).await.ok();
    }
}

fn start_daemon(scope: InterfaceScope) -> mdns_sd::Result<ServiceDaemon> {
    let daemon = ServiceDaemon::new()?;
    daemon.set_ip_check_interval(ADDRESS_CHECK_SECONDS)?;
    if scope == InterfaceScope::Loopback {
        daemon.disable_interface(IfKind::All)?;
        daemon.enable_interface(IfKind::LoopbackV4)?;
    }
    Ok(daemon)
}

/// The instance name and host label of a machine: its ID without the common prefix, 58 characters of the 63 that a DNS
/// label may have.
fn label(machine: &MachineId) -> String {
    let id = machine.to_string();
    id.strip_prefix(MACHINE_ID_PREFIX).unwrap_or(&id).to_owned()
}

fn service(me: &MachineId, announcement: &Announcement, scope: InterfaceScope) -> mdns_sd::Result<ServiceInfo> {
    let label = label(me);
    let mut txt = vec![
        ("v", limits::PROTOCOL_VERSION.to_string()),
        ("id", me.to_string()),
        ("i", format!("{:016x}", announcement.instance)),
    ];
    if let Some(name) = &announcement.name {
        txt.push(("n", name.clone()));
    }
    let listen = announcement.listen;
    let addresses: Vec<IpAddr> = if listen.ip().is_unspecified() { Vec::new() } else { vec![listen.ip()] };
    let host = format!("{label}.local.");
    let mut service = ServiceInfo::new(SERVICE, &label, &host, addresses.as_slice(), listen.port(), txt.as_slice())?;
    if listen.ip().is_unspecified() {
        service = service.enable_addr_auto();
    }
    // Probing takes 750 ms and renames the second of two equal names; the name is unique by its nature.
    service.set_requires_probe(false);
    if scope == InterfaceScope::Loopback {
        service.set_interfaces(vec![IfKind::LoopbackV4]);
    }
    Ok(service)
}

/// The machine that a record names: by its instance name or, if another program wrote that in its own way, by the TXT
/// record.
fn machine_of(service: &ResolvedService) -> Option<MachineId> {
    let instance = service.fullname.split_once("._").map_or("", |(instance, _)| instance);
    let by_name = format!("{MACHINE_ID_PREFIX}{}", instance.to_ascii_lowercase()).parse().ok();
    by_name.or_else(|| service.get_property_val_str("id")?.parse().ok())
}

fn hint(machine: MachineId, service: &ResolvedService) -> Hint {
    let name = service.get_property_val_str("n").and_then(|name| text::clean_name(name).ok());
    let mut addrs: Vec<_> =
        service.addresses.iter().filter_map(|address| socket_address(address, service.port)).collect();
    addrs.sort_unstable();
    addrs.dedup();
    Hint { machine, name, addrs, source: HintSource::Mdns }
}

fn socket_address(address: &ScopedIp, port: u16) -> Option<SocketAddr> {
    let scope = match address {
        ScopedIp::V6(v6) if v6.addr().is_unicast_link_local() => v6.scope_id().index,
        _ => 0,
    };
    let ip = address.to_ip_addr();
    if ip.is_unspecified() || ip.is_multicast() || port == 0 {
        return None;
    }
    Some(match ip {
        IpAddr::V4(ip) => (ip, port).into(),
        IpAddr::V6(ip) => SocketAddrV6::new(ip, port, 0, scope).into(),
    })
}

/// Where another program announces this machine's identity, if the record is not our own.
fn same_identity(service: &ResolvedService, own: &Announcement) -> Option<SocketAddr> {
    let instance = u64::from_str_radix(service.get_property_val_str("i")?, 16).ok()?;
    if instance == own.instance {
        return None;
    }
    service.addresses.iter().find_map(|address| socket_address(address, service.port))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{interfaces::snapshot, tasks::Tasks};

    #[tokio::test]
    async fn it_says_that_no_interface_is_up_and_starts_when_one_comes() {
        let me = MachineId::from_bytes([3; 32]);
        let listen = ([127, 0, 0, 1], 9).into();
        let announcement = Announcement { visible: false, name: None, listen, instance: 1 };
        let (_announce, announcement) = watch::channel(announcement);
        let (interfaces_in, interfaces) = watch::channel(Arc::new(Vec::new()));
        let (inputs, mut told) = mpsc::channel(8);
        let tasks = Tasks::new();
        let stop = tasks.spawner().stop_token();
        let scope = InterfaceScope::Loopback;
        let timings = Timings::default();
        tasks.spawn("mdns", Mdns { me, scope, timings, announcement, interfaces, inputs, stop }.run());

        let mut next_state = async || {
            loop {
                let input = timeout(Duration::from_secs(10), told.recv()).await.expect("waited in vain for a state");
                if let Some(Input::Discovery { state, .. }) = input {
                    return state;
                }
            }
        };
        assert_eq!(next_state().await, DiscoveryState::Failed("no network interface is up".into()));
        interfaces_in.send_replace(Arc::new(snapshot(scope)));
        assert_eq!(next_state().await, DiscoveryState::Running);
        interfaces_in.send_replace(Arc::new(Vec::new()));
        assert_eq!(next_state().await, DiscoveryState::Failed("no network interface is up".into()));
        tasks.shutdown().await;
    }

    #[test]
    fn the_machine_id_fits_a_dns_label_and_comes_back() {
        let me = proto::Identity::from_seed([5; 32]).machine_id();
        let label = label(&me);
        assert!(label.len() <= 63, "{label}");
        let announcement =
            Announcement { visible: true, name: None, listen: ([10, 0, 0, 1], 4281).into(), instance: 1 };
        let service = service(&me, &announcement, InterfaceScope::All).unwrap();
        assert!(!service.requires_probe());
        assert_eq!(service.get_hostname(), format!("{label}.local."));
        let resolved = service.as_resolved_service();
        assert_eq!(machine_of(&resolved), Some(me));
        assert_eq!(hint(me, &resolved).addrs, [SocketAddr::from(([10, 0, 0, 1], 4281))]);
    }
}
