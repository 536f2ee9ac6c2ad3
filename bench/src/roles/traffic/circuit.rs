//! Through a tunnel of a relay: one message of the WebSocket for each.

use anyhow::{Result, bail, ensure};
use bytes::Bytes;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt as _, StreamExt as _};
use proto::Identity;
use proto::relay::{CIRCUIT_PATH, FromRelay, RelayAddress, Ticket, ToRelay};
use tokio_tungstenite::tungstenite::Message;

use super::{Hear, Speak, reported, text};
use crate::roles::Amount;
use crate::roles::landline::block_on;
use crate::roles::relay::wire::{Door, Socket, Wire, binary, random};

pub(in crate::roles) fn run(relay: RelayAddress, amount: &Amount) -> Result<()> {
    block_on(async {
        let door = Door::new(relay)?;
        let identity = Identity::from_seed(random()?);
        let mut owner = Wire::log_in(&door, &identity).await?;
        let token = owner.gives().await?;
        let mut opener = Wire::connect(&door).await?;
        let request = opener.number();
        let open = ToRelay::Open { request, machine: identity.machine_id(), token };
        let FromRelay::Opened { ticket: near, .. } = opener.ask(&open).await? else { bail!("no tunnel was opened") };
        let FromRelay::Incoming { ticket: far } = owner.next().await? else { bail!("no tunnel came") };
        let (mut near, mut far) = tokio::try_join!(enter(&door, &near), enter(&door, &far))?;
        for side in [&mut near, &mut far] {
            ensure!(binary(side).await?.is_empty(), "an empty message says that both are there");
        }
        let mut from = Near { sink: near.split().0, text: text().into_bytes().into() };
        reported(amount, &mut from, &mut Far(far.split().1)).await
    })
}

async fn enter(door: &Door, ticket: &Ticket) -> Result<Socket> {
    let mut socket = door.dial(CIRCUIT_PATH).await?;
    socket.send(Message::Binary(Bytes::copy_from_slice(ticket.as_bytes()))).await?;
    Ok(socket)
}

struct Near {
    sink: SplitSink<Socket, Message>,
    text: Bytes,
}

impl Speak for Near {
    async fn feed(&mut self) -> Result<()> {
        Ok(self.sink.feed(Message::Binary(self.text.clone())).await?)
    }

    async fn flush(&mut self) -> Result<()> {
        Ok(self.sink.flush().await?)
    }
}

struct Far(SplitStream<Socket>);

impl Hear for Far {
    async fn hear(&mut self) -> Result<usize> {
        match self.0.next().await {
            Some(Ok(Message::Binary(_))) => Ok(1),
            Some(Ok(_)) => Ok(0),
            end => bail!("the tunnel ended: {end:?}"),
        }
    }
}
