//! The machines that are known now, in memory: contacts from the database, strangers from discovery and links.
//!
//! Strangers stay in memory only, so that a crowded network leaves nothing on the disk; a machine is stored once there
//! is a session with it or its trust changes. The lock is held for a look or a change, never across an await.

use std::collections::HashMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use link::{ConnId, Gate};
use proto::id::MachineId;
use proto::register::{Profile, SignedProfile};
use proto::relay::RelayAddress;
use store::machines::{Machine, Trust};
use tokio::time::Instant;

use crate::UserFilter;
use crate::times;
use crate::view::{self, Path, Presence, User};

/// Strangers that are kept without a link. More than this on one network is a flood, or a fair.
const STRANGERS: usize = 1_024;

/// A clock that is off by more than this is named to its owner.
const SKEW_SECONDS: i64 = 60;

/// A tunnel that relays promise and that does not come is waited for anew after this at the earliest: a relay that keeps
/// saying that a machine went and came keeps nobody from its mailbox.
const TUNNEL_AGAIN: Duration = Duration::from_secs(30);

/// All of them.
#[derive(Default)]
pub(crate) struct People {
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    persons: HashMap<MachineId, Person>,
    /// How many carry a name, in lower case.
    names: HashMap<String, usize>,
}

/// One machine.
#[derive(Debug, Clone)]
pub(crate) struct Person {
    /// How far it is trusted.
    pub(crate) trust: Trust,
    /// Whether it has a row in the database.
    pub(crate) stored: bool,
    /// Its newest profile, to be stored when it becomes a contact.
    pub(crate) signed: Option<SignedProfile>,
    profile: Profile,
    profile_version: u64,
    last_seen_ms: Option<u64>,
    link: Option<ConnId>,
    /// Where it was last linked; none when that was through a relay.
    pub(crate) addr: Option<SocketAddr>,
    /// The relay through which it was last linked, if it was.
    pub(crate) via: Option<RelayAddress>,
    hinted: bool,
    /// A relay says that it is there.
    relayed: bool,
    /// When a tunnel became due: the relay said so, or the last link ended.
    tunnel_due: Option<Instant>,
    /// It says that its person is away. Ends with the link.
    away: bool,
    skew_seconds: Option<i64>,
}

impl Person {
    fn stranger() -> Self {
        Self {
            trust: Trust::Unknown,
            stored: false,
            signed: None,
            profile: Profile::default(),
            profile_version: 0,
            last_seen_ms: None,
            link: None,
            addr: None,
            via: None,
            hinted: false,
            relayed: false,
            tunnel_due: None,
            away: false,
            skew_seconds: None,
        }
    }

    /// Whether its owner was accepted.
    pub(crate) fn accepted(&self) -> bool {
        self.trust.is_contact()
    }

    /// Whether a link stands.
    pub(crate) fn online(&self) -> bool {
        self.link.is_some()
    }
}

impl People {
    fn lock(&self) -> MutexGuard<'_, Known> {
        // Every change is one step, so a panic elsewhere leaves the table whole.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes over what the database knows.
    pub(crate) fn load(&self, machines: Vec<Machine>) {
        let mut known = self.lock();
        for machine in machines {
            let person = known.persons.entry(machine.id).or_insert_with(Person::stranger);
            person.trust = machine.trust;
            person.stored = true;
            person.profile = Profile {
                name: machine.name.clone(),
                device: machine.device,
                status_text: machine.status_text,
                colour: machine.colour,
                relays: machine.profile.map(|signed| signed.profile().relays.clone()).unwrap_or_default(),
            };
            person.profile_version = machine.profile_version;
            person.last_seen_ms = machine.last_seen_ms;
            known.count(&machine.name, true);
        }
    }

    /// How the link is to treat a machine.
    pub(crate) fn gate(&self, machine: &MachineId) -> Gate {
        match self.lock().persons.get(machine) {
            Some(person) if person.trust == Trust::Blocked => Gate::Refuse,
            Some(person) => Gate::Allow { contact: person.accepted() },
            None => Gate::Allow { contact: false },
        }
    }

    /// What is known of a machine.
    pub(crate) fn get(&self, machine: &MachineId) -> Option<Person> {
        self.lock().persons.get(machine).cloned()
    }

    /// How many machines have a link.
    pub(crate) fn online_count(&self) -> usize {
        self.lock().persons.values().filter(|person| person.online()).count()
    }

    /// As it is shown.
    pub(crate) fn user(&self, machine: &MachineId) -> Option<User> {
        let known = self.lock();
        known.persons.get(machine).map(|person| known.view(machine, person))
    }

    /// All that a filter lets through, by name, then ID.
    pub(crate) fn users(&self, filter: UserFilter) -> Vec<User> {
        let known = self.lock();
        let mut users: Vec<User> = known
            .persons
            .iter()
            .filter(|(_, person)| match filter {
                UserFilter::All => true,
                UserFilter::Online => person.online(),
                UserFilter::Nearby => person.hinted || person.online(),
            })
            .map(|(machine, person)| known.view(machine, person))
            .collect();
        users.sort_by(|a, b| (a.name.to_lowercase(), &a.machine_id).cmp(&(b.name.to_lowercase(), &b.machine_id)));
        users
    }

    /// The relays at which a machine's own profile says that it is to be reached.
    pub(crate) fn relays(&self, machine: &MachineId) -> Vec<RelayAddress> {
        self.lock().persons.get(machine).map(|person| person.profile.relays.clone()).unwrap_or_default()
    }

    /// Relays say whether a contact is there. Gives how it is shown now, when that changed.
    pub(crate) fn set_relayed(&self, machine: &MachineId, relayed: bool, now: Instant) -> Option<User> {
        let mut known = self.lock();
        let person = known.persons.get_mut(machine)?;
        if std::mem::replace(&mut person.relayed, relayed) == relayed {
            return None;
        }
        if relayed && person.tunnel_due.is_none_or(|due| now >= due + TUNNEL_AGAIN) {
            person.tunnel_due = Some(now);
        }
        known.persons.get(machine).map(|person| known.view(machine, person))
    }

    /// How long a tunnel to a machine may still take, when there is likely to be one soon.
    pub(crate) fn tunnel_expected(&self, machine: &MachineId, within: Duration, now: Instant) -> Option<Duration> {
        let known = self.lock();
        let person = known.persons.get(machine).filter(|person| person.relayed && !person.online())?;
        let left = (person.tunnel_due? + within).saturating_duration_since(now);
        (!left.is_zero()).then_some(left)
    }

    /// Discovery saw a machine. True when that changes how it is shown.
    pub(crate) fn hinted(&self, machine: MachineId, name: Option<String>) -> bool {
        let mut known = self.lock();
        let full = known.persons.len() >= STRANGERS && known.strangers() >= STRANGERS;
        if full && !known.persons.contains_key(&machine) {
            return false;
        }
        let person = known.persons.entry(machine).or_insert_with(Person::stranger);
        if person.trust == Trust::Blocked {
            return false;
        }
        let mut changed = !std::mem::replace(&mut person.hinted, true);
        if let Some(name) = name
            && person.profile_version == 0
            && person.profile.name != name
        {
            // An announced name is nobody's word; it serves until the machine's own profile comes.
            let old = std::mem::replace(&mut person.profile.name, name.clone());
            known.count(&old, false);
            known.count(&name, true);
            changed = true;
        }
        changed
    }

    /// An invitation says how a machine is called; that serves until its own profile comes.
    pub(crate) fn introduced(&self, machine: MachineId, name: &str) {
        let mut known = self.lock();
        let person = known.persons.entry(machine).or_insert_with(Person::stranger);
        if person.profile_version == 0 {
            let old = std::mem::replace(&mut person.profile.name, name.to_owned());
            known.count(&old, false);
            known.count(name, true);
        }
    }

    /// Discovery lost a machine. Gives how it is shown now, when that changed.
    pub(crate) fn unhinted(&self, machine: &MachineId) -> Option<User> {
        let mut known = self.lock();
        let person = known.persons.get_mut(machine)?;
        if !std::mem::replace(&mut person.hinted, false) {
            return None;
        }
        known.shown_then_forgotten(machine)
    }

    /// A link stands. `their_wall_ms` is the other's clock, `now_ms` this one's.
    pub(crate) fn up(&self, machine: MachineId, conn: ConnId, path: &link::Path, their_wall_ms: u64, now_ms: u64) {
        let mut known = self.lock();
        let person = known.persons.entry(machine).or_insert_with(Person::stranger);
        person.link = Some(conn);
        person.away = false;
        person.addr = path.address();
        person.via = path.relay().cloned();
        person.last_seen_ms = Some(now_ms);
        let ahead = (i128::from(their_wall_ms) - i128::from(now_ms)) / 1_000;
        let ahead = i64::try_from(ahead).unwrap_or(i64::MAX);
        person.skew_seconds = (ahead.abs() > SKEW_SECONDS).then_some(ahead);
    }

    /// A link ended. Gives how the machine is shown now, unless a newer link stands.
    pub(crate) fn down(&self, machine: &MachineId, conn: ConnId, now_ms: u64) -> Option<User> {
        let mut known = self.lock();
        let person = known.persons.get_mut(machine)?;
        if person.link != Some(conn) {
            return None;
        }
        person.link = None;
        person.away = false;
        person.tunnel_due = Some(Instant::now());
        person.last_seen_ms = Some(now_ms);
        known.shown_then_forgotten(machine)
    }

    /// A linked contact's person is away or there. Gives how it is shown now, when that changed.
    pub(crate) fn set_away(&self, machine: &MachineId, away: bool) -> Option<User> {
        let mut known = self.lock();
        let person = known.persons.get_mut(machine)?;
        if !person.accepted() || !person.online() || std::mem::replace(&mut person.away, away) == away {
            return None;
        }
        known.persons.get(machine).map(|person| known.view(machine, person))
    }

    /// Takes a machine's own profile if it is newer. Gives the machines that are shown differently now: itself, and
    /// those whose name became or ceased to be ambiguous.
    pub(crate) fn set_profile(&self, signed: SignedProfile) -> Vec<MachineId> {
        let machine = signed.machine();
        let mut known = self.lock();
        let person = known.persons.entry(machine).or_insert_with(Person::stranger);
        if signed.version() <= person.profile_version {
            if person.signed.is_none() && signed.version() == person.profile_version {
                person.signed = Some(signed);
            }
            return Vec::new();
        }
        person.profile_version = signed.version();
        let old = std::mem::replace(&mut person.profile, signed.profile().clone()).name;
        let new = signed.profile().name.clone();
        person.signed = Some(signed);
        known.count(&old, false);
        known.count(&new, true);
        let (old, new) = (old.to_lowercase(), new.to_lowercase());
        let namesakes = |(id, person): (&MachineId, &Person)| {
            let name = person.profile.name.to_lowercase();
            (*id == machine || (old != new && !name.is_empty() && (name == old || name == new))).then_some(*id)
        };
        known.persons.iter().filter_map(namesakes).collect()
    }

    /// A machine has a row in the database now, perhaps with another trust.
    pub(crate) fn stored(&self, machine: &MachineId, trust: Option<Trust>) {
        let mut known = self.lock();
        let person = known.persons.entry(*machine).or_insert_with(Person::stranger);
        person.stored = true;
        person.trust = trust.unwrap_or(person.trust);
    }

    /// Sets how far a machine is trusted, after that was stored.
    pub(crate) fn set_trust(&self, machine: MachineId, trust: Trust) {
        let mut known = self.lock();
        let person = known.persons.entry(machine).or_insert_with(Person::stranger);
        person.trust = trust;
        person.stored = true;
        if trust == Trust::Blocked {
            // Its link is ended at the same time; it is shown as gone from now on.
            person.hinted = false;
            person.relayed = false;
            person.link = None;
        }
    }
}

impl Known {
    fn strangers(&self) -> usize {
        self.persons.values().filter(|person| !person.stored && !person.online()).count()
    }

    fn count(&mut self, name: &str, more: bool) {
        if name.is_empty() {
            return;
        }
        let name = name.to_lowercase();
        if more {
            *self.names.entry(name).or_default() += 1;
        } else if let Some(count) = self.names.get_mut(&name) {
            *count -= 1;
            if *count == 0 {
                self.names.remove(&name);
            }
        }
    }

    fn view(&self, machine: &MachineId, person: &Person) -> User {
        let id = machine.to_string();
        let name = &person.profile.name;
        let path = match (person.online(), person.addr) {
            (false, _) => Path::None,
            (true, Some(_)) => Path::Direct,
            (true, None) => Path::Relay,
        };
        User {
            user_id: id.clone(),
            machine_id: id,
            // Until a name is known the short ID stands in for it.
            name: if name.is_empty() { machine.short() } else { name.clone() },
            device: person.profile.device.clone(),
            status_text: person.profile.status_text.clone(),
            colour: person.profile.colour,
            key_tag: machine.tag(),
            status: match (person.online(), person.away) {
                (false, _) => Presence::Offline,
                (true, true) => Presence::Away,
                (true, false) => Presence::Online,
            },
            last_seen: person.last_seen_ms.map(times::text),
            trust: trust_view(person.trust),
            path,
            via: person.via.as_ref().filter(|_| path == Path::Relay).map(RelayAddress::origin),
            relayed: person.relayed,
            relays: person.profile.relays.iter().map(RelayAddress::origin).collect(),
            nearby: person.hinted || path == Path::Direct,
            name_clash: self.names.get(&name.to_lowercase()).is_some_and(|count| *count > 1),
            clock_skew_seconds: person.skew_seconds,
        }
    }

    /// A stranger that neither discovery nor a link knows any more is shown once more, as gone, and forgotten.
    fn shown_then_forgotten(&mut self, machine: &MachineId) -> Option<User> {
        let person = self.persons.get(machine)?;
        let user = self.view(machine, person);
        if !person.stored && !person.hinted && !person.online() {
            let name = person.profile.name.clone();
            self.persons.remove(machine);
            self.count(&name, false);
        }
        Some(user)
    }
}

impl fmt::Debug for People {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("People").field("known", &self.lock().persons.len()).finish()
    }
}

fn trust_view(trust: Trust) -> view::Trust {
    match trust {
        Trust::Unknown => view::Trust::Unknown,
        Trust::Requested => view::Trust::Requested,
        Trust::Accepted => view::Trust::Accepted,
        Trust::Verified => view::Trust::Verified,
        Trust::Blocked => view::Trust::Blocked,
    }
}

#[cfg(test)]
mod tests {
    use proto::identity::Identity;

    use super::*;

    fn profile(seed: u8, version: u64, name: &str) -> SignedProfile {
        let identity = Identity::from_seed([seed; 32]);
        let profile = Profile { name: name.into(), colour: 1, ..Profile::default() };
        SignedProfile::sign(&identity, version, &profile).unwrap()
    }

    #[test]
    fn namesakes_are_told_apart() {
        let people = People::default();
        let (a, b) = (profile(1, 1, "Anna"), profile(2, 1, "anna"));
        assert_eq!(people.set_profile(a.clone()), [a.machine()]);
        assert_eq!(people.set_profile(b.clone()).len(), 2, "because both are ambiguous now");
        assert!(people.user(&a.machine()).unwrap().name_clash);
        assert!(people.set_profile(profile(2, 1, "Eve")).is_empty(), "because its version is not newer");
        assert_eq!(people.set_profile(profile(2, 2, "Bob")).len(), 2, "because neither is ambiguous any more");
        assert!(!people.user(&a.machine()).unwrap().name_clash);
    }

    #[test]
    fn a_stranger_that_leaves_is_forgotten() {
        let people = People::default();
        let id = profile(1, 1, "Anna").machine();
        assert!(people.hinted(id, Some("Anna".into())));
        assert!(!people.hinted(id, Some("Anna".into())), "because nothing changed");
        let gone = people.unhinted(&id).unwrap();
        assert!(!gone.nearby);
        assert!(people.user(&id).is_none());
        assert!(people.lock().names.is_empty());
    }

    #[test]
    fn a_relay_cannot_put_the_mailbox_off_by_saying_again_and_again_that_somebody_came() {
        let people = People::default();
        let (id, within, start) = (profile(1, 1, "Anna").machine(), Duration::from_secs(10), Instant::now());
        people.stored(&id, Some(Trust::Accepted));
        assert!(people.set_relayed(&id, true, start).is_some());
        assert_eq!(people.tunnel_expected(&id, within, start), Some(within));
        for seconds in 1..10 {
            let now = start + Duration::from_secs(seconds);
            people.set_relayed(&id, false, now);
            assert_eq!(people.tunnel_expected(&id, within, now), None, "because nobody says that it is there");
            people.set_relayed(&id, true, now);
            assert_eq!(people.tunnel_expected(&id, within, now), Some(within - Duration::from_secs(seconds)));
        }
        let later = start + TUNNEL_AGAIN;
        assert_eq!(people.tunnel_expected(&id, within, later), None, "because none came");
        people.set_relayed(&id, false, later);
        people.set_relayed(&id, true, later);
        assert_eq!(people.tunnel_expected(&id, within, later), Some(within), "because it may come this time");
    }

    #[test]
    fn a_clock_that_is_off_is_named() {
        let people = People::default();
        let id = profile(1, 1, "Anna").machine();
        let addr = SocketAddr::from(([127, 0, 0, 1], 1)).into();
        people.up(id, ConnId(1), &addr, 1_000_000, 1_060_000);
        assert_eq!(people.user(&id).unwrap().clock_skew_seconds, None);
        people.up(id, ConnId(2), &addr, 1_000_000, 8_200_000);
        assert_eq!(people.user(&id).unwrap().clock_skew_seconds, Some(-7_200));
        assert_eq!(people.user(&id).unwrap().path, Path::Direct);
        let relay = link::Path::Relay("wss://relay.example.org".parse().unwrap());
        people.up(id, ConnId(2), &relay, 1_000_000, 8_200_000);
        let user = people.user(&id).unwrap();
        assert_eq!((user.path, user.nearby), (Path::Relay, false), "because a relay may be anywhere");
        assert!(people.down(&id, ConnId(1), 2).is_none(), "because a newer link stands");
    }
}
