//! The connection with a login: by which tokens this machine is found, who comes, and what lies in its mailbox.

use std::time::Duration;

use proto::{
    limits,
    prekey::SignedPrekey,
    relay::{Item, Refused, Ticket, ToRelay, TokenEntry},
};
use tokio::{sync::oneshot, time::Instant};

use super::{
    Home, HomeToken, LONGEST_PAUSE, RelayError,
    client::chance,
    mail::{Mail, Mailbox, Step},
    requests::Awaited,
    session::Session,
};
use crate::{registry::Input, socket::Stream};

/// Items that are asked for at once, as many as a relay gives.
const PAGE: u16 = limits::RELAY_ITEMS as u16;

/// What belongs to a machine that is at home.
#[derive(Debug, Default)]
pub(super) struct Desk {
    pub(super) mailbox: Mailbox,
    /// The node's answer to the page that it was given.
    pub(super) answer: Option<oneshot::Receiver<Vec<u64>>>,
    /// The prekey that this connection has laid down.
    published: Option<SignedPrekey>,
}

impl Session<'_> {
    /// Tells the relay all that it is to know of this machine.
    pub(super) async fn open_house(&mut self, home: Home) -> Result<(), RelayError> {
        let now = Instant::now();
        let add = home.tokens.iter().filter_map(|token| entry(token, now)).take(limits::RELAY_TOKENS).collect();
        let tokens = |request| ToRelay::Tokens { request, add, remove: Vec::new(), replace: true };
        self.request(Awaited::Plan, tokens).await?;
        match home.prekey {
            Some(prekey) if self.desk.published.as_ref() != Some(&prekey) => {
                self.desk.published = Some(prekey.clone());
                self.request(Awaited::Published, |request| ToRelay::Publish { request, prekey }).await
            }
            _ => Ok(()),
        }
    }

    /// Somebody wants to come: opens this end of the tunnel, and receives whoever is in it like one at the door.
    pub(super) fn receive(&self, ticket: Ticket) {
        let client = &*self.client;
        let Some(admitted) = client.reception.admit_tunnel(&client.address) else { return };
        let (connector, relay) = (client.connector.clone(), client.address.clone());
        client.reception.receive(admitted, async move {
            let circuit = connector.circuit(&relay, &ticket).await.map_err(std::io::Error::other)?;
            Ok(Box::new(circuit) as Box<dyn Stream>)
        });
    }

    /// Asks for what is next in the mailbox, if it is time.
    pub(super) async fn collect(&mut self) -> Result<(), RelayError> {
        match self.desk.mailbox.step(Instant::now()) {
            Some(Step::Fetch(after)) => {
                self.request(Awaited::Fetch, |request| ToRelay::Fetch { request, after, limit: PAGE }).await
            }
            Some(Step::Ack(cursors)) => self.request(Awaited::Ack, |request| ToRelay::Ack { request, cursors }).await,
            None => Ok(()),
        }
    }

    /// Hands a page over. The registry takes it at once, whatever the node does.
    pub(super) async fn fetched(&mut self, items: Vec<Item>, more: bool) -> Result<(), RelayError> {
        let fetched = self.desk.mailbox.fetched(&items, more, Instant::now());
        if fetched.map_err(|what| RelayError::Protocol(what.into()))? {
            let (done, answer) = oneshot::channel();
            self.desk.answer = Some(answer);
            let mail = Mail { relay: self.client.address.clone(), items, more, done };
            self.client.inputs.send(Input::Mail(mail)).await.ok();
        }
        Ok(())
    }

    /// The node has answered a page, or dropped it.
    pub(super) fn finished(&mut self, done: Option<Vec<u64>>) {
        self.desk.answer = None;
        if done.is_none() {
            tracing::debug!(relay = %self.client.address.origin(), "mail was not taken; it is fetched again");
        }
        self.desk.mailbox.answered(done, Instant::now(), chance(), &self.client.connector.timings);
    }

    /// The relay does not give or delete now.
    pub(super) fn put_off(&mut self, refused: &Refused) {
        tracing::debug!(relay = %self.client.address.origin(), code = ?refused.code, "mailbox: {}", refused.detail);
        let wait = Duration::from_secs(refused.retry_after_s.unwrap_or(0).into()).min(LONGEST_PAUSE);
        self.desk.mailbox.refused(wait, Instant::now(), chance(), &self.client.connector.timings);
    }
}

/// How a token is registered; one that has ended is not.
fn entry(token: &HomeToken, now: Instant) -> Option<TokenEntry> {
    let Some(until) = token.until else { return Some(TokenEntry { hash: token.hash, lifetime_s: None }) };
    let left = until.checked_duration_since(now).filter(|left| !left.is_zero())?;
    let lifetime_s = u32::try_from(left.as_secs()).unwrap_or(u32::MAX).max(1);
    Some(TokenEntry { hash: token.hash, lifetime_s: Some(lifetime_s) })
}

#[cfg(test)]
mod tests {
    use proto::relay::Token;

    use super::*;

    #[test]
    fn a_token_is_registered_for_the_time_that_is_left() {
        let (now, second) = (Instant::now(), Duration::from_secs(1));
        let hash = Token::from_bytes([1; 32]).hash();
        let lifetime = |until| entry(&HomeToken { hash, until }, now).map(|entry| entry.lifetime_s);
        assert_eq!(lifetime(None), Some(None));
        assert_eq!(lifetime(Some(now + second * 90)), Some(Some(90)));
        assert_eq!(lifetime(Some(now + second / 2)), Some(Some(1)), "because a relay takes no less");
        assert_eq!(lifetime(Some(now)), None);
        assert_eq!(lifetime(now.checked_sub(second)), None, "because it has ended");
    }
}
