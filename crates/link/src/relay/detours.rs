//! Who is to be reached through which relay, and when a tunnel is dialled. No I/O; time and chance are passed in.
//!
//! A tunnel is for those who cannot be reached otherwise: it is dialled a moment after there is neither a link nor a
//! quicker way, and only while a relay says that the machine is there.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use proto::{id::MachineId, relay::RelayAddress};
use tokio::time::Instant;

use crate::{reconnect::Backoff, timing::Timings};

/// One machine that a relay speaks of.
#[derive(Debug, Default)]
struct Detour {
    present: BTreeSet<RelayAddress>,
    linked: bool,
    dialling: bool,
    backoff: Backoff,
    failures: usize,
    due: Option<Instant>,
}

/// All machines that can be reached through relays.
#[derive(Debug)]
pub(crate) struct Detours {
    me: MachineId,
    timings: Timings,
    machines: BTreeMap<MachineId, Detour>,
}

impl Detours {
    pub(crate) fn new(me: MachineId, timings: Timings) -> Self {
        Self { me, timings, machines: BTreeMap::new() }
    }

    /// A relay says that a machine is there, or no longer. Gives where it is now, when that changed.
    pub(crate) fn present(
        &mut self,
        relay: &RelayAddress,
        machine: MachineId,
        online: bool,
        now: Instant,
    ) -> Option<Vec<RelayAddress>> {
        let head_start = self.head_start(&machine);
        let detour = self.machines.entry(machine).or_default();
        let changed = if online { detour.present.insert(relay.clone()) } else { detour.present.remove(relay) };
        let present = detour.present.iter().cloned().collect();
        if online && changed && !detour.linked {
            detour.backoff.reset();
            detour.due = Some(now + head_start);
        }
        self.tidy(&machine);
        changed.then_some(present)
    }

    /// A link stands, on whatever path.
    pub(crate) fn linked(&mut self, machine: MachineId) {
        let detour = self.machines.entry(machine).or_default();
        detour.linked = true;
        detour.due = None;
    }

    /// The link has ended. `chance` between 0 and 1.
    pub(crate) fn unlinked(&mut self, machine: &MachineId, stood: bool, chance: f64, now: Instant) {
        let head_start = self.head_start(machine);
        let Some(detour) = self.machines.get_mut(machine) else { return };
        detour.linked = false;
        if stood {
            detour.backoff.reset();
            detour.due = Some(now + head_start);
        } else {
            detour.due = Some(now + head_start + detour.backoff.next(chance, &self.timings));
        }
        self.tidy(machine);
    }

    /// An attempt is over. Unless it led to a link, the next one is planned, at another relay if there is one.
    pub(crate) fn finished(&mut self, machine: &MachineId, chance: f64, now: Instant) {
        let Some(detour) = self.machines.get_mut(machine) else { return };
        detour.dialling = false;
        if !detour.linked {
            detour.failures = detour.failures.wrapping_add(1);
            detour.due = Some(now + detour.backoff.next(chance, &self.timings));
        }
        self.tidy(machine);
    }

    /// The network changed or the system woke.
    pub(crate) fn stir(&mut self, now: Instant) {
        let me = self.me;
        for (machine, detour) in self.machines.iter_mut().filter(|(_, detour)| !detour.linked) {
            detour.backoff.reset();
            detour.due = Some(now + head_start(&me, machine, &self.timings));
        }
    }

    /// When [`Detours::due`] has something next.
    pub(crate) fn next_due(&self, room: usize) -> Option<Instant> {
        if room == 0 {
            return None;
        }
        self.machines.values().filter(|detour| detour.dialable()).filter_map(|detour| detour.due).min()
    }

    /// Whom to dial now through which relay, at most `room`.
    pub(crate) fn due(&mut self, now: Instant, room: usize) -> Vec<(MachineId, RelayAddress)> {
        let mut due = Vec::new();
        for (machine, detour) in &mut self.machines {
            if due.len() >= room {
                break;
            }
            if !detour.dialable() || detour.due.is_none_or(|at| at > now) {
                continue;
            }
            let place = detour.failures % detour.present.len().max(1);
            if let Some(relay) = detour.present.iter().nth(place) {
                detour.dialling = true;
                detour.due = None;
                due.push((*machine, relay.clone()));
            }
        }
        due
    }

    fn head_start(&self, machine: &MachineId) -> Duration {
        head_start(&self.me, machine, &self.timings)
    }

    fn tidy(&mut self, machine: &MachineId) {
        let idle = |detour: &Detour| detour.present.is_empty() && !detour.linked && !detour.dialling;
        if self.machines.get(machine).is_some_and(idle) {
            self.machines.remove(machine);
        }
    }
}

impl Detour {
    fn dialable(&self) -> bool {
        !self.linked && !self.dialling && !self.present.is_empty()
    }
}

/// What direct ways are given before a tunnel is dialled. The machine with the larger ID waits twice as long: by then the
/// other's tunnel stands.
fn head_start(me: &MachineId, machine: &MachineId, timings: &Timings) -> Duration {
    if me < machine { timings.direct_first } else { timings.direct_first * 2 }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ME: MachineId = MachineId::from_bytes([5; 32]);
    const LARGER: MachineId = MachineId::from_bytes([6; 32]);
    const SMALLER: MachineId = MachineId::from_bytes([4; 32]);

    fn relay(port: u16) -> RelayAddress {
        format!("ws://127.0.0.1:{port}").parse().unwrap()
    }

    fn detours() -> (Detours, Instant) {
        (Detours::new(ME, Timings::default()), Instant::now())
    }

    #[test]
    fn direct_ways_have_a_head_start_and_the_smaller_machine_dials_first() {
        let (mut detours, now) = detours();
        let first = Timings::default().direct_first;
        assert_eq!(detours.present(&relay(1), LARGER, true, now), Some(vec![relay(1)]));
        assert_eq!(detours.present(&relay(1), LARGER, true, now), None, "because that is known");
        detours.present(&relay(1), SMALLER, true, now);
        assert!(detours.due(now, 9).is_empty());
        assert_eq!(detours.due(now + first, 9), [(LARGER, relay(1))]);
        assert_eq!(detours.due(now + first * 2, 9), [(SMALLER, relay(1))]);
        assert!(detours.due(now + first * 9, 9).is_empty(), "because one attempt at a time is enough");
    }

    #[test]
    fn whoever_is_linked_or_away_is_not_dialled() {
        let (mut detours, now) = detours();
        detours.present(&relay(1), LARGER, true, now);
        detours.linked(LARGER);
        let late = now + Duration::from_secs(3600);
        assert_eq!((detours.next_due(9), detours.due(late, 9).len()), (None, 0));
        detours.unlinked(&LARGER, true, 0.5, now);
        assert!(detours.next_due(9).is_some());
        assert_eq!(detours.present(&relay(1), LARGER, false, now), Some(vec![]));
        assert_eq!(detours.next_due(9), None);
        assert!(detours.machines.is_empty(), "because nothing more is to be remembered");
    }

    #[test]
    fn after_a_failure_another_relay_is_tried() {
        let (mut detours, now) = detours();
        detours.present(&relay(1), LARGER, true, now);
        detours.present(&relay(2), LARGER, true, now);
        let mut at = now + Duration::from_secs(60);
        let mut tried = Vec::new();
        for _ in 0..4 {
            let [(machine, relay)] = detours.due(at, 9).try_into().unwrap();
            tried.push(relay.port());
            detours.finished(&machine, 0.5, at);
            assert!(detours.due(at, 9).is_empty(), "because a pause follows");
            at += Duration::from_secs(120);
        }
        assert_eq!(tried, [1, 2, 1, 2]);
    }
}
