//! Who is here, who watches whom, and what is to be told to each connection.
//!
//! Nothing queues up: of a machine's comings and goings only the last counts, and that something arrived is said once.
//! So a client that reads slowly costs no more memory than one that does not.
//!
//! Where several nodes are one relay, the fabric (`crate::fabric`) tells this one which machines are at others, and reads
//! from [`Outbox`] what it is to tell them.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use proto::id::MachineId;
use proto::relay::{RelayBye, Ticket};
use tokio::sync::Notify;

use crate::fabric::{NodeId, Outbox};
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
    /// What other nodes are to be told, where there are others.
    outbox: Option<Arc<Outbox>>,
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
    /// Where its login stands among the logins at all nodes; 0 until that is known.
    announced: u64,
    /// Where the last login of this machine at another node stands.
    rival: u64,
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
    /// The machine at another node, for this token.
    elsewhere: Option<Elsewhere>,
    /// Where what is known of other nodes stands among all logins.
    as_of: u64,
}

/// A machine that is logged in at another node.
#[derive(Debug, Clone, Copy)]
struct Elsewhere {
    node: NodeId,
    /// When the token's validity ends; 0: never.
    expires_s: u64,
}

/// What other nodes are told of a machine that is here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Card {
    /// Which of its logins at this node it is.
    pub(crate) login: u64,
    /// Its valid tokens.
    pub(crate) tokens: Vec<Token>,
}

/// What another node says of a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Report {
    /// Where it stands among all that is said of machines: of two the greater counts.
    pub(crate) at: u64,
    /// Where the login of which it tells stands. A word about its tokens may come after a newer login elsewhere.
    pub(crate) login: u64,
    /// Whether it is this node's own word.
    pub(crate) is_own: bool,
    /// Which node it is at, and its tokens; none when it is at no other.
    pub(crate) there: Option<(NodeId, Vec<Token>)>,
}

impl Hub {
    /// A hub of a relay of several nodes.
    pub(crate) fn with_others(outbox: Arc<Outbox>) -> Self {
        Self { outbox: Some(outbox), ..Self::default() }
    }

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
        let here = Here { line: line.clone(), tokens: table(tokens), membership, announced: 0, rival: 0 };
        if let Some(before) = state.here.insert(machine, here) {
            before.line.tell(|post| post.bye = Some(RelayBye::Replaced));
        }
        state.tell_watchers(&machine, now_s);
        self.say(|outbox| outbox.changed(machine));
    }

    /// A connection has ended: what it watched, and the machine that it was, if any.
    pub(crate) fn leave(&self, line: &Line, machine: Option<&MachineId>, watched: &HashSet<MachineId>, now_s: u64) {
        let mut state = self.state();
        for other in watched {
            self.forget(&mut state, other, line);
        }
        if let Some(machine) = machine
            && state.here.get(machine).is_some_and(|here| here.line.id == line.id)
        {
            state.here.remove(machine);
            state.tell_watchers(machine, now_s);
            self.say(|outbox| outbox.changed(*machine));
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
            self.say(|outbox| outbox.changed(*machine));
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
            let is_here = state.is_here(machine, hash, now_s);
            let watchers = state.watchers.entry(*machine).or_default();
            // Who only says again whom it watches is not told that they are away meanwhile.
            let before = watchers.get(&line.id).filter(|before| before.hash == *hash);
            let (elsewhere, as_of) = before.map_or((None, 0), |before| (before.elsewhere, before.as_of));
            let told = is_here || elsewhere.is_some();
            watchers.insert(line.id, Watcher { line: line.clone(), hash: *hash, told, elsewhere, as_of });
            watched.insert(*machine);
            present.push((*machine, told));
        }
        // Who is at another node is told as one who comes a moment later.
        self.say(|outbox| outbox.wanted(items.iter().map(|(machine, _)| *machine)));
        present
    }

    /// Watches no longer what is not among these.
    pub(crate) fn unwatch(&self, line: &Line, watched: &mut HashSet<MachineId>, but: &HashSet<MachineId>) {
        let mut state = self.state();
        for machine in watched.extract_if(|machine| !but.contains(machine)) {
            self.forget(&mut state, &machine, line);
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
        for (machine, watchers) in &mut state.watchers {
            for watcher in watchers.values_mut() {
                if watcher.elsewhere.is_some_and(|there| there.expires_s > 0 && there.expires_s <= now_s) {
                    watcher.elsewhere = None;
                    changed.push(*machine);
                }
            }
        }
        for machine in changed {
            state.tell_watchers(&machine, now_s);
        }
    }

    /// What other nodes are to know of a machine; none when it is not here.
    pub(crate) fn card(&self, machine: &MachineId) -> Option<Card> {
        let state = self.state();
        let here = state.here.get(machine)?;
        let tokens = here.tokens.iter().map(|(hash, expires_s)| Token { hash: *hash, expires_s: *expires_s }).collect();
        Some(Card { login: here.line.id, tokens })
    }

    /// Where a login at this node stands among all logins. A later one at another node may have been seen already.
    pub(crate) fn announced(&self, machine: &MachineId, login: u64, at: u64, now_s: u64) {
        let mut state = self.state();
        if let Some(here) = state.here.get_mut(machine)
            && here.line.id == login
        {
            here.announced = at;
            if state.yields(machine, now_s) {
                self.say(|outbox| outbox.changed(*machine));
            }
        }
    }

    /// Where a login stands among all logins; none when that is not known.
    pub(crate) fn is_announced(&self, machine: &MachineId, login: u64) -> Option<u64> {
        let state = self.state();
        let here = state.here.get(machine).filter(|here| here.line.id == login && here.announced > 0)?;
        Some(here.announced)
    }

    /// What was announced of a machine is lost, and must be announced anew.
    pub(crate) fn forget_announcement(&self, machine: &MachineId) {
        if let Some(here) = self.state().here.get_mut(machine) {
            here.announced = 0;
        }
    }

    /// What other nodes say of a machine. Of two logins of one machine the newer counts, wherever it is.
    pub(crate) fn report(&self, machine: &MachineId, report: &Report, now_s: u64) {
        let mut state = self.state();
        if let Some(here) = state.here.get_mut(machine)
            && report.there.is_some()
        {
            here.rival = here.rival.max(report.login);
        }
        for watcher in state.watchers.get_mut(machine).into_iter().flat_map(HashMap::values_mut) {
            if report.at >= watcher.as_of {
                watcher.as_of = report.at;
                watcher.elsewhere = report.there.as_ref().and_then(|(node, tokens)| {
                    let token = tokens.iter().find(|token| token.hash == watcher.hash && token.is_valid(now_s))?;
                    Some(Elsewhere { node: *node, expires_s: token.expires_s })
                });
            }
        }
        state.tell_watchers(machine, now_s);
        // An older login's word, or its end, has come over what was said of the one here: it is said again.
        let is_covered = state.here.get(machine).is_some_and(|here| {
            here.announced > 0 && !report.is_own && report.at > here.announced && here.rival < here.announced
        });
        if state.yields(machine, now_s) || is_covered {
            self.say(|outbox| outbox.changed(*machine));
        }
    }

    /// A node has gone, and all machines that were there.
    pub(crate) fn lost(&self, node: &NodeId, now_s: u64) {
        let mut state = self.state();
        let mut changed = Vec::new();
        for (machine, watchers) in &mut state.watchers {
            for watcher in watchers.values_mut() {
                if watcher.elsewhere.is_some_and(|there| there.node == *node) {
                    watcher.elsewhere = None;
                    changed.push(*machine);
                }
            }
        }
        for machine in changed {
            state.tell_watchers(&machine, now_s);
        }
    }

    /// All that other nodes said is void: where it stood says nothing any more. It is found out anew.
    pub(crate) fn forget_others(&self, now_s: u64) {
        let mut state = self.state();
        for here in state.here.values_mut() {
            here.rival = 0;
        }
        for watcher in state.watchers.values_mut().flat_map(HashMap::values_mut) {
            (watcher.elsewhere, watcher.as_of) = (None, 0);
        }
        let watched: Vec<MachineId> = state.watchers.keys().copied().collect();
        for machine in watched {
            state.tell_watchers(&machine, now_s);
        }
    }

    /// All machines that are here.
    pub(crate) fn all_here(&self) -> Vec<MachineId> {
        self.state().here.keys().copied().collect()
    }

    /// All machines that are watched from here.
    pub(crate) fn all_watched(&self) -> Vec<MachineId> {
        self.state().watchers.keys().copied().collect()
    }

    /// Something may have arrived for anybody.
    pub(crate) fn arrived_for_all(&self) {
        for here in self.state().here.values() {
            here.line.tell(|post| post.arrived = post.wants_arrivals);
        }
    }

    /// Ends the connections of all machines: they come back, and say again what is to be known of them.
    pub(crate) fn send_away(&self) {
        for here in self.state().here.values() {
            here.line.tell(|post| post.bye = Some(RelayBye::ShuttingDown));
        }
    }

    /// A connection watches a machine no longer. Nobody asks for one that nobody watches.
    fn forget(&self, state: &mut State, machine: &MachineId, line: &Line) {
        if state.unwatch(machine, line) {
            self.say(|outbox| outbox.unwanted(machine));
        }
    }

    fn say(&self, say: impl FnOnce(&Outbox)) {
        if let Some(outbox) = &self.outbox {
            say(outbox);
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
            let is_here = here.is_some_and(|here| here.knows(&watcher.hash, now_s)) || watcher.elsewhere.is_some();
            if is_here != watcher.told {
                watcher.told = is_here;
                watcher.line.tell(|post| post.presence.insert(*machine, is_here));
            }
        }
    }

    /// Ends a login than which there is a newer one at another node: whether there was one.
    fn yields(&mut self, machine: &MachineId, now_s: u64) -> bool {
        let Some(here) = self.here.get(machine).filter(|here| here.announced > 0 && here.rival > here.announced) else {
            return false;
        };
        here.line.tell(|post| post.bye = Some(RelayBye::Replaced));
        self.here.remove(machine);
        self.tell_watchers(machine, now_s);
        true
    }

    /// Takes a watcher away: whether nobody watches the machine any more.
    fn unwatch(&mut self, machine: &MachineId, line: &Line) -> bool {
        if let Entry::Occupied(mut watchers) = self.watchers.entry(*machine) {
            watchers.get_mut().remove(&line.id);
            if !watchers.get().is_empty() {
                return false;
            }
            watchers.remove();
        }
        true
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

    #[test]
    fn the_newer_login_counts_over_all_nodes() {
        let outbox = Arc::<Outbox>::default();
        let hub = Hub::with_others(outbox);
        let (anna, bob) = (hub.line(), hub.line());
        let mut bobs = HashSet::new();
        let there = |at| Report { at, login: at, is_own: false, there: Some((NodeId([2; 16]), vec![FOREVER])) };
        let nowhere = |at| Report { at, login: at, is_own: false, there: None };
        hub.watch(&bob, &mut bobs, &[(machine(1), KEY)], 5);
        hub.report(&machine(1), &there(10), 5);
        assert_eq!(bob.take().presence, BTreeMap::from([(machine(1), true)]), "because she is at another node");
        hub.report(&machine(1), &nowhere(9), 5);
        assert!(bob.take().presence.is_empty(), "because that was before");

        hub.enter(machine(1), &anna, &[FOREVER], None, 5);
        hub.report(&machine(1), &there(11), 5);
        assert_eq!(anna.take().bye, None, "because where her login here stands is not known yet");
        hub.announced(&machine(1), hub.card(&machine(1)).unwrap().login, 12, 5);
        assert_eq!(anna.take().bye, None, "because hers is the newer");
        hub.report(&machine(1), &Report { login: 11, ..there(13) }, 5);
        assert_eq!(anna.take().bye, None, "because it is only a late word of the older one");
        hub.report(&machine(1), &nowhere(14), 5);
        assert!(bob.take().presence.is_empty(), "because she was here or there all the time");
        hub.report(&machine(1), &there(15), 5);
        assert_eq!(anna.take().bye, Some(RelayBye::Replaced));
        assert!(hub.card(&machine(1)).is_none() && bob.take().presence.is_empty());

        // The other way round: the rival is heard of before the own login is known to be the older.
        let again = hub.line();
        hub.enter(machine(1), &again, &[FOREVER], None, 5);
        hub.report(&machine(1), &there(17), 5);
        hub.announced(&machine(1), hub.card(&machine(1)).unwrap().login, 16, 5);
        assert_eq!(again.take().bye, Some(RelayBye::Replaced));
        hub.lost(&NodeId([2; 16]), 5);
        assert_eq!(bob.take().presence, BTreeMap::from([(machine(1), false)]), "because her node is gone");
    }

    #[test]
    fn what_others_said_counts_no_more_when_it_begins_anew() {
        let hub = Hub::with_others(Arc::default());
        let (anna, bob) = (hub.line(), hub.line());
        let mut bobs = HashSet::new();
        let there = |at| Report { at, login: at, is_own: false, there: Some((NodeId([2; 16]), vec![FOREVER])) };
        hub.watch(&bob, &mut bobs, &[(machine(1), KEY)], 5);
        hub.report(&machine(1), &there(900), 5);
        assert_eq!(bob.take().presence, BTreeMap::from([(machine(1), true)]));
        hub.forget_others(5);
        assert_eq!(bob.take().presence, BTreeMap::from([(machine(1), false)]));
        hub.report(&machine(1), &there(1), 5);
        assert_eq!(
            bob.take().presence,
            BTreeMap::from([(machine(1), true)]),
            "because places begin again at the first"
        );
        hub.enter(machine(1), &anna, &[FOREVER], None, 5);
        hub.report(&machine(1), &there(901), 5);
        hub.forget_others(5);
        hub.announced(&machine(1), hub.card(&machine(1)).unwrap().login, 2, 5);
        assert_eq!(anna.take().bye, None, "because nobody is known to have come since");
    }

    #[test]
    fn a_token_counts_at_another_node_as_it_does_here() {
        let hub = Hub::default();
        let (bob, carol) = (hub.line(), hub.line());
        let (mut bobs, mut carols) = (HashSet::new(), HashSet::new());
        hub.watch(&bob, &mut bobs, &[(machine(1), KEY)], 5);
        hub.watch(&carol, &mut carols, &[(machine(1), [9; 32])], 5);
        let until = Token { expires_s: 9, ..FOREVER };
        let there = |at| Report { at, login: at, is_own: false, there: Some((NodeId([2; 16]), vec![until])) };
        hub.report(&machine(1), &there(1), 5);
        assert_eq!(bob.take().presence, BTreeMap::from([(machine(1), true)]));
        assert!(carol.take().presence.is_empty(), "because hers is none of Anna's");
        hub.refresh(9, |_, _| true);
        assert_eq!(bob.take().presence, BTreeMap::from([(machine(1), false)]), "because it has expired");
        hub.report(&machine(1), &there(2), 9);
        assert!(bob.take().presence.is_empty());
        hub.report(&machine(1), &there(3), 5);
        hub.unwatch(&bob, &mut bobs, &HashSet::from([machine(1)]));
        assert_eq!(hub.watch(&bob, &mut bobs, &[(machine(1), KEY)], 5), [(machine(1), true)], "because it is known");
        assert_eq!(hub.watch(&bob, &mut bobs, &[(machine(1), [9; 32])], 5), [(machine(1), false)]);
        hub.unwatch(&bob, &mut bobs, &HashSet::new());
        assert!(bobs.is_empty());
    }
}
