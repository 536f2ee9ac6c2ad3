//! Network interfaces and their addresses, followed as they come, go and change; and the system's sleep.

use std::{
    collections::{BTreeMap, HashSet},
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
    time::Duration,
};

use if_addrs::IfAddr;
use n0_watcher::Watcher as _;
use proto::clock::Clock;
use tokio::{
    sync::{mpsc, watch},
    time::{MissedTickBehavior, interval},
};

use crate::{config::InterfaceScope, tasks::Spawner, timing::Timings};

/// A network interface that is up.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Interface {
    /// Its name in the operating system, for a person.
    pub name: String,
    /// Its number, which scopes link-local addresses; 0 when unknown.
    pub index: u32,
    /// Whether only this computer is behind it.
    pub loopback: bool,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
    /// Where IPv4 broadcasts go: for each source address the broadcast address of its subnet.
    pub broadcasts: Vec<(Ipv4Addr, Ipv4Addr)>,
}

/// The interfaces that are up now, in a stable order. Point-to-point ones are left out, as mDNS does.
pub(crate) fn snapshot(scope: InterfaceScope) -> Vec<Interface> {
    let found = if_addrs::get_if_addrs().unwrap_or_else(|error| {
        tracing::debug!(%error, "the network interfaces could not be read");
        Vec::new()
    });
    let mut by_name: BTreeMap<String, Interface> = BTreeMap::new();
    for one in found {
        let loopback = one.is_loopback();
        if !one.is_oper_up() || one.is_p2p() || (scope == InterfaceScope::Loopback && !loopback) {
            continue;
        }
        let interface = by_name.entry(one.name.clone()).or_insert_with(|| Interface {
            name: one.name.clone(),
            index: one.index.unwrap_or(0),
            loopback,
            addresses: Vec::new(),
            broadcasts: Vec::new(),
        });
        interface.addresses.push(one.ip());
        if let IfAddr::V4(v4) = &one.addr
            && let Some(broadcast) = broadcast_of(v4.ip, v4.netmask, loopback)
        {
            interface.broadcasts.push((v4.ip, broadcast));
        }
    }
    let mut interfaces: Vec<_> = by_name.into_values().collect();
    for interface in &mut interfaces {
        interface.addresses.sort_unstable();
        interface.addresses.dedup();
        interface.broadcasts.sort_unstable();
        interface.broadcasts.dedup();
    }
    interfaces
}

/// All addresses of this machine, also those of interfaces that discovery leaves out. `None` when they can't be read.
pub(crate) fn assigned() -> Option<HashSet<IpAddr>> {
    let found = if_addrs::get_if_addrs().ok()?;
    Some(found.into_iter().map(|interface| interface.ip()).collect())
}

/// The broadcast address of a subnet. Computed, because not every system reports one, and the loopback never does:
/// 127.255.255.255 reaches all nodes of this computer.
fn broadcast_of(address: Ipv4Addr, mask: Ipv4Addr, loopback: bool) -> Option<Ipv4Addr> {
    if loopback {
        return Some(Ipv4Addr::new(127, 255, 255, 255));
    }
    let host_bits = !u32::from(mask);
    // Subnets of one or two addresses have no broadcast (RFC 3021).
    (host_bits > 1).then(|| Ipv4Addr::from(u32::from(address) | host_bits))
}

/// The number of an interface, given as number or name.
pub(crate) fn index_of(scope: &str) -> Option<u32> {
    if let Ok(index) = scope.parse() {
        return Some(index);
    }
    let found = if_addrs::get_if_addrs().ok()?;
    found.into_iter().find(|interface| interface.name == scope)?.index
}

/// Something that calls for a look at every link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stir {
    /// Interfaces or addresses have changed.
    Network,
    /// The system slept.
    Woke,
}

/// Interfaces are also compared this often: on Linux a lost carrier is not reported (seen with a veth pair).
const POLL: Duration = Duration::from_secs(2);

/// Starts following the interfaces. The watch holds the current ones; each change is also reported as a [`Stir`].
pub(crate) fn follow(
    scope: InterfaceScope,
    clock: Arc<dyn Clock>,
    timings: &Timings,
    spawner: &Spawner,
) -> (watch::Receiver<Arc<Vec<Interface>>>, mpsc::Receiver<Stir>) {
    let (publish, current) = watch::channel(Arc::new(snapshot(scope)));
    let (stir, stirred) = mpsc::channel(4);
    let timings = timings.clone();
    let stopping = spawner.stop_token();
    spawner.spawn("interfaces", async move {
        tokio::select! {
            () = watch_interfaces(scope, &publish, &stir) => {}
            () = watch_sleep(clock.as_ref(), &timings, &stir) => {}
            () = stopping.cancelled() => {}
        }
    });
    (current, stirred)
}

async fn watch_interfaces(
    scope: InterfaceScope,
    publish: &watch::Sender<Arc<Vec<Interface>>>,
    stir: &mpsc::Sender<Stir>,
) {
    let monitor = netwatch::netmon::Monitor::new().await;
    let mut changes = match &monitor {
        Ok(monitor) => Some(monitor.interface_state()),
        Err(error) => {
            tracing::info!(%error, "the system reports no network changes; looking for them at intervals");
            None
        }
    };
    let mut poll = interval(POLL);
    poll.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        // The interval runs beside the reports: they come late or not at all for some changes of single addresses.
        match &mut changes {
            Some(watcher) => {
                tokio::select! {
                    changed = watcher.updated() => if changed.is_err() { changes = None },
                    _ = poll.tick() => {}
                }
            }
            None => {
                poll.tick().await;
            }
        }
        let now = Arc::new(snapshot(scope));
        let changed = publish.send_if_modified(|before| {
            let changed = *before != now;
            if changed {
                *before = now;
            }
            changed
        });
        if changed {
            // When several changes wait already, one more adds nothing.
            stir.try_send(Stir::Network).ok();
        }
    }
}

/// While the system sleeps, the wall clock goes on and the monotonic one stands (Linux, macOS); elsewhere both go on
/// and the check itself comes late.
async fn watch_sleep(clock: &dyn Clock, timings: &Timings, stir: &mpsc::Sender<Stir>) {
    let mut check = interval(timings.wake_check);
    check.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut sleep = SleepDetector::new(clock.wall_ms(), clock.monotonic());
    loop {
        check.tick().await;
        if sleep.slept(clock.wall_ms(), clock.monotonic(), timings) {
            stir.try_send(Stir::Woke).ok();
        }
    }
}

struct SleepDetector {
    wall_ms: u64,
    monotonic: Duration,
}

impl SleepDetector {
    fn new(wall_ms: u64, monotonic: Duration) -> Self {
        Self { wall_ms, monotonic }
    }

    /// Whether the system slept since the last call. A wall clock that is set forward looks the same; the only harm is
    /// one superfluous probe of the links.
    fn slept(&mut self, wall_ms: u64, monotonic: Duration, timings: &Timings) -> bool {
        let wall = Duration::from_millis(wall_ms.saturating_sub(self.wall_ms));
        let awake = monotonic.saturating_sub(self.monotonic);
        *self = Self { wall_ms, monotonic };
        wall > awake + timings.wake_jump || awake > timings.wake_check + timings.wake_jump
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_is_always_there() {
        let interfaces = snapshot(InterfaceScope::Loopback);
        assert!(interfaces.iter().all(|interface| interface.loopback));
        let broadcasts: Vec<_> = interfaces.iter().flat_map(|interface| &interface.broadcasts).collect();
        assert!(broadcasts.contains(&&(Ipv4Addr::LOCALHOST, Ipv4Addr::new(127, 255, 255, 255))), "{interfaces:?}");
    }

    #[test]
    fn broadcast_addresses_follow_the_mask() {
        let broadcast = |mask: [u8; 4]| broadcast_of([192, 168, 7, 9].into(), mask.into(), false);
        assert_eq!(broadcast([255, 255, 255, 0]), Some([192, 168, 7, 255].into()));
        assert_eq!(broadcast([255, 255, 240, 0]), Some([192, 168, 15, 255].into()));
        assert_eq!(broadcast([255, 255, 255, 254]), None, "because two addresses leave no room for a broadcast");
        assert_eq!(broadcast([255, 255, 255, 255]), None);
    }

    #[test]
    fn sleep_is_told_from_waking_time() {
        let timings = Timings::default();
        let mut sleep = SleepDetector::new(1_000_000, Duration::from_secs(100));
        assert!(!sleep.slept(1_005_000, Duration::from_secs(105), &timings), "because both clocks went on alike");
        assert!(sleep.slept(4_605_000, Duration::from_secs(105), &timings), "because an hour passed on the wall only");
        assert!(!sleep.slept(5_000, Duration::from_secs(110), &timings), "because a clock set back is no sleep");
        assert!(sleep.slept(3_605_000, Duration::from_secs(3_710), &timings), "because the check came an hour late");
    }
}
