//! A machine that is away, somebody who leaves it envelopes, and the machine as it comes back and takes them.

use std::time::Instant;

use anyhow::{Result, bail, ensure};
use bytes::Bytes;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt as _, StreamExt as _};
use proto::Identity;
use proto::id::MachineId;
use proto::limits;
use proto::relay::{FromRelay, RelayAddress, ToRelay, Token};
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

use super::wire::{Door, Socket, Wire, random};
use crate::roles::landline::block_on;
use crate::roles::traffic::{Hear, Speak, pass};
use crate::roles::{Amount, say};

/// The smallest class of envelopes, in bytes: a message of a few lines, sealed.
pub(crate) const ENVELOPE_BYTES: usize = 2_177;

pub(in crate::roles) fn run(relay: RelayAddress, amount: &Amount) -> Result<()> {
    block_on(async {
        let door = Door::new(relay)?;
        let identity = Identity::from_seed(random()?);
        let mut owner = Wire::log_in(&door, &identity).await?;
        let token = owner.gives().await?;
        owner.socket.close(None).await?;

        let (sink, stream) = Wire::connect(&door).await?.socket.split();
        let mut envelope = vec![0; ENVELOPE_BYTES];
        getrandom::fill(&mut envelope)?;
        let mut putter = Putter { sink, to: identity.machine_id(), token, envelope, requests: 0 };
        let put = pass(amount, &mut putter, &mut Done(stream)).await?;
        say(&json!({ "put": put.as_secs_f64() }));

        let owner = Wire::log_in(&door, &identity).await?;
        let began = Instant::now();
        fetch(owner, amount.count).await?;
        say(&json!({ "fetched": began.elapsed().as_secs_f64() }));
        Ok(())
    })
}

/// Leaves envelopes; its connection does not say whose it is.
struct Putter {
    sink: SplitSink<Socket, Message>,
    to: MachineId,
    token: Token,
    envelope: Vec<u8>,
    requests: u32,
}

impl Speak for Putter {
    async fn feed(&mut self) -> Result<()> {
        self.requests += 1;
        // No two are the same: a relay keeps an envelope that it is given twice once.
        for (byte, of_number) in self.envelope.iter_mut().zip(self.requests.to_le_bytes()) {
            *byte = of_number;
        }
        let (token, envelope) = (Some(self.token.clone()), Bytes::copy_from_slice(&self.envelope));
        let frame = ToRelay::Put { request: self.requests, to: self.to, token, envelope };
        Ok(self.sink.feed(Message::Binary(frame.encode().into())).await?)
    }

    async fn flush(&mut self) -> Result<()> {
        Ok(self.sink.flush().await?)
    }
}

/// Hears that an envelope is kept.
struct Done(SplitStream<Socket>);

impl Hear for Done {
    async fn hear(&mut self) -> Result<usize> {
        match self.0.next().await {
            Some(Ok(Message::Binary(frame))) => match FromRelay::decode(&frame)? {
                FromRelay::Done { .. } => Ok(1),
                answer => bail!("an envelope was not kept: {answer:?}"),
            },
            Some(Ok(_)) => Ok(0),
            end => bail!("the relay ended the connection: {end:?}"),
        }
    }
}

/// Takes all that lies in the mailbox. The next piece is asked for while the one before is acknowledged and deleted.
async fn fetch(mut owner: Wire, count: usize) -> Result<()> {
    let limit = u16::try_from(limits::RELAY_ITEMS)?;
    let (mut fetched, mut acknowledging) = (0, 0_usize);
    let request = owner.number();
    owner.send(&ToRelay::Fetch { request, after: 0, limit }).await?;
    let mut fetching = true;
    while fetching || acknowledging > 0 {
        match owner.next().await? {
            FromRelay::Items { items, more, .. } => {
                fetched += items.len();
                fetching = more;
                let cursors: Vec<_> = items.iter().map(|item| item.cursor).collect();
                if let (true, Some(after)) = (more, cursors.last().copied()) {
                    let request = owner.number();
                    owner.send(&ToRelay::Fetch { request, after, limit }).await?;
                }
                if !cursors.is_empty() {
                    let request = owner.number();
                    owner.send(&ToRelay::Ack { request, cursors }).await?;
                    acknowledging += 1;
                }
            }
            FromRelay::Done { .. } => acknowledging -= 1,
            FromRelay::Refused(refused) => bail!("refused: {refused:?}"),
            // That something lies there is known.
            _ => {}
        }
    }
    ensure!(fetched == count, "of {count} envelopes {fetched} came");
    let request = owner.number();
    match owner.ask(&ToRelay::Fetch { request, after: 0, limit }).await? {
        FromRelay::Items { items, .. } if items.is_empty() => Ok(()),
        answer => bail!("what was acknowledged is still there: {answer:?}"),
    }
}
