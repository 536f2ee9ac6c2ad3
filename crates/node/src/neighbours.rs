//! What the link tells: machines that appear, links that come and go. Each link gets a receiving and a sending task.

use std::sync::Arc;
use std::time::Duration;

use link::{Conn, DiscoveryState, Hint, HintSource, LinkEvent, Path};
use proto::frame::{ByeReason, Frame, Hello};
use proto::id::{MachineId, SessionId};
use store::StoreError;
use store::machines::Trust;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::core::Core;
use crate::dispatch::Dispatch;
use crate::view::Change;
use crate::{centre, files, incoming, mailbox, networks, relays, sending};

/// The wall clock may run ahead of the monotonic one by this much between two events before it counts as sleep. Time
/// servers correct a clock by less, or rarely.
const SLEPT: Duration = Duration::from_secs(10);

/// Serves the link's events until it ends. `redigest` as in [`sending::run`].
pub(crate) async fn run(
    core: Arc<Core>,
    mut events: mpsc::Receiver<LinkEvent>,
    redigest: Duration,
    relays_missed: relays::Patience,
) {
    let reading = |core: &Core| (Duration::from_millis(core.clock.wall_ms()), core.clock.monotonic());
    let mut before = reading(&core);
    let mut undiscovered = false;
    while let Some(event) = events.recv().await {
        let now = reading(&core);
        if now.0.saturating_sub(before.0) > now.1.saturating_sub(before.1) + SLEPT {
            core.notices.woke(now.1);
            core.expiry.notify_one();
        }
        before = now;
        match event {
            LinkEvent::Up { peer, hello, conn, frames, path, inbound } => {
                up(&core, peer, *hello, conn, frames, Reach { path, inbound }, redigest);
                tracing::debug!(peer = peer.short(), inbound, "link up");
            }
            LinkEvent::Down { peer, conn_id, reason } => {
                tracing::debug!(peer = peer.short(), %reason, "link down");
                core.files.down(&peer, conn_id);
                let now_ms = core.clock.wall_ms();
                if let Some(user) = core.people.down(&peer, conn_id, now_ms) {
                    core.signals.stopped_typing(&core, &SessionId::direct(&core.me, &peer));
                    core.publish_user(&peer, user);
                    remember_seen(&core, peer, now_ms);
                    mailbox::stir_soon(&core, peer);
                }
            }
            LinkEvent::Hint(hint) => hinted(&core, hint),
            LinkEvent::HintGone { machine } => {
                if let Some(user) = core.people.unhinted(&machine) {
                    core.publish_user(&machine, user);
                }
            }
            LinkEvent::Relay(status) => relays::changed(&core, status, relays_missed),
            LinkEvent::Present { machine, relays } => {
                // It is linked, or will be in a moment.
                if let Some(user) = core.people.set_relayed(&machine, !relays.is_empty(), Instant::now()) {
                    core.publish_user(&machine, user);
                    mailbox::stir_soon(&core, machine);
                }
            }
            LinkEvent::Mail(mail) => mailbox::arrived(&core, mail),
            LinkEvent::Network(state) => {
                match &state.mdns {
                    DiscoveryState::Failed(reason) if !undiscovered => centre::undiscovered(&core, reason),
                    _ => {}
                }
                undiscovered = matches!(state.mdns, DiscoveryState::Failed(_));
                let network = networks::view(&state, core.people.online_count());
                core.hub.publish(Change::NetworkChanged { network });
            }
        }
    }
}

fn hinted(core: &Core, hint: Hint) {
    // Typed and remembered addresses say nothing about who is here now.
    if matches!(hint.source, HintSource::Typed | HintSource::Remembered) {
        return;
    }
    let name = hint.name.and_then(|name| proto::text::clean_name(&name).ok());
    if core.people.hinted(hint.machine, name) {
        core.show_user(&hint.machine);
    }
}

/// How a machine is reached that has just linked.
struct Reach {
    path: Path,
    inbound: bool,
}

fn up(
    core: &Arc<Core>,
    peer: MachineId,
    hello: Hello,
    conn: Conn,
    frames: mpsc::Receiver<Frame>,
    Reach { path, inbound }: Reach,
    redigest: Duration,
) {
    if core.people.get(&peer).is_some_and(|person| person.trust == Trust::Blocked) {
        // Blocked between the gate's look and now.
        conn.close(ByeReason::ShuttingDown);
        return;
    }
    if hello.profile.machine() != peer || hello.profile.verify().is_err() {
        tracing::info!(peer = peer.short(), "link refused: its profile is not its own");
        conn.close(ByeReason::Protocol);
        return;
    }
    core.people.up(peer, conn.id(), &path, hello.wall_ms, core.clock.wall_ms());
    let before = core.people.relays(&peer);
    let changed = core.people.set_profile(hello.profile);
    if core.people.relays(&peer) != before {
        core.relays.stir();
    }
    core.show_user(&peer);
    for machine in changed.iter().filter(|machine| **machine != peer) {
        core.show_user(machine);
    }
    let dispatch = Arc::new(Dispatch::default());
    core.links.insert(peer, dispatch.clone());
    core.files.up(peer, conn.id(), path, inbound);
    let telling = core.clone();
    core.spawner.spawn("tell of files", async move { files::tell_ended(&telling, peer).await });
    let (name_in, name_out) = (format!("from {}", peer.short()), format!("to {}", peer.short()));
    core.spawner.spawn(name_out, sending::run(core.clone(), conn.clone(), dispatch.clone(), redigest));
    note_contact(core, peer);
    let core_in = core.clone();
    core.spawner.spawn(name_in, async move {
        incoming::run(core_in.clone(), conn, frames, dispatch.clone()).await;
        dispatch.end();
        core_in.links.remove(&peer, &dispatch);
    });
}

/// Keeps a contact's profile, the time and the address of its link, if one stands. Of strangers nothing is kept.
pub(crate) fn note_contact(core: &Arc<Core>, peer: MachineId) {
    let Some(person) = core.people.get(&peer).filter(|person| person.stored) else { return };
    if let Some(link) = core.link() {
        link.remember(peer, person.addr.into_iter().collect());
    }
    let now_ms = core.clock.wall_ms();
    let core = core.clone();
    core.clone().spawner.spawn("note a contact", async move {
        let note = move |tx: &store::Tx<'_>| {
            store::machines::upsert_seen(tx, &peer, now_ms)?;
            if let Some(profile) = &person.signed {
                store::machines::set_profile(tx, profile)?;
            }
            // A relay's address is none of the contact's.
            person.addr.map_or(Ok(()), |addr| store::addresses::remember(tx, &peer, addr, now_ms))
        };
        match core.store.write(note).await {
            Ok(()) | Err(StoreError::Closed) => {}
            Err(error) => tracing::error!(%error, "a contact's address could not be stored"),
        }
    });
}

fn remember_seen(core: &Arc<Core>, peer: MachineId, now_ms: u64) {
    if !core.people.get(&peer).is_some_and(|person| person.stored) {
        return;
    }
    let core = core.clone();
    core.clone().spawner.spawn("note last seen", async move {
        match core.store.write(move |tx| store::machines::upsert_seen(tx, &peer, now_ms)).await {
            Ok(_) | Err(StoreError::Closed) => {}
            Err(error) => tracing::error!(%error, "when a contact was last seen could not be stored"),
        }
    });
}
