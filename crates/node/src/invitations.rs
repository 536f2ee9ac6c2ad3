//! Invitations: made here, followed here, and what the two machines prove each other of them over their link.
//!
//! Whoever follows an invitation proves its token in `Invited`. The inviter, once it has written down that the token was
//! used, answers with the same proof the other way round. So neither shows the other as verified before the other does.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use proto::id::{MachineId, SessionId};
use proto::limits;
use proto::{Endpoint, Invitation, InvitationToken};
use store::machines::Trust;
use store::{Reader, StoreError};
use tokio::time::timeout;

use crate::core::Core;
use crate::people::Person;
use crate::view::{self, User};
use crate::{Changes, NodeError, contacts, node, times};

/// How long a machine has to answer when its invitation is followed, before the person is told that it does not.
const REACHING: Duration = Duration::from_secs(15);

/// How long an inviter has to say that its invitation counts. It says nothing to one that does not.
const CONFIRMING: Duration = Duration::from_secs(3);

/// How long a link that was just made takes until it is served, at most.
const SERVING: Duration = Duration::from_secs(2);

const LIFE_MS: u64 = limits::INVITATION_LIFE_S as u64 * 1_000;

/// Makes an invitation.
pub(crate) async fn invite(core: &Core) -> Result<view::Invitation, NodeError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)
        .map_err(|error| NodeError::Internal { message: format!("the system gives no randomness: {error}") })?;
    let token = InvitationToken::from_bytes(bytes);
    let now_ms = core.clock.wall_ms();
    let expires_ms = now_ms.saturating_add(LIFE_MS);
    let kept = token.clone();
    core.store
        .write(move |tx| {
            store::invitations::sweep(tx, now_ms)?;
            store::invitations::add(tx, &kept, expires_ms)
        })
        .await?;
    core.relays.stir();
    let profile = core.profile.signed();
    let invitation = Invitation {
        machine: core.me,
        name: Some(profile.profile().name.clone()),
        addresses: own_addresses(core),
        relays: core.relays.addresses(),
        token: Some(token),
    };
    Ok(view::Invitation { link: invitation.to_string(), expires_at: times::text(expires_ms) })
}

/// Where others of this network reach this machine: IPv4 first, as it is the likelier to lead through.
fn own_addresses(core: &Core) -> Vec<Endpoint> {
    let Some(link) = core.link() else { return Vec::new() };
    let listen = link.listen_addr();
    let own: Vec<IpAddr> = match listen.ip() {
        ip if ip.is_unspecified() => link.network().addresses().collect(),
        ip => vec![ip],
    };
    reachable(own, listen.ip())
        .into_iter()
        .filter_map(|ip| SocketAddr::new(ip, listen.port()).to_string().parse().ok())
        .take(limits::INVITATION_ADDRESSES)
        .collect()
}

/// Addresses that mean the same elsewhere. Loopback only when nothing else is there: profiles of one computer meet by it.
fn reachable(own: Vec<IpAddr>, listen: IpAddr) -> Vec<IpAddr> {
    let link_local = |ip: &IpAddr| match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    };
    let mut own: Vec<IpAddr> =
        own.into_iter().filter(|ip| !link_local(ip) && (listen.is_ipv6() || ip.is_ipv4())).collect();
    if own.iter().any(|ip| !ip.is_loopback()) {
        own.retain(|ip| !ip.is_loopback());
    }
    own.sort_by_key(IpAddr::is_ipv6);
    own
}

/// Follows an invitation. `changes` began before the call.
pub(crate) async fn follow(core: &Arc<Core>, text: &str, mut changes: Changes) -> Result<User, NodeError> {
    let invitation: Invitation = text.parse().map_err(|error: proto::invitation::InvitationError| {
        NodeError::Invalid { code: "invalid_invitation", field: "link", message: format!("link: {error}") }
    })?;
    let machine = invitation.machine;
    if machine == core.me {
        let message = "this is an invitation of this machine; open it on the other one".to_owned();
        return Err(NodeError::Invalid { code: "own_machine", field: "link", message });
    }
    if core.people.get(&machine).is_some_and(|person| person.trust == Trust::Blocked) {
        let message = "the machine that this invitation is of is blocked; unblock it first".to_owned();
        return Err(NodeError::Conflict { code: "user_blocked", message });
    }
    let link = core.link().ok_or_else(|| NodeError::Internal { message: "the link has not started".to_owned() })?;
    let mut addresses = Vec::new();
    let mut unresolved = None;
    for address in &invitation.addresses {
        match timeout(SERVING, link.resolve(&address.to_string())).await {
            Ok(Ok(found)) => addresses.extend(found),
            Ok(Err(error)) => unresolved = Some(error.to_string()),
            Err(_) => unresolved = Some(format!("the name \"{}\" does not resolve in time", address.host())),
        }
    }
    keep(core, &invitation, addresses.clone()).await?;
    let online = core.people.get(&machine).is_some_and(|person| person.online());
    if !online {
        let direct = async {
            match (addresses.is_empty(), unresolved) {
                (true, Some(cause)) => Err(("address_not_resolved", cause)),
                (true, None) => Err(("no_address", "the invitation names no address".to_owned())),
                (false, _) => match timeout(REACHING, link.reach(machine, addresses)).await {
                    Ok(Ok(_)) => Ok(()),
                    Ok(Err(error)) => Err((node::dial_error(&error).code(), error.to_string())),
                    Err(_) => Err(("connection_timed_out", "it did not answer in time".to_owned())),
                },
            }
        };
        let attempt = if invitation.relays.is_empty() {
            direct.await
        } else {
            on_either_way(core, &mut changes, &machine, direct).await
        };
        let served = attempt.is_ok() && until(core, &mut changes, &machine, SERVING, Person::online).await;
        if !served {
            let (code, cause) = attempt.err().unwrap_or(("hung_up", "it hung up at once".to_owned()));
            return Err(unanswered(core, &machine, code, &cause));
        }
    } else if let (Some(token), Some(standing)) = (&invitation.token, core.links.get(&machine)) {
        let proof = token.proof(&machine, &core.me);
        standing.with(|pending| pending.invited = Some(proof));
    }
    if invitation.token.is_some() {
        // Whether it did is said by the trust.
        until(core, &mut changes, &machine, CONFIRMING, |person| person.trust == Trust::Verified).await;
    }
    contacts::user(core, &machine)
}

/// Waits for a link to a machine that is to be reached directly or through a relay, where a tunnel is dialled by itself.
async fn on_either_way(
    core: &Core,
    changes: &mut Changes,
    machine: &MachineId,
    direct: impl Future<Output = Result<(), (&'static str, String)>>,
) -> Result<(), (&'static str, String)> {
    let linked = until(core, changes, machine, REACHING, Person::online);
    tokio::pin!(direct, linked);
    let mut failed = None;
    loop {
        tokio::select! {
            linked = &mut linked => {
                let unrelayed = || ("no_tunnel", "it is at none of its relays now".to_owned());
                return if linked { Ok(()) } else { Err(failed.unwrap_or_else(unrelayed)) };
            }
            outcome = &mut direct, if failed.is_none() => {
                failed = Some(outcome.err().unwrap_or_else(|| ("hung_up", "it hung up at once".to_owned())));
            }
        }
    }
}

fn unanswered(core: &Core, machine: &MachineId, code: &'static str, cause: &str) -> NodeError {
    let name = core.people.user(machine).map_or_else(|| machine.short(), |user| user.name);
    let message = format!(
        "{name} was not reached: {cause}. They are kept as a contact and linked as soon as both of you are there; \
         see that Landline is open there, on the same network or connected to its relay"
    );
    NodeError::Unavailable { code, message }
}

/// Writes down whom an invitation names: a contact from now on, because its person says so.
async fn keep(core: &Arc<Core>, invitation: &Invitation, addresses: Vec<SocketAddr>) -> Result<(), NodeError> {
    let machine = invitation.machine;
    let now_ms = core.clock.wall_ms();
    let (name, token, relays) = (invitation.name.clone(), invitation.token.clone(), invitation.relays.clone());
    let signed = core.people.get(&machine).and_then(|person| person.signed);
    let accepts = core
        .store
        .write(move |tx| {
            store::invitations::sweep(tx, now_ms)?;
            store::machines::introduce(tx, &machine, name.as_deref(), now_ms)?;
            if let Some(signed) = &signed {
                store::machines::set_profile(tx, signed)?;
            }
            for address in addresses {
                store::addresses::remember(tx, &machine, address, now_ms)?;
            }
            if !relays.is_empty() {
                store::reach::invited_to(tx, &machine, &relays, now_ms)?;
            }
            let trust = store::machines::get(tx, &machine)?.map_or(Trust::Unknown, |known| known.trust);
            if let Some(token) = token.filter(|_| trust != Trust::Blocked) {
                // How old it is, only the inviter knows.
                store::invitations::follow(tx, &machine, &token, now_ms.saturating_add(LIFE_MS), now_ms)?;
            }
            let accepts = matches!(trust, Trust::Unknown | Trust::Requested);
            if accepts {
                store::machines::set_initiated(tx, &machine)?;
                store::machines::set_trust(tx, &machine, Trust::Accepted)?;
            }
            Ok(accepts)
        })
        .await?;
    if let Some(name) = &invitation.name {
        core.people.introduced(machine, name);
    }
    if accepts {
        contacts::accepted(core, machine, SessionId::direct(&core.me, &machine));
    }
    core.relays.stir();
    Ok(())
}

/// Waits until a machine is as it should be; whether it was in time.
async fn until(
    core: &Core,
    changes: &mut Changes,
    machine: &MachineId,
    within: Duration,
    fits: impl Fn(&Person) -> bool,
) -> bool {
    let waiting = async {
        while !core.people.get(machine).is_some_and(|person| fits(&person)) {
            if changes.next().await.is_none() {
                return false;
            }
        }
        true
    };
    timeout(within, waiting).await.unwrap_or(false)
}

/// What a machine that was just linked is to be shown, if an invitation of it was followed.
pub(crate) async fn proof_for(core: &Core, peer: &MachineId) -> Result<Option<[u8; 32]>, StoreError> {
    let (peer, now_ms) = (*peer, core.clock.wall_ms());
    let token = core.store.read(move |reader| store::invitations::followed(reader, &peer, now_ms)).await?;
    Ok(token.map(|token| token.proof(&peer, &core.me)))
}

/// A proof that fits.
enum Proved {
    /// It followed an invitation made here.
    Followed(InvitationToken),
    /// It says that its invitation counted.
    Confirmed,
}

/// A linked machine proves that it knows a token. What fits none is passed over.
pub(crate) async fn heard(core: &Arc<Core>, peer: MachineId, proof: [u8; 32]) {
    match take(core, peer, proof).await {
        Ok(()) | Err(StoreError::Closed) => {}
        Err(error) => tracing::error!(%error, "that an invitation was followed could not be stored"),
    }
}

async fn take(core: &Arc<Core>, peer: MachineId, proof: [u8; 32]) -> Result<(), StoreError> {
    let (me, now_ms) = (core.me, core.clock.wall_ms());
    // Looked up before anything is written, so that guessing costs no write.
    let found = core.store.read(move |reader| find(reader, &me, &peer, &proof, now_ms)).await?;
    let Some(proved) = found else { return Ok(()) };
    let signed = core.people.get(&peer).and_then(|person| person.signed);
    let token = match &proved {
        Proved::Followed(token) => Some(token.clone()),
        Proved::Confirmed => None,
    };
    let counts = core
        .store
        .write(move |tx| {
            if store::machines::get(tx, &peer)?.is_some_and(|known| known.trust == Trust::Blocked) {
                return Ok(false);
            }
            let counts = match &token {
                Some(token) => store::invitations::use_up(tx, token, &peer, now_ms)?,
                None => store::invitations::confirmed(tx, &peer)?,
            };
            if counts {
                if let Some(signed) = &signed {
                    store::machines::set_profile(tx, signed)?;
                }
                store::machines::set_initiated(tx, &peer)?;
                store::machines::set_trust(tx, &peer, Trust::Verified)?;
            }
            Ok(counts)
        })
        .await?;
    if counts {
        contacts::trusted(core, peer, SessionId::direct(&core.me, &peer), Trust::Verified);
        if let (Proved::Followed(token), Some(link)) = (proved, core.links.get(&peer)) {
            let answer = token.proof(&peer, &core.me);
            link.with(|pending| pending.invited = Some(answer));
        }
    }
    Ok(())
}

fn find(
    reader: &Reader<'_>,
    me: &MachineId,
    peer: &MachineId,
    proof: &[u8; 32],
    now_ms: u64,
) -> Result<Option<Proved>, StoreError> {
    let proves = |token: &InvitationToken| token.proves(me, peer, proof);
    let made = store::invitations::made(reader, now_ms)?;
    if let Some(token) = made.into_iter().map(|(token, _)| token).find(proves) {
        return Ok(Some(Proved::Followed(token)));
    }
    Ok(store::invitations::followed(reader, peer, now_ms)?.filter(proves).map(|_| Proved::Confirmed))
}
