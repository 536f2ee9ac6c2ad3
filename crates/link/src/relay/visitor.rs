//! The connection without a login: who is there, and what is asked by token or by none.

use std::collections::{BTreeMap, BTreeSet};

use proto::{
    id::MachineId,
    limits,
    prekey::SignedPrekey,
    relay::{ToRelay, Token},
};

use super::{
    RelayError,
    requests::Awaited,
    session::Session,
    stations::{Ask, PutAs, PutError},
};
use crate::registry::Input;

impl Session<'_> {
    /// Watches these, and no others.
    pub(super) async fn watch(&mut self, contacts: BTreeMap<MachineId, Option<Token>>) -> Result<(), RelayError> {
        let watched: Vec<_> =
            contacts.into_iter().filter_map(|(machine, token)| token.map(|token| (machine, token))).collect();
        let is_watched = |machine: &MachineId| watched.binary_search_by(|(watched, _)| watched.cmp(machine)).is_ok();
        let forgotten: BTreeSet<_> = self.online.iter().filter(|machine| !is_watched(machine)).copied().collect();
        self.online.retain(|machine| !forgotten.contains(machine));
        self.client.gone(forgotten).await;
        let mut rest = watched.as_slice();
        let mut replace = true;
        // Also when there is nobody to watch: what was watched before must end, and the answer shows that the relay is there.
        while replace || !rest.is_empty() {
            let (items, others) = rest.split_at(rest.len().min(limits::RELAY_WATCHES_PER_FRAME));
            let items = items.to_vec();
            self.request(Awaited::Plan, |request| ToRelay::Watch { request, items, replace }).await?;
            (rest, replace) = (others, false);
        }
        Ok(())
    }

    /// Shows that the connection is wanted although nobody is watched on it. A relay ends one on which nothing is asked.
    pub(super) async fn stay(&mut self) -> Result<(), RelayError> {
        if self.client.plan.borrow().contacts.values().any(Option::is_some) {
            return Ok(());
        }
        self.watch(BTreeMap::new()).await
    }

    pub(super) async fn present(&mut self, items: Vec<(MachineId, bool)>) {
        let machines: Vec<_> = {
            let plan = self.client.plan.borrow();
            // A relay may speak only of those it was asked about.
            let is_watched = |machine: &MachineId| matches!(plan.contacts.get(machine), Some(Some(_)));
            items.into_iter().filter(|(machine, _)| is_watched(machine)).collect()
        };
        for (machine, online) in &machines {
            if *online {
                self.online.insert(*machine);
            } else {
                self.online.remove(machine);
            }
        }
        self.client.inputs.send(Input::Present { relay: self.client.address.clone(), machines }).await.ok();
    }

    pub(super) async fn ask(&mut self, ask: Ask) -> Result<(), RelayError> {
        // Whoever asked may have given up while it waited.
        match ask {
            Ask::Tunnel(_, reply) if reply.is_closed() => Ok(()),
            Ask::Put(_, _, _, reply) if reply.is_closed() => Ok(()),
            Ask::Prekey(_, reply) if reply.is_closed() => Ok(()),
            Ask::Tunnel(machine, reply) => match self.token(&machine) {
                Some(token) => {
                    let open = |request| ToRelay::Open { request, machine, token };
                    self.request(Awaited::Tunnel(reply), open).await
                }
                None => {
                    reply.send(Err(PutError::NoToken)).ok();
                    Ok(())
                }
            },
            Ask::Put(to, by, envelope, reply) => {
                let token = if by == PutAs::Contact { self.token(&to) } else { None };
                if by == PutAs::Contact && token.is_none() {
                    reply.send(Err(PutError::NoToken)).ok();
                    return Ok(());
                }
                self.request(Awaited::Put(reply), |request| ToRelay::Put { request, to, token, envelope }).await
            }
            Ask::Prekey(machine, reply) => {
                let get = |request| ToRelay::GetPrekey { request, machine };
                self.request(Awaited::Prekey(machine, reply), get).await
            }
        }
    }

    fn token(&self, machine: &MachineId) -> Option<Token> {
        self.client.plan.borrow().contacts.get(machine).cloned().flatten()
    }
}

/// Takes from a relay only what the machine itself has signed.
pub(super) fn check(machine: &MachineId, prekey: Option<SignedPrekey>) -> Result<Option<SignedPrekey>, PutError> {
    let Some(prekey) = prekey else { return Ok(None) };
    if prekey.prekey().machine != *machine {
        return Err(PutError::Lied("it gives another machine's prekey".into()));
    }
    match prekey.verify() {
        Ok(()) => Ok(Some(prekey)),
        Err(_) => Err(PutError::Lied("the signature of the prekey that it gives does not fit".into())),
    }
}
