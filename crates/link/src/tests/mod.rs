//! Whole links over real sockets on the loopback.

mod basics;
mod blobs;
mod deposits;
mod discovery;
mod duplicates;
mod hostile;
mod lying;
mod machine;
mod mailboxes;
mod pressure;
mod reconnect;
mod relays;
mod tunnels;
mod wires;
