//! By MQTT 3.1.1 with QoS 0: the broker keeps nothing and confirms nothing, as a relay does with what goes through a tunnel.

use std::net::SocketAddr;

use anyhow::{Result, ensure};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use super::{Marks, Repeat, reported, text};
use crate::roles::Amount;
use crate::roles::landline::block_on;

const TOPIC: &str = "bench";

// Types of packets with their flags, in the upper and lower half of the first byte.
const CONNECT: u8 = 0x10;
const CONNACK: u8 = 0x20;
const PUBLISH: u8 = 0x30;
const SUBSCRIBE: u8 = 0x82;
const SUBACK: u8 = 0x90;

pub(in crate::roles) fn run(broker: SocketAddr, amount: &Amount) -> Result<()> {
    block_on(async {
        let (mut read, mut write) = connect(broker, "to").await?;
        // The packet's number; the topic, with QoS 0.
        let subscribe = [&[0, 1][..], &string(TOPIC)?, &[0]].concat();
        write.write_all(&packet(SUBSCRIBE, &subscribe)?).await?;
        answered(&mut read, [SUBACK, 3, 0, 1, 0]).await?;
        let (_unread, sender) = connect(broker, "from").await?;
        let publish = packet(PUBLISH, &[string(TOPIC)?, text().into_bytes()].concat())?;
        reported(amount, &mut Repeat::new(sender, publish), &mut Marks::new(read, 1)).await
    })
}

async fn connect(broker: SocketAddr, name: &str) -> Result<(OwnedReadHalf, OwnedWriteHalf)> {
    let (mut read, mut write) = super::connect(broker).await?;
    // Version 4 is 3.1.1; a clean session; no keep-alive.
    let connect = [&string("MQTT")?[..], &[4, 0b10, 0, 0], &string(name)?].concat();
    write.write_all(&packet(CONNECT, &connect)?).await?;
    answered(&mut read, [CONNACK, 2, 0, 0]).await?;
    Ok((read, write))
}

async fn answered<const N: usize>(read: &mut OwnedReadHalf, expected: [u8; N]) -> Result<()> {
    let mut answer = [0; N];
    read.read_exact(&mut answer).await?;
    ensure!(answer == expected, "the broker answered {answer:?} instead of {expected:?}");
    Ok(())
}

/// A text with its length before it.
fn string(text: &str) -> Result<Vec<u8>> {
    let length = u16::try_from(text.len())?.to_be_bytes();
    Ok([&length[..], text.as_bytes()].concat())
}

/// A packet: its type, the length of the rest in groups of seven bits, the rest.
fn packet(kind: u8, rest: &[u8]) -> Result<Vec<u8>> {
    let mut packet = vec![kind];
    let mut length = rest.len();
    loop {
        let more = length >= 0x80;
        packet.push(u8::try_from(length % 0x80)? | if more { 0x80 } else { 0 });
        length /= 0x80;
        if !more {
            break;
        }
    }
    packet.extend_from_slice(rest);
    Ok(packet)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_written_in_groups_of_seven_bits() {
        assert_eq!(packet(CONNECT, &[7]).unwrap(), [CONNECT, 1, 7]);
        assert_eq!(packet(PUBLISH, &[0; 127]).unwrap()[..2], [PUBLISH, 127]);
        assert_eq!(packet(PUBLISH, &[0; 128]).unwrap()[..3], [PUBLISH, 0x80, 1]);
        assert_eq!(packet(PUBLISH, &[0; 321]).unwrap()[..3], [PUBLISH, 0xC1, 2]);
    }
}
