//! The broadcast datagram that helps where multicast is filtered. A hint, like every discovery record: identity comes
//! from the handshake.

use thiserror::Error;

use crate::cbor::{DecodeError, Problem, Reader, Writer, required};
use crate::id::MachineId;
use crate::limits;

/// The first bytes of every beacon, so that other programs' datagrams on the port are passed over.
pub const MAGIC: [u8; 4] = *b"LLB1";

/// "I am here": who, and where to dial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Beacon {
    /// Highest protocol version that the sender speaks.
    pub version: u16,
    /// The sender.
    pub machine: MachineId,
    /// TCP port on which it listens; the address is the datagram's source.
    pub port: u16,
    /// Random number of this start of the program, the same as in `Hello`: tells one's own beacons and restarts.
    pub instance: u64,
}

/// Why a datagram is no beacon.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BeaconError {
    /// It does not begin with [`MAGIC`].
    #[error("not a beacon")]
    Magic,
    /// It is malformed.
    #[error(transparent)]
    Decode(#[from] DecodeError),
}

impl Beacon {
    /// The datagram.
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.map(4);
        writer.uint(0).uint(u64::from(self.version));
        writer.uint(1).bytes(self.machine.as_bytes());
        writer.uint(2).uint(u64::from(self.port));
        writer.uint(3).uint(self.instance);
        [&MAGIC[..], &writer.finish()].concat()
    }

    /// Reads a datagram.
    ///
    /// # Errors
    /// Why it is no beacon.
    pub fn decode(datagram: &[u8]) -> Result<Self, BeaconError> {
        if datagram.len() > limits::BEACON_BYTES {
            let problem = Problem::TooLong { limit: limits::BEACON_BYTES, actual: datagram.len() };
            return Err(problem.in_field("beacon").into());
        }
        let body = datagram.strip_prefix(&MAGIC[..]).ok_or(BeaconError::Magic)?;
        let mut reader = Reader::new("beacon", body, limits::BEACON_BYTES)?;
        let (mut version, mut machine, mut port, mut instance) = (None, None, None, None);
        for _ in 0..reader.map("beacon")? {
            match reader.key("beacon")? {
                0 => version = Some(reader.u16("version")?),
                1 => machine = Some(MachineId::from_bytes(reader.fixed("machine")?)),
                2 => port = Some(reader.u16("port")?),
                3 => instance = Some(reader.uint("instance", u64::MAX)?),
                _ => reader.skip("beacon")?,
            }
        }
        let beacon = Self {
            version: required(version, "version")?,
            machine: required(machine, "machine")?,
            port: required(port, "port")?,
            instance: required(instance, "instance")?,
        };
        if beacon.port == 0 {
            return Err(Problem::Range.in_field("port").into());
        }
        Ok(beacon)
    }
}
