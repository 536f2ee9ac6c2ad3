//! The command about a session's own marks: what this person set, and what they have begun to write.

use proto::limits;

use crate::appending::no_upload;
use crate::conversations::{no_session, parse_message, parse_session, parse_uploads};
use crate::node::Node;
use crate::view::{Notify, Session};
use crate::{NodeError, SessionPatch, times};

/// For how many days messages may be kept.
const RETENTION_DAYS: std::ops::RangeInclusive<u32> = 1..=3_650;

impl Node {
    /// Changes a session's own marks.
    ///
    /// # Errors
    /// When a value cannot be accepted or the session is not known.
    pub async fn update_session(&self, session: &str, patch: SessionPatch) -> Result<Session, NodeError> {
        let id = parse_session(session)?;
        let muted_until = match &patch.muted_until {
            Some(Some(text)) => Some(Some(times::parse(text).ok_or_else(|| {
                let message = "mutedUntil must be a time such as 2026-01-31T08:00:00Z".to_owned();
                NodeError::Invalid { code: "invalid_time", field: "mutedUntil", message }
            })?)),
            Some(None) => Some(None),
            None => None,
        };
        if let Some(Some(draft)) = &patch.draft
            && draft.len() > limits::MESSAGE_BYTES
        {
            return Err(too_long("draft", draft.len()));
        }
        let draft_reply_to = match &patch.draft_reply_to {
            Some(Some(message)) => Some(Some(parse_message("draftReplyTo", message)?)),
            Some(None) => Some(None),
            None => None,
        };
        if let Some(Some(days)) = patch.retention_days
            && !RETENTION_DAYS.contains(&days)
        {
            let message = format!("retentionDays must be {} to {}", RETENTION_DAYS.start(), RETENTION_DAYS.end());
            return Err(NodeError::Invalid { code: "invalid_retention", field: "retentionDays", message });
        }
        let drafted = match &patch.draft_attachments {
            Some(uploads) => Some(parse_uploads("draftAttachments", uploads.as_deref().unwrap_or_default())?),
            None => None,
        };
        let now_ms = self.core().clock.wall_ms();
        let patched = self
            .core()
            .store
            .write(move |tx| {
                let Some(key) = store::sessions::find(tx, &id)? else { return Ok(Err(no_session(&id))) };
                if let Some(uploads) = &drafted {
                    for upload in uploads {
                        if store::uploads::get(tx, upload)?.is_none() {
                            return Ok(Err(no_upload("draftAttachments", upload)));
                        }
                    }
                    store::drafts::set_attachments(tx, key, uploads)?;
                }
                if let Some(message) = &draft_reply_to {
                    store::drafts::set_reply_to(tx, key, message.as_ref())?;
                }
                if let Some(marked) = patch.marked_unread {
                    store::sessions::set_marked_unread(tx, key, marked)?;
                }
                if let Some(notify) = patch.notify {
                    store::sessions::set_notify(tx, key, stored_notify(notify))?;
                }
                if let Some(days) = patch.retention_days {
                    store::sessions::set_retention(tx, key, days)?;
                }
                if let Some(pinned) = patch.pinned {
                    store::sessions::set_pinned(tx, key, pinned)?;
                }
                if let Some(archived) = patch.archived {
                    store::sessions::set_archived(tx, key, archived)?;
                }
                if let Some(until) = muted_until {
                    store::sessions::set_muted_until(tx, key, until)?;
                }
                if let Some(draft) = &patch.draft {
                    store::drafts::set_text(tx, key, draft.as_deref(), now_ms)?;
                }
                Ok(Ok(()))
            })
            .await?;
        patched?;
        if muted_until.flatten().is_some_and(|until| until > now_ms) {
            self.core().notices.settle(self.core(), id);
        }
        if patch.retention_days.flatten().is_some() {
            self.core().expiry.notify_one();
        }
        self.core().hub.mark(id);
        self.session_view(id).await
    }
}

fn stored_notify(notify: Notify) -> store::sessions::Notify {
    match notify {
        Notify::All => store::sessions::Notify::All,
        Notify::Mentions => store::sessions::Notify::Mentions,
        Notify::None => store::sessions::Notify::None,
    }
}

fn too_long(field: &'static str, actual: usize) -> NodeError {
    let (limit, actual) = (limits::MESSAGE_BYTES as u64, actual as u64);
    let message = format!("{field} can hold {limit} bytes; this one has {actual}");
    NodeError::TooLarge { code: "text_too_long", field, limit, actual, message }
}
