//! What goes into one envelope for a machine.

use std::collections::BTreeSet;

use proto::frame::Frame;
use proto::id::{Epoch, MachineId, SessionId};
use proto::identity::Identity;
use proto::limits;
use proto::register::{ReceiptKind, SignedProfile, SignedReceipt};
use proto::run::{Run, VerifiedRun};
use proto::sealed::Parcel;
use proto::{SignedDeposit, SignedGrant, SignedPrekey};
use store::deposits::Untold;
use store::{Reader, SessionKey, StoreError};

/// The most that a parcel for a request slot holds: what the class of 16 KiB takes. A relay takes none larger there.
const REQUEST_BYTES: usize = 16 * 1024 - 4;

/// What a frame of runs takes beside them, and each of them beside its own bytes, at most.
const FRAME_BYTES: usize = 64;
const RUN_BYTES: usize = 8;

/// Most files of which one parcel tells: a small part of its room.
const DEPOSITS: u32 = 32;

/// Versions of this machine's registers that another was told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Said {
    profile: u64,
    prekey: u64,
    grant: u64,
}

/// Events that a parcel holds, as places of one own log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) session: SessionKey,
    pub(super) epoch: Epoch,
    pub(super) seqs: std::ops::RangeInclusive<u64>,
}

/// A parcel, and what it does when it lies there.
#[derive(Debug)]
pub(super) struct Packed {
    pub(super) parcel: Parcel,
    pub(super) held: Vec<Held>,
    /// It holds events that were put before, at a relay that perhaps drops what it takes.
    pub(super) again: bool,
    /// What was owed to the machine as this was packed: the parcel says all of it.
    pub(super) paid: u64,
    pub(super) said: Said,
    /// Attachments of whose place at a relay it tells.
    pub(super) deposits: Vec<Untold>,
}

/// What a parcel is made of.
pub(super) struct Packing<'a> {
    pub(super) identity: &'a Identity,
    pub(super) to: MachineId,
    pub(super) profile: &'a SignedProfile,
    pub(super) prekey: Option<&'a SignedPrekey>,
    /// What the machine was told already.
    pub(super) said: Said,
    /// Whether it takes no more than a request.
    pub(super) stranger: bool,
    /// Whether it is told what was seen.
    pub(super) reads: bool,
    /// What was put there before this is put again.
    pub(super) before_ms: u64,
    pub(super) now_s: u64,
}

impl Packing<'_> {
    /// The next parcel, if there is anything to say.
    pub(super) fn pack(&self, reader: &Reader<'_>) -> Result<Option<Packed>, StoreError> {
        let me = self.identity.machine_id();
        let id = SessionId::direct(&me, &self.to);
        let reach = store::reach::get(reader, &self.to)?;
        // Who does not know this machine is told nothing but what was written to it, and by what to answer.
        let paid = reach.as_ref().filter(|_| !self.stranger).map_or(0, |reach| reach.owed);
        let before = if self.stranger { Said::default() } else { self.said };
        let grant = reach.and_then(|reach| Some((reach.given_version, reach.given?)));
        let grant = grant.map(|(version, secret)| SignedGrant::sign(self.identity, self.to, version, secret));
        let said = Said {
            profile: self.profile.version(),
            prekey: self.prekey.map_or(0, |prekey| prekey.prekey().version),
            grant: grant.as_ref().map_or(0, |grant| grant.grant().version),
        };
        let mut frames = Vec::new();
        if before.profile != said.profile {
            frames.push(Frame::Profile(self.profile.clone()));
        }
        frames.extend(self.prekey.filter(|_| before.prekey != said.prekey).cloned().map(Frame::Prekey));
        frames.extend(grant.filter(|_| before.grant != said.grant).map(Frame::Grant));
        let deposits = self.deposits(reader)?;
        let mut said_of = BTreeSet::new();
        let places = deposits.iter().filter(|untold| said_of.insert(untold.hash)).map(
            |Untold { hash, relay, secret, until_s, .. }| {
                Frame::Deposit(SignedDeposit::sign(self.identity, *hash, relay.clone(), secret.clone(), *until_s))
            },
        );
        frames.extend(places);
        let mut parcel = Parcel { from: me, frames };
        let (mut held, mut again) = (Vec::new(), false);
        if let Some(session) = store::sessions::find(reader, &id)? {
            let receipts = if paid > 0 { self.receipts(reader, session, id)? } else { Vec::new() };
            if !receipts.is_empty() {
                parcel.frames.push(Frame::Receipts(receipts));
            }
            let due = store::outbox::unheld(reader, &self.to, session, self.before_ms)?;
            again = due.iter().any(|(.., again)| *again);
            let runs = self.runs(reader, session, &due, parcel.wire_size())?;
            let places = |run: &Run| Held { session, epoch: run.epoch(), seqs: run.first_seq()..=run.last_seq() };
            held.extend(runs.iter().map(places));
            if !runs.is_empty() {
                parcel.frames.push(Frame::Events { session: id, runs });
            }
        }
        let news = paid > 0 || !held.is_empty() || !deposits.is_empty();
        Ok(news.then_some(Packed { parcel, held, again, paid, said, deposits }))
    }

    /// Files that lie at relays, and of which the machine was not told.
    fn deposits(&self, reader: &Reader<'_>) -> Result<Vec<Untold>, StoreError> {
        if self.stranger {
            return Ok(Vec::new());
        }
        store::deposits::untold(reader, &self.to, self.now_s, DEPOSITS)
    }

    /// What is on this disk, and what was seen of it.
    fn receipts(
        &self,
        reader: &Reader<'_>,
        session: SessionKey,
        id: SessionId,
    ) -> Result<Vec<SignedReceipt>, StoreError> {
        let version = store::logs::last_event(reader, session)?.as_u64();
        let vector = store::logs::vector(reader, session)?;
        let mut receipts = Vec::new();
        if vector.iter().any(|(author, _, _)| *author == self.to) {
            receipts.push(SignedReceipt::sign(self.identity, id, ReceiptKind::Delivered, version, vector, None));
        }
        if self.reads {
            receipts.extend(store::registers::get(reader, session, &self.identity.machine_id(), ReceiptKind::Read)?);
        }
        Ok(receipts)
    }

    /// Own events that do not lie there yet, the oldest first, as many as fit behind `used` bytes.
    fn runs(
        &self,
        reader: &Reader<'_>,
        session: SessionKey,
        due: &[(MachineId, Epoch, u64, bool)],
        used: usize,
    ) -> Result<Vec<Run>, StoreError> {
        if due.is_empty() {
            return Ok(Vec::new());
        }
        let me = self.identity.machine_id();
        let first_of = |author: &MachineId, epoch| {
            due.iter().find(|(of, at, ..)| of == author && *at == epoch).map(|(_, _, first, _)| *first)
        };
        // All that is here counts as had, but own logs from where they are due.
        let had = store::logs::vector(reader, session)?
            .iter()
            .map(|(author, epoch, seq)| (*author, epoch, first_of(author, epoch).map_or(seq, |first| first - 1)))
            .collect();
        let limit = if self.stranger { REQUEST_BYTES } else { limits::PARCEL_BYTES };
        let mut room = limit.saturating_sub(used).saturating_sub(FRAME_BYTES);
        let mut runs = Vec::new();
        for run in store::runs::after(reader, session, &had, limit)?.runs.into_iter().filter(|run| run.author() == me) {
            let size = run.wire_size() + RUN_BYTES;
            if size <= room {
                room -= size;
                runs.push(run);
                continue;
            }
            if runs.is_empty() {
                runs.extend(self.beginning(&run, room)?);
            }
            break;
        }
        Ok(runs)
    }

    /// The beginning of a run that does not fit as it was signed: it is cut by its author, which this machine is.
    fn beginning(&self, run: &Run, room: usize) -> Result<Option<Run>, StoreError> {
        let cut = run.cut(self.identity, room.saturating_sub(RUN_BYTES));
        let pieces = cut.map_err(|error| StoreError::Damaged(format!("an own run cannot be cut: {error}")))?;
        let first = pieces.into_iter().next().map(VerifiedRun::into_run);
        // A single event may be too large: then it waits for a link.
        Ok(first.filter(|piece| piece.wire_size() + RUN_BYTES <= room))
    }
}
