//! Which path is which command. REST and the OpenAPI document are both made from this table.

use crate::commands::Command;

/// An HTTP method that the API uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verb {
    Get,
    Post,
    Put,
    Patch,
    Delete,
}

impl Verb {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Post => "post",
            Self::Put => "put",
            Self::Patch => "patch",
            Self::Delete => "delete",
        }
    }
}

/// How a value of the query becomes an argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Number,
    /// `true` or `false`.
    Flag,
}

/// An argument that a path implies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Implied {
    Text(&'static str),
    Flag(bool),
}

impl Implied {
    /// In a word, for the name of the operation.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Text(text) => text,
            Self::Flag(true) => "on",
            Self::Flag(false) => "off",
        }
    }
}

/// How a success is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reply {
    /// 200 with the result.
    Ok,
    /// 201 with the result.
    Created,
    /// 201 or 200 with the session of a [`crate::results::CreatedSession`].
    SessionMade,
}

/// A path and the command behind it. Names in braces are arguments.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Route {
    pub(crate) verb: Verb,
    pub(crate) path: &'static str,
    pub(crate) command: Command,
    /// Arguments that the query may give.
    pub(crate) query: &'static [(&'static str, Kind)],
    /// Arguments that the path implies.
    pub(crate) implied: &'static [(&'static str, Implied)],
    pub(crate) reply: Reply,
}

const fn route(verb: Verb, path: &'static str, command: Command) -> Route {
    Route { verb, path, command, query: &[], implied: &[], reply: Reply::Ok }
}

const fn get(path: &'static str, command: Command) -> Route {
    route(Verb::Get, path, command)
}

const fn post(path: &'static str, command: Command) -> Route {
    route(Verb::Post, path, command)
}

const fn patch(path: &'static str, command: Command) -> Route {
    route(Verb::Patch, path, command)
}

impl Route {
    const fn query(self, query: &'static [(&'static str, Kind)]) -> Self {
        Self { query, ..self }
    }

    const fn implied(self, implied: &'static [(&'static str, Implied)]) -> Self {
        Self { implied, ..self }
    }

    const fn reply(self, reply: Reply) -> Self {
        Self { reply, ..self }
    }

    /// The arguments in the path.
    pub(crate) fn path_arguments(&self) -> impl Iterator<Item = &'static str> {
        self.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
    }

    /// Whether a body is read.
    pub(crate) fn takes_body(&self) -> bool {
        matches!(self.verb, Verb::Post | Verb::Patch)
    }
}

/// All of them.
pub(crate) const ROUTES: &[Route] = &[
    get("/status", Command::Status),
    get("/info", Command::Info),
    get("/me", Command::Me),
    patch("/me", Command::UpdateMe),
    get("/users", Command::Users).query(&[("filter", Kind::Text)]),
    get("/users/online", Command::Users).implied(&[("filter", Implied::Text("online"))]),
    get("/users/{userId}", Command::User),
    get("/users/{userId}/status", Command::UserStatus),
    get("/users/{userId}/sessions", Command::UserSessions),
    post("/users/{userId}/accept", Command::AcceptUser),
    post("/users/{userId}/block", Command::BlockUser),
    post("/users/{userId}/unblock", Command::UnblockUser),
    post("/contacts", Command::AddContact),
    post("/invitations", Command::CreateInvitation).reply(Reply::Created),
    get("/relays", Command::Relays),
    post("/relays", Command::AddRelay).reply(Reply::Created),
    route(Verb::Delete, "/relays", Command::RemoveRelay).query(&[("address", Kind::Text)]),
    get("/sessions", Command::Sessions),
    post("/sessions", Command::CreateSession).reply(Reply::SessionMade),
    get("/sessions/{sessionId}", Command::Session),
    patch("/sessions/{sessionId}", Command::UpdateSession),
    get("/sessions/{sessionId}/messages", Command::Messages).query(&[
        ("before", Kind::Text),
        ("after", Kind::Text),
        ("around", Kind::Text),
        ("date", Kind::Text),
        ("limit", Kind::Number),
    ]),
    post("/sessions/{sessionId}/messages", Command::SendMessage).reply(Reply::Created),
    post("/sessions/{sessionId}/read", Command::MarkSessionRead),
    post("/sessions/{sessionId}/typing", Command::Typing),
    post("/sessions/{sessionId}/timer", Command::SetTimer),
    post("/me/status", Command::SetStatus),
    post("/messages", Command::SendMessage).reply(Reply::Created),
    get("/messages/{messageId}", Command::Message),
    patch("/messages/{messageId}", Command::EditMessage),
    route(Verb::Delete, "/messages/{messageId}", Command::DeleteMessage).query(&[("for", Kind::Text)]),
    route(Verb::Put, "/messages/{messageId}/reactions/{emoji}", Command::React).implied(&[("on", Implied::Flag(true))]),
    route(Verb::Delete, "/messages/{messageId}/reactions/{emoji}", Command::React)
        .implied(&[("on", Implied::Flag(false))]),
    route(Verb::Put, "/messages/{messageId}/pin", Command::PinMessage).implied(&[("on", Implied::Flag(true))]),
    route(Verb::Delete, "/messages/{messageId}/pin", Command::PinMessage).implied(&[("on", Implied::Flag(false))]),
    get("/messages/{messageId}/receipts", Command::MessageReceipts),
    get("/messages/{messageId}/history", Command::MessageHistory),
    post("/messages/forward", Command::ForwardMessage).reply(Reply::Created),
    post("/messages/{messageId}/read", Command::MarkMessageRead),
    post("/messages/{messageId}/retry", Command::RetryMessage),
    get("/search", Command::Search).query(&[
        ("q", Kind::Text),
        ("from", Kind::Text),
        ("in", Kind::Text),
        ("type", Kind::Text),
        ("since", Kind::Text),
        ("until", Kind::Text),
        ("before", Kind::Text),
        ("limit", Kind::Number),
    ]),
    post("/attachments/add", Command::AddFile).reply(Reply::Created),
    post("/attachments/{attachmentId}/accept", Command::AcceptAttachment),
    get("/transfers", Command::Transfers),
    post("/transfers/{transferId}/pause", Command::PauseTransfer),
    post("/transfers/{transferId}/resume", Command::ResumeTransfer),
    post("/transfers/{transferId}/cancel", Command::CancelTransfer),
    get("/unread-count", Command::UnreadCount),
    get("/settings", Command::Settings),
    patch("/settings", Command::UpdateSettings),
    get("/network", Command::Network),
    post("/focus", Command::Focus),
    get("/notices", Command::Notices),
    get("/notifications", Command::Notifications).query(&[
        ("unread", Kind::Flag),
        ("kind", Kind::Text),
        ("before", Kind::Text),
        ("limit", Kind::Number),
    ]),
    get("/notifications/stats", Command::NotificationStats),
    post("/notifications", Command::CreateNotification).reply(Reply::Created),
    patch("/notifications/read-all", Command::MarkAllNotificationsRead),
    patch("/notifications/{notificationId}/read", Command::MarkNotificationRead),
    route(Verb::Delete, "/notifications/cleanup", Command::CleanupNotifications).query(&[("daysOld", Kind::Number)]),
    route(Verb::Delete, "/notifications/{notificationId}", Command::DeleteNotification),
    get("/tokens", Command::Tokens),
    post("/tokens", Command::CreateToken).reply(Reply::Created),
    route(Verb::Delete, "/tokens/{tokenId}", Command::RevokeToken),
    post("/login-links", Command::CreateLoginLink).reply(Reply::Created),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_a_path() {
        for command in Command::ALL {
            assert!(ROUTES.iter().any(|route| route.command == *command), "{} has none", command.name());
        }
    }

    #[test]
    fn no_path_stands_twice() {
        for (place, route) in ROUTES.iter().enumerate() {
            let twin = ROUTES[place + 1..].iter().find(|other| (other.verb, other.path) == (route.verb, route.path));
            assert!(twin.is_none(), "{} {} stands twice", route.verb.name(), route.path);
        }
    }
}
