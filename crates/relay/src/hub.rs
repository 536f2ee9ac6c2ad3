//! Who is here, who watches whom, and what is to be told to each connection.
//!
//! Nothing queues up: of a machine's comings and goings only the last counts, and that something arrived is said once.
//! So a client that reads slowly costs no more memory than one that does not.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use proto::id::MachineId;
use proto::relay::{RelayBye, Ticket};
use tokio::sync::Notify;

use crate::mailboxes::{Token, TokenHash};

/// Tunnels that may wait for a client to be told of them.
const INCOMING: usize = 32;

/// What others leave for a connection, and the bell that says so.
#[derive(Debug, Default)]
pub(crate) struct Line {
    id: u64,
    pub(crate) bell: Notify,
    post: Mutex<Post>,
}

/// What is to be told.
#[derive(Debug, Default)]
pub(crate) struct Post {
    pub(crate) presence: BTreeMap<MachineId, bool>,
    pub(crate) incoming: Vec<Ticket>,
    pub(crate) arrived: bool,
    pub(crate) bye: Option<RelayBye>,
    /// Whether the client has looked into its mailbox, and so wants to know what arrives.
    wants_arrivals: bool,
}

impl Line {
    /// Takes what is to be told.
    pub(crate) fn take(&self) -> Post {
        let mut post = self.post();
        Post {
            presence: std::mem::take(&mut post.presence),
            incoming: std::mem::take(&mut post.incoming),
            arrived: std::mem::take(&mut post.arrived),
            bye: post.bye,
            wants_arrivals: post.wants_arrivals,
        }
    }

    /// From now on the client is told when something arrives.
    pub(crate) fn want_arrivals(&self) {
        self.post().wants_arrivals = true;
    }

    /// Offers a tunnel; false when too many wait already.
    pub(crate) fn offer(&self, ticket: Ticket) -> bool {
        self.tell(|post| {
            let has_room = post.incoming.len() < INCOMING;
            if has_room {
                post.incoming.push(ticket);
            }
            has_room
        })
    }

    fn tell<T>(&self, change: impl FnOnce(&mut Post) -> T) -> T {
        let told = change(&mut self.post());
        self.bell.notify_one();
        told
    }

    fn post(&self) -> MutexGuard<'_, Post> {
        // Each change is whole after any panic.
        self.post.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All connections.
#[derive(Debug, Default)]
pub(crate) struct Hub {
    last: AtomicU64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    here: HashMap<MachineId, Here>,
    watchers: HashMap<MachineId, HashMap<u64, Watcher>>,
}

/// A machine that is logged in.
#[derive(Debug)]
struct Here {
    line: Arc<Line>,
    /// Its valid tokens, with their expiry.
    tokens: HashMap<TokenHash, u64>,
    /// What it showed at its login.
    membership: Option<Vec<u8>>,
}

impl Here {
    fn knows(&self, hash: &TokenHash, now_s: u64) -> bool {
        self.tokens.get(hash).is_some_and(|expires_s| Token { hash: *hash, expires_s: *expires_s }.is_valid(now_s))
    }
}

/// A connection that watches a machine.
#[derive(Debug)]
struct Watcher {
    line: Arc<Line>,
    hash: TokenHash,
    told: bool,
}

impl Hub {
    /// A line for a new connection.
    pub(crate) fn line(&self) -> Arc<Line> {
        Arc::new(Line { id: self.last.fetch_add(1, Ordering::Relaxed), ..Line::default() })
    }

    /// A machine has logged in. Of two connections of one machine the newer stays.
    pub(crate) fn enter(
        &self,
        machine: MachineId,
        line: &Arc<Line>,
        tokens: &[Token],
        membership: Option<Vec<u8>>,
        now_s: u64,
    ) {
        let mut state = self.state();
        let before = state.here.insert(machine, Here { line: line.clone(), tokens: table(tokens), membership });
        if let Some(before) = before {
            before.line.tell(|post| post.bye = Some(RelayBye::Replaced));
        }
        state.tell_watchers(&machine, now_s);
    }

    /// A connection has ended: what it watched, and the machine that it was, if any.
    pub(crate) fn leave(&self, line: &Line, machine: Option<&MachineId>, watched: &HashSet<MachineId>, now_s: u64) {
        let mut state = self.state();
        for other in watched {
            state.unwatch(other, line);
        }
        if let Some(machine) = machine
            && state.here.get(machine).is_some_and(|here| here.line.id == line.id)
        {
            state.here.remove(machine);
            state.tell_watchers(machine, now_s);
        }
    }

    /// A machine's tokens have changed.
    pub(crate) fn change_tokens(&self, machine: &MachineId, line: &Line, tokens: &[Token], now_s: u64) {
        let mut state = self.state();
        if let Some(here) = state.here.get_mut(machine)
            && here.line.id == line.id
        {
            here.tokens = table(tokens);
            state.tell_watchers(machine, now_s);
        }
    }

    /// Watches machines, each by a token of it, and says how they are now. A token that is not valid finds its machine
    /// away, as long as it is not.
    pub(crate) fn watch(
        &self,
        line: &Arc<Line>,
        watched: &mut HashSet<MachineId>,
        items: &[(MachineId, TokenHash)],
        now_s: u64,
    ) -> Vec<(MachineId, bool)> {
        let mut state = self.state();
        let mut present = Vec::with_capacity(items.len());
        for (machine, hash) in items {
            let told = state.is_here(machine, hash, now_s);
            let watcher = Watcher { line: line.clone(), hash: *hash, told };
            state.watchers.entry(*machine).or_default().insert(line.id, watcher);
            watched.insert(*machine);
            present.push((*machine, told));
        }
        present
    }

    /// Watches these no longer.
    pub(crate) fn unwatch(&self, line: &Line, watched: &mut HashSet<MachineId>) {
        let mut state = self.state();
        for machine in watched.drain() {
            state.unwatch(&machine, line);
        }
        // What was to be told of them is of no interest any more.
        line.post().presence.clear();
    }

    /// The line to a machine that is here, for a holder of one of its tokens.
    pub(crate) fn reach(&self, machine: &MachineId, hash: &TokenHash, now_s: u64) -> Option<Arc<Line>> {
        let state = self.state();
        let here = state.here.get(machine)?;
        here.knows(hash, now_s).then(|| here.line.clone())
    }

    /// Something new lies in a machine's mailbox.
    pub(crate) fn arrived(&self, machine: &MachineId) {
        if let Some(here) = self.state().here.get(machine) {
            here.line.tell(|post| post.arrived = post.wants_arrivals);
        }
    }

    /// Lets expired tokens go, and ends the connections of machines that may not stay: these come back, and are told then.
    pub(crate) fn refresh(&self, now_s: u64, may_stay: impl Fn(&MachineId, Option<&[u8]>) -> bool) {
        let mut state = self.state();
        let mut changed = Vec::new();
        for (machine, here) in &mut state.here {
            if !may_stay(machine, here.membership.as_deref()) {
                here.line.tell(|post| post.bye = Some(RelayBye::ShuttingDown));
            }
            let before = here.tokens.len();
            here.tokens.retain(|_, expires_s| *expires_s == 0 || now_s < *expires_s);
            if here.tokens.len() < before {
                changed.push(*machine);
            }
        }
        for machine in changed {
            state.tell_watchers(&machine, now_s);
        }
    }

    /// How many machines are here.
    pub(crate) fn machines(&self) -> usize {
        self.state().here.len()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing in here panics between two changes that belong together.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn is_here(&self, machine: &MachineId, hash: &TokenHash, now_s: u64) -> bool {
        self.here.get(machine).is_some_and(|here| here.knows(hash, now_s))
    }

    fn tell_watchers(&mut self, machine: &MachineId, now_s: u64) {
        let here = self.here.get(machine);
        for watcher in self.watchers.get_mut(machine).into_iter().flat_map(HashMap::values_mut) {
            let is_here = here.is_some_and(|here| here.knows(&watcher.hash, now_s));
            if is_here != watcher.told {
                watcher.told = is_here;
                watcher.line.tell(|post| post.presence.insert(*machine, is_here));
            }
        }
    }

    fn unwatch(&mut self, machine: &MachineId, line: &Line) {
        if let Entry::Occupied(mut watchers) = self.watchers.entry(*machine) {
            watchers.get_mut().remove(&line.id);
            if watchers.get().is_empty() {
                watchers.remove();
            }
        }
    }
}

fn table(tokens: &[Token]) -> HashMap<TokenHash, u64> {
    tokens.iter().map(|token| (token.hash, token.expires_s)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: TokenHash = [1; 32];
    const FOREVER: Token = Token { hash: KEY, expires_s: 0 };

    fn machine(number: u8) -> MachineId {
        MachineId::from_bytes([number; 32])
    }

    #[test]
    fn only_holders_of_a_token_see_who_is_here() {
        let hub = Hub::default();
        let (anna, bob, carol) = (hub.line(), hub.line(), hub.line());
        let (mut bobs, mut carols) = (HashSet::new(), HashSet::new());
        assert_eq!(hub.watch(&bob, &mut bobs, &[(machine(1), KEY)], 5), [(machine(1), false)]);
        assert_eq!(hub.watch(&carol, &mut carols, &[(machine(1), [9; 32])], 5), [(machine(1), false)]);
        hub.enter(machine(1), &anna, &[], None, 5);
        assert!(bob.take().presence.is_empty(), "because the token is not valid yet");
        hub.change_tokens(&machine(1), &anna, &[FOREVER], 5);
        assert_eq!(bob.take().presence, BTreeMap::from([(machine(1), true)]));
        assert!(carol.take().presence.is_empty(), "because hers is none of Anna's");
        hub.change_tokens(&machine(1), &anna, &[], 5);
        assert_eq!(bob.take().presence, BTreeMap::from([(machine(1), false)]), "because it was revoked");
        hub.change_tokens(&machine(1), &anna, &[Token { expires_s: 9, ..FOREVER }], 5);
        assert_eq!(bob.take().presence, BTreeMap::from([(machine(1), true)]));
        hub.refresh(9, |_, _| true);
        assert_eq!(bob.take().presence, BTreeMap::from([(machine(1), false)]), "because it has expired");
        hub.leave(&bob, None, &bobs, 9);
        hub.leave(&carol, None, &carols, 9);
        assert!(hub.state().watchers.is_empty(), "because nobody watches any more");
    }

    #[test]
    fn the_newer_connection_of_a_machine_stays() {
        let hub = Hub::default();
        let (first, second, bob) = (hub.line(), hub.line(), hub.line());
        let mut bobs = HashSet::new();
        hub.enter(machine(1), &first, &[FOREVER], None, 5);
        assert_eq!(hub.watch(&bob, &mut bobs, &[(machine(1), KEY)], 5), [(machine(1), true)]);
        hub.enter(machine(1), &second, &[FOREVER], None, 5);
        assert_eq!(first.take().bye, Some(RelayBye::Replaced));
        hub.leave(&first, Some(&machine(1)), &HashSet::new(), 5);
        assert!(hub.reach(&machine(1), &KEY, 5).is_some(), "because only the replaced one has ended");
        assert!(bob.take().presence.is_empty(), "because the machine was here all the time");
        hub.leave(&second, Some(&machine(1)), &HashSet::new(), 5);
        assert_eq!(bob.take().presence, BTreeMap::from([(machine(1), false)]));
        assert_eq!(hub.machines(), 0);
    }

    #[test]
    fn what_waits_for_a_slow_client_is_bounded() {
        let hub = Hub::default();
        let (anna, bob) = (hub.line(), hub.line());
        let mut bobs = HashSet::new();
        hub.watch(&bob, &mut bobs, &[(machine(1), KEY)], 5);
        for _ in 0..100 {
            hub.enter(machine(1), &anna, &[FOREVER], None, 5);
            hub.leave(&anna, Some(&machine(1)), &HashSet::new(), 5);
        }
        assert_eq!(bob.take().presence.len(), 1, "because only the last counts");
        let offered = (0..100).filter(|number| bob.offer(Ticket::from_bytes([*number; 32]))).count();
        assert_eq!(offered, INCOMING);
        hub.enter(machine(1), &anna, &[], None, 5);
        hub.arrived(&machine(1));
        assert!(!anna.take().arrived, "because she has not looked yet");
        anna.want_arrivals();
        hub.arrived(&machine(1));
        assert!(anna.take().arrived);
        assert!(!anna.take().arrived, "because it is said once");
    }
}
