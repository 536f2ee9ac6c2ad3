//! The task that opens what lies in this machine's mailboxes, and takes it as if it had come over a link.
//!
//! Anybody can make a parcel, so one that breaks a rule says nothing of the machine that it names: it is dropped. What is
//! in a good one is proved by its signatures, and judged by the same rules as what comes over a link.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use link::Mail;
use proto::frame::Frame;
use proto::id::{MachineId, SessionId};
use proto::register::{SignedProfile, SignedReceipt};
use proto::relay::Item;
use proto::run::{Run, VerifiedRun};
use proto::sealed::{self, Parcel};
use proto::{SignedDeposit, SignedGrant, SignedPrekey};
use store::StoreError;
use store::machines::Trust;
use store::prekeys::OwnPrekey;
use tokio::sync::mpsc;

use super::lock;
use crate::core::Core;
use crate::incoming::{self, Checked};
use crate::{files, relays};

/// Pages that wait to be opened. A relay hands over one at a time.
const PAGES: usize = 64;

/// What one machine left, in the order in which it lay there.
#[derive(Default)]
struct Left {
    parts: Parts,
    /// Each item, and up to where its runs reach in their logs.
    items: Vec<(u64, Vec<Place>)>,
}

/// The end of a run.
type Place = (SessionId, MachineId, proto::Epoch, u64);

/// Opens what relays hand over, until the store is closed.
pub(crate) async fn run(core: Arc<Core>) {
    let (sender, mut pages) = mpsc::channel(PAGES);
    *lock(&core.mailbox.mail) = Some(sender);
    while let Some(mail) = pages.recv().await {
        match page(&core, &mail).await {
            Ok(done) => mail.done(done),
            Err(StoreError::Closed) => return,
            // Not answered, the relay keeps it and is asked for it again.
            Err(error) => tracing::error!(%error, "what lay in a mailbox could not be stored"),
        }
    }
}

/// Takes one page. Gives the cursors of what the relay may forget.
async fn page(core: &Arc<Core>, mail: &Mail) -> Result<Vec<u64>, StoreError> {
    let secrets = core.store.read(store::prekeys::list).await?;
    let (me, items) = (core.me, mail.items.clone());
    let sorting = core.spawner.spawn_blocking("open envelopes", move || sort(&me, &secrets, items));
    // A group that is shut down has no use for it.
    let (by_sender, mut done) = sorting.await.map_err(|_| StoreError::Closed)?;
    for (peer, left) in by_sender {
        done.extend(take(core, peer, left, mail).await?);
    }
    Ok(done)
}

/// Opens and checks all of a page. Gives what each sender left, and the cursors of what is of no use.
fn sort(me: &MachineId, secrets: &[OwnPrekey], items: Vec<Item>) -> (BTreeMap<MachineId, Left>, Vec<u64>) {
    let (mut by_sender, mut useless) = (BTreeMap::<MachineId, Left>::new(), Vec::new());
    for item in items {
        let opened = open(me, secrets, &item.envelope).and_then(|parcel| Some((parcel.from, Parts::checked(parcel)?)));
        let Some((from, parts)) = opened else {
            tracing::debug!("an envelope that cannot be opened, or whose signatures do not fit, was dropped");
            useless.push(item.cursor);
            continue;
        };
        let place = |run: &VerifiedRun| (run.session(), run.author(), run.epoch(), run.last_seq());
        let left = by_sender.entry(from).or_default();
        left.items.push((item.cursor, parts.runs.iter().map(place).collect()));
        left.parts.add(parts);
    }
    (by_sender, useless)
}

fn open(me: &MachineId, secrets: &[OwnPrekey], envelope: &[u8]) -> Option<Parcel> {
    let key = sealed::key_id(envelope).ok()?;
    let own = secrets.iter().find(|own| own.signed.prekey().key_id() == key)?;
    sealed::open(envelope, me, &own.secret).ok()
}

/// Parcels of one machine taken apart, all their signatures checked.
#[derive(Default)]
struct Parts {
    runs: Vec<VerifiedRun>,
    receipts: Vec<SignedReceipt>,
    profile: Option<SignedProfile>,
    prekey: Option<SignedPrekey>,
    grant: Option<SignedGrant>,
    deposits: Vec<SignedDeposit>,
}

impl Parts {
    /// `None` when a signature does not fit.
    fn checked(parcel: Parcel) -> Option<Self> {
        let mut parts = Self::default();
        for frame in parcel.frames {
            match frame {
                Frame::Events { runs, .. } => {
                    let verified: Result<Vec<_>, _> = runs.into_iter().map(Run::verify).collect();
                    parts.runs.extend(verified.ok()?);
                }
                Frame::Receipts(receipts) => {
                    receipts.iter().try_for_each(SignedReceipt::verify).ok()?;
                    parts.receipts.extend(receipts);
                }
                Frame::Profile(profile) => {
                    profile.verify().ok()?;
                    parts.profile = Some(profile);
                }
                Frame::Prekey(prekey) => {
                    prekey.verify().ok()?;
                    parts.prekey = Some(prekey);
                }
                Frame::Grant(grant) => {
                    grant.verify().ok()?;
                    parts.grant = Some(grant);
                }
                Frame::Deposit(deposit) => {
                    deposit.verify().ok()?;
                    parts.deposits.push(deposit);
                }
                _ => return None,
            }
        }
        Some(parts)
    }

    /// Adds what lay behind it. Of registers the newest counts, and they lie in the order in which they were put.
    fn add(&mut self, later: Self) {
        self.runs.extend(later.runs);
        self.receipts.extend(later.receipts);
        self.profile = later.profile.or(self.profile.take());
        self.prekey = later.prekey.or(self.prekey.take());
        self.grant = later.grant.or(self.grant.take());
        self.deposits.extend(later.deposits);
    }
}

/// Takes what one machine left. Gives the cursors of items that are done: all in them is on this disk, or will never be.
async fn take(core: &Arc<Core>, peer: MachineId, left: Left, mail: &Mail) -> Result<Vec<u64>, StoreError> {
    let Left { parts: Parts { runs, receipts, profile, prekey, grant, deposits }, items } = left;
    let all = || items.iter().map(|(cursor, _)| *cursor).collect::<Vec<_>>();
    let known = core.people.get(&peer);
    let writes = runs.iter().any(|run| run.author() == peer);
    // Who is blocked is not told. Of who is not known, only what it wrote counts.
    if known.as_ref().map_or(!writes, |person| person.trust == Trust::Blocked) {
        return Ok(all());
    }
    if let Some(profile) = profile {
        incoming::keep_profile(core, profile).await;
    }
    let sessions: BTreeSet<SessionId> = runs.iter().map(|run| run.session()).collect();
    let mut refused = BTreeSet::new();
    if !runs.is_empty() || !receipts.is_empty() {
        refused = incoming::take_mail(core, peer, Checked { runs, receipts }).await?;
    }
    relays::heard(core, peer, prekey, grant).await?;
    files::told(core, peer, deposits).await?;
    super::stir_soon(core, peer);
    let held = core
        .store
        .read(move |reader| {
            let mut held = BTreeMap::new();
            for session in sessions {
                if let Some(key) = store::sessions::find(reader, &session)? {
                    held.insert(session, store::logs::vector(reader, key)?);
                }
            }
            Ok(held)
        })
        .await?;
    let mut done = Vec::new();
    for (cursor, places) in items {
        let missing = places.iter().find(|(session, author, epoch, seq)| {
            !refused.contains(session) && !held.get(session).is_some_and(|held| held.covers(author, *epoch, *seq))
        });
        match missing {
            None => done.push(cursor),
            // It waits for something else: for what comes before it, or for its sender to be accepted.
            Some((session, ..)) => {
                lock(&core.mailbox.stuck).entry(*session).or_default().insert(mail.relay.clone());
            }
        }
    }
    Ok(done)
}
