//! By XMPP between two accounts of a server without TLS: to somebody who is there, and to somebody who is not.

use std::net::SocketAddr;

use anyhow::{Result, bail, ensure};
use data_encoding::BASE64;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use super::{MARK, Marks, Repeat, Speak, reported, text};
use crate::roles::Amount;
use crate::roles::landline::block_on;

/// The server's name of itself.
pub(crate) const DOMAIN: &str = "localhost";
/// Who sends, who is there, who is away. Their passwords are their names.
pub(crate) const ACCOUNTS: [&str; 3] = [FROM, THERE, AWAY];
const FROM: &str = "anna";
const THERE: &str = "bob";
const AWAY: &str = "carl";

/// Messages after which the server is asked whether it has come so far.
const ASK_EACH: usize = 32;

/// To somebody who is there.
pub(in crate::roles) fn pass(server: SocketAddr, amount: &Amount) -> Result<()> {
    block_on(async {
        let (read, _open) = log_in(server, THERE).await?;
        let (_unread, write) = log_in(server, FROM).await?;
        reported(
            amount,
            &mut Repeat::new(write, message(&format!("{THERE}@{DOMAIN}/{THERE}"))),
            &mut Marks::new(read, 1),
        )
        .await
    })
}

/// To somebody who is away: the server keeps it.
pub(in crate::roles) fn keep(server: SocketAddr, amount: &Amount) -> Result<()> {
    let answered = amount.count.is_multiple_of(ASK_EACH) && amount.window >= ASK_EACH;
    ensure!(answered, "the server is asked after each {ASK_EACH} messages, and says nothing of fewer");
    block_on(async {
        let (read, write) = log_in(server, FROM).await?;
        let messages = Repeat::new(write, message(&format!("{AWAY}@{DOMAIN}")));
        reported(amount, &mut Asking { messages, since: 0 }, &mut Marks::new(read, ASK_EACH)).await
    })
}

fn message(to: &str) -> Vec<u8> {
    format!("<message type='chat' to='{to}'><body>{}</body></message>", text()).into_bytes()
}

/// Asks after some messages: the server takes what comes in its order, so its answer says that it has them.
struct Asking {
    messages: Repeat,
    since: usize,
}

impl Speak for Asking {
    async fn feed(&mut self) -> Result<()> {
        self.messages.feed().await?;
        self.since += 1;
        if self.since == ASK_EACH {
            self.since = 0;
            let ask = format!("<iq type='get' to='{DOMAIN}' id='{MARK}'><ping xmlns='urn:xmpp:ping'/></iq>");
            self.messages.stream.write_all(ask.as_bytes()).await?;
        }
        Ok(())
    }

    async fn flush(&mut self) -> Result<()> {
        self.messages.flush().await
    }
}

/// A client's stream: opened, logged in, bound to a resource of the account's name.
async fn log_in(server: SocketAddr, account: &str) -> Result<(OwnedReadHalf, OwnedWriteHalf)> {
    let (mut read, mut write) = super::connect(server).await?;
    let open = format!(
        "<?xml version='1.0'?><stream:stream to='{DOMAIN}' version='1.0' xmlns='jabber:client' \
         xmlns:stream='http://etherx.jabber.org/streams'>"
    );
    let proof = BASE64.encode(format!("\0{account}\0{account}").as_bytes());
    let auth = format!("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{proof}</auth>");
    let bind = format!(
        "<iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>{account}</resource></bind></iq>"
    );
    let steps = [(&open, "</stream:features>"), (&auth, "<success"), (&open, "</stream:features>"), (&bind, "</iq>")];
    for (said, answer) in steps {
        write.write_all(said.as_bytes()).await?;
        until(&mut read, answer).await?;
    }
    Ok((read, write))
}

/// Reads until this has come. The server says nothing after it before it is asked.
async fn until(read: &mut OwnedReadHalf, expected: &str) -> Result<()> {
    let mut heard = Vec::new();
    loop {
        if read.read_buf(&mut heard).await? == 0 {
            bail!("the server ended the stream: {}", String::from_utf8_lossy(&heard));
        }
        let text = String::from_utf8_lossy(&heard);
        if text.contains("<failure") || text.contains("<stream:error") {
            bail!("the server refused: {text}");
        }
        if text.contains(expected) {
            return Ok(());
        }
    }
}
