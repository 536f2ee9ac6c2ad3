//! Mailboxes: what goes to a contact's relay while no link to it stands, and what waits for this machine at its own.
//!
//! A relay is only a place where sealed parcels lie. That something lies there is shown ("held by relay") and clears
//! nothing: the sender keeps every event until the recipient's own signed receipt covers it, whichever way that comes.

mod opening;
mod parcel;
mod posting;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use link::Mail;
use proto::id::{MachineId, SessionId};
use proto::relay::RelayAddress;
use store::StoreError;
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;

pub(crate) use self::opening::run as open;
use self::parcel::Said;
pub(crate) use self::posting::{AGAIN_MS, run as post};
use crate::core::Core;

/// What is to be told when no link stands waits so long, so that what belongs together goes together: a link may come back,
/// and what was received is soon also read.
const GATHERING: Duration = Duration::from_secs(2);

/// What the tasks of the mailbox share.
#[derive(Debug, Default)]
pub(crate) struct Mailbox {
    /// Machines to look at, and when.
    stirred: Mutex<BTreeMap<MachineId, Instant>>,
    wake: Notify,
    /// What lies in each machine's mailbox of this machine's own registers, put there since the program began.
    said: Mutex<BTreeMap<MachineId, Said>>,
    /// Sessions of which something lies at these relays that could not be taken yet.
    stuck: Mutex<BTreeMap<SessionId, BTreeSet<RelayAddress>>>,
    /// To the task that opens what relays hand over; set when it runs.
    mail: Mutex<Option<mpsc::Sender<Mail>>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Every change is one step, so a panic elsewhere leaves the table whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Something may be to be put into a machine's mailbox: at once.
pub(crate) fn stir(core: &Core, machine: MachineId) {
    stir_at(core, machine, Instant::now());
}

/// The same, but not at once: what follows soon goes with it.
pub(crate) fn stir_soon(core: &Core, machine: MachineId) {
    stir_at(core, machine, Instant::now() + GATHERING);
}

fn stir_at(core: &Core, machine: MachineId, at: Instant) {
    let mut stirred = lock(&core.mailbox.stirred);
    let planned = stirred.entry(machine).or_insert(at);
    *planned = at.min(*planned);
    drop(stirred);
    core.mailbox.wake.notify_one();
}

/// A link stands: what the machine's mailbox was to say of this disk is being said over it, as far as it was `owed` when that was
/// read.
pub(crate) async fn told(core: &Core, machine: &MachineId, owed: u64) -> Result<(), StoreError> {
    let machine = *machine;
    // What a power cut takes back is said once more.
    core.store.note(move |tx| store::reach::paid(tx, &machine, owed)).await
}

/// A relay hands over what lies in this machine's mailbox. When too much waits to be opened it is dropped, and the relay
/// asked for it again.
pub(crate) fn arrived(core: &Core, mail: Mail) {
    if let Some(opening) = &*lock(&core.mailbox.mail) {
        let _ = opening.try_send(mail);
    }
}

/// Something was taken in a session: what waited for it at relays can be tried again.
pub(crate) fn moved(core: &Core, session: &SessionId) {
    let Some(relays) = lock(&core.mailbox.stuck).remove(session) else { return };
    if let Some(link) = core.link() {
        relays.iter().for_each(|relay| link.fetch_again(relay));
    }
}
