//! Reference `echo`: what a round trip of 300 bytes costs with nothing but TCP between two tasks.

use std::time::Instant;

use anyhow::Result;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::{MESSAGE_BYTES, report};

pub(super) fn run(count: usize) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let server = runtime.spawn(async move {
            let (mut stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let mut buffer = [0; MESSAGE_BYTES];
            while stream.read_exact(&mut buffer).await.is_ok() {
                stream.write_all(&buffer).await?;
            }
            Ok::<_, std::io::Error>(())
        });
        let mut stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let mut buffer = [7; MESSAGE_BYTES];
        let began = Instant::now();
        let mut each = Vec::with_capacity(count);
        for _ in 0..count {
            let sent = Instant::now();
            stream.write_all(&buffer).await?;
            stream.read_exact(&mut buffer).await?;
            each.push(sent.elapsed());
        }
        report(&each, began.elapsed());
        drop(stream);
        server.await??;
        Ok(())
    })
}
