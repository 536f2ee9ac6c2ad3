//! A connection to a relay, from when the relay has let it in until its end.
//!
//! Nothing here waits for the node: what is done between two frames takes no longer than to write one.

use std::collections::BTreeSet;

use futures_util::future::OptionFuture;
use proto::{
    id::MachineId,
    relay::{FromRelay, RefusalCode, Request, ToRelay},
};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until},
};

use super::{
    RelayError, RelayState,
    client::{Client, is_wanted},
    home::Desk,
    requests::{Awaited, Requests},
    stations::{ASKS, Ask},
    visitor::check,
    wire::{Wire, unexpected},
};

/// A connection that the relay has let in.
pub(super) struct Session<'a> {
    pub(super) client: &'a mut Client,
    wire: Wire,
    requests: Requests,
    /// It has confirmed all that it was told once.
    connected: bool,
    /// This machine's mailbox there, and what belongs to it; only used with a login.
    pub(super) desk: Desk,
    /// Contacts that the relay says are there; only without a login.
    pub(super) online: BTreeSet<MachineId>,
}

enum Event {
    Heard(Result<FromRelay, RelayError>),
    Asked(Option<Ask>),
    Finished(Option<Vec<u64>>),
    Planned(bool),
    Stirred,
    Again,
    Time,
}

impl<'a> Session<'a> {
    pub(super) fn new(client: &'a mut Client, wire: Wire) -> Self {
        let requests = Requests::new(Instant::now());
        Self { client, wire, requests, connected: false, desk: Desk::default(), online: BTreeSet::new() }
    }

    /// Serves until the end, which is good when nothing is wanted of the relay any more.
    pub(super) async fn serve(&mut self) -> Result<(), RelayError> {
        self.client.plan.mark_unchanged();
        self.client.stirs.mark_unchanged();
        self.register().await?;
        if let Some(asks) = &self.client.asks {
            asks.open.send_replace(true);
        }
        loop {
            self.collect().await?;
            let deadline = self.deadline();
            let client = &mut *self.client;
            let has_room = self.requests.len() < ASKS;
            let is_home = client.asks.is_none();
            let again = OptionFuture::from(is_home.then(|| client.again.notified()));
            let queue = client.asks.as_mut().filter(|_| has_room).map(|asks| &mut asks.queue);
            let asked = OptionFuture::from(queue.map(mpsc::Receiver::recv));
            let finished = OptionFuture::from(self.desk.answer.as_mut());
            let event = tokio::select! {
                frame = self.wire.hear() => Event::Heard(frame),
                Some(ask) = asked => Event::Asked(ask),
                Some(done) = finished => Event::Finished(done.ok()),
                changed = client.plan.changed() => Event::Planned(changed.is_ok()),
                Ok(()) = client.stirs.changed() => Event::Stirred,
                Some(()) = again => Event::Again,
                () = sleep_until(deadline) => Event::Time,
            };
            match event {
                Event::Heard(frame) => self.hear(frame?).await?,
                Event::Asked(Some(ask)) => self.ask(ask).await?,
                Event::Asked(None) | Event::Planned(false) => return Ok(()),
                Event::Finished(done) => self.finished(done),
                Event::Planned(true) => {
                    if !is_wanted(self.is_visit(), &self.client.plan.borrow()) {
                        return Ok(());
                    }
                    self.register().await?;
                }
                Event::Again => self.desk.mailbox.look_again(Instant::now()),
                Event::Stirred => self.wire.probe().await?,
                Event::Time => self.on_time().await?,
            }
        }
    }

    /// Who the relay said is there, and the connection.
    pub(super) fn end(self) -> (BTreeSet<MachineId>, Wire) {
        (self.online, self.wire)
    }

    /// Whether the relay does not know who this is.
    pub(super) fn is_visit(&self) -> bool {
        self.client.asks.is_some()
    }

    /// Sends a request.
    pub(super) async fn request(
        &mut self,
        awaited: Awaited,
        frame: impl FnOnce(Request) -> ToRelay,
    ) -> Result<(), RelayError> {
        let request = self.requests.add(awaited, Instant::now());
        self.wire.say(&frame(request)).await
    }

    /// Tells the relay the whole plan. What it knew before is replaced.
    async fn register(&mut self) -> Result<(), RelayError> {
        let plan = self.client.plan.borrow_and_update().clone();
        match plan.home {
            _ if self.is_visit() => self.watch(plan.contacts).await,
            Some(home) => self.open_house(home).await,
            None => Ok(()),
        }
    }

    fn deadline(&self) -> Instant {
        let answer = self.requests.deadline(self.client.connector.timings.relay_silence);
        let others = [answer, self.desk.mailbox.due()];
        others.into_iter().flatten().fold(self.wire.deadline(), Instant::min)
    }

    async fn on_time(&mut self) -> Result<(), RelayError> {
        let answer = self.requests.deadline(self.client.connector.timings.relay_silence);
        if answer.is_some_and(|until| Instant::now() >= until) {
            return Err(RelayError::Silent);
        }
        let pinged = self.wire.on_time().await?;
        if pinged && self.is_visit() { self.stay().await } else { Ok(()) }
    }

    async fn hear(&mut self, frame: FromRelay) -> Result<(), RelayError> {
        let is_visit = self.is_visit();
        match (frame.request(), frame) {
            (Some(request), answer) => match self.requests.answered(request, Instant::now()) {
                Some(awaited) => self.answered(awaited, answer).await?,
                None => return Err(RelayError::Protocol("an answer to what nobody asked".into())),
            },
            (None, FromRelay::Incoming { ticket }) if !is_visit => self.receive(ticket),
            (None, FromRelay::Presence { items }) if is_visit => self.present(items).await,
            (None, FromRelay::Arrived) => self.arrived(),
            (None, FromRelay::Ignored(_)) => {}
            (None, other) => return Err(unexpected(&other)),
        }
        Ok(())
    }

    async fn answered(&mut self, awaited: Awaited, answer: FromRelay) -> Result<(), RelayError> {
        match (awaited, answer) {
            (Awaited::Plan | Awaited::Published, FromRelay::Done { .. }) => self.confirmed().await,
            (Awaited::Published, FromRelay::Refused(refused)) if refused.code == RefusalCode::Invalid => {
                tracing::debug!(relay = %self.client.address.origin(), "prekey not taken: {}", refused.detail);
                self.confirmed().await;
            }
            (Awaited::Fetch, FromRelay::Items { items, more, .. }) => self.fetched(items, more).await?,
            (Awaited::Ack, FromRelay::Done { .. }) => self.desk.mailbox.acknowledged(Instant::now()),
            (Awaited::Fetch | Awaited::Ack, FromRelay::Refused(refused)) => self.put_off(&refused),
            // Whoever asked may have given up.
            (Awaited::Tunnel(reply), FromRelay::Opened { ticket, .. }) => drop(reply.send(Ok(ticket))),
            (Awaited::Put(reply), FromRelay::Done { .. }) => drop(reply.send(Ok(()))),
            (Awaited::Prekey(machine, reply), FromRelay::Prekey { prekey, .. }) => {
                reply.send(check(&machine, prekey)).ok();
            }
            (Awaited::Tunnel(reply), FromRelay::Refused(refused)) => drop(reply.send(Err(refused.into()))),
            (Awaited::Put(reply), FromRelay::Refused(refused)) => drop(reply.send(Err(refused.into()))),
            (Awaited::Prekey(_, reply), FromRelay::Refused(refused)) => drop(reply.send(Err(refused.into()))),
            // Among others: the connection is of no use when the relay does not take what it is for.
            (_, other) => return Err(unexpected(&other)),
        }
        Ok(())
    }

    /// The relay has confirmed something of what it was told.
    async fn confirmed(&mut self) {
        if self.requests.is_told() && !std::mem::replace(&mut self.connected, true) {
            self.client.tell(RelayState::Connected).await;
            self.arrived();
        }
    }

    /// Something may lie in the mailbox.
    fn arrived(&mut self) {
        if self.connected && !self.is_visit() {
            self.desk.mailbox.look(Instant::now());
        }
    }
}
