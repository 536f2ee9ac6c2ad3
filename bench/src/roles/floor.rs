//! Reference `floor`: the least that could do the same job. Two processes, plain TCP, one SQLite commit (WAL, FULL, many
//! messages share one) at each end; no signature, no encryption, no order to keep but that of one connection.
//!
//! A frame is a length (4 bytes), a number (8 bytes) and the text; an acknowledgement is the number of the last message
//! that is on the receiver's disk (8 bytes). All little-endian.

use std::io::{BufWriter, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use rusqlite::Connection;
use serde_json::json;

use super::{Amount, MESSAGE_BYTES, Receive, Send, report, say, until_input_closes};

/// Most messages of one commit.
const COMMIT_MESSAGES: usize = 256;

struct Message {
    number: u64,
    text: Vec<u8>,
}

fn open(dir: &Path) -> Result<Connection> {
    #[expect(clippy::disallowed_methods, reason = "the reference is a program of its own, with a database of its own")]
    let database = Connection::open(dir.join("floor.db"))?;
    database.pragma_update(None, "journal_mode", "WAL")?;
    database.pragma_update(None, "synchronous", "FULL")?;
    database.execute_batch(
        "CREATE TABLE IF NOT EXISTS message (key INTEGER PRIMARY KEY, number INTEGER NOT NULL, text BLOB NOT NULL) STRICT",
    )?;
    Ok(database)
}

/// Commits what waits, in groups, and gives each group on once it is on the disk.
fn commit(
    database: &Connection,
    waiting: &Receiver<Message>,
    mut then: impl FnMut(&[Message]) -> Result<()>,
) -> Result<()> {
    while let Ok(first) = waiting.recv() {
        let mut group = vec![first];
        while group.len() < COMMIT_MESSAGES {
            let Ok(next) = waiting.try_recv() else { break };
            group.push(next);
        }
        let transaction = database.unchecked_transaction()?;
        {
            let mut insert = transaction.prepare_cached("INSERT INTO message (number, text) VALUES (?1, ?2)")?;
            for message in &group {
                insert.execute((message.number.cast_signed(), &message.text))?;
            }
        }
        transaction.commit()?;
        then(&group)?;
    }
    Ok(())
}

pub(super) fn receive(options: &Receive) -> Result<()> {
    let database = open(&options.dir)?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    say(&json!({ "ready": true, "listen": listener.local_addr()?.to_string() }));
    thread::spawn(move || {
        let served = listener.accept().map_err(Into::into).and_then(|(stream, _)| serve(&database, stream));
        if let Err(error) = served {
            say(&json!({ "failed": error.to_string() }));
        }
    });
    until_input_closes();
    Ok(())
}

fn serve(database: &Connection, mut stream: TcpStream) -> Result<()> {
    stream.set_nodelay(true)?;
    let mut answers = stream.try_clone()?;
    let (sender, waiting) = mpsc::channel();
    let reader = thread::spawn(move || read_messages(&mut stream, &sender));
    commit(database, &waiting, |group| {
        let last = group.last().map_or(0, |message| message.number);
        Ok(answers.write_all(&last.to_le_bytes())?)
    })?;
    reader.join().map_err(|_| anyhow!("the reader panicked"))?
}

fn read_messages(stream: &mut TcpStream, to: &Sender<Message>) -> Result<()> {
    let mut stream = std::io::BufReader::with_capacity(1 << 16, stream);
    let (mut length, mut number) = ([0; 4], [0; 8]);
    while stream.read_exact(&mut length).is_ok() {
        stream.read_exact(&mut number)?;
        let length = usize::try_from(u32::from_le_bytes(length))?;
        if length > 1 << 16 {
            bail!("a message of {length} bytes is none of ours");
        }
        let mut text = vec![0; length];
        stream.read_exact(&mut text)?;
        if to.send(Message { number: u64::from_le_bytes(number), text }).is_err() {
            break;
        }
    }
    Ok(())
}

/// A connection to a receiver: where messages go, and the numbers of acknowledgements with the time at which each came.
fn connect(to: SocketAddr) -> Result<(TcpStream, Receiver<(Instant, u64)>)> {
    let stream = TcpStream::connect(to)?;
    stream.set_nodelay(true)?;
    let mut answers = stream.try_clone()?;
    let (acknowledged, acknowledgements) = mpsc::channel();
    thread::spawn(move || {
        let mut number = [0; 8];
        while answers.read_exact(&mut number).is_ok() {
            if acknowledged.send((Instant::now(), u64::from_le_bytes(number))).is_err() {
                break;
            }
        }
    });
    Ok((stream, acknowledgements))
}

fn write_frame(frames: &mut impl Write, number: u64, text: &[u8]) -> Result<()> {
    frames.write_all(&u32::try_from(text.len())?.to_le_bytes())?;
    frames.write_all(&number.to_le_bytes())?;
    Ok(frames.write_all(text)?)
}

/// Where messages are queued.
trait Queue {
    /// Queues one.
    fn push(&mut self, number: u64) -> Result<()>;

    /// Nothing more may be queued before an acknowledgement has come.
    fn flush(&mut self) -> Result<()>;
}

/// Sends so many messages with so many on their way at once, and reports how long each took.
fn pump(amount: &Amount, queue: &mut impl Queue, acknowledgements: &Receiver<(Instant, u64)>) -> Result<()> {
    let (count, window) = (amount.count, amount.window);
    let began = Instant::now();
    let mut queued = Vec::with_capacity(count);
    let mut each: Vec<Duration> = Vec::with_capacity(count);
    while each.len() < count {
        while queued.len() < count && queued.len() - each.len() < window {
            queued.push(Instant::now());
            queue.push(u64::try_from(queued.len())?)?;
        }
        queue.flush()?;
        let (at, last) = acknowledgements.recv().context("the receiver has gone")?;
        let last = usize::try_from(last)?;
        for began in queued.get(each.len()..last).unwrap_or_default() {
            each.push(at.duration_since(*began));
        }
    }
    report(&each, began.elapsed());
    Ok(())
}

impl Queue for Sender<Message> {
    fn push(&mut self, number: u64) -> Result<()> {
        Ok(self.send(Message { number, text: vec![b'x'; MESSAGE_BYTES] })?)
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}

/// What a sender keeps before it sends it.
pub(super) fn send(options: &Send) -> Result<()> {
    let database = open(&options.dir)?;
    let (mut stream, acknowledgements) = connect(options.to)?;
    let (mut queue, waiting) = mpsc::channel();
    let writer = thread::spawn(move || {
        commit(&database, &waiting, |group| {
            let mut frames = Vec::with_capacity(group.len() * (MESSAGE_BYTES + 12));
            for message in group {
                write_frame(&mut frames, message.number, &message.text)?;
            }
            Ok(stream.write_all(&frames)?)
        })
    });
    pump(&options.amount, &mut queue, &acknowledgements)?;
    drop(queue);
    writer.join().map_err(|_| anyhow!("the writer panicked"))?
}

/// Sends without keeping.
struct Unkept {
    stream: BufWriter<TcpStream>,
    text: Vec<u8>,
}

impl Queue for Unkept {
    fn push(&mut self, number: u64) -> Result<()> {
        write_frame(&mut self.stream, number, &self.text)
    }

    fn flush(&mut self) -> Result<()> {
        Ok(self.stream.flush()?)
    }
}

/// What a sender keeps nothing of, as who puts something into a mailbox.
pub(super) fn put(to: SocketAddr, bytes: usize, amount: &Amount) -> Result<()> {
    let (stream, acknowledgements) = connect(to)?;
    let mut text = vec![0; bytes];
    getrandom::fill(&mut text)?;
    pump(amount, &mut Unkept { stream: BufWriter::new(stream), text }, &acknowledgements)
}
