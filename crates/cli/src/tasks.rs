//! The commands that talk to a running node.

use std::io::Read as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};
use api::args::{AddContactArgs, CreateTokenArgs, UpdateMeArgs};
use api::results::{CreatedToken, Done, LoginLink, TokenInfo};
use node::view::{
    Invitation, Me, Message, MessageState, Network, Page, Path, Presence, Session, Status, SystemLine, Trust, User,
};
use serde_json::json;

use crate::client::Client;
use crate::options::{Place, Task, TokenTask};
use crate::target::{self, Target};
use crate::{files, follow, messages, output, relays};

/// Most bytes of standard input that are read for a message; the node says what is too long.
const INPUT_BYTES: u64 = 128 * 1024;

/// How an invitation begins.
const LINK: &str = "landline://";

/// Runs one of them.
pub(crate) async fn run(place: &Place, task: Task) -> anyhow::Result<()> {
    let asked = Asked { client: Client::find(place)?, json: place.json };
    match task {
        // `main` runs it.
        Task::Node(_) | Task::Relay(_) => Ok(()),
        Task::Status => asked.status().await,
        Task::Peers { online } => asked.peers(online).await,
        Task::Sessions => asked.sessions().await,
        Task::History { session, limit, before, date, ids } => {
            asked.history(&session, limit, before.as_deref(), date.as_ref().map(|date| date.0.as_str()), ids).await
        }
        Task::Search(options) => asked.search(options).await,
        Task::Notifications { list, task: None } => asked.notifications(list).await,
        Task::Notifications { task: Some(task), .. } => asked.notification_task(task).await,
        Task::Send { to, text, file, copy, reply_to, mention } => {
            let text = text.unwrap_or_default();
            asked.send(&to, text, Beside { files: &file, copy, reply_to, mentions: &mention }).await
        }
        Task::Message(task) => asked.message_task(task).await,
        Task::Transfers(options) => files::transfers(&asked.client, options, asked.json).await,
        Task::Get { id, to } => files::get(&asked.client, &id, &to).await,
        Task::Follow { session, own } => follow::run(place, session.as_deref(), own).await,
        Task::Read { session, to } => asked.read(&session, to).await,
        Task::Typing { session, stop } => asked.typing(&session, stop).await,
        Task::Timer { session, after } => asked.timer(&session, after).await,
        Task::Set { session, marks } => asked.mark(&session, marks).await,
        Task::Away { back } => asked.away(back).await,
        Task::Accept(user) => asked.trust(&user.user, "accept", "Accepted").await,
        Task::Block(user) => asked.trust(&user.user, "block", "Blocked").await,
        Task::Unblock(user) => asked.trust(&user.user, "unblock", "Unblocked").await,
        Task::Invite => asked.invite().await,
        Task::Add { place } => asked.add(place).await,
        Task::Relays { task } => relays::run(&asked, task).await,
        Task::Name { name } => asked.name(name).await,
        Task::Open { print } => asked.open(print).await,
        Task::Token { task } => asked.token(task).await,
    }
}

/// What a message carries beside its text.
struct Beside<'a> {
    files: &'a [PathBuf],
    copy: bool,
    reply_to: Option<String>,
    mentions: &'a [String],
}

/// A node, and how to answer.
pub(crate) struct Asked {
    pub(crate) client: Client,
    pub(crate) json: bool,
}

impl Asked {
    /// Answers in JSON, or in words.
    pub(crate) fn say(&self, value: &impl serde::Serialize, words: &str) -> anyhow::Result<()> {
        if self.json { output::json(value) } else { Ok(output::line(words)?) }
    }

    async fn status(&self) -> anyhow::Result<()> {
        let status: Status = self.client.get(&["status"], &[]).await?;
        let me: Me = self.client.get(&["me"], &[]).await?;
        let network: Network = self.client.get(&["network"], &[]).await?;
        if self.json {
            let mut all = serde_json::to_value(&status)?;
            if let Some(fields) = all.as_object_mut() {
                fields.insert("machineId".to_owned(), json!(me.machine_id));
                fields.insert("name".to_owned(), json!(me.name));
                fields.insert("api".to_owned(), json!(self.client.base));
                fields.insert("listen".to_owned(), json!(network.listen));
            }
            return output::json(&all);
        }
        let rows = [
            ["Machine ID", &me.machine_id],
            ["Name", &me.name],
            ["API", &self.client.base],
            ["Peers", &network.listen],
            ["Online", &status.active_users.to_string()],
            ["Sessions", &status.sessions.to_string()],
            ["Unread", &status.unread.to_string()],
            ["Waiting", &status.waiting.to_string()],
            ["Version", &status.version],
            ["Running for", &duration(status.uptime_seconds)],
        ];
        Ok(output::line(&output::table(&rows.map(|row| row.map(output::plain))))?)
    }

    async fn peers(&self, online: bool) -> anyhow::Result<()> {
        let filter = if online { "online" } else { "all" };
        let users: Page<User> = self.client.get(&["users"], &[("filter", filter)]).await?;
        if self.json {
            return output::json(&users);
        }
        if users.items.is_empty() {
            return Ok(output::line("No one here yet. Others need Landline open on the same network.")?);
        }
        let mut rows = vec![["NAME", "STATUS", "TRUST", "DEVICE", "MACHINE ID"].map(str::to_owned)];
        for user in &users.items {
            let status = match (user.status, &user.last_seen) {
                (Presence::Online, _) => on_its_way("online", user.path),
                (Presence::Away, _) => on_its_way("away", user.path),
                (Presence::Offline, Some(seen)) => format!("seen {}", output::minute(seen)),
                (Presence::Offline, None) => "offline".to_owned(),
            };
            let (name, device) = (output::plain(&user.name), output::plain(&user.device));
            rows.push([name, status, trust(user.trust).to_owned(), device, user.machine_id.clone()]);
        }
        Ok(output::line(&output::table(&rows))?)
    }

    async fn sessions(&self) -> anyhow::Result<()> {
        let sessions: Page<Session> = self.client.get(&["sessions"], &[]).await?;
        if self.json {
            return output::json(&sessions);
        }
        if sessions.items.is_empty() {
            return Ok(output::line("No sessions yet. `landline send TO TEXT` opens one.")?);
        }
        let mut rows = vec![["WITH", "UNREAD", "WAITING", "LAST", "SESSION ID"].map(str::to_owned)];
        for session in &sessions.items {
            let title = output::plain(&session.title);
            let title = if session.request { format!("{title} (asks for contact)") } else { title };
            let last =
                session.last_message.as_ref().map_or_else(String::new, |message| output::minute(&message.timestamp));
            let counts = [session.unread_count, session.waiting_count].map(|count| count.to_string());
            let [unread, waiting] = counts;
            rows.push([title, unread, waiting, last, session.session_id.clone()]);
        }
        Ok(output::line(&output::table(&rows))?)
    }

    async fn history(
        &self,
        session: &str,
        limit: u32,
        before: Option<&str>,
        date: Option<&str>,
        ids: bool,
    ) -> anyhow::Result<()> {
        let session = target::session(&self.client, session).await?;
        let limit = limit.to_string();
        let mut query = vec![("limit", limit.as_str())];
        query.extend(before.map(|before| ("before", before)));
        query.extend(date.map(|date| ("date", date)));
        let path = ["sessions", &session.session_id, "messages"];
        let page: Page<Message> = self.client.get(&path, &query).await?;
        if self.json {
            return output::json(&page);
        }
        if let Some(before) = &page.next_before {
            output::line(&format!("Older messages: --before {}", output::plain(before)))?;
        }
        for line in page.items.iter().flat_map(|message| messages::lines(message, &session, ids)) {
            output::line(&line)?;
        }
        Ok(())
    }

    async fn send(&self, to: &str, text: String, beside: Beside<'_>) -> anyhow::Result<()> {
        let text = if text == "-" { input()? } else { text };
        let to = target::find(&self.client, to).await?;
        let mut mentions = Vec::with_capacity(beside.mentions.len());
        for word in beside.mentions {
            mentions.push(target::user(&self.client, word).await?);
        }
        let attachments = files::add(&self.client, beside.files, beside.copy).await?;
        let (field, id) = match to {
            Target::Session(id) => ("sessionId", id),
            Target::User(id) => ("receiverUserId", id),
        };
        let body = json!({
            field: id,
            "message": text,
            "attachments": attachments,
            "replyTo": beside.reply_to,
            "mentions": mentions,
        });
        let message: Message = self.client.post(&["messages"], &body).await?;
        if self.json {
            return output::json(&message);
        }
        let receiver = message.receiver_user_id.as_deref().unwrap_or_default();
        let user: User = self.client.get(&["users", receiver], &[]).await?;
        let name = output::plain(&user.name);
        let state = match (message.state, user.status) {
            (MessageState::Delivered, _) => format!("Delivered to {name}."),
            (_, Presence::Offline) if message.held_by.is_some() => {
                format!("{name} is offline; a relay holds the message until they come.")
            }
            (_, Presence::Offline) => format!("{name} is offline; the message waits and goes by itself."),
            _ => format!("On its way to {name}."),
        };
        Ok(output::line(&state)?)
    }

    async fn trust(&self, word: &str, act: &str, done: &str) -> anyhow::Result<()> {
        let id = target::user(&self.client, word).await?;
        let user: User = self.client.post(&["users", &id, act], &json!({})).await?;
        if self.json {
            return output::json(&user);
        }
        Ok(output::line(&format!("{done}: {} ({}).", output::plain(&user.name), user.machine_id))?)
    }

    async fn invite(&self) -> anyhow::Result<()> {
        let invitation: Invitation = self.client.post(&["invitations"], &json!({})).await?;
        if self.json {
            return output::json(&invitation);
        }
        // Nothing but the link, so that `LINK=$(landline invite)` works.
        Ok(output::line(&invitation.link)?)
    }

    async fn add(&self, place: String) -> anyhow::Result<()> {
        let is_link = place.trim().get(..LINK.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(LINK));
        let args = match is_link {
            true => AddContactArgs { link: Some(place), address: None },
            false => AddContactArgs { address: Some(place), link: None },
        };
        let user: User = self.client.post(&["contacts"], &args).await?;
        if self.json {
            return output::json(&user);
        }
        let said = match (is_link, user.trust) {
            (false, _) => "",
            (true, Trust::Verified) => " The invitation counted: you are contacts of each other.",
            (true, _) => " No fresh invitation was shown: what you write first reaches them as a request.",
        };
        Ok(output::line(&format!("Found {} ({}).{said}", output::plain(&user.name), user.machine_id))?)
    }

    async fn name(&self, name: Option<String>) -> anyhow::Result<()> {
        let me: Me = match name {
            Some(name) => {
                // Only what is given, so that nothing else changes.
                let patch = UpdateMeArgs { name: Some(name), ..UpdateMeArgs::default() };
                self.client.patch(&["me"], &json!({ "name": patch.name })).await?
            }
            None => self.client.get(&["me"], &[]).await?,
        };
        if self.json {
            return output::json(&me);
        }
        Ok(output::line(&output::plain(&me.name))?)
    }

    async fn open(&self, print: bool) -> anyhow::Result<()> {
        let link: LoginLink = self.client.post(&["login-links"], &json!({})).await?;
        if self.json {
            return output::json(&link);
        }
        if print {
            return Ok(output::line(&link.url)?);
        }
        open_in_browser(&link.url)
    }

    async fn token(&self, task: TokenTask) -> anyhow::Result<()> {
        match task {
            TokenTask::Create { name, scope, expires } => {
                let args = CreateTokenArgs { name, scopes: scope, expires_in_seconds: Some(expires.0) };
                let created: CreatedToken = self.client.post(&["tokens"], &args).await?;
                if self.json {
                    return output::json(&created);
                }
                // Nothing but the token, so that `TOKEN=$(landline token create …)` works.
                Ok(output::line(&created.token)?)
            }
            TokenTask::List => {
                let tokens: Page<TokenInfo> = self.client.get(&["tokens"], &[]).await?;
                if self.json {
                    return output::json(&tokens);
                }
                if tokens.items.is_empty() {
                    return Ok(output::line("No tokens. `landline token create` makes one.")?);
                }
                let mut rows = vec![["NAME", "SCOPES", "MADE", "EXPIRES", "ID"].map(str::to_owned)];
                for token in &tokens.items {
                    let ends = match (&token.revoked_at, &token.expires_at) {
                        (Some(at), _) => format!("revoked {}", output::minute(at)),
                        (None, Some(at)) => output::minute(at),
                        (None, None) => "never".to_owned(),
                    };
                    let made = output::minute(&token.created_at);
                    rows.push([output::plain(&token.name), token.scopes.join(","), made, ends, token.token_id.clone()]);
                }
                Ok(output::line(&output::table(&rows))?)
            }
            TokenTask::Revoke { id } => {
                let done: Done = self.client.delete(&["tokens", &id], &[]).await?;
                if self.json {
                    return output::json(&done);
                }
                Ok(output::line("Revoked.")?)
            }
        }
    }
}

/// A message in one line, or more when it has more.
pub(crate) fn message_line(message: &Message, session: &Session) -> String {
    let name = messages::name_of(&message.sender_user_id, session);
    let text = match &message.system {
        _ if message.deleted_at.is_some() => "(deleted)".to_owned(),
        Some(SystemLine::Timer { seconds: 0 }) => "(new messages stay)".to_owned(),
        Some(SystemLine::Timer { seconds }) => format!("(new messages disappear after {seconds} s)"),
        None => output::paragraphs(&message.message, "    "),
    };
    let state = match message.state {
        MessageState::Queued => "  (waiting)",
        MessageState::Failed => "  (not sent)",
        MessageState::Delivered | MessageState::Read => "",
    };
    let marks = [
        (message.edited_at.is_some(), "  (edited)"),
        (message.forwarded, "  (forwarded)"),
        (message.pinned, "  (pinned)"),
    ];
    let marks: String = marks.iter().filter_map(|(on, mark)| on.then_some(*mark)).collect();
    format!("[{}] {name}: {text}{marks}{state}", output::minute(&message.timestamp))
}

/// Opens a link in the browser of the system.
pub(crate) fn open_in_browser(url: &str) -> anyhow::Result<()> {
    let (program, args): (&str, &[&str]) = if cfg!(target_os = "macos") {
        ("open", &[])
    } else if cfg!(target_os = "windows") {
        ("rundll32", &["url.dll,FileProtocolHandler"])
    } else {
        ("xdg-open", &[])
    };
    Command::new(program)
        .args(args)
        .arg(url)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map(|_| ())
        .with_context(|| format!("cannot open a browser by {program}; `landline open --print` gives the link"))
}

/// A message from standard input, without the line break that ends it.
pub(crate) fn input() -> anyhow::Result<String> {
    let mut bytes = Vec::new();
    std::io::stdin().lock().take(INPUT_BYTES).read_to_end(&mut bytes).context("cannot read standard input")?;
    let Ok(mut text) = String::from_utf8(bytes) else { bail!("standard input is not UTF-8 text") };
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    Ok(text)
}

/// The status of a linked machine, with the way when that is not a direct one.
fn on_its_way(status: &str, path: Path) -> String {
    match path {
        Path::Relay => format!("{status}, by relay"),
        Path::Direct | Path::None => status.to_owned(),
    }
}

fn trust(trust: Trust) -> &'static str {
    match trust {
        Trust::Unknown => "unknown",
        Trust::Requested => "asks for contact",
        Trust::Accepted => "accepted",
        Trust::Verified => "verified",
        Trust::Blocked => "blocked",
    }
}

fn duration(seconds: u32) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, minutes) => format!("{minutes} min"),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (days, hours, _) => format!("{days} d {hours} h"),
    }
}
