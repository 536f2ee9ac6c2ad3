//! Whom to dial, where and when: addresses, back-off, and what discovery says. No I/O; time and chance are passed in.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    net::SocketAddr,
    time::Duration,
};

use proto::{id::MachineId, relay::RelayAddress};
use tokio::time::Instant;

use crate::{
    dial::{CANDIDATES, Typed},
    event::HintSource,
    timing::Timings,
};

/// Machines that are only hinted at, at most. A home or office has fewer; the bound is against made-up announcements.
const HINTED: usize = 1024;

/// Attempts for one machine at a time: as addresses become known one after the other, each gets its own.
const ATTEMPTS: usize = 4;

/// Attempts that are kept free for machines that discovery sees and for typed addresses: hundreds of remembered
/// machines that are off, each with its time-out, must not hold them up.
const RESERVED: usize = 16;

/// A hint that repeats itself makes us dial at once again, but not more often than this.
const HINT_RESET: Duration = Duration::from_secs(5);

/// A link that stood this long was a success; one that broke sooner counts as a failed attempt.
pub(crate) const STOOD: Duration = Duration::from_secs(10);

/// Number of an attempt to reach somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct AttemptId(pub(crate) u64);

/// Whom an attempt is for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Key {
    /// A machine at its known addresses.
    Machine(MachineId),
    /// A machine through a tunnel.
    Tunnel(MachineId),
    /// Whoever answers at an address that a person typed.
    Typed(String),
}

/// Something to dial now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Job {
    pub(crate) key: Key,
    pub(crate) attempt: AttemptId,
    pub(crate) place: Place,
}

/// Where to dial.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// At these addresses.
    Addresses(Vec<SocketAddr>),
    /// Through this relay.
    Relay(RelayAddress),
    /// Where this leads.
    Typed(Typed),
}

/// Growing pauses between attempts.
#[derive(Debug, Clone, Default)]
pub(crate) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The pause after one more failure. `chance` between 0 and 1 spreads machines that lost the same network.
    pub(crate) fn next(&mut self, chance: f64, timings: &Timings) -> Duration {
        let doublings = self.failures.min(16);
        self.failures = self.failures.saturating_add(1);
        let full = timings.backoff_first.saturating_mul(1 << doublings).min(timings.backoff_longest);
        full.mul_f64(0.5 + chance.clamp(0.0, 1.0) / 2.0)
    }

    fn exhaust(&mut self) {
        self.failures = self.failures.max(16);
    }

    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }
}

#[derive(Debug)]
struct Address {
    at: SocketAddr,
    confirmed: Instant,
}

/// One machine.
#[derive(Debug)]
struct Target {
    addresses: Vec<Address>,
    /// Dialled for as long as the program runs.
    keep: bool,
    hinted: BTreeSet<HintSource>,
    last_seen: Instant,
    last_reset: Instant,
    backoff: Backoff,
    due: Option<Instant>,
    in_flight: HashMap<AttemptId, Vec<SocketAddr>>,
    linked_since: Option<Instant>,
}

#[derive(Debug)]
struct TypedTarget {
    typed: Typed,
    /// Who answered last.
    machine: Option<MachineId>,
    backoff: Backoff,
    due: Option<Instant>,
    in_flight: Option<AttemptId>,
}

/// All machines that are dialled or could be.
#[derive(Debug)]
pub(crate) struct Targets {
    me: MachineId,
    timings: Timings,
    machines: BTreeMap<MachineId, Target>,
    typed: BTreeMap<String, TypedTarget>,
    last_attempt: u64,
    chance: u64,
}

impl Targets {
    /// `seed` of the jitter: any number.
    pub(crate) fn new(me: MachineId, timings: Timings, seed: u64) -> Self {
        Self { me, timings, machines: BTreeMap::new(), typed: BTreeMap::new(), last_attempt: 0, chance: seed | 1 }
    }

    /// How many machines are hinted at.
    pub(crate) fn hints(&self) -> usize {
        self.machines.values().filter(|target| !target.hinted.is_empty()).count()
    }

    /// Keeps dialling a machine whenever it isn't linked.
    pub(crate) fn remember(&mut self, machine: MachineId, addresses: &[SocketAddr], now: Instant) {
        let Some(target) = self.target(machine, now, true) else { return };
        target.keep = true;
        target.add(addresses, now);
        target.dial_at(now);
    }

    /// Dials it no longer unless discovery finds it.
    pub(crate) fn forget(&mut self, machine: &MachineId) {
        if let Some(target) = self.machines.get_mut(machine) {
            target.keep = false;
        }
    }

    /// Drops all that is known of a machine.
    pub(crate) fn drop_machine(&mut self, machine: &MachineId) {
        self.machines.remove(machine);
    }

    /// Discovery saw a machine. Says whether there is anything new in it.
    pub(crate) fn sighted(
        &mut self,
        machine: MachineId,
        addresses: &[SocketAddr],
        source: HintSource,
        now: Instant,
    ) -> bool {
        // Both sides saw each other; the smaller dials at once, the larger a moment later, if it still has to.
        let wait = if self.me < machine { Duration::ZERO } else { self.timings.yield_to_smaller };
        let Some(target) = self.target(machine, now, false) else { return false };
        target.last_seen = now;
        let new_hint = target.hinted.insert(source);
        let new_address = target.add(addresses, now);
        if new_hint || new_address || now >= target.last_reset + HINT_RESET {
            target.last_reset = now;
            target.backoff.reset();
            target.dial_at(now + wait);
        }
        new_hint || new_address
    }

    /// Discovery lost a machine. Says whether it was the last hint.
    pub(crate) fn gone(&mut self, machine: &MachineId, source: HintSource) -> bool {
        let Some(target) = self.machines.get_mut(machine) else { return false };
        let before = target.hinted.len();
        target.hinted.retain(|hinted| !source.covers(*hinted));
        target.hinted.is_empty() && before > 0
    }

    /// A direct link stands; `address` is where the machine can be dialled. A tunnel changes nothing here: direct ways are
    /// tried on.
    pub(crate) fn linked(&mut self, machine: MachineId, address: SocketAddr, now: Instant) {
        let Some(target) = self.target(machine, now, true) else { return };
        target.add(&[address], now);
        target.last_seen = now;
        target.linked_since = Some(now);
        target.due = None;
        for typed in self.typed.values_mut().filter(|typed| typed.machine == Some(machine)) {
            typed.backoff.reset();
            typed.due = None;
        }
    }

    /// The direct link has ended. `grave`: the machine did something that is not to be repeated soon.
    pub(crate) fn unlinked(&mut self, machine: &MachineId, grave: bool, now: Instant) {
        let chance = self.chance();
        let timings = &self.timings;
        let yielding = if self.me < *machine { Duration::ZERO } else { timings.yield_to_smaller };
        let Some(target) = self.machines.get_mut(machine) else { return };
        let stood = target.linked_since.take().is_some_and(|since| now >= since + STOOD);
        target.last_seen = now;
        let pause = if grave {
            target.backoff.exhaust();
            target.backoff.next(chance, timings)
        } else if stood {
            // At once, a little apart from all the others that lost it in the same moment.
            target.backoff.reset();
            yielding + Duration::from_millis(100).mul_f64(chance)
        } else {
            target.backoff.next(chance, timings)
        };
        target.due = Some(now + pause);
        for typed in self.typed.values_mut().filter(|typed| typed.machine == Some(*machine)) {
            typed.due = Some(now + pause + timings.backoff_first);
        }
    }

    /// The network changed or the system woke: everything is worth trying now.
    pub(crate) fn stir(&mut self, now: Instant) {
        for target in self.machines.values_mut().filter(|target| target.linked_since.is_none()) {
            target.backoff.reset();
            target.due = Some(now);
        }
        let linked: BTreeSet<_> = self.linked_machines().collect();
        for typed in self.typed.values_mut() {
            if !typed.machine.is_some_and(|machine| linked.contains(&machine)) {
                typed.backoff.reset();
                typed.due = Some(now);
            }
        }
    }

    fn linked_machines(&self) -> impl Iterator<Item = MachineId> + '_ {
        self.machines.iter().filter(|(_, target)| target.linked_since.is_some()).map(|(machine, _)| *machine)
    }

    /// A person typed an address: dial it now.
    pub(crate) fn add_typed(&mut self, text: String, typed: Typed, now: Instant) {
        let target = self.typed.entry(text).or_insert_with(|| TypedTarget {
            typed: typed.clone(),
            machine: None,
            backoff: Backoff::default(),
            due: None,
            in_flight: None,
        });
        target.typed = typed;
        target.backoff.reset();
        target.due = Some(now);
    }

    /// Tries a typed address no longer.
    pub(crate) fn remove_typed(&mut self, text: &str) {
        self.typed.remove(text);
    }

    /// Notes who answered at a typed address.
    pub(crate) fn answered(&mut self, text: &str, machine: MachineId) {
        if let Some(target) = self.typed.get_mut(text) {
            target.machine = Some(machine);
            target.backoff.reset();
        }
    }

    /// An attempt is over. Unless it led to a link, the next one is planned.
    pub(crate) fn finished(&mut self, key: &Key, attempt: AttemptId, now: Instant) {
        let chance = self.chance();
        match key {
            Key::Machine(machine) => {
                let Some(target) = self.machines.get_mut(machine) else { return };
                target.in_flight.remove(&attempt);
                if target.linked_since.is_some() || !target.in_flight.is_empty() {
                    return;
                }
                let unseen = now >= target.last_seen + self.timings.forget_unseen;
                if !target.keep && target.hinted.is_empty() && unseen {
                    self.machines.remove(machine);
                    return;
                }
                let next = now + target.backoff.next(chance, &self.timings);
                target.due = Some(target.due.map_or(next, |due| due.min(next)));
            }
            // Tunnels are planned elsewhere.
            Key::Tunnel(_) => {}
            Key::Typed(text) => {
                let linked: BTreeSet<_> = self.linked_machines().collect();
                let Some(target) = self.typed.get_mut(text) else { return };
                if target.in_flight == Some(attempt) {
                    target.in_flight = None;
                    let linked = target.machine.is_some_and(|machine| linked.contains(&machine));
                    target.due = (!linked).then(|| now + target.backoff.next(chance, &self.timings));
                }
            }
        }
    }

    /// When [`Targets::due`] has something next, with room for that many attempts.
    pub(crate) fn next_due(&self, room: usize) -> Option<Instant> {
        if room == 0 {
            return None;
        }
        let dialable = |target: &&Target| target.dialable() && (target.promising() || room > RESERVED);
        let machines = self.machines.values().filter(dialable).filter_map(|target| target.due);
        let typed = self.typed.values().filter(|typed| typed.in_flight.is_none()).filter_map(|typed| typed.due);
        machines.chain(typed).min()
    }

    /// What to dial now, at most `room` attempts: first what a person typed or discovery sees, then what was linked
    /// before and may be anywhere, the longest due first.
    pub(crate) fn due(&mut self, now: Instant, room: usize) -> Vec<Job> {
        let mut jobs = Vec::new();
        for (text, target) in &mut self.typed {
            if jobs.len() < room && target.in_flight.is_none() && target.due.is_some_and(|due| due <= now) {
                target.due = None;
                self.last_attempt += 1;
                let attempt = AttemptId(self.last_attempt);
                target.in_flight = Some(attempt);
                let place = Place::Typed(target.typed.clone());
                jobs.push(Job { key: Key::Typed(text.clone()), attempt, place });
            }
        }
        let is_due = |target: &Target| target.dialable() && target.due.is_some_and(|due| due <= now);
        let mut due: Vec<_> = self.machines.iter_mut().filter(|(_, target)| is_due(target)).collect();
        due.sort_by_key(|(_, target)| (!target.promising(), target.due));
        for (machine, target) in due {
            let limit = if target.promising() { room } else { room.saturating_sub(RESERVED) };
            if jobs.len() >= limit {
                break;
            }
            target.due = None;
            let addresses = target.idle_addresses();
            if addresses.is_empty() {
                continue;
            }
            self.last_attempt += 1;
            let attempt = AttemptId(self.last_attempt);
            target.in_flight.insert(attempt, addresses.clone());
            jobs.push(Job { key: Key::Machine(*machine), attempt, place: Place::Addresses(addresses) });
        }
        jobs
    }

    /// The entry of a machine, made if there is room or if it must be.
    fn target(&mut self, machine: MachineId, now: Instant, must: bool) -> Option<&mut Target> {
        if !self.machines.contains_key(&machine) && !must && self.machines.len() >= HINTED {
            let stale = self
                .machines
                .iter()
                .filter(|(_, target)| !target.keep && target.linked_since.is_none())
                .min_by_key(|(_, target)| target.last_seen)
                .map(|(machine, _)| *machine)?;
            self.machines.remove(&stale);
        }
        Some(self.machines.entry(machine).or_insert_with(|| Target {
            addresses: Vec::new(),
            keep: false,
            hinted: BTreeSet::new(),
            last_seen: now,
            last_reset: now,
            backoff: Backoff::default(),
            due: None,
            in_flight: HashMap::new(),
            linked_since: None,
        }))
    }

    /// A number for one more attempt.
    pub(crate) fn number(&mut self) -> AttemptId {
        self.last_attempt += 1;
        AttemptId(self.last_attempt)
    }

    /// The next number between 0 and 1 (xorshift64*, good enough to spread attempts).
    pub(crate) fn chance(&mut self) -> f64 {
        self.chance ^= self.chance >> 12;
        self.chance ^= self.chance << 25;
        self.chance ^= self.chance >> 27;
        let top = u32::try_from(self.chance.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 32).unwrap_or(u32::MAX);
        f64::from(top) / f64::from(u32::MAX)
    }
}

impl Target {
    /// Adds or confirms addresses, newest first, and keeps as many as are dialled at once. Says whether one was new.
    fn add(&mut self, addresses: &[SocketAddr], now: Instant) -> bool {
        let mut new = false;
        for at in addresses {
            match self.addresses.iter_mut().find(|known| known.at == *at) {
                Some(known) => known.confirmed = now,
                None => {
                    new = true;
                    self.addresses.push(Address { at: *at, confirmed: now });
                }
            }
        }
        self.addresses.sort_by_key(|address| std::cmp::Reverse(address.confirmed));
        self.addresses.truncate(CANDIDATES);
        new
    }

    /// Whether it is likely to be there.
    fn promising(&self) -> bool {
        !self.hinted.is_empty()
    }

    fn dialable(&self) -> bool {
        self.linked_since.is_none() && self.in_flight.len() < ATTEMPTS
    }

    fn dial_at(&mut self, at: Instant) {
        if self.linked_since.is_none() {
            self.due = Some(self.due.map_or(at, |due| due.min(at)));
        }
    }

    /// Addresses that no attempt is busy with.
    fn idle_addresses(&self) -> Vec<SocketAddr> {
        let busy: BTreeSet<_> = self.in_flight.values().flatten().collect();
        self.addresses.iter().map(|address| address.at).filter(|address| !busy.contains(address)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ME: MachineId = MachineId::from_bytes([5; 32]);
    const LARGER: MachineId = MachineId::from_bytes([6; 32]);
    const SMALLER: MachineId = MachineId::from_bytes([4; 32]);

    fn targets() -> (Targets, Instant) {
        (Targets::new(ME, Timings::default(), 42), Instant::now())
    }

    fn at(port: u16) -> SocketAddr {
        ([10, 0, 0, 1], port).into()
    }

    fn only(jobs: Vec<Job>) -> Job {
        assert_eq!(jobs.len(), 1, "{jobs:?}");
        jobs.into_iter().next().unwrap()
    }

    #[test]
    fn the_smaller_machine_dials_at_once_and_the_larger_waits_a_moment() {
        let (mut targets, now) = targets();
        assert!(targets.sighted(LARGER, &[at(1)], HintSource::Mdns, now));
        assert_eq!(targets.next_due(99), Some(now));
        assert_eq!(only(targets.due(now, 99)).key, Key::Machine(LARGER));
        targets.sighted(SMALLER, &[at(2)], HintSource::Mdns, now);
        assert!(targets.due(now, 99).is_empty(), "because the other side dials first");
        let later = now + Duration::from_millis(150);
        assert_eq!(only(targets.due(later, 99)).key, Key::Machine(SMALLER));
    }

    #[test]
    fn an_address_that_comes_later_is_dialled_beside_the_first() {
        let (mut targets, now) = targets();
        targets.sighted(LARGER, &[at(1)], HintSource::Mdns, now);
        let first = only(targets.due(now, 99));
        assert!(targets.sighted(LARGER, &[at(1), at(2)], HintSource::Mdns, now));
        let second = only(targets.due(now, 99));
        assert_eq!(second.place, Place::Addresses(vec![at(2)]), "because the other one is being dialled");
        targets.finished(&first.key, first.attempt, now);
        assert!(targets.next_due(99).is_none(), "because one attempt is still under way");
        targets.finished(&second.key, second.attempt, now);
        assert!(targets.next_due(99).is_some());
    }

    #[test]
    fn pauses_grow_to_the_longest_and_a_new_hint_ends_them() {
        let (mut targets, mut now) = targets();
        targets.remember(LARGER, &[at(1)], now);
        let mut pauses = Vec::new();
        for _ in 0..12 {
            let job = only(targets.due(now, 99));
            targets.finished(&job.key, job.attempt, now);
            let next = targets.next_due(99).unwrap();
            pauses.push(next - now);
            now = next;
        }
        assert!(pauses[0] >= Duration::from_millis(250) && pauses[0] <= Duration::from_millis(500), "{pauses:?}");
        assert!(pauses[11] >= Duration::from_secs(30) && pauses[11] <= Duration::from_secs(60), "{pauses:?}");
        let job = only(targets.due(now, 99));
        targets.finished(&job.key, job.attempt, now);
        targets.sighted(LARGER, &[at(1)], HintSource::Beacon, now);
        assert_eq!(targets.next_due(99), Some(now), "because discovery saw it");
        targets.due(now, 99);
    }

    #[test]
    fn a_network_change_makes_everything_due_but_what_is_linked() {
        let (mut targets, now) = targets();
        targets.remember(LARGER, &[at(1)], now);
        targets.remember(SMALLER, &[at(2)], now);
        for job in targets.due(now, 99) {
            targets.finished(&job.key, job.attempt, now);
        }
        targets.linked(SMALLER, at(2), now);
        targets.stir(now);
        assert_eq!(only(targets.due(now, 99)).key, Key::Machine(LARGER));
    }

    #[test]
    fn a_machine_that_nobody_sees_is_given_up_but_a_remembered_one_never() {
        let (mut targets, now) = targets();
        targets.sighted(LARGER, &[at(1)], HintSource::Mdns, now);
        targets.remember(SMALLER, &[at(2)], now);
        assert!(targets.gone(&LARGER, HintSource::Mdns));
        let late = now + Timings::default().forget_unseen;
        for job in targets.due(late, 99) {
            targets.finished(&job.key, job.attempt, late);
        }
        assert!(!targets.machines.contains_key(&LARGER));
        assert!(targets.machines.contains_key(&SMALLER));
    }

    #[test]
    fn made_up_machines_do_not_grow_without_bound_or_push_out_contacts() {
        let (mut targets, now) = targets();
        targets.remember(SMALLER, &[at(2)], now);
        for number in 0..3000_u32 {
            let mut bytes = [9; 32];
            bytes[..4].copy_from_slice(&number.to_be_bytes());
            targets.sighted(MachineId::from_bytes(bytes), &[at(1)], HintSource::Mdns, now);
        }
        assert!(targets.machines.len() <= HINTED);
        assert!(targets.machines.contains_key(&SMALLER));
    }

    #[test]
    fn many_machines_that_are_off_do_not_hold_up_one_that_is_seen() {
        let (mut targets, now) = targets();
        for number in 10..210 {
            targets.remember(MachineId::from_bytes([number; 32]), &[at(1)], now);
        }
        let first = targets.due(now, 64);
        assert_eq!(first.len(), 64 - RESERVED);
        assert_eq!(targets.next_due(RESERVED), None, "because the rest of the room is kept free");
        targets.sighted(LARGER, &[at(2)], HintSource::Mdns, now);
        assert_eq!(targets.next_due(RESERVED), Some(now));
        assert_eq!(only(targets.due(now, RESERVED)).key, Key::Machine(LARGER));
        targets.add_typed("anna".into(), Typed::Name("anna".into(), 1), now);
        assert_eq!(only(targets.due(now, 1)).key, Key::Typed("anna".into()));
    }

    #[test]
    fn a_link_that_breaks_at_once_is_no_success() {
        let (mut targets, mut now) = targets();
        targets.remember(LARGER, &[at(1)], now);
        let mut last = Duration::ZERO;
        for _ in 0..8 {
            let job = only(targets.due(now, 99));
            targets.linked(LARGER, at(1), now);
            targets.finished(&job.key, job.attempt, now);
            targets.unlinked(&LARGER, false, now);
            last = targets.next_due(99).unwrap() - now;
            now += last;
        }
        assert!(
            last > Duration::from_secs(10),
            "because a peer that drops us again and again is dialled less: {last:?}"
        );
        targets.due(now, 99);
        targets.linked(LARGER, at(1), now);
        targets.unlinked(&LARGER, false, now + STOOD);
        assert!(targets.next_due(99).unwrap() <= now + STOOD + Duration::from_millis(100));
    }
}
