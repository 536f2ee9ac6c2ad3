//! Files of people's own, and what becomes of them.

use std::path::{Path, PathBuf};

use node::view::{Attachment, Message, Session, Upload};
use node::{Node, SendRequest};

use crate::Person;

/// Bytes that are no two alike for a while, and always the same.
#[must_use]
pub fn bytes(count: usize) -> Vec<u8> {
    let mut state = 7_u32;
    std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    })
    .take(count)
    .collect()
}

/// A folder with files of a person's own.
#[derive(Debug)]
pub struct Shelf {
    dir: tempfile::TempDir,
}

impl Default for Shelf {
    fn default() -> Self {
        Self::new()
    }
}

impl Shelf {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// A file with this content, made or made anew.
    #[must_use]
    pub fn file(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.dir.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }
}

/// Adds a file to be sent.
pub async fn add(person: &Person, path: &Path) -> Upload {
    person.node().add_file(path.to_str().unwrap()).await.unwrap()
}

/// Sends what was added.
pub async fn send(person: &Person, session: &Session, text: &str, uploads: &[&Upload]) -> Message {
    let request = SendRequest {
        session: session.session_id.clone(),
        message: text.to_owned(),
        attachments: uploads.iter().map(|upload| upload.upload_id.clone()).collect(),
        temp_id: None,
        caller: "test".to_owned(),
        ..SendRequest::default()
    };
    person.node().send_message(request).await.unwrap()
}

/// An attachment of a message, as a node shows it now.
pub async fn attachment(node: &Node, message: &str, index: usize) -> Option<Attachment> {
    node.message(message).await.ok()?.attachments.get(index).cloned()
}

/// Waits until the first attachment of a message looks so.
pub async fn sees(person: &Person, message: &Message, how: &str, fits: impl Fn(&Attachment) -> bool) -> Attachment {
    person
        .until(&format!("the attachment to be {how}"), async |node| {
            attachment(&node, &message.id, 0).await.filter(|attachment| fits(attachment))
        })
        .await
}

/// What lies where an attachment was saved.
#[must_use]
pub fn content(attachment: &Attachment) -> Vec<u8> {
    std::fs::read(attachment.path.as_ref().unwrap()).unwrap()
}
