//! The keys of being reached through relays: the prekey that others seal to, and what each contact shows a relay.

use proto::id::MachineId;
use proto::identity::Identity;
use proto::limits;
use proto::prekey::SUITE;
use proto::relay::GrantSecret;
use proto::sealed::PrekeySecret;
use proto::{Prekey, SignedPrekey};
use store::prekeys::OwnPrekey;
use store::{StoreError, Tx};

use crate::core::Core;
use crate::profile::version_after;

/// A new prekey is made after this: a week. What was sealed to an old one can be opened by nobody once its secret is
/// destroyed.
const ROTATION_S: u64 = 7 * 24 * 60 * 60;

/// For how long others may seal to one. Whoever was last here just before the next one was due can be away for three
/// weeks, as long as relays keep what waits (21 days), and still be written to.
const LIFE_S: u64 = 28 * 24 * 60 * 60;

/// It counts from a day before it was made, for senders whose clocks are behind.
const BACKDATED_S: u64 = 24 * 60 * 60;

const _: () = assert!(LIFE_S + BACKDATED_S <= limits::PREKEY_LIFE_S);

/// Why there are no keys.
#[derive(Debug, thiserror::Error)]
pub(super) enum KeyError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the system gives no randomness: {0}")]
    Randomness(#[from] getrandom::Error),
}

/// The prekey to seal to now: the newest, or a new one when that is a week old, or dated later than now because the clock
/// was wrong.
pub(super) async fn prekey(core: &Core) -> Result<SignedPrekey, KeyError> {
    let now_ms = core.clock.wall_ms();
    let now_s = now_ms / 1_000;
    let newest = core.store.read(|reader| Ok(store::prekeys::list(reader)?.into_iter().next())).await?;
    let last = match newest {
        Some(newest) if is_fresh(newest.signed.prekey(), now_s) => return Ok(newest.signed),
        Some(newest) => newest.signed.prekey().version,
        None => 0,
    };
    let mut seed = [0; 32];
    getrandom::fill(&mut seed)?;
    let made = make(&core.identity, PrekeySecret::from_seed(seed), version_after(last, now_ms), now_s);
    let made = made.ok_or_else(|| StoreError::Damaged("a prekey of this machine cannot be signed".to_owned()))?;
    let signed = made.signed.clone();
    let destroy_s = signed.prekey().not_after_s.saturating_add(limits::PREKEY_GRACE_S);
    core.store
        .write(move |tx| {
            store::prekeys::add(tx, &made, destroy_s)?;
            store::prekeys::sweep(tx, now_s)
        })
        .await?;
    Ok(signed)
}

fn is_fresh(prekey: &Prekey, now_s: u64) -> bool {
    let made_s = prekey.not_before_s.saturating_add(BACKDATED_S);
    (made_s..made_s.saturating_add(ROTATION_S)).contains(&now_s)
}

fn make(identity: &Identity, secret: PrekeySecret, version: u64, now_s: u64) -> Option<OwnPrekey> {
    let not_before_s = now_s.saturating_sub(BACKDATED_S);
    let prekey = Prekey {
        machine: identity.machine_id(),
        version,
        suite: SUITE,
        public: secret.public(),
        not_before_s,
        not_after_s: not_before_s + BACKDATED_S + LIFE_S,
    };
    Some(OwnPrekey { signed: SignedPrekey::sign(identity, prekey).ok()?, secret })
}

/// Sees that every contact has a grant, and this machine itself, by which it lays files down in its own mailbox. Gives those
/// contacts that got a new one.
pub(super) async fn grants(core: &Core) -> Result<Vec<MachineId>, KeyError> {
    let me = core.me;
    let lacking = core
        .store
        .read(move |reader| {
            let granted: Vec<_> = store::reach::list(reader)?;
            let has =
                |machine: &MachineId| granted.iter().any(|reach| reach.machine == *machine && reach.given.is_some());
            let contacts = store::machines::list(reader)?.into_iter().filter(|machine| machine.trust.is_contact());
            let others = contacts.map(|machine| machine.id).filter(|id| *id != me);
            Ok(others.chain([me]).filter(|id| !has(id)).collect::<Vec<_>>())
        })
        .await?;
    if lacking.is_empty() {
        return Ok(lacking);
    }
    let mut given = Vec::with_capacity(lacking.len());
    for machine in &lacking {
        let mut secret = [0; 32];
        getrandom::fill(&mut secret)?;
        given.push((*machine, GrantSecret::from_bytes(secret)));
    }
    let now_ms = core.clock.wall_ms();
    core.store
        .write(move |tx| given.iter().try_for_each(|(machine, secret)| give(tx, machine, secret, now_ms)))
        .await?;
    Ok(lacking.into_iter().filter(|machine| *machine != me).collect())
}

fn give(tx: &Tx<'_>, machine: &MachineId, secret: &GrantSecret, now_ms: u64) -> Result<(), StoreError> {
    let last = store::reach::get(tx, machine)?.map_or(0, |reach| reach.given_version);
    store::reach::give(tx, machine, Some(secret), version_after(last, now_ms), now_ms)?;
    // A contact that is not linked is told in its mailbox.
    store::reach::owe(tx, machine).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY_S: u64 = 24 * 60 * 60;

    #[test]
    fn a_prekey_is_used_for_a_week_and_serves_whoever_is_away_for_three() {
        let now_s = 1_000 * DAY_S;
        let identity = Identity::from_seed([1; 32]);
        let made = make(&identity, PrekeySecret::from_seed([2; 32]), 7, now_s).unwrap();
        let prekey = made.signed.prekey();
        assert_eq!(made.signed.verify(), Ok(()));
        assert!(is_fresh(prekey, now_s) && is_fresh(prekey, now_s + 7 * DAY_S - 1));
        assert!(!is_fresh(prekey, now_s + 7 * DAY_S));
        assert!(!is_fresh(prekey, now_s - 1), "because it was made by a clock that was wrong");
        assert!(prekey.is_valid_at(now_s - DAY_S), "because a sender's clock may be behind");
        assert!(prekey.is_valid_at(now_s + (7 + 21) * DAY_S - 1));
        assert!(!prekey.is_valid_at(now_s + 28 * DAY_S));
    }
}
