//! Writes down every packet that comes or goes at the machine that it runs on, its length (u32, little-endian) before each,
//! until its standard input ends and no more come.
#![allow(clippy::print_stdout, reason = "its output is its result")]

use anyhow::Result;

#[cfg(target_os = "linux")]
fn main() -> Result<()> {
    use std::fs::File;
    use std::io::{ErrorKind, Read as _, Write as _};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Duration;

    use anyhow::Context as _;
    use socket2::{Domain, Protocol, Socket, Type};

    /// All protocols, as `socket` takes it (ETH_P_ALL).
    const ALL: u16 = 3;
    /// More than the largest packet that the kernel puts together.
    const LARGEST: usize = 256 << 10;
    /// What waits to be written while the disk is slow.
    const WAITING: usize = 64 << 20;
    /// When nothing came for so long, all is written.
    const QUIET: Duration = Duration::from_millis(200);

    let mut file = File::create(std::env::args().nth(1).context("usage: lab-capture FILE")?)?;
    let mut socket = Socket::new(Domain::PACKET, Type::RAW, Some(Protocol::from(i32::from(ALL.to_be()))))?;
    socket.set_recv_buffer_size(WAITING)?;
    socket.set_read_timeout(Some(QUIET))?;
    println!("ready");
    let ended = Arc::new(AtomicBool::new(false));
    let end = ended.clone();
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        end.store(true, Ordering::Relaxed);
    });
    let mut packet = vec![0; LARGEST];
    loop {
        match socket.read(&mut packet) {
            Ok(length) => {
                file.write_all(&u32::try_from(length)?.to_le_bytes())?;
                file.write_all(packet.get(..length).unwrap_or_default())?;
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                if ended.load(Ordering::Relaxed) {
                    return Ok(());
                }
            }
            Err(error) => return Err(error.into()),
        }
    }
}

#[cfg(not(target_os = "linux"))]
fn main() -> Result<()> {
    anyhow::bail!("packets are written down on Linux only")
}
