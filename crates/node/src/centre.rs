//! The notification centre: what happened and was perhaps not seen, kept until it is old.
//!
//! Whether the system is asked to show something is another question ([`crate::notices`]): quiet hours and muted
//! sessions are silent, and their records are kept all the same.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use proto::id::{MachineId, SessionId};
use proto::relay::RelayAddress;
use store::StoreError;
use store::notifications::{Filter, Kind, New, NotificationKey};

use crate::core::Core;
use crate::files::named;
use crate::node::Node;
use crate::notices::cut;
use crate::relays::Trouble;
use crate::view::{DayCount, Notification, NotificationKind, NotificationStats, Page};
use crate::{NewNotification, NodeError, NotificationsRequest, times};

/// Rows of a page when the caller does not say.
const PAGE: u32 = 50;

/// Longest line and text of a record that a program makes, in bytes.
const TITLE_BYTES: usize = 256;
const BODY_BYTES: usize = 4_096;

/// How often records that are too old are looked for: they count in days.
const CLEANED_EVERY: Duration = Duration::from_secs(60 * 60);

/// The start has other things to do.
const FIRST_CLEANED: Duration = Duration::from_secs(60);

/// Greatest age that cleaning takes, in days: ten years.
const DAYS: u32 = 3_650;

const MS_PER_DAY: u64 = 24 * 60 * 60 * 1000;

impl Node {
    /// Records of the notification centre, newest first.
    ///
    /// # Errors
    /// When a value cannot be accepted.
    pub async fn notifications(&self, request: NotificationsRequest) -> Result<Page<Notification>, NodeError> {
        let limit = request.limit.unwrap_or(PAGE);
        if !(1..=store::notifications::PAGE).contains(&limit) {
            let message = format!("limit must be 1 to {}, not {limit}", store::notifications::PAGE);
            return Err(NodeError::Invalid { code: "invalid_limit", field: "limit", message });
        }
        let before = match &request.before {
            None => None,
            Some(cursor) => Some(cursor.parse().map_err(|_| {
                let message = "before must be nextBefore of an earlier page".to_owned();
                NodeError::Invalid { code: "invalid_cursor", field: "before", message }
            })?),
        };
        let filter = Filter { unread: request.unread, kind: request.kind.map(stored_kind) };
        let core = self.core();
        let (rows, more) =
            core.store.read(move |reader| store::notifications::list(reader, filter, before, limit)).await?;
        Ok(Page {
            next_before: rows.last().filter(|_| more).map(|row| row.place.to_string()),
            next_after: None,
            items: rows.iter().map(|row| shown(core, row)).collect(),
        })
    }

    /// Counts of the notification centre.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn notification_stats(&self) -> Result<NotificationStats, NodeError> {
        let stats = self.core().store.read(store::notifications::stats).await?;
        let by_kind: BTreeMap<NotificationKind, u32> =
            stats.by_kind.into_iter().map(|(kind, count)| (shown_kind(kind), count)).collect();
        let day = |ms| times::text(ms).get(..10).unwrap_or_default().to_owned();
        let by_day = stats.by_day.into_iter().map(|(ms, count)| DayCount { day: day(ms), count }).collect();
        Ok(NotificationStats { total: stats.total, unread: stats.unread, by_kind, by_day })
    }

    /// Makes a record of a program's own.
    ///
    /// # Errors
    /// When a text is empty or too long, or the session is not known.
    pub async fn create_notification(&self, new: NewNotification) -> Result<Notification, NodeError> {
        bounded("title", &new.title, TITLE_BYTES)?;
        bounded("body", &new.body, BODY_BYTES)?;
        if new.title.trim().is_empty() {
            let message = "title must not be empty".to_owned();
            return Err(NodeError::Invalid { code: "text_empty", field: "title", message });
        }
        let session: Option<SessionId> = match &new.session {
            None => None,
            Some(text) => Some(text.parse().map_err(|error| {
                let message = format!("sessionId {error}");
                NodeError::Invalid { code: "invalid_id", field: "sessionId", message }
            })?),
        };
        let core = self.core();
        let mut record = New {
            kind: stored_kind(new.kind),
            session: None,
            message: None,
            sender: None,
            subject: None,
            title: new.title,
            body: new.body,
            created_ms: core.clock.wall_ms(),
        };
        let key = core
            .store
            .write(move |tx| {
                if let Some(id) = &session {
                    let Some(key) = store::sessions::find(tx, id)? else { return Ok(None) };
                    record.session = Some(key);
                }
                store::notifications::add(tx, &record).map(Some)
            })
            .await?;
        let key = key.ok_or_else(|| {
            let message = "there is no such session here".to_owned();
            NodeError::NotFound { code: "session_not_found", message }
        })?;
        core.hub.note(key);
        self.notification(key).await
    }

    /// Marks a record as read.
    ///
    /// # Errors
    /// When there is none with this ID.
    pub async fn mark_notification_read(&self, id: &str) -> Result<Notification, NodeError> {
        let key = parse(id)?;
        self.core().store.write(move |tx| store::notifications::mark_read(tx, key)).await?;
        self.core().hub.note(key);
        self.notification(key).await
    }

    /// Marks all records as read; how many were not.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn mark_all_notifications_read(&self) -> Result<u32, NodeError> {
        let keys = self.core().store.write(store::notifications::mark_all_read).await?;
        Ok(self.noted(keys))
    }

    /// Takes a record away.
    ///
    /// # Errors
    /// When there is none with this ID.
    pub async fn delete_notification(&self, id: &str) -> Result<(), NodeError> {
        let key = parse(id)?;
        if !self.core().store.write(move |tx| store::notifications::delete(tx, key)).await? {
            return Err(missing(key));
        }
        self.core().hub.note(key);
        Ok(())
    }

    /// Takes away the records that are older than so many days; how many those were.
    ///
    /// # Errors
    /// When the number of days cannot be accepted.
    pub async fn cleanup_notifications(&self, days: u32) -> Result<u32, NodeError> {
        if days > DAYS {
            let message = format!("daysOld must be 0 to {DAYS}, not {days}");
            return Err(NodeError::Invalid { code: "invalid_value", field: "daysOld", message });
        }
        Ok(self.noted(cleanup(self.core(), days).await?))
    }

    fn noted(&self, keys: Vec<NotificationKey>) -> u32 {
        let count = u32::try_from(keys.len()).unwrap_or(u32::MAX);
        for key in keys {
            self.core().hub.note(key);
        }
        count
    }

    async fn notification(&self, key: NotificationKey) -> Result<Notification, NodeError> {
        let row = self.core().store.read(move |reader| store::notifications::get(reader, key)).await?;
        row.map(|row| shown(self.core(), &row)).ok_or_else(|| missing(key))
    }
}

/// Takes away what is older than the person wants it kept, for ever.
pub(crate) async fn run(core: Arc<Core>) {
    tokio::time::sleep(FIRST_CLEANED).await;
    loop {
        let days = u32::from(core.kept().settings.notification_days);
        match cleanup(&core, days).await {
            Ok(keys) => keys.into_iter().for_each(|key| core.hub.note(key)),
            Err(StoreError::Closed) => return,
            Err(error) => tracing::warn!(%error, "old notifications could not be taken away"),
        }
        tokio::time::sleep(CLEANED_EVERY).await;
    }
}

async fn cleanup(core: &Core, days: u32) -> Result<Vec<NotificationKey>, StoreError> {
    let before_ms = core.clock.wall_ms().saturating_sub(u64::from(days) * MS_PER_DAY);
    core.store.write(move |tx| store::notifications::cleanup(tx, before_ms)).await
}

/// A request was accepted or its machine blocked: the record about it needs no look any more.
pub(crate) fn answered(core: &Arc<Core>, session: SessionId) {
    write(core, move |tx| match store::sessions::find(tx, &session)? {
        Some(key) => store::notifications::read_request(tx, key),
        None => Ok(Vec::new()),
    });
}

/// A machine asked for contact: says so when it bears the name of another one that is known here.
pub(crate) fn namesake(core: &Arc<Core>, machine: MachineId) {
    let Some(user) = core.people.user(&machine).filter(|user| user.name_clash) else { return };
    let session = SessionId::direct(&core.me, &machine);
    let mut record = about_node(core, Kind::Security, format!("namesake {machine}"));
    record.sender = Some(machine);
    record.title = format!("Another machine is called {}", user.name);
    "It asks for contact with a key that is not known here. Compare the keys before you accept it."
        .clone_into(&mut record.body);
    write(core, move |tx| {
        record.session = store::sessions::find(tx, &session)?;
        Ok(vec![store::notifications::add(tx, &record)?])
    });
}

/// Machines cannot be found by themselves any more.
pub(crate) fn undiscovered(core: &Arc<Core>, reason: &str) {
    let mut record = about_node(core, Kind::Network, "discovery".to_owned());
    "Machines nearby can't be found".clone_into(&mut record.title);
    record.body = format!("Multicast discovery does not run: {reason}. Machines can still be added by their address.");
    write(core, move |tx| Ok(vec![store::notifications::add(tx, &record)?]));
}

/// A relay gave a key as a machine's that is not.
pub(crate) fn swapped(core: &Arc<Core>, machine: MachineId, relay: &RelayAddress) {
    let name = core.people.user(&machine).map(|user| user.name).unwrap_or_default();
    let mut record = about_node(core, Kind::Security, format!("swapped {}", relay.origin()));
    record.title = format!("A relay gave a false key for {name}");
    record.body = format!(
        "{} was asked for the key that messages to {name} are sealed with, and gave one that is not theirs. Nothing was sent \
         with it. Tell them, so that they use another relay.",
        relay.origin()
    );
    write(core, move |tx| Ok(vec![store::notifications::add(tx, &record)?]));
}

/// An own relay does not work, and not since just now; `message` says why and what can be done. Said once, however often it is
/// tried, until [`relay_mended`].
pub(crate) fn relay_fails(core: &Arc<Core>, relay: RelayAddress, trouble: Trouble, message: &str) {
    let mut record = about_node(core, Kind::Network, format!("{}{}", relay_subject(&relay), trouble.name()));
    record.title = match trouble {
        Trouble::Away => format!("The relay {} can't be reached", relay.origin()),
        _ => format!("The relay {} can't be used", relay.origin()),
    };
    record.body = format!("{message} Until then contacts elsewhere don't reach this machine through it.");
    let kept = core.clone();
    write(core, move |tx| {
        // It may have come back, or been removed, between that and now.
        if !kept.relays.is_missed(&relay) {
            return Ok(Vec::new());
        }
        Ok(store::notifications::add_once(tx, &record)?.into_iter().collect())
    });
}

/// An own relay works again, or is none any more: the records about it need no look.
pub(crate) fn relay_mended(core: &Arc<Core>, relay: &RelayAddress) {
    let subject = relay_subject(relay);
    write(core, move |tx| store::notifications::settle(tx, Kind::Network, &subject));
}

/// How the subjects of records about a relay begin.
fn relay_subject(relay: &RelayAddress) -> String {
    format!("relay {relay} ")
}

fn about_node(core: &Core, kind: Kind, subject: String) -> New {
    New {
        kind,
        session: None,
        message: None,
        sender: None,
        subject: Some(subject),
        title: String::new(),
        body: String::new(),
        created_ms: core.clock.wall_ms(),
    }
}

/// Changes records beside what goes on, and tells of it.
fn write(
    core: &Arc<Core>,
    job: impl FnOnce(&store::Tx<'_>) -> Result<Vec<NotificationKey>, StoreError> + Send + 'static,
) {
    let core = core.clone();
    core.clone().spawner.spawn("keep a notification", async move {
        match core.store.write(job).await {
            Ok(keys) => keys.into_iter().for_each(|key| core.hub.note(key)),
            Err(StoreError::Closed) => {}
            Err(error) => tracing::warn!(%error, "a notification could not be kept"),
        }
    });
}

/// A record as it is shown.
pub(crate) fn shown(core: &Core, row: &store::notifications::Notification) -> Notification {
    let sender = row.sender.as_ref().and_then(|sender| core.people.user(sender));
    let title = if row.title.is_empty() { sender.map(|user| user.name).unwrap_or_default() } else { row.title.clone() };
    let text = row.text.as_deref().unwrap_or_default();
    let body = match (&row.attached, row.body.is_empty(), text.trim().is_empty()) {
        (_, false, _) => row.body.clone(),
        (Some((name, files)), true, true) => named(name, *files),
        _ => cut(text),
    };
    Notification {
        id: row.key.0.to_string(),
        kind: shown_kind(row.kind),
        session_id: row.session.map(|id| id.to_string()),
        message_id: row.message.map(|id| id.to_string()),
        from_user_id: row.sender.map(|id| id.to_string()),
        title,
        body,
        created_at: times::text(row.created_ms),
        read: row.read,
        count: row.count,
    }
}

fn shown_kind(kind: Kind) -> NotificationKind {
    match kind {
        Kind::Message => NotificationKind::Message,
        Kind::Mention => NotificationKind::Mention,
        Kind::Request => NotificationKind::Request,
        Kind::Transfer => NotificationKind::Transfer,
        Kind::Security => NotificationKind::Security,
        Kind::Network => NotificationKind::Network,
    }
}

fn stored_kind(kind: NotificationKind) -> Kind {
    match kind {
        NotificationKind::Message => Kind::Message,
        NotificationKind::Mention => Kind::Mention,
        NotificationKind::Request => Kind::Request,
        NotificationKind::Transfer => Kind::Transfer,
        NotificationKind::Security => Kind::Security,
        NotificationKind::Network => Kind::Network,
    }
}

fn parse(id: &str) -> Result<NotificationKey, NodeError> {
    id.parse().map(NotificationKey).map_err(|_| NodeError::Invalid {
        code: "invalid_id",
        field: "notificationId",
        message: "notificationId must be the ID of a notification".to_owned(),
    })
}

fn bounded(field: &'static str, text: &str, limit: usize) -> Result<(), NodeError> {
    if text.len() > limit {
        let (limit, actual) = (limit as u64, text.len() as u64);
        let message = format!("{field} can hold {limit} bytes; this one has {actual}");
        return Err(NodeError::TooLarge { code: "text_too_long", field, limit, actual, message });
    }
    if text.contains('\0') {
        let message = format!("{field} must not hold NUL");
        return Err(NodeError::Invalid { code: "text_not_allowed", field, message });
    }
    Ok(())
}

fn missing(key: NotificationKey) -> NodeError {
    let message = format!("there is no notification {} here", key.0);
    NodeError::NotFound { code: "notification_not_found", message }
}
