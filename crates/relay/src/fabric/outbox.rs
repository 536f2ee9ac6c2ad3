//! What this node is to tell the others, or to find out. What is said twice before it is done is done once.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use proto::id::MachineId;
use tokio::sync::Notify;

/// Machines of a kind that are taken at once: what arrives, and who comes, does not wait behind all that are watched.
const ROUND: usize = 1_024;

/// What is to be done, by machine.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    todo: Mutex<Todo>,
    bell: Notify,
}

/// What there is to do.
#[derive(Debug, Default)]
pub(super) struct Todo {
    /// Came, went, or changed its tokens.
    pub(super) changed: HashSet<MachineId>,
    /// Is watched from here.
    pub(super) wanted: HashSet<MachineId>,
    /// Something lies in its mailbox.
    pub(super) arrived: HashSet<MachineId>,
}

impl Todo {
    fn is_empty(&self) -> bool {
        self.changed.is_empty() && self.wanted.is_empty() && self.arrived.is_empty()
    }

    /// Takes some of it: all that arrived, since telling that waits for nobody.
    fn split(&mut self) -> Self {
        let some = |all: &mut HashSet<MachineId>| all.extract_if(|_| true).take(ROUND).collect();
        let (changed, wanted) = (some(&mut self.changed), some(&mut self.wanted));
        Self { changed, wanted, arrived: std::mem::take(&mut self.arrived) }
    }
}

impl Outbox {
    /// A machine came, went, or changed its tokens.
    pub(crate) fn changed(&self, machine: MachineId) {
        self.add(|todo| todo.changed.extend([machine]));
    }

    /// It is to be found out whether these are at other nodes.
    pub(crate) fn wanted(&self, machines: impl IntoIterator<Item = MachineId>) {
        self.add(|todo| todo.wanted.extend(machines));
    }

    /// Nobody here watches a machine any more.
    pub(crate) fn unwanted(&self, machine: &MachineId) {
        self.todo().wanted.remove(machine);
    }

    /// All of this is to be done.
    pub(super) fn give(&self, all: Todo) {
        self.add(|todo| {
            todo.changed.extend(all.changed);
            todo.wanted.extend(all.wanted);
            todo.arrived.extend(all.arrived);
        });
    }

    /// Something new lies in a machine's mailbox.
    pub(crate) fn arrived(&self, machine: MachineId) {
        self.add(|todo| todo.arrived.extend([machine]));
    }

    /// Waits until there is something to do, and takes some of it.
    pub(super) async fn take(&self) -> Todo {
        loop {
            let todo = self.todo().split();
            if !todo.is_empty() {
                return todo;
            }
            self.bell.notified().await;
        }
    }

    fn add(&self, add: impl FnOnce(&mut Todo)) {
        add(&mut self.todo());
        self.bell.notify_one();
    }

    fn todo(&self) -> MutexGuard<'_, Todo> {
        // Sets of IDs: whole after any panic.
        self.todo.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(number: u32) -> MachineId {
        let mut bytes = [0; 32];
        bytes[..4].copy_from_slice(&number.to_be_bytes());
        MachineId::from_bytes(bytes)
    }

    #[tokio::test]
    async fn what_is_much_is_taken_in_rounds_and_each_once() {
        let outbox = Outbox::default();
        let most = 2 * ROUND as u32 + 1;
        outbox.wanted((0..most).map(machine));
        outbox.wanted([machine(0)]);
        outbox.unwanted(&machine(1));
        let mut taken = outbox.take().await.wanted;
        assert_eq!(taken.len(), ROUND);
        outbox.arrived(machine(7));
        outbox.changed(machine(7));
        let second = outbox.take().await;
        assert!(
            second.arrived.contains(&machine(7)) && second.changed.contains(&machine(7)),
            "because these do not wait"
        );
        taken.extend(second.wanted);
        assert_eq!(taken.len(), 2 * ROUND, "because nobody watches the one that is left out");
        assert!(!taken.contains(&machine(1)) && outbox.todo().is_empty());
    }
}
