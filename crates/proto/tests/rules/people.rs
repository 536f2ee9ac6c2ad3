//! People with machines, their sessions, and a model of a store, for the tests of this crate.

use std::collections::BTreeMap;
use std::convert::Infallible;

use landline_proto::log::{Admission, Head, Known, Local, Parent, RunBuilder, WaitingRoom, admit};
use landline_proto::{
    Body, Epoch, Event, EventId, Frame, Hello, Identity, MachineId, Order, Profile, ReceiptKind, Run, SessionId,
    SignedProfile, SignedReceipt, VerifiedRun, VersionVector,
};

/// 2026-11-21 00:00 UTC.
pub const NOW_MS: u64 = 1_795_219_200_000;

pub fn alice() -> Identity {
    Identity::from_seed([0xa1; 32])
}

pub fn bob() -> Identity {
    Identity::from_seed([0xb0; 32])
}

pub fn mallory() -> Identity {
    Identity::from_seed([0x66; 32])
}

pub fn profile_of(identity: &Identity, name: &str) -> SignedProfile {
    let profile = Profile {
        name: name.to_owned(),
        device: format!("{name}’s desk"),
        status_text: "back at three".to_owned(),
        colour: 7,
        relays: Vec::new(),
    };
    SignedProfile::sign(identity, 3, &profile).unwrap()
}

pub fn hello_of(identity: &Identity, name: &str) -> Hello {
    Hello {
        version: 1,
        features: 0,
        listen_port: 4281,
        wall_ms: NOW_MS,
        instance: 0x0123_4567_89ab_cdef,
        profile: profile_of(identity, name),
    }
}

pub fn receipt_of(identity: &Identity, session: SessionId, version: u64, vector: VersionVector) -> SignedReceipt {
    SignedReceipt::sign(identity, session, ReceiptKind::Delivered, version, vector, None)
}

/// Makes the same bytes decode after it went over the wire.
pub fn over_the_wire(run: &Run) -> VerifiedRun {
    Run::decode(&run.encode()).unwrap().verify().unwrap()
}

/// What a machine of a direct session holds of it: a store in memory, with the rules of admission in front.
pub struct Machine {
    pub identity: Identity,
    pub local: Local,
    pub peer: MachineId,
    pub session: SessionId,
    heads: BTreeMap<(MachineId, Epoch), Head>,
    pub runs: Vec<Run>,
    events: BTreeMap<EventId, Event>,
    waiting: WaitingRoom,
    /// How many runs were held when the own log was last written: what came later are the next parents.
    seen: usize,
}

impl Machine {
    pub fn new(identity: Identity, peer: MachineId, epoch: u64) -> Self {
        let local = Local { machine: identity.machine_id(), epoch: Epoch::new(epoch) };
        Self {
            session: SessionId::direct(&local.machine, &peer),
            local,
            identity,
            peer,
            heads: BTreeMap::new(),
            runs: Vec::new(),
            events: BTreeMap::new(),
            waiting: WaitingRoom::new(),
            seen: 0,
        }
    }

    pub fn own_head(&self) -> Option<Head> {
        self.heads.get(&(self.local.machine, self.local.epoch)).copied()
    }

    /// Newest events of the other logs that came since this machine last wrote.
    pub fn new_parents(&self) -> Vec<Parent> {
        let mut newest = BTreeMap::new();
        for run in self.runs.iter().skip(self.seen) {
            if (run.author(), run.epoch()) != (self.local.machine, self.local.epoch) {
                let last = run.events().last().unwrap();
                newest.insert((run.author(), run.epoch()), Parent { id: last.id(), lamport: last.header().lamport });
            }
        }
        newest.into_values().collect()
    }

    /// Writes bodies as one run.
    pub fn write(&mut self, bodies: &[Body]) -> Run {
        let mut builder =
            RunBuilder::new(self.session, &self.local, self.own_head().as_ref(), self.new_parents()).unwrap();
        for body in bodies {
            builder.push(NOW_MS, body).unwrap();
        }
        let (run, head) = builder.sign(&self.identity).unwrap();
        let run = run.into_run();
        self.store(run.clone(), head);
        self.seen = self.runs.len();
        run
    }

    pub fn say(&mut self, text: &str) -> Run {
        self.write(&[Body::message(text)])
    }

    pub fn judge(&self, run: &Run) -> Admission {
        let Ok(admission) = admit(over_the_wire(run), &self.peer, &self.local, self);
        admission
    }

    /// Judges a run, writes what is to be written, and what waited for it.
    pub fn receive(&mut self, run: &Run) {
        let mut arrived = vec![over_the_wire(run)];
        while let Some(run) = arrived.pop() {
            let Ok(admission) = admit(run, &self.peer, &self.local, self);
            match admission {
                Admission::Append { run, head } => {
                    arrived.extend(self.waiting.released_by(&run));
                    self.store(run.into_run(), head);
                }
                Admission::Waiting { run, missing } => assert!(self.waiting.hold(run, missing), "there is room"),
                Admission::Duplicate => {}
                Admission::Fork { run, .. } => self.freeze(&run),
                Admission::LostOwn { run } => {
                    self.local.epoch = Epoch::new(self.local.epoch.get() + 1);
                    arrived.push(run);
                }
                Admission::Refuse(refusal) => panic!("refused: {refusal}"),
            }
        }
    }

    pub fn freeze(&mut self, run: &Run) {
        self.heads.get_mut(&(run.author(), run.epoch())).unwrap().frozen = true;
    }

    pub fn store(&mut self, run: Run, head: Head) {
        for event in run.events() {
            self.events.insert(event.id(), event.clone());
        }
        self.heads.insert((run.author(), run.epoch()), head);
        self.runs.push(run);
    }

    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    pub fn vector(&self) -> VersionVector {
        self.heads.iter().map(|((author, epoch), head)| (*author, *epoch, head.seq)).collect()
    }

    /// What the person reads, in order.
    pub fn transcript(&self) -> Vec<(Order, EventId, Option<Body>)> {
        let mut lines: Vec<_> = self
            .events
            .values()
            .map(|event| (event.header().order(), event.id(), event.decode_body().unwrap()))
            .collect();
        lines.sort_by_key(|(order, ..)| *order);
        lines
    }
}

impl Known for Machine {
    type Error = Infallible;

    fn head(&self, session: SessionId, author: &MachineId, epoch: Epoch) -> Result<Option<Head>, Infallible> {
        assert_eq!(session, self.session, "only this session is asked for");
        Ok(self.heads.get(&(*author, epoch)).copied())
    }

    fn id_at(&self, _: SessionId, author: &MachineId, epoch: Epoch, seq: u64) -> Result<Option<EventId>, Infallible> {
        let at = |event: &&Event| {
            let header = event.header();
            (header.author, header.epoch, header.seq) == (*author, epoch, seq)
        };
        Ok(self.events.values().find(at).map(Event::id))
    }

    fn lamport(&self, _: SessionId, id: &EventId) -> Result<Option<u64>, Infallible> {
        Ok(self.events.get(id).map(|event| event.header().lamport))
    }

    fn epochs(&self, _: SessionId, author: &MachineId) -> Result<u64, Infallible> {
        Ok(self.heads.keys().filter(|(of, _)| of == author).count() as u64)
    }
}

/// Alice's and Bob's machines, linked to each other.
pub fn pair() -> (Machine, Machine) {
    let (a, b) = (alice().machine_id(), bob().machine_id());
    (Machine::new(alice(), b, 1), Machine::new(bob(), a, 2))
}

/// One frame of each type.
pub fn one_of_each() -> Vec<(&'static str, Frame)> {
    use landline_proto::frame::{BlobState, ByeReason, HoldReason, PresenceStatus, RejectCode};
    let (mut a, mut b) = pair();
    let session = a.session;
    let opened = a.write(&[Body::Open, Body::message("Good morning, Bob.")]);
    b.receive(&opened);
    let answer = b.say("Morning! ☀️");
    vec![
        ("hello", Frame::Hello(hello_of(&alice(), "Alice"))),
        ("digests", Frame::Digests(vec![(session, b.vector().digest())])),
        ("vector", Frame::Vector { session, vector: b.vector() }),
        ("events", Frame::Events { session, runs: vec![opened, answer] }),
        ("receipts", Frame::Receipts(vec![receipt_of(&bob(), session, 2, b.vector())])),
        ("profile", Frame::Profile(profile_of(&bob(), "Bob"))),
        ("hold", Frame::Hold { session, reason: HoldReason::NotAccepted }),
        ("reject", Frame::Reject { session, code: RejectCode::StorageFull, detail: "the disk is full".to_owned() }),
        ("bye", Frame::Bye { reason: ByeReason::ShuttingDown }),
        ("typing", Frame::Typing { session, on: true }),
        ("presence", Frame::Presence { status: PresenceStatus::Away }),
        ("blob-want", Frame::BlobWant { hash: [0xb1; 32], from: 1_048_576 }),
        ("prekey", Frame::Prekey(crate::relay::prekey())),
        ("grant", Frame::Grant(crate::relay::grant())),
        ("deposit", Frame::Deposit(crate::files::deposit())),
        ("invited", Frame::Invited { proof: [0x1a; 32] }),
        ("blob-state", Frame::BlobState { hash: [0xb1; 32], state: BlobState::Done }),
    ]
}
