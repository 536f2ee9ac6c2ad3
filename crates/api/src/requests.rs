//! The events that programs send by Socket.IO, under our names and those of the prior systems, as commands.

use node::view::Presence;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::args;
use crate::commands::Command;
use crate::door::{Caller, Door};
use crate::error::ApiError;
use crate::events::Event;

/// What a client is answered: its acknowledgement, and events.
pub(crate) struct Answer {
    pub(crate) ack: Value,
    pub(crate) events: Vec<Event>,
}

impl Answer {
    /// The same as acknowledgement and as event.
    fn done(event: &'static str, value: Value) -> Self {
        Self { ack: value.clone(), events: vec![(event, value)] }
    }

    /// By acknowledgement only.
    pub(crate) fn quiet(ack: Value) -> Self {
        Self { ack, events: Vec::new() }
    }

    /// An error, as acknowledgement `{error}` and as event.
    pub(crate) fn refused(event: &'static str, error: &ApiError) -> Self {
        Self { ack: json!({ "error": error.body }), events: vec![(event, json!(error.body))] }
    }
}

/// An event by what it means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Request {
    Register,
    CreateSession,
    Send,
    Edit,
    Delete,
    React,
    StartTyping,
    StopTyping,
    SetStatus,
    MarkMessageRead,
    MarkSessionRead,
    OnlineUsers,
    Rpc,
}

/// Every name that is understood.
const NAMES: &[(&str, Request)] = &[
    ("register_user", Request::Register),
    ("authenticate", Request::Register),
    ("create_chat_session", Request::CreateSession),
    ("joinChat", Request::CreateSession),
    ("send_message", Request::Send),
    ("sendMessage", Request::Send),
    ("edit_message", Request::Edit),
    ("delete_message", Request::Delete),
    ("react", Request::React),
    ("typing_start", Request::StartTyping),
    ("typing", Request::StartTyping),
    ("typing_stop", Request::StopTyping),
    ("set_status", Request::SetStatus),
    ("mark_message_read", Request::MarkMessageRead),
    ("markMessageRead", Request::MarkMessageRead),
    ("message_read", Request::MarkMessageRead),
    ("mark_session_read", Request::MarkSessionRead),
    ("get_online_users", Request::OnlineUsers),
    ("getOnlineUsers", Request::OnlineUsers),
    ("rpc", Request::Rpc),
];

/// Carries out one event.
pub(crate) async fn answer(door: &Door, caller: &Caller, event: &str, data: Value) -> Answer {
    let Some((_, request)) = NAMES.iter().find(|(name, _)| *name == event) else {
        let text = format!("There is no event {:?}.", crate::error::excerpt(event));
        let error = ApiError::new(axum::http::StatusCode::NOT_FOUND, "unknown_event", text);
        return Answer::refused("error", &error);
    };
    let temp_id = data.get("tempId").and_then(Value::as_str).map(crate::error::excerpt);
    let result = match request {
        Request::Register => register(door, caller, data),
        Request::CreateSession => door
            .call(caller, Command::CreateSession, data)
            .await
            .map(|created| Answer::done("session_created", created)),
        Request::Send => send(door, caller, data).await,
        Request::Edit => {
            let changed = door.call(caller, Command::EditMessage, data).await;
            changed.map(|message| Answer::done("message_updated", json!({ "message": message })))
        }
        Request::Delete => {
            let deleted = door.call(caller, Command::DeleteMessage, data).await;
            deleted.map(|message| Answer::done("message_deleted", deletion(&message)))
        }
        Request::React => react(door, caller, data).await,
        Request::StartTyping => typing(door, caller, data, true).await,
        Request::StopTyping => typing(door, caller, data, false).await,
        Request::SetStatus => door.call(caller, Command::SetStatus, data).await.map(Answer::quiet),
        Request::MarkMessageRead => mark(door, caller, Command::MarkMessageRead, data).await,
        Request::MarkSessionRead => mark(door, caller, Command::MarkSessionRead, data).await,
        Request::OnlineUsers => door
            .call(caller, Command::Users, json!({ "filter": "online" }))
            .await
            .map(|users| Answer::done("online_users", users)),
        Request::Rpc => return rpc(door, caller, data).await,
    };
    result.unwrap_or_else(|error| {
        let mut answer = Answer::refused(error_event(*request), &error);
        // Lets the client find the row that it already shows.
        if let (Request::Send, Some(temp_id)) = (request, temp_id) {
            for (_, value) in &mut answer.events {
                if let Some(fields) = value.as_object_mut() {
                    fields.insert("tempId".to_owned(), Value::from(temp_id.as_str()));
                }
            }
            if let Some(fields) = answer.ack.as_object_mut() {
                fields.insert("tempId".to_owned(), Value::from(temp_id));
            }
        }
        answer
    })
}

fn error_event(request: Request) -> &'static str {
    match request {
        Request::Register => "registration_error",
        Request::CreateSession => "session_error",
        Request::Send | Request::Edit | Request::Delete | Request::React => "message_error",
        Request::StartTyping
        | Request::StopTyping
        | Request::SetStatus
        | Request::MarkMessageRead
        | Request::MarkSessionRead
        | Request::OnlineUsers
        | Request::Rpc => "error",
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Registration {
    machine_id: Option<String>,
    user_id: Option<String>,
    token: Option<String>,
}

/// There are no accounts: a program is registered when it names this machine and its token is good.
fn register(door: &Door, caller: &Caller, data: Value) -> Result<Answer, ApiError> {
    let Registration { machine_id, user_id, token } = args::parse(data)?;
    let own = door.node.machine_id().to_string();
    for (field, given) in [("machineId", machine_id), ("userId", user_id)] {
        if given.is_some_and(|given| given != own) {
            let error = ApiError::invalid(field, format!("{field} is not this machine; this machine is {own}."));
            return Err(ApiError {
                body: crate::error::ErrorBody { code: "wrong_machine".to_owned(), ..error.body },
                ..error
            });
        }
    }
    let caller = match token {
        Some(token) => &door.tokens.verify(&token, door.now())?,
        None => caller,
    };
    let scopes: Vec<&str> = caller.scopes.iter().map(|scope| scope.name()).collect();
    let name = door.node.me().name;
    Ok(Answer::done("registration_success", json!({ "machineId": own, "userId": own, "name": name, "scopes": scopes })))
}

async fn send(door: &Door, caller: &Caller, data: Value) -> Result<Answer, ApiError> {
    let message = door.call(caller, Command::SendMessage, data).await?;
    let temp_id = message.get("tempId").cloned().unwrap_or_default();
    let receiver = message.get("receiverUserId").cloned().unwrap_or_default();
    let (id, session) = (message.get("id").cloned(), message.get("sessionId").cloned());
    let mut answer = Answer::done("message_sent", json!({ "message": message, "tempId": temp_id }));
    let offline = receiver
        .as_str()
        .and_then(|receiver| door.node.user(receiver).ok())
        .is_some_and(|user| user.status == Presence::Offline);
    if offline {
        let notice = json!({ "sessionId": session, "messageId": id, "receiverUserId": receiver, "tempId": temp_id });
        answer.events.push(("receiver_unavailable", notice));
    }
    Ok(answer)
}

/// What is told of a message that was deleted.
pub(crate) fn deletion(message: &Value) -> Value {
    json!({
        "messageId": message.get("id"),
        "sessionId": message.get("sessionId"),
        "deletedAt": message.get("deletedAt"),
    })
}

async fn react(door: &Door, caller: &Caller, data: Value) -> Result<Answer, ApiError> {
    let emoji = data.get("emoji").cloned().unwrap_or_default();
    let on = data.get("on").cloned().unwrap_or(Value::Bool(true));
    let message = door.call(caller, Command::React, data).await?;
    let told = json!({
        "messageId": message.get("id"),
        "sessionId": message.get("sessionId"),
        "userId": door.node.machine_id().to_string(),
        "emoji": emoji,
        "on": on,
    });
    Ok(Answer::done("reaction", told))
}

/// Programs of the prior systems say `isTyping` beside the session, or nothing at all.
async fn typing(door: &Door, caller: &Caller, data: Value, started: bool) -> Result<Answer, ApiError> {
    let Value::Object(mut fields) = data else {
        return Err(ApiError::malformed("The arguments must be one JSON object."));
    };
    let given = fields.remove("isTyping").or_else(|| fields.remove("typing"));
    fields.insert("typing".to_owned(), given.filter(|_| started).unwrap_or(Value::Bool(started)));
    door.call(caller, Command::Typing, Value::Object(fields)).await.map(Answer::quiet)
}

async fn mark(door: &Door, caller: &Caller, command: Command, data: Value) -> Result<Answer, ApiError> {
    let message = data.get("messageId").cloned().unwrap_or_default();
    let session = door.call(caller, command, data).await?;
    let read = json!({
        "messageId": message,
        "sessionId": session.get("sessionId"),
        "userId": door.node.machine_id().to_string(),
        "unreadCount": session.get("unreadCount"),
    });
    Ok(Answer::done("message_read", read))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rpc {
    command: String,
    #[serde(default)]
    args: Value,
}

/// Any command by its name, answered by acknowledgement only: `{ok}` or `{error}`.
async fn rpc(door: &Door, caller: &Caller, data: Value) -> Answer {
    let result = match args::parse::<Rpc>(data) {
        Ok(Rpc { command, args }) => door.dispatch(caller, &command, args).await,
        Err(error) => Err(error),
    };
    let (name, value) = match result {
        Ok(value) => ("ok", value),
        Err(error) => ("error", json!(error.body)),
    };
    Answer::quiet(Value::Object(Map::from_iter([(name.to_owned(), value)])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_means_two_things() {
        for (place, (name, _)) in NAMES.iter().enumerate() {
            assert!(!NAMES[place + 1..].iter().any(|(other, _)| other == name), "{name} stands twice");
        }
    }
}
