//! What holds for a moment: who writes right now, and who is away. Nothing of it is stored.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use proto::frame::PresenceStatus;
use proto::id::{MachineId, SessionId};

use tokio::time::Instant;

use crate::core::Core;
use crate::view::Change;

/// Who started to write and said nothing more writes no longer after this.
const TYPING: Duration = Duration::from_secs(3);

/// All of it.
#[derive(Debug, Default)]
pub(crate) struct Signals {
    /// At most one a contact.
    typing: Mutex<HashMap<SessionId, Writer>>,
    /// Whether this machine's person is away.
    away: AtomicBool,
}

/// Who last wrote in a session. The entry, and a task with it, stays until its time is over: so a machine that starts and
/// stops all the time costs no more than one.
#[derive(Debug, Clone, Copy)]
struct Writer {
    machine: MachineId,
    /// When they write no longer; `None` when they stopped already.
    until: Option<Instant>,
}

impl Signals {
    /// Who writes in a session.
    pub(crate) fn typing_in(&self, session: &SessionId) -> Option<MachineId> {
        self.lock().get(session).filter(|writer| writer.until.is_some()).map(|writer| writer.machine)
    }

    /// Nobody writes in a session any more.
    pub(crate) fn stopped_typing(&self, core: &Core, session: &SessionId) {
        let stopped = self.lock().get_mut(session).and_then(|writer| writer.until.take().map(|_| writer.machine));
        if let Some(machine) = stopped {
            tell(core, *session, machine, false);
        }
    }

    /// When to look at a session again; `None` when its time is over, and it is forgotten.
    fn look(&self, core: &Core, session: &SessionId) -> Option<Instant> {
        let mut typing = self.lock();
        let writer = *typing.get(session)?;
        if let Some(until) = writer.until.filter(|until| *until > Instant::now()) {
            return Some(until);
        }
        typing.remove(session);
        drop(typing);
        if writer.until.is_some() {
            tell(core, *session, writer.machine, false);
        }
        None
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SessionId, Writer>> {
        // Each change is one step.
        self.typing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A linked machine says whether its person writes.
pub(crate) fn heard_typing(core: &Arc<Core>, peer: MachineId, session: SessionId, on: bool) {
    if !core.people.get(&peer).is_some_and(|person| person.accepted()) {
        return;
    }
    if !on {
        core.signals.stopped_typing(core, &session);
        return;
    }
    let until = Instant::now() + TYPING;
    let before = core.signals.lock().insert(session, Writer { machine: peer, until: Some(until) });
    if before.is_none_or(|before| before.until.is_none()) {
        tell(core, session, peer, true);
    }
    if before.is_none() {
        let core = core.clone();
        core.clone().spawner.spawn("end of typing", async move {
            let mut next = Some(until);
            while let Some(at) = next {
                tokio::select! {
                    () = core.spawner.stopping() => return,
                    () = tokio::time::sleep_until(at) => next = core.signals.look(&core, &session),
                }
            }
        });
    }
}

/// A linked machine says whether its person is there.
pub(crate) fn heard_presence(core: &Core, peer: &MachineId, status: PresenceStatus) {
    if let Some(user) = core.people.set_away(peer, status == PresenceStatus::Away) {
        core.publish_user(peer, user);
    }
}

/// This person writes in a session, or stopped: the other is told, if a contact and wanted.
pub(crate) fn say_typing(core: &Core, session: SessionId, peer: &MachineId, on: bool) {
    if !core.kept().settings.send_typing || !core.people.get(peer).is_some_and(|person| person.accepted()) {
        return;
    }
    if let Some(link) = core.links.get(peer) {
        link.with(|pending| {
            pending.typing.insert(session, on);
        });
    }
}

/// This person is there or away: contacts are told, if that is wanted.
pub(crate) fn set_away(core: &Core, away: bool) {
    if core.signals.away.swap(away, Ordering::AcqRel) != away && core.kept().settings.share_presence {
        say_presence(core, away);
    }
}

/// Whether this person's presence is told was changed.
pub(crate) fn sharing_changed(core: &Core, shared: bool) {
    if core.signals.away.load(Ordering::Acquire) {
        say_presence(core, shared);
    }
}

/// What a machine is told at the start of a link; nothing while this person is there, as everyone counts so.
pub(crate) fn presence_for(core: &Core, peer: &MachineId) -> Option<PresenceStatus> {
    let told = core.signals.away.load(Ordering::Acquire)
        && core.kept().settings.share_presence
        && core.people.get(peer).is_some_and(|person| person.accepted());
    told.then_some(PresenceStatus::Away)
}

fn say_presence(core: &Core, away: bool) {
    let status = if away { PresenceStatus::Away } else { PresenceStatus::Online };
    for (machine, link) in core.links.by_machine() {
        if core.people.get(&machine).is_some_and(|person| person.accepted()) {
            link.with(|pending| pending.presence = Some(status));
        }
    }
}

fn tell(core: &Core, session: SessionId, machine: MachineId, typing: bool) {
    core.hub.publish(Change::Typing { session_id: session.to_string(), user_id: machine.to_string(), typing });
}
