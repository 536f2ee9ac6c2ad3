//! Messages from one client through a server to another, both in this process, so that the server's processor time is all
//! its own: through a relay's tunnel, and what does the same elsewhere.

pub(super) mod circuit;
pub(super) mod floor;
pub(super) mod mqtt;
pub(super) mod xmpp;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, BufWriter};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::Semaphore;

use super::{Amount, MESSAGE_BYTES, say};

/// The side that sends.
pub(super) trait Speak {
    /// One more message, which may wait for others to go with.
    async fn feed(&mut self) -> Result<()>;

    /// All that waits goes now.
    async fn flush(&mut self) -> Result<()>;
}

/// The side that hears of them.
pub(super) trait Hear {
    /// Waits for something, and says of how many messages it tells.
    async fn hear(&mut self) -> Result<usize>;
}

/// Sends so many messages with so many on their way at once: how long that takes.
pub(super) async fn pass(amount: &Amount, from: &mut impl Speak, to: &mut impl Hear) -> Result<Duration> {
    let window = Semaphore::new(amount.window);
    let began = Instant::now();
    let speak = async {
        for _ in 0..amount.count {
            if window.available_permits() == 0 {
                from.flush().await?;
            }
            window.acquire().await?.forget();
            from.feed().await?;
        }
        from.flush().await
    };
    let hear = async {
        let mut heard = 0;
        while heard < amount.count {
            let more = to.hear().await?;
            heard += more;
            window.add_permits(more);
        }
        if heard > amount.count {
            bail!("{heard} messages came of {}", amount.count);
        }
        Ok(())
    };
    tokio::try_join!(speak, hear)?;
    Ok(began.elapsed())
}

/// The same, reported: a line when it begins, and one with the seconds.
async fn reported(amount: &Amount, from: &mut impl Speak, to: &mut impl Hear) -> Result<()> {
    say(&json!({ "passing": true }));
    let took = pass(amount, from, to).await?;
    say(&json!({ "passed": took.as_secs_f64() }));
    Ok(())
}

/// Ends a message. It stands nowhere else in what is sent, so that a reader of any protocol counts messages by it.
const MARK: char = '!';

/// A message of the usual length.
fn text() -> String {
    let mut text = "x".repeat(MESSAGE_BYTES - 1);
    text.push(MARK);
    text
}

async fn connect(to: SocketAddr) -> Result<(OwnedReadHalf, OwnedWriteHalf)> {
    let stream = TcpStream::connect(to).await?;
    stream.set_nodelay(true)?;
    Ok(stream.into_split())
}

/// Sends the same bytes again and again.
struct Repeat {
    stream: BufWriter<OwnedWriteHalf>,
    bytes: Vec<u8>,
}

impl Repeat {
    fn new(stream: OwnedWriteHalf, bytes: Vec<u8>) -> Self {
        Self { stream: BufWriter::with_capacity(1 << 16, stream), bytes }
    }
}

impl Speak for Repeat {
    async fn feed(&mut self) -> Result<()> {
        Ok(self.stream.write_all(&self.bytes).await?)
    }

    async fn flush(&mut self) -> Result<()> {
        Ok(self.stream.flush().await?)
    }
}

/// Counts the marks in what comes.
struct Marks {
    stream: OwnedReadHalf,
    buffer: Vec<u8>,
    /// Messages for which one mark stands.
    each: usize,
}

impl Marks {
    fn new(stream: OwnedReadHalf, each: usize) -> Self {
        Self { stream, buffer: vec![0; 1 << 16], each }
    }
}

impl Hear for Marks {
    async fn hear(&mut self) -> Result<usize> {
        let read = self.stream.read(&mut self.buffer).await?;
        if read == 0 {
            bail!("the server ended the connection");
        }
        let marks = self.buffer.iter().take(read).filter(|byte| char::from(**byte) == MARK).count();
        Ok(marks * self.each)
    }
}
