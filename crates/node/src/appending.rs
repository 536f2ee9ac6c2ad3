//! The transaction that writes what was ordered: per session one signed run (or a few, when one is full), its messages and
//! its outbox rows.

use std::collections::{BTreeMap, BTreeSet};

use proto::event::{Body, MessageBody, ReactionBody};
use proto::id::{MachineId, MessageId, SessionId};
use proto::identity::Identity;
use proto::log::{AppendError, Local, Parent, RunBuilder};
use proto::run::Run;
use store::machines::Trust;
use store::messages::Message;
use store::notifications::NotificationKey;
use store::{EventKey, SessionKey, StoreError, Tx};

use crate::files::Sharing;
use crate::operating::{self, Judged, Operation};
use crate::people::Person;
use crate::{NodeError, ledger};

/// What an order asks of the transaction.
pub(crate) enum Ask {
    Send { session: SessionId, message: MessageBody, uploads: Vec<[u8; 16]>, temp_id: Option<String> },
    Operate { message: MessageId, operation: Operation },
    Timer { session: SessionId, seconds: u64 },
    Open { peer: MachineId, person: Option<Box<Person>> },
}

/// What it came to.
pub(crate) enum Came {
    /// A message of this batch, by session and place among its pushed messages.
    New {
        session: SessionId,
        index: usize,
    },
    /// A message that was there before.
    Old(Box<Message>, Option<MachineId>),
    /// A message of which something was said, by session and local number.
    Changed {
        session: SessionId,
        key: EventKey,
    },
    /// It was so already.
    Unchanged,
    Opened(bool),
    Refused(NodeError),
}

/// What one transaction did.
pub(crate) struct Done {
    pub(crate) came: Vec<Came>,
    pub(crate) sessions: Vec<Wrote>,
}

impl Done {
    /// The first event that it wrote.
    pub(crate) fn first(&self) -> Option<EventKey> {
        self.sessions.iter().filter_map(|wrote| wrote.messages.first()).map(|message| message.key).min()
    }
}

/// What it wrote in one session.
pub(crate) struct Wrote {
    pub(crate) session: SessionId,
    pub(crate) peer: Option<MachineId>,
    pub(crate) runs: Vec<Run>,
    pub(crate) messages: Vec<Message>,
    /// Earlier messages of which something was said, as they are now.
    pub(crate) changed: Vec<Message>,
    pub(crate) reactions: Vec<(MachineId, ReactionBody)>,
    /// Records of the notification centre that went with deleted messages.
    pub(crate) noted: Vec<NotificationKey>,
    pub(crate) accepted: bool,
}

/// The transaction of one batch.
pub(crate) struct Batch<'a> {
    identity: &'a Identity,
    local: Local,
    now_ms: u64,
    sessions: BTreeMap<SessionId, Open>,
}

/// A session that the batch writes in.
struct Open {
    key: SessionKey,
    peer: Option<MachineId>,
    builder: Option<RunBuilder>,
    /// The handles of the messages pushed so far, all runs together; `None` for events that are no message.
    pushed: Vec<Pushed>,
    /// How many of them are in runs that were written.
    written: usize,
    messages: usize,
    /// Seconds after which messages disappear that are written now.
    timer: u64,
    /// Messages of which the batch says something, with the keys of those that changed.
    named: BTreeSet<EventKey>,
    wrote: Wrote,
}

struct Pushed {
    temp_id: Option<String>,
    /// Place among the session's messages of this batch.
    message: Option<usize>,
}

impl<'a> Batch<'a> {
    pub(crate) fn new(identity: &'a Identity, local: Local, now_ms: u64) -> Self {
        Self { identity, local, now_ms, sessions: BTreeMap::new() }
    }

    /// Does what is asked, all of it or, with an error, nothing.
    pub(crate) fn write(mut self, tx: &Tx<'_>, asks: Vec<Ask>) -> Result<Done, StoreError> {
        let mut came = Vec::with_capacity(asks.len());
        for ask in asks {
            came.push(match ask {
                Ask::Send { session, message, uploads, temp_id } => {
                    self.send(tx, session, message, &uploads, temp_id)?
                }
                Ask::Operate { message, operation } => self.operate(tx, &message, &operation)?,
                Ask::Timer { session, seconds } => self.set_timer(tx, session, seconds)?,
                Ask::Open { peer, person } => self.open(tx, peer, person.as_deref())?,
            });
        }
        let mut sessions = Vec::with_capacity(self.sessions.len());
        for (_, mut open) in std::mem::take(&mut self.sessions) {
            self.flush(tx, &mut open)?;
            let named: Vec<EventKey> = open.named.into_iter().collect();
            open.wrote.changed = store::messages::by_keys(tx, &named)?;
            sessions.push(open.wrote);
        }
        Ok(Done { came, sessions })
    }

    fn send(
        &mut self,
        tx: &Tx<'_>,
        session: SessionId,
        mut message: MessageBody,
        uploads: &[[u8; 16]],
        temp_id: Option<String>,
    ) -> Result<Came, StoreError> {
        for id in uploads {
            match store::uploads::get(tx, id)? {
                Some(upload) => message.attachments.push(upload.attachment),
                None => return Ok(Came::Refused(no_upload("attachments", id))),
            }
        }
        self.within(tx, session, |batch, open| batch.send_in(tx, open, message, uploads, temp_id))
    }

    /// Does something in a session, which is looked up at the first time.
    fn within(
        &mut self,
        tx: &Tx<'_>,
        session: SessionId,
        act: impl FnOnce(&Self, &mut Open) -> Result<Came, StoreError>,
    ) -> Result<Came, StoreError> {
        let mut open = match self.sessions.remove(&session) {
            Some(open) => open,
            None => match self.begin(tx, session)? {
                Ok(open) => open,
                Err(refusal) => return Ok(Came::Refused(refusal)),
            },
        };
        let came = act(self, &mut open)?;
        self.sessions.insert(session, open);
        Ok(came)
    }

    fn send_in(
        &self,
        tx: &Tx<'_>,
        open: &mut Open,
        message: MessageBody,
        uploads: &[[u8; 16]],
        temp_id: Option<String>,
    ) -> Result<Came, StoreError> {
        if temp_id.is_some() {
            let same = open.pushed.iter().find(|pushed| pushed.temp_id == temp_id).and_then(|pushed| pushed.message);
            if let Some(index) = same {
                return Ok(Came::New { session: open.wrote.session, index });
            }
            if let Some(id) = &temp_id
                && let Some(old) = store::messages::by_temp_id(tx, open.key, id)?
            {
                return Ok(Came::Old(Box::new(old), open.peer));
            }
        }
        if let Some(answered) = &message.reply_to
            && store::messages::get(tx, answered)?.is_none_or(|answered| answered.session != open.key)
        {
            return Ok(Came::Refused(operating::no_answered(answered)));
        }
        let message = MessageBody { expires_after: Some(open.timer).filter(|seconds| *seconds > 0), ..message };
        store::drafts::sent(tx, open.key, uploads)?;
        store::uploads::sent(tx, uploads)?;
        self.push_row(tx, open, &Body::Message(message), temp_id)
    }

    /// Writes something that is a row of the conversation.
    fn push_row(&self, tx: &Tx<'_>, open: &mut Open, body: &Body, temp_id: Option<String>) -> Result<Came, StoreError> {
        let index = open.messages;
        self.push(tx, open, body)?;
        open.pushed.push(Pushed { temp_id, message: Some(index) });
        open.messages += 1;
        Ok(Came::New { session: open.wrote.session, index })
    }

    fn set_timer(&mut self, tx: &Tx<'_>, session: SessionId, seconds: u64) -> Result<Came, StoreError> {
        self.within(tx, session, |batch, open| {
            if open.timer == seconds {
                return Ok(Came::Unchanged);
            }
            open.timer = seconds;
            batch.push_row(tx, open, &Body::Timer { seconds }, None)
        })
    }

    /// Says something of a message, unless a rule forbids it or it is so already.
    fn operate(&mut self, tx: &Tx<'_>, id: &MessageId, operation: &Operation) -> Result<Came, StoreError> {
        let Some(message) = store::messages::get(tx, id)? else {
            return Ok(Came::Refused(operating::no_message(id)));
        };
        self.within(tx, message.session_id, |batch, open| {
            let (key, session) = (message.key, open.wrote.session);
            let message = if open.named.contains(&key) {
                // What this batch says of it comes first.
                batch.flush(tx, open)?;
                store::messages::by_keys(tx, &[key])?.pop().unwrap_or(message)
            } else {
                message
            };
            let me = &batch.local.machine;
            match operating::judge(tx, me, &message, operation, batch.now_ms)? {
                Judged::Refused(error) => return Ok(Came::Refused(error)),
                Judged::SoAlready => {}
                Judged::Say => {
                    batch.push(tx, open, &operation.body(*id))?;
                    open.pushed.push(Pushed { temp_id: None, message: None });
                }
            }
            open.named.insert(key);
            Ok(Came::Changed { session, key })
        })
    }

    fn open(&mut self, tx: &Tx<'_>, peer: MachineId, person: Option<&Person>) -> Result<Came, StoreError> {
        let session = SessionId::direct(&self.local.machine, &peer);
        if self.sessions.contains_key(&session) {
            return Ok(Came::Opened(false));
        }
        if store::sessions::find(tx, &session)?.is_some() {
            return Ok(Came::Opened(false));
        }
        if let Some(machine) = store::machines::get(tx, &peer)?
            && machine.trust == Trust::Blocked
        {
            return Ok(Came::Refused(blocked()));
        }
        store::sessions::create_direct(tx, &session, &peer, self.now_ms)?;
        if let Some(profile) = person.and_then(|person| person.signed.as_ref()) {
            store::machines::set_profile(tx, profile)?;
        }
        let mut open = match self.begin(tx, session)? {
            Ok(open) => open,
            Err(refusal) => return Ok(Came::Refused(refusal)),
        };
        self.push(tx, &mut open, &Body::Open)?;
        open.pushed.push(Pushed { temp_id: None, message: None });
        self.sessions.insert(session, open);
        Ok(Came::Opened(true))
    }

    /// Looks a session up and accepts its peer: whoever writes to a machine accepts it.
    fn begin(&self, tx: &Tx<'_>, session: SessionId) -> Result<Result<Open, NodeError>, StoreError> {
        let Some(row) = store::sessions::get_by_id(tx, &session)? else {
            let message = format!("there is no session {session} here");
            return Ok(Err(NodeError::NotFound { code: "session_not_found", message }));
        };
        let mut accepted = false;
        if let Some(peer) = row.peer {
            let trust = store::machines::get(tx, &peer)?.map(|machine| machine.trust);
            match trust {
                Some(Trust::Blocked) => return Ok(Err(blocked())),
                Some(Trust::Accepted | Trust::Verified) => {}
                Some(Trust::Unknown | Trust::Requested) | None => {
                    store::machines::set_trust(tx, &peer, Trust::Accepted)?;
                    accepted = true;
                }
            }
            store::machines::set_initiated(tx, &peer)?;
        }
        let (runs, messages, changed, reactions, noted) = Default::default();
        let wrote = Wrote { session, peer: row.peer, runs, messages, changed, reactions, noted, accepted };
        Ok(Ok(Open {
            key: row.key,
            peer: row.peer,
            builder: None,
            pushed: Vec::new(),
            written: 0,
            messages: 0,
            timer: row.timer_seconds,
            named: BTreeSet::new(),
            wrote,
        }))
    }

    fn push(&self, tx: &Tx<'_>, open: &mut Open, body: &Body) -> Result<(), StoreError> {
        if open.builder.is_none() {
            open.builder = Some(self.builder(tx, open)?);
        }
        let Some(builder) = &mut open.builder else { return Ok(()) };
        match builder.push(self.now_ms, body) {
            Ok(_) => Ok(()),
            Err(AppendError::Full) => {
                self.flush(tx, open)?;
                let mut builder = self.builder(tx, open)?;
                builder.push(self.now_ms, body).map_err(|error| conflict(&error))?;
                open.builder = Some(builder);
                Ok(())
            }
            Err(error) => Err(conflict(&error)),
        }
    }

    /// Begins a run after the own log's head, naming what came from others since.
    fn builder(&self, tx: &Tx<'_>, open: &Open) -> Result<RunBuilder, StoreError> {
        let heads = store::logs::heads(tx, open.key)?;
        let is_own = |head: &&store::logs::Head| head.author == self.local.machine && head.epoch == self.local.epoch;
        let own = heads.iter().find(is_own);
        let since = own.map_or(EventKey::NONE, |own| own.last_event);
        let parents = heads
            .iter()
            .filter(|head| !is_own(head) && head.last_event > since)
            .map(|head| Parent { id: head.id, lamport: head.lamport });
        RunBuilder::new(open.wrote.session, &self.local, own.map(ledger::head).as_ref(), parents)
            .map_err(|error| conflict(&error))
    }

    /// Signs and writes the run that is being built.
    fn flush(&self, tx: &Tx<'_>, open: &mut Open) -> Result<(), StoreError> {
        let Some(builder) = open.builder.take() else { return Ok(()) };
        let count = builder.len();
        let (run, _) = builder.sign(self.identity).map_err(|error| conflict(&error))?;
        let first = open.written;
        let pushed = &open.pushed;
        let sharing = Sharing { peer: open.peer, fetched_up_to: None };
        let written = ledger::write(tx, open.key, &run, true, self.now_ms, &sharing, |index| {
            pushed.get(first + index).and_then(|pushed| pushed.temp_id.clone())
        })?;
        if let Some(peer) = &open.peer {
            store::outbox::add(tx, peer, open.key, &written.keys, self.now_ms)?;
        }
        open.written += count;
        open.named.extend(written.changed);
        open.wrote.reactions.extend(written.reactions);
        open.wrote.noted.extend(written.noted);
        open.wrote.messages.extend(written.messages);
        open.wrote.runs.push(run.into_run());
        Ok(())
    }
}

pub(crate) fn no_upload(field: &'static str, id: &[u8; 16]) -> NodeError {
    let message =
        format!("there is no upload {}; one lives for a day unless a draft has it", uuid::Uuid::from_bytes(*id));
    NodeError::Invalid { code: "upload_not_found", field, message }
}

pub(crate) fn blocked() -> NodeError {
    NodeError::Forbidden { code: "user_blocked", message: "this machine is blocked; unblock it first".to_owned() }
}

fn conflict(error: &AppendError) -> StoreError {
    StoreError::Conflict(error.to_string())
}
