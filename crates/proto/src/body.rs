//! What events say: messages, and what happens to them afterwards.
//!
//! An operation names its message by the ID that follows from the message's own event, so nobody can claim another's. It
//! may arrive before its message, and it may be void (by a stranger, too late): that is judged where it is applied, not here.

use bytes::Bytes;

use crate::attachment::Attachment;
use crate::cbor::{DecodeError, Problem, Reader, Writer, required};
use crate::event::{Kind, check_body_length};
use crate::id::{MachineId, MessageId};
use crate::{emoji, limits, text};

/// What an event says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// The author opened the session.
    Open,
    /// A message.
    Message(MessageBody),
    /// A new text for a message of the same author.
    Edit(EditBody),
    /// The author took a message of theirs back, for everyone and for good.
    Delete {
        /// The message.
        target: MessageId,
    },
    /// A reaction to a message, or its end.
    Reaction(ReactionBody),
    /// Messages written from now on disappear after this long.
    Timer {
        /// Seconds; 0 when they stay.
        seconds: u64,
    },
    /// A message was pinned in the session, or no longer is.
    Pin {
        /// The message.
        target: MessageId,
        /// Whether it is from now on.
        on: bool,
    },
    /// Something of a later version: kept, passed on, not shown.
    Unknown,
}

/// A message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MessageBody {
    /// The text, by the rules of [`text::check_message`]; empty only beside attachments.
    pub text: String,
    /// The message that it answers.
    pub reply_to: Option<MessageId>,
    /// Files and folders, at most [`limits::ATTACHMENTS`].
    pub attachments: Vec<Attachment>,
    /// Whether it was written elsewhere first.
    pub forwarded: bool,
    /// Seconds after which it disappears: the session's timer as its author knew it.
    pub expires_after: Option<u64>,
    /// The machines that it mentions, at most [`limits::MENTIONS`].
    pub mentions: Vec<MachineId>,
}

/// A new text for a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EditBody {
    /// The message.
    pub target: MessageId,
    /// The text, by the rules of [`text::check_message`].
    pub text: String,
    /// The machines that it mentions, at most [`limits::MENTIONS`].
    pub mentions: Vec<MachineId>,
}

/// A reaction to a message, or its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReactionBody {
    /// The message.
    pub target: MessageId,
    /// 1 to [`limits::EMOJI_BYTES`] bytes. Shown only when [`emoji::is_emoji`] says so.
    pub emoji: String,
    /// Whether the author reacts so from now on.
    pub on: bool,
}

impl Body {
    /// A message that is nothing but a text.
    pub fn message(text: impl Into<String>) -> Self {
        Self::Message(MessageBody { text: text.into(), ..MessageBody::default() })
    }

    /// The kind that its event has; absent for [`Body::Unknown`].
    pub fn kind(&self) -> Option<Kind> {
        match self {
            Self::Open => Some(Kind::OPEN),
            Self::Message(_) => Some(Kind::MESSAGE),
            Self::Edit(_) => Some(Kind::EDIT),
            Self::Delete { .. } => Some(Kind::DELETE),
            Self::Reaction(_) => Some(Kind::REACTION),
            Self::Timer { .. } => Some(Kind::TIMER),
            Self::Pin { .. } => Some(Kind::PIN),
            Self::Unknown => None,
        }
    }

    /// The bytes of the body.
    ///
    /// # Errors
    /// A text that breaks a rule, a list that is too long; [`Body::Unknown`], which has no bytes of its own.
    pub fn encode(&self) -> Result<Bytes, DecodeError> {
        let mut writer = Writer::new();
        match self {
            Self::Open => return Ok(Bytes::new()),
            Self::Message(message) => message.write(&mut writer)?,
            Self::Edit(edit) => edit.write(&mut writer)?,
            Self::Delete { target } => {
                writer.map(1).uint(0).bytes(target.as_bytes());
            }
            Self::Reaction(reaction) => reaction.write(&mut writer)?,
            Self::Timer { seconds } => {
                check_timer(*seconds, "seconds")?;
                writer.map(1).uint(0).uint(*seconds);
            }
            Self::Pin { target, on } => {
                writer.map(2).uint(0).bytes(target.as_bytes()).uint(1).bool(*on);
            }
            Self::Unknown => return Err(Problem::Unexpected.in_field("body")),
        }
        let bytes = Bytes::from(writer.finish());
        check_body_length(&bytes)?;
        Ok(bytes)
    }

    /// Reads the body of an event of this kind.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn decode(kind: Kind, bytes: &[u8]) -> Result<Self, DecodeError> {
        check_body_length(bytes)?;
        match kind {
            Kind::OPEN if bytes.is_empty() => Ok(Self::Open),
            Kind::OPEN => Err(Problem::Length { expected: 0, actual: bytes.len() }.in_field("body")),
            Kind::MESSAGE => MessageBody::decode(bytes).map(Self::Message),
            Kind::EDIT => EditBody::decode(bytes).map(Self::Edit),
            Kind::DELETE => decode_delete(bytes),
            Kind::REACTION => ReactionBody::decode(bytes).map(Self::Reaction),
            Kind::TIMER => decode_timer(bytes),
            Kind::PIN => decode_pin(bytes),
            Kind(_) => Ok(Self::Unknown),
        }
    }
}

impl MessageBody {
    fn write(&self, writer: &mut Writer) -> Result<(), DecodeError> {
        self.check()?;
        let optional = [
            self.reply_to.is_some(),
            !self.attachments.is_empty(),
            self.forwarded,
            self.expires_after.is_some(),
            !self.mentions.is_empty(),
        ];
        writer.map(1 + optional.into_iter().filter(|given| *given).count());
        writer.uint(0).text(&self.text);
        if let Some(reply_to) = &self.reply_to {
            writer.uint(1).bytes(reply_to.as_bytes());
        }
        if !self.attachments.is_empty() {
            writer.uint(2).array(self.attachments.len());
            self.attachments.iter().for_each(|attachment| attachment.write(writer));
        }
        if self.forwarded {
            writer.uint(3).bool(true);
        }
        if let Some(seconds) = self.expires_after {
            writer.uint(4).uint(seconds);
        }
        if !self.mentions.is_empty() {
            writer.uint(5);
            write_mentions(writer, &self.mentions)?;
        }
        Ok(())
    }

    fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new("body", bytes, limits::BODY_BYTES)?;
        let (mut text, mut reply_to, mut forwarded, mut expires_after) = (None, None, false, None);
        let (mut attachments, mut mentions) = (Vec::new(), Vec::new());
        for _ in 0..reader.map("body")? {
            match reader.key("body")? {
                0 => text = Some(reader.text("text", limits::MESSAGE_BYTES)?),
                2 => attachments = read_attachments(&mut reader)?,
                1 => reply_to = Some(MessageId::from_bytes(reader.fixed("reply_to")?)),
                3 => forwarded = reader.bool("forwarded")?,
                4 => expires_after = Some(reader.uint("expires_after", limits::TIMER_SECONDS_MAX)?),
                5 => mentions = read_mentions(&mut reader)?,
                _ => reader.skip("body")?,
            }
        }
        let text = required(text, "text")?.to_owned();
        let body = Self { text, reply_to, attachments, forwarded, expires_after, mentions };
        body.check()?;
        Ok(body)
    }

    fn check(&self) -> Result<(), DecodeError> {
        if !self.text.is_empty() || self.attachments.is_empty() {
            check_text(&self.text)?;
        }
        if self.attachments.len() > limits::ATTACHMENTS {
            let (limit, actual) = (limits::ATTACHMENTS, self.attachments.len());
            return Err(Problem::TooLong { limit, actual }.in_field("attachments"));
        }
        self.attachments.iter().try_for_each(Attachment::check)?;
        self.expires_after.map_or(Ok(()), check_expiry)
    }
}

impl EditBody {
    fn write(&self, writer: &mut Writer) -> Result<(), DecodeError> {
        check_text(&self.text)?;
        writer.map(if self.mentions.is_empty() { 2 } else { 3 });
        writer.uint(0).bytes(self.target.as_bytes());
        writer.uint(1).text(&self.text);
        if !self.mentions.is_empty() {
            writer.uint(2);
            write_mentions(writer, &self.mentions)?;
        }
        Ok(())
    }

    fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new("body", bytes, limits::BODY_BYTES)?;
        let (mut target, mut text, mut mentions) = (None, None, Vec::new());
        for _ in 0..reader.map("body")? {
            match reader.key("body")? {
                0 => target = Some(MessageId::from_bytes(reader.fixed("target")?)),
                1 => text = Some(reader.text("text", limits::MESSAGE_BYTES)?),
                2 => mentions = read_mentions(&mut reader)?,
                _ => reader.skip("body")?,
            }
        }
        let text = required(text, "text")?;
        check_text(text)?;
        Ok(Self { target: required(target, "target")?, text: text.to_owned(), mentions })
    }
}

impl ReactionBody {
    fn write(&self, writer: &mut Writer) -> Result<(), DecodeError> {
        if !emoji::is_emoji(&self.emoji) {
            return Err(Problem::Unsupported.in_field("emoji"));
        }
        writer.map(3);
        writer.uint(0).bytes(self.target.as_bytes());
        writer.uint(1).text(&self.emoji);
        writer.uint(2).bool(self.on);
        Ok(())
    }

    fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new("body", bytes, limits::BODY_BYTES)?;
        let (mut target, mut emoji, mut on) = (None, None, None);
        for _ in 0..reader.map("body")? {
            match reader.key("body")? {
                0 => target = Some(MessageId::from_bytes(reader.fixed("target")?)),
                1 => emoji = Some(reader.text("emoji", limits::EMOJI_BYTES)?),
                2 => on = Some(reader.bool("on")?),
                _ => reader.skip("body")?,
            }
        }
        let emoji = required(emoji, "emoji")?.to_owned();
        Ok(Self { target: required(target, "target")?, emoji, on: required(on, "on")? })
    }
}

fn decode_delete(bytes: &[u8]) -> Result<Body, DecodeError> {
    let mut reader = Reader::new("body", bytes, limits::BODY_BYTES)?;
    let mut target = None;
    for _ in 0..reader.map("body")? {
        match reader.key("body")? {
            0 => target = Some(MessageId::from_bytes(reader.fixed("target")?)),
            _ => reader.skip("body")?,
        }
    }
    Ok(Body::Delete { target: required(target, "target")? })
}

fn decode_timer(bytes: &[u8]) -> Result<Body, DecodeError> {
    let mut reader = Reader::new("body", bytes, limits::BODY_BYTES)?;
    let mut seconds = None;
    for _ in 0..reader.map("body")? {
        match reader.key("body")? {
            0 => seconds = Some(reader.uint("seconds", limits::TIMER_SECONDS_MAX)?),
            _ => reader.skip("body")?,
        }
    }
    let seconds = required(seconds, "seconds")?;
    check_timer(seconds, "seconds")?;
    Ok(Body::Timer { seconds })
}

fn decode_pin(bytes: &[u8]) -> Result<Body, DecodeError> {
    let mut reader = Reader::new("body", bytes, limits::BODY_BYTES)?;
    let (mut target, mut on) = (None, None);
    for _ in 0..reader.map("body")? {
        match reader.key("body")? {
            0 => target = Some(MessageId::from_bytes(reader.fixed("target")?)),
            1 => on = Some(reader.bool("on")?),
            _ => reader.skip("body")?,
        }
    }
    Ok(Body::Pin { target: required(target, "target")?, on: required(on, "on")? })
}

fn check_text(text: &str) -> Result<(), DecodeError> {
    text::check_message(text).map_err(|error| Problem::Text(error).in_field("text"))
}

fn read_attachments(reader: &mut Reader<'_>) -> Result<Vec<Attachment>, DecodeError> {
    let count = reader.array("attachments", limits::ATTACHMENTS)?;
    (0..count).map(|_| Attachment::read(reader)).collect()
}

/// A timer that is off, or within its bounds.
fn check_timer(seconds: u64, field: &'static str) -> Result<(), DecodeError> {
    let allowed = limits::TIMER_SECONDS_MIN..=limits::TIMER_SECONDS_MAX;
    if seconds == 0 || allowed.contains(&seconds) { Ok(()) } else { Err(Problem::Range.in_field(field)) }
}

/// A message under no timer does not name one.
fn check_expiry(seconds: u64) -> Result<(), DecodeError> {
    if seconds == 0 { Err(Problem::Range.in_field("expires_after")) } else { check_timer(seconds, "expires_after") }
}

fn write_mentions(writer: &mut Writer, mentions: &[MachineId]) -> Result<(), DecodeError> {
    if mentions.len() > limits::MENTIONS {
        return Err(Problem::TooLong { limit: limits::MENTIONS, actual: mentions.len() }.in_field("mentions"));
    }
    writer.array(mentions.len());
    for machine in mentions {
        writer.bytes(machine.as_bytes());
    }
    Ok(())
}

fn read_mentions(reader: &mut Reader<'_>) -> Result<Vec<MachineId>, DecodeError> {
    let count = reader.array("mentions", limits::MENTIONS)?;
    (0..count).map(|_| reader.fixed("mentions").map(MachineId::from_bytes)).collect()
}
