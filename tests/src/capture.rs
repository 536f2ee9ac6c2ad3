//! Every packet at a machine, written down, and what can be found in them.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Stdio};

use crate::host::{Host, program};
use crate::until::{SOON, until};

/// A WebSocket's mask repeats after so many bytes.
const MASK: usize = 4;

/// What is looked for has at least so many bytes: less is found by chance.
const SHORTEST: usize = 12;

/// A program that writes down packets. It ends with the value.
#[derive(Debug)]
pub struct Capture {
    program: Child,
    stop: Option<ChildStdin>,
    file: PathBuf,
}

impl Capture {
    pub(crate) fn start(host: &Host) -> Self {
        let file = host.disk().join("packets");
        let mut command = host.command(&program("lab-capture"));
        command.arg(&file).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut program = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(program.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n", "packets are written down");
        let stop = program.stdin.take();
        Self { program, stop, file }
    }

    /// Ends it when all that came so far is written down.
    ///
    /// # Panics
    /// When it does not end soon, or failed.
    #[must_use]
    pub fn ends(mut self) -> Packets {
        self.stop = None;
        let status = until("the capture ends", SOON, || self.program.try_wait().unwrap());
        assert!(status.success(), "the capture: {status}");
        Packets::read(&fs::read(&self.file).unwrap())
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        self.program.kill().ok();
        self.program.wait().ok();
    }
}

/// What a capture holds.
#[derive(Debug)]
pub struct Packets {
    count: usize,
    /// What went each way through each TCP connection, in order, and every other packet whole.
    streams: Vec<Vec<u8>>,
}

impl Packets {
    fn read(mut file: &[u8]) -> Self {
        let mut flows: BTreeMap<Vec<u8>, Flow> = BTreeMap::new();
        let (mut count, mut streams) = (0, Vec::new());
        while let Some((length, rest)) = file.split_first_chunk() {
            let (packet, rest) = rest.split_at(u32::from_le_bytes(*length) as usize);
            file = rest;
            count += 1;
            match Segment::of(packet) {
                Some(segment) => flows.entry(segment.flow.to_vec()).or_default().take(&segment),
                None => streams.push(packet.to_vec()),
            }
        }
        streams.extend(flows.into_values().map(|flow| flow.bytes));
        Self { count, streams }
    }

    /// How many packets there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count
    }

    /// How many bytes went through connections.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.streams.iter().map(Vec::len).sum()
    }

    /// Those of these that occur anywhere: as they are, or behind the mask that a WebSocket client lays over what it sends.
    /// What lies so many bytes apart as the mask is long differs by the same behind every mask.
    ///
    /// # Panics
    /// When one is too short to tell.
    #[must_use]
    pub fn found<'a>(&self, wanted: &[(&'a str, Vec<u8>)]) -> Vec<&'a str> {
        let mut by_begin: HashMap<u64, Vec<(&str, Vec<u8>)>> = HashMap::new();
        for (name, bytes) in wanted {
            assert!(bytes.len() >= SHORTEST, "{name} is too short to be looked for");
            let differing = differences(bytes);
            by_begin.entry(begin(&differing).unwrap()).or_default().push((name, differing));
        }
        let mut found = Vec::new();
        for stream in &self.streams {
            let stream = differences(stream);
            for at in 0..stream.len() {
                let Some(here) = begin(&stream[at..]).and_then(|begin| by_begin.get(&begin)) else { continue };
                found.extend(here.iter().filter(|(_, bytes)| stream[at..].starts_with(bytes)).map(|(name, _)| *name));
            }
        }
        found.sort_unstable();
        found.dedup();
        found
    }
}

fn differences(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().zip(bytes.iter().skip(MASK)).map(|(one, other)| one ^ other).collect()
}

fn begin(bytes: &[u8]) -> Option<u64> {
    bytes.first_chunk().map(|first| u64::from_le_bytes(*first))
}

/// One direction of a connection.
#[derive(Debug, Default)]
struct Flow {
    bytes: Vec<u8>,
    /// The sequence number that comes next, once one is known.
    next: Option<u32>,
}

impl Flow {
    /// Takes what is new in a segment. Between machines of the lab none overtakes another; what was lost by the capture
    /// leaves a gap.
    fn take(&mut self, segment: &Segment<'_>) {
        // The begin of a connection counts one.
        let from = segment.sequence.wrapping_add(segment.syn.into());
        let known = self.next.map_or(0, |next| next.wrapping_sub(from));
        let known = if known < 1 << 31 { known as usize } else { 0 };
        if self.next.is_none() || known <= segment.data.len() {
            self.bytes.extend_from_slice(segment.data.get(known..).unwrap_or_default());
            self.next = Some(from.wrapping_add(u32::try_from(segment.data.len()).unwrap()));
        }
    }
}

/// A TCP segment in an IPv4 packet in an Ethernet frame.
struct Segment<'a> {
    /// Addresses and ports, as they stand in the packet.
    flow: [u8; 12],
    sequence: u32,
    syn: bool,
    data: &'a [u8],
}

impl<'a> Segment<'a> {
    fn of(frame: &'a [u8]) -> Option<Self> {
        let packet = frame.get(14..).filter(|_| frame[12..14] == [0x08, 0x00])?;
        let header = usize::from(packet.first()? & 0x0f) * 4;
        let length = usize::from(u16::from_be_bytes(*packet.get(2..)?.first_chunk()?));
        let segment = packet.get(header..length).filter(|_| packet[9] == 6)?;
        let data = segment.get(usize::from(segment.get(12)? >> 4) * 4..)?;
        let mut flow = [0; 12];
        flow[..8].copy_from_slice(packet.get(12..20)?);
        flow[8..].copy_from_slice(&segment[..4]);
        let sequence = u32::from_be_bytes(*segment[4..].first_chunk()?);
        Some(Self { flow, sequence, syn: segment[13] & 2 != 0, data })
    }
}
