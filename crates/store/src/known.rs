//! What the rules of admission ask about what is held. So a run is judged and written in one job:
//! `proto::log::admit(run, &peer, &local, &**tx)`.

use proto::log::{Head, Known};
use proto::{Epoch, EventId, MachineId, SessionId};

use crate::{Reader, StoreError, events, logs, sessions};

impl From<&logs::Head> for Head {
    fn from(head: &logs::Head) -> Self {
        Self { seq: head.seq, id: head.id, lamport: head.lamport, frozen: head.frozen }
    }
}

impl Known for Reader<'_> {
    type Error = StoreError;

    fn head(&self, session: SessionId, author: &MachineId, epoch: Epoch) -> Result<Option<Head>, StoreError> {
        let Some(session) = sessions::find(self, &session)? else { return Ok(None) };
        Ok(logs::head(self, session, author, epoch)?.as_ref().map(Head::from))
    }

    fn id_at(
        &self,
        session: SessionId,
        author: &MachineId,
        epoch: Epoch,
        seq: u64,
    ) -> Result<Option<EventId>, StoreError> {
        let Some(session) = sessions::find(self, &session)? else { return Ok(None) };
        events::id_at(self, session, author, epoch, seq)
    }

    fn lamport(&self, session: SessionId, id: &EventId) -> Result<Option<u64>, StoreError> {
        let Some(session) = sessions::find(self, &session)? else { return Ok(None) };
        events::known(self, session, id)
    }

    fn epochs(&self, session: SessionId, author: &MachineId) -> Result<u64, StoreError> {
        let Some(session) = sessions::find(self, &session)? else { return Ok(0) };
        logs::epochs(self, session, author)
    }
}
