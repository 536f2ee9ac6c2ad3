//! Whole links over real sockets on the loopback.

mod basics;
mod blobs;
mod deposits;
mod discovery;
mod duplicates;
mod hostile;
mod machine;
mod pressure;
mod reconnect;
mod tunnels;
mod wires;
