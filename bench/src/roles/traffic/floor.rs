//! The least that passes something on: what one connection says is written to the other.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::thread;

use anyhow::Result;
use serde_json::json;

use super::{Marks, Repeat, connect, reported, text};
use crate::roles::landline::block_on;
use crate::roles::{Amount, say, until_input_closes};

/// The server: passes on what comes by its second connection to its first.
pub(in crate::roles) fn serve() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    say(&json!({ "ready": true, "listen": listener.local_addr()?.to_string() }));
    thread::spawn(move || {
        if let Err(error) = serve_pair(&listener) {
            say(&json!({ "failed": error.to_string() }));
        }
    });
    until_input_closes();
    Ok(())
}

fn serve_pair(listener: &TcpListener) -> Result<()> {
    let (mut to, _) = listener.accept()?;
    let (mut from, _) = listener.accept()?;
    to.set_nodelay(true)?;
    let mut buffer = vec![0; 1 << 16];
    loop {
        let read = from.read(&mut buffer)?;
        if read == 0 {
            return Ok(());
        }
        to.write_all(buffer.get(..read).unwrap_or_default())?;
    }
}

/// Both clients.
pub(in crate::roles) fn run(server: SocketAddr, amount: &Amount) -> Result<()> {
    block_on(async {
        let (read, _open) = connect(server).await?;
        let (_unread, write) = connect(server).await?;
        reported(amount, &mut Repeat::new(write, text().into_bytes()), &mut Marks::new(read, 1)).await
    })
}
