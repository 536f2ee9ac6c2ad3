//! What this node is to tell the others, or to find out. What is said twice before it is done is done once.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use proto::id::MachineId;
use tokio::sync::Notify;

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

    /// Something new lies in a machine's mailbox.
    pub(crate) fn arrived(&self, machine: MachineId) {
        self.add(|todo| todo.arrived.extend([machine]));
    }

    /// Waits until there is something to do, and takes it.
    pub(super) async fn take(&self) -> Todo {
        loop {
            let todo = std::mem::take(&mut *self.todo());
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
