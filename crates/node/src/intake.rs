//! The transaction that takes what arrived: admits runs, writes them with their messages, clears what receipts cover.

use std::collections::{BTreeMap, VecDeque};

use proto::event::ReactionBody;
use proto::frame::RejectCode;
use proto::id::{MachineId, SessionId};
use proto::limits;
use proto::log::{Admission, Local, Missing, Refusal, WaitingRoom, admit};
use proto::register::{ReceiptKind, SignedProfile, SignedReceipt};
use proto::run::{Run, VerifiedRun};
use proto::vector::VersionVector;
use store::attachments::State;
use store::machines::Trust;
use store::messages::Message;
use store::notifications::{Kind, New, NotificationKey};
use store::sessions::Session;
use store::{SessionKey, StoreError, Tx};

use crate::files::{Sharing, Telling, Told};
use crate::ledger::{self, Held, Mentioned};

/// Messages of one session and batch that get a record of their own because they mention this machine, the newest.
const MENTIONS: usize = 16;

/// What a receipt in the mailbox does not cover was perhaps put after it was made; what was put earlier than this was not.
const STALE_MS: u64 = 60 * 60 * 1_000;

/// The transaction of one batch.
pub(crate) struct Job {
    pub(crate) peer: MachineId,
    pub(crate) local: Local,
    pub(crate) now_ms: u64,
    pub(crate) rooms: BTreeMap<SessionId, WaitingRoom>,
    pub(crate) profile: Option<SignedProfile>,
    pub(crate) watched: bool,
    pub(crate) telling: Telling,
    /// Whether this side takes notice of what the other's person has seen.
    pub(crate) reads: bool,
    pub(crate) by: By,
    /// A link stands, over which newer receipts come.
    pub(crate) linked: bool,
}

/// The way something came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum By {
    Link,
    /// Its answer is owed until a link or a parcel has told it.
    Mail,
}

pub(crate) struct Outcome {
    pub(crate) rooms: BTreeMap<SessionId, WaitingRoom>,
    pub(crate) sessions: BTreeMap<SessionId, Took>,
    pub(crate) delivered: BTreeMap<SessionId, Vec<Message>>,
    /// When the next message disappears, if something was delivered: the timers of own messages run from then on.
    pub(crate) expires: Option<u64>,
}

/// What was taken of one session, and what to answer.
#[derive(Default)]
pub(crate) struct Took {
    /// The session's row, when it was made.
    pub(crate) opened: Option<Session>,
    pub(crate) requested: bool,
    pub(crate) messages: Vec<Message>,
    /// Records of the notification centre that tell of it.
    pub(crate) noted: Vec<NotificationKey>,
    /// What is told of files that wait.
    pub(crate) told: Vec<Told>,
    /// Earlier messages of which something was said, as they are now.
    pub(crate) changed: Vec<Message>,
    /// Those of them that were edited, with those whom they mentioned before.
    mentioned: Mentioned,
    /// Reactions that count, with who reacted.
    pub(crate) reactions: Vec<(MachineId, ReactionBody)>,
    /// Something is held, new or again: say so.
    pub(crate) acknowledge: bool,
    pub(crate) receipt: Option<(u64, VersionVector)>,
    pub(crate) hold: bool,
    pub(crate) reject: Option<(RejectCode, String)>,
    /// Something before what came is missing: ask for it.
    pub(crate) ask: bool,
    pub(crate) lost_own: bool,
}

impl Job {
    /// Writes runs and receipts, whose signatures were checked.
    pub(crate) fn write(
        mut self,
        tx: &Tx<'_>,
        runs: Vec<VerifiedRun>,
        receipts: &[SignedReceipt],
    ) -> Result<Outcome, StoreError> {
        let mut by_session: BTreeMap<SessionId, VecDeque<VerifiedRun>> = BTreeMap::new();
        for run in runs {
            by_session.entry(run.session()).or_default().push_back(run);
        }
        let trust = store::machines::get(tx, &self.peer)?.map_or(Trust::Unknown, |machine| machine.trust);
        let mut sessions = BTreeMap::new();
        if trust != Trust::Blocked {
            for (session, runs) in by_session {
                sessions.insert(session, self.take(tx, session, trust, runs)?);
            }
        }
        let mut delivered = BTreeMap::new();
        for receipt in receipts {
            self.receipt(tx, receipt, &mut delivered)?;
        }
        if self.by == By::Mail && sessions.values().any(|took| took.acknowledge || took.ask) {
            store::reach::owe(tx, &self.peer)?;
        }
        let expires = if delivered.is_empty() { None } else { store::removal::next_expiry(tx)? };
        Ok(Outcome { rooms: self.rooms, sessions, delivered, expires })
    }

    fn take(
        &mut self,
        tx: &Tx<'_>,
        session: SessionId,
        trust: Trust,
        mut queue: VecDeque<VerifiedRun>,
    ) -> Result<Took, StoreError> {
        let mut took = Took::default();
        let mut key = store::sessions::find(tx, &session)?;
        while let Some(run) = queue.pop_front() {
            match admit(run, &self.peer, &self.local, &Held::new(tx, key))? {
                Admission::Append { run, .. } => {
                    let stranger = !trust.is_contact();
                    if stranger && run.author() == self.peer && !fits_request(tx, key, &run)? {
                        took.hold = true;
                        break;
                    }
                    let known = match key {
                        Some(known) => known,
                        None => self.create(tx, session, &mut took)?,
                    };
                    key = Some(known);
                    self.append(tx, known, &run, stranger, &mut took)?;
                    if trust == Trust::Unknown && run.author() == self.peer {
                        took.requested |= store::machines::set_trust(tx, &self.peer, Trust::Requested)?;
                    }
                    if let Some(room) = self.rooms.get_mut(&session) {
                        room.released_by(&run).into_iter().rev().for_each(|run| queue.push_front(run));
                    }
                }
                Admission::Duplicate => took.acknowledge = true,
                Admission::Waiting { run, missing } => {
                    took.ask |= matches!(missing, Missing::From(_));
                    // A full room drops it; it comes again when asked for.
                    let _ = self.rooms.entry(session).or_default().hold(run, missing);
                }
                Admission::Fork { run, seq, .. } => {
                    if let Some(key) = key {
                        store::events::keep_fork(tx, key, &run, seq, self.now_ms)?;
                        took.noted.push(store::notifications::add(tx, &self.forked(key, &run.author()))?);
                    }
                    tracing::warn!(
                        author = run.author().short(),
                        seq,
                        "a machine signed two events for one place; its log is frozen"
                    );
                    took.reject = Some((RejectCode::Frozen, Refusal::Frozen.to_string()));
                    break;
                }
                Admission::LostOwn { .. } => {
                    took.lost_own = true;
                    break;
                }
                Admission::Refuse(refusal) => {
                    let code = if refusal == Refusal::Frozen { RejectCode::Frozen } else { RejectCode::Invalid };
                    took.reject = Some((code, refusal.to_string()));
                    break;
                }
            }
        }
        if let Some(key) = key {
            self.note(tx, session, key, trust, &mut took)?;
        }
        if let (true, Some(key)) = (took.acknowledge, key) {
            let version = store::logs::last_event(tx, key)?.as_u64();
            took.receipt = Some((version, store::logs::vector(tx, key)?));
        }
        if let (Some(opened), Some(key)) = (&mut took.opened, key)
            && let Some(row) = store::sessions::get(tx, key)?
        {
            *opened = row;
        }
        Ok(took)
    }

    fn create(&self, tx: &Tx<'_>, session: SessionId, took: &mut Took) -> Result<SessionKey, StoreError> {
        let (key, made) = store::sessions::create_direct(tx, &session, &self.peer, self.now_ms)?;
        store::machines::upsert_seen(tx, &self.peer, self.now_ms)?;
        if let Some(profile) = &self.profile {
            store::machines::set_profile(tx, profile)?;
        }
        if made {
            took.opened = store::sessions::get(tx, key)?;
        }
        Ok(key)
    }

    fn append(
        &self,
        tx: &Tx<'_>,
        key: SessionKey,
        run: &VerifiedRun,
        stranger: bool,
        took: &mut Took,
    ) -> Result<(), StoreError> {
        let own = run.author() == self.local.machine;
        let sharing =
            Sharing { peer: Some(self.peer), fetched_up_to: (!stranger).then_some(self.telling.fetched_up_to) };
        let written = ledger::write(tx, key, run, own, self.now_ms, &sharing, |_| None)?;
        let changed = store::messages::by_keys(tx, &written.changed)?;
        took.changed.retain(|earlier| !written.changed.contains(&earlier.key));
        took.changed.extend(changed);
        took.reactions.extend(written.reactions);
        took.noted.extend(written.noted);
        for (key, before) in written.mentioned {
            took.mentioned.entry(key).or_insert(before);
        }
        if own {
            // Own events of a former epoch come back from someone who has them: they are delivered.
            let keys: Vec<_> = written.messages.iter().map(|message| message.key).collect();
            store::messages::mark_delivered(tx, &keys, self.now_ms)?;
            took.messages.extend(store::messages::by_keys(tx, &keys)?);
        } else {
            took.messages.extend(written.messages);
        }
        took.acknowledge = true;
        Ok(())
    }

    /// Keeps a record of what others wrote, unless it is on screen.
    fn note(
        &self,
        tx: &Tx<'_>,
        session: SessionId,
        key: SessionKey,
        trust: Trust,
        took: &mut Took,
    ) -> Result<(), StoreError> {
        let me = &self.local.machine;
        let edited = |message: &&Message| took.mentioned.contains_key(&message.key);
        for message in took.changed.iter().filter(edited).filter(|message| !message.mentions.contains(me)) {
            took.noted.extend(store::notifications::unmentioned(tx, message.key)?);
        }
        if self.telling.on_screen.contains(&session) {
            return Ok(());
        }
        let news = took.messages.iter().filter(|message| message.author() != me && message.is_news());
        let (count, newest) = (news.clone().count(), news.max_by_key(|message| message.key));
        let accepted = trust.is_contact();
        if let Some(newest) = newest {
            let kind = if accepted { Kind::Message } else { Kind::Request };
            let count = u32::try_from(count).unwrap_or(u32::MAX);
            let noted = store::notifications::arrived(tx, kind, key, newest.key, newest.author(), count, self.now_ms)?;
            took.noted.push(noted);
        }
        // Of who asks for contact one record says enough.
        if accepted {
            took.noted.extend(self.mentions(tx, key, took)?);
            self.waiting(tx, took)?;
        }
        Ok(())
    }

    /// Keeps a record of each message that mentions this machine, and did not before it was edited.
    fn mentions(&self, tx: &Tx<'_>, session: SessionKey, took: &Took) -> Result<Vec<NotificationKey>, StoreError> {
        let me = &self.local.machine;
        let is_new = |key| took.messages.iter().any(|message| message.key == key);
        let is_changed = |message: &&Message| took.changed.iter().any(|changed| changed.key == message.key);
        let newly = |message: &&Message| {
            is_new(message.key) || took.mentioned.get(&message.key).is_some_and(|before| !before.contains(me))
        };
        let as_they_are = took.messages.iter().filter(|message| !is_changed(message)).chain(&took.changed);
        let mut mentions: Vec<&Message> = as_they_are
            .filter(newly)
            .filter(|message| message.author() != me && message.is_news() && message.mentions.contains(me))
            .collect();
        mentions.sort_by_key(|message| message.key);
        let mut noted = Vec::new();
        for message in mentions.split_off(mentions.len().saturating_sub(MENTIONS)) {
            let (message, author) = (message.key, message.author());
            noted.extend(store::notifications::mentioned(tx, session, message, author, self.now_ms)?);
        }
        Ok(noted)
    }

    /// Keeps a record of each message whose files wait to be accepted.
    fn waiting(&self, tx: &Tx<'_>, took: &mut Took) -> Result<(), StoreError> {
        for message in took.messages.iter().filter(|message| message.is_news()) {
            let mut files = message.attachments.iter();
            if let Some(file) = files.find(|file| !file.outgoing && file.state == State::Offered) {
                took.told.extend(self.telling.keep(tx, file.id)?);
            }
        }
        Ok(())
    }

    /// What the notification centre says of a machine with two histories.
    fn forked(&self, session: SessionKey, author: &MachineId) -> New {
        New {
            kind: Kind::Security,
            session: Some(session),
            message: None,
            sender: Some(*author),
            subject: Some(format!("fork {author}")),
            title: "A contact's history contradicts itself".to_owned(),
            body: "Its machine signed two different messages for the same place. Nothing more is taken from that \
                   history; its key may be in use on two computers."
                .to_owned(),
            created_ms: self.now_ms,
        }
    }

    fn receipt(
        &self,
        tx: &Tx<'_>,
        signed: &SignedReceipt,
        delivered: &mut BTreeMap<SessionId, Vec<Message>>,
    ) -> Result<(), StoreError> {
        let receipt = signed.receipt();
        let Some(key) = store::sessions::find(tx, &receipt.session)? else { return Ok(()) };
        if receipt.kind == ReceiptKind::Read && !self.reads {
            return Ok(());
        }
        let before = match receipt.kind {
            ReceiptKind::Read => store::registers::get(tx, key, &self.peer, ReceiptKind::Read)?,
            ReceiptKind::Delivered => None,
        };
        store::registers::put_latest(tx, key, signed)?;
        // Also by a receipt that is not the newest: what was once on the other's disk is delivered. What was seen is on it.
        let cleared = store::outbox::covered_by(tx, &self.peer, key, &receipt.vector)?;
        let mut changed = store::messages::mark_delivered(tx, &cleared, self.now_ms)?;
        if receipt.kind == ReceiptKind::Read {
            let before = before.as_ref().map(|before| &before.receipt().vector);
            let read_ms = receipt.wall_ms.unwrap_or(self.now_ms);
            let me = &self.local.machine;
            let read = store::reading::mark_read_by_other(tx, key, me, &receipt.vector, before, read_ms, self.now_ms)?;
            changed.retain(|key| !read.contains(key));
            changed.extend(read);
        }
        if self.by == By::Mail && !self.linked {
            // Its owner came by after that was put, and does not have it: it lies there no longer.
            let gone = store::outbox::unhold(tx, &self.peer, key, self.now_ms.saturating_sub(STALE_MS))?;
            changed.extend(store::messages::mark_unheld(tx, &gone)?);
        }
        let touched = !cleared.is_empty() || !changed.is_empty();
        let rows = if self.watched { store::messages::by_keys(tx, &changed)? } else { Vec::new() };
        if touched {
            delivered.entry(receipt.session).or_default().extend(rows);
        }
        Ok(())
    }
}

/// Whether a run of a machine that is not accepted fits into what a request may hold.
fn fits_request(tx: &Tx<'_>, key: Option<SessionKey>, run: &Run) -> Result<bool, StoreError> {
    let used = match key {
        Some(key) => store::logs::bytes_from(tx, key, &run.author())?,
        None => 0,
    };
    Ok(used + run.size() as u64 <= limits::REQUEST_BYTES as u64)
}
