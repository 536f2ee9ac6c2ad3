//! A client that asks for files, byte by byte as it likes.

use std::collections::HashMap;
use std::net::SocketAddr;

use proto::id::MachineId;
use proto::relay::{FilePass, FromRelay, Refused, Token, UPLOAD_OFFSET, file_path};
use proto::sealed_file::FileId;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::wire::PATIENCE;

/// What a relay answers.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HashMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// Reads an answer to the end of its connection.
    pub(crate) async fn read(stream: &mut TcpStream) -> Self {
        Self::try_read(stream).await.expect("a head")
    }

    /// The same from a relay that may die meanwhile: what of its answer came.
    pub(crate) async fn try_read(stream: &mut TcpStream) -> Option<Self> {
        let mut bytes = Vec::new();
        timeout(PATIENCE, stream.read_to_end(&mut bytes)).await.expect("an answer comes").ok();
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
        let head = std::str::from_utf8(&bytes[..end]).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let headers = head.lines().skip(1).map(|line| line.split_once(": ").unwrap());
        let headers = headers.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect();
        Some(Self { status, headers, body: bytes[end + 4..].to_vec() })
    }

    pub(crate) fn number(&self, name: &str) -> u64 {
        self.headers.get(name).unwrap_or_else(|| panic!("no {name} in {self:?}")).parse().unwrap()
    }

    /// Up to where the file is durable.
    pub(crate) fn offset(&self) -> u64 {
        assert_eq!(self.status, 200, "{self:?}");
        self.number(UPLOAD_OFFSET)
    }

    pub(crate) fn refused(&self) -> Refused {
        assert!(self.status >= 400, "{self:?}");
        match FromRelay::decode(&self.body) {
            Ok(FromRelay::Refused(refused)) => refused,
            other => panic!("{other:?} in {self:?}"),
        }
    }
}

/// Sends a head, and leaves the rest to the caller.
pub(crate) async fn begin(addr: SocketAddr, method: &str, path: &str, headers: &[(&str, String)]) -> TcpStream {
    try_begin(addr, method, path, headers).await.unwrap()
}

/// The same to a relay that may not be there.
pub(crate) async fn try_begin(
    addr: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, String)],
) -> std::io::Result<TcpStream> {
    let mut stream = TcpStream::connect(addr).await?;
    let mut head = format!("{method} {path} HTTP/1.1\r\nHost: relay\r\nConnection: close\r\n");
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    stream.write_all(format!("{head}\r\n").as_bytes()).await?;
    Ok(stream)
}

pub(crate) async fn ask(addr: SocketAddr, method: &str, path: &str, headers: &[(&str, String)]) -> Answer {
    Answer::read(&mut begin(addr, method, path, headers).await).await
}

/// Somebody who lays down files by one token.
#[derive(Debug, Clone)]
pub(crate) struct Putter {
    pub(crate) addr: SocketAddr,
    pub(crate) pass: FilePass,
}

impl Putter {
    pub(crate) fn new(addr: SocketAddr, mailbox: MachineId, token: &Token) -> Self {
        Self { addr, pass: FilePass { mailbox, token: token.clone() } }
    }

    /// The headers of an upload.
    pub(crate) fn headers(&self, size: u64, offset: u64, length: usize) -> Vec<(&'static str, String)> {
        vec![
            ("authorization", self.pass.to_string()),
            ("upload-length", size.to_string()),
            ("upload-offset", offset.to_string()),
            ("content-length", length.to_string()),
        ]
    }

    /// Begins an upload whose body the caller sends.
    pub(crate) async fn open(&self, id: &FileId, size: u64, offset: u64, length: usize) -> TcpStream {
        begin(self.addr, "PUT", &file_path(id), &self.headers(size, offset, length)).await
    }

    /// Puts bytes that begin at an offset.
    pub(crate) async fn put(&self, id: &FileId, size: u64, offset: u64, bytes: &[u8]) -> Answer {
        let mut stream = self.open(id, size, offset, bytes.len()).await;
        // Who is refused may find nobody who takes the rest.
        stream.write_all(bytes).await.ok();
        Answer::read(&mut stream).await
    }

    /// Asks how far it is.
    pub(crate) async fn ask(&self, id: &FileId, size: u64) -> Answer {
        self.put(id, size, 0, &[]).await
    }

    pub(crate) async fn delete(&self, id: &FileId) -> Answer {
        ask(self.addr, "DELETE", &file_path(id), &[("authorization", self.pass.to_string())]).await
    }
}

pub(crate) async fn get(addr: SocketAddr, id: &FileId) -> Answer {
    ask(addr, "GET", &file_path(id), &[]).await
}

pub(crate) async fn get_from(addr: SocketAddr, id: &FileId, from: u64) -> Answer {
    ask(addr, "GET", &file_path(id), &[("range", format!("bytes={from}-"))]).await
}
