//! The one list of commands. The window, REST, Socket.IO, the OpenAPI document and the TypeScript types all come from
//! it. A command whose handler is missing or does not fit does not compile.

use std::future::Future;
use std::pin::Pin;

use node::view::{
    Attachment, Invitation, Me, Message, Network, Notice, Notification, NotificationStats, Page, Relay, SearchPage,
    Session, Settings, Status, Transfer, Upload, User,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use ts_rs::TS;
use utoipa::ToSchema;

use crate::args::{
    self, AcceptAttachmentArgs, AddContactArgs, AddFileArgs, AddRelayArgs, CleanupArgs, CreateNotificationArgs,
    CreateSessionArgs, CreateTokenArgs, DeleteMessageArgs, EditMessageArgs, FocusArgs, ForwardMessageArgs,
    MarkSessionReadArgs, MessageArgs, MessagesArgs, NoArgs, NotificationArgs, NotificationsArgs, PinMessageArgs,
    ReactArgs, RelayArgs, Scope, SearchArgs, SendMessageArgs, SessionArgs, SetStatusArgs, SetTimerArgs, TokenArgs,
    TransferArgs, TypingArgs, UpdateMeArgs, UpdateSessionArgs, UpdateSettingsArgs, UserArgs, UsersArgs,
};
use crate::door::Call;
use crate::error::ApiError;
use crate::handlers;
use crate::results::{
    Counted, CreatedSession, CreatedToken, Done, Info, LoginLink, MessageHistory, MessageReceipts, TokenInfo,
    UnreadCount, UserStatus,
};

/// Looks at each command's types in turn; how the TypeScript and OpenAPI documents are made.
pub trait Visitor {
    /// One command with the types of its arguments and its result.
    fn visit<A, R>(&mut self, command: Command)
    where
        A: TS + ToSchema + DeserializeOwned + 'static,
        R: TS + ToSchema + Serialize + 'static;
}

macro_rules! commands {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal ($args:ty) -> $result:ty, $scope:ident, $handler:path;)+) => {
        /// A command.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Command {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl Command {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// Its name, as `rpc` takes it.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// The scope that a token must have for it.
            #[must_use]
            pub fn scope(self) -> Scope {
                match self { $(Self::$variant => Scope::$scope,)+ }
            }

            /// What it does, in a sentence.
            #[must_use]
            pub fn summary(self) -> &'static str {
                match self { $(Self::$variant => concat!($($doc,)+).trim_ascii(),)+ }
            }
        }

        /// Shows every command's types to `visitor`, in the order of the list.
        pub fn visit(visitor: &mut impl Visitor) {
            $(visitor.visit::<$args, $result>(Command::$variant);)+
        }

        /// Runs a command whose caller has been found to be allowed to.
        pub(crate) fn run<'a>(
            command: Command,
            call: &'a Call<'a>,
            value: Value,
        ) -> Pin<Box<dyn Future<Output = Result<Value, ApiError>> + Send + 'a>> {
            match command {
                $(Command::$variant => Box::pin(async move {
                    let args: $args = args::parse(value)?;
                    let result: $result = $handler(call, args).await?;
                    serde_json::to_value(result).map_err(|error| ApiError::internal(&error))
                }),)+
            }
        }
    };
}

commands! {
    /// Counts of the whole node.
    Status = "status" (NoArgs) -> Status, Read, handlers::status;
    /// What answers, and its version.
    Info = "info" (NoArgs) -> Info, Read, handlers::info;
    /// This machine's profile.
    Me = "me" (NoArgs) -> Me, Read, handlers::me;
    /// Changes this machine's profile.
    UpdateMe = "update_me" (UpdateMeArgs) -> Me, Admin, handlers::update_me;
    /// The machines that are known or on this network.
    Users = "users" (UsersArgs) -> Page<User>, Read, handlers::users;
    /// One machine.
    User = "user" (UserArgs) -> User, Read, handlers::user;
    /// Whether a machine can be reached now.
    UserStatus = "user_status" (UserArgs) -> UserStatus, Read, handlers::user_status;
    /// The sessions with a machine.
    UserSessions = "user_sessions" (UserArgs) -> Page<Session>, Read, handlers::user_sessions;
    /// Accepts a machine: its messages come in, and it may link.
    AcceptUser = "accept_user" (UserArgs) -> User, Admin, handlers::accept_user;
    /// Blocks a machine by its key.
    BlockUser = "block_user" (UserArgs) -> User, Admin, handlers::block_user;
    /// Lifts a block.
    UnblockUser = "unblock_user" (UserArgs) -> User, Admin, handlers::unblock_user;
    /// Adds the machine at an address or of an invitation; answers once its key has been proven.
    AddContact = "add_contact" (AddContactArgs) -> User, Admin, handlers::add_contact;
    /// Makes a link by which one other machine adds this one, within ten minutes.
    CreateInvitation = "create_invitation" (NoArgs) -> Invitation, Admin, handlers::create_invitation;
    /// The relays where this machine is to be reached, and how it stands with each.
    Relays = "relays" (NoArgs) -> Page<Relay>, Read, handlers::relays;
    /// Adds a relay where this machine is to be reached; answers when it has, or soon.
    AddRelay = "add_relay" (AddRelayArgs) -> Relay, Admin, handlers::add_relay;
    /// Removes a relay.
    RemoveRelay = "remove_relay" (RelayArgs) -> Done, Admin, handlers::remove_relay;
    /// All sessions, pinned ones first, then the newest.
    Sessions = "sessions" (NoArgs) -> Page<Session>, Read, handlers::sessions;
    /// Opens the direct session with a machine, or finds it.
    CreateSession = "create_session" (CreateSessionArgs) -> CreatedSession, Send, handlers::create_session;
    /// One session.
    Session = "session" (SessionArgs) -> Session, Read, handlers::session;
    /// Pins, mutes, archives a session or keeps its draft; on this machine only.
    UpdateSession = "update_session" (UpdateSessionArgs) -> Session, Send, handlers::update_session;
    /// A page of messages.
    Messages = "messages" (MessagesArgs) -> Page<Message>, Read, handlers::messages;
    /// Looks for messages in all sessions, newest first.
    Search = "search" (SearchArgs) -> SearchPage, Read, handlers::search;
    /// Sends a message; answers once it is on this disk.
    SendMessage = "send_message" (SendMessageArgs) -> Message, Send, handlers::send_message;
    /// Puts a failed message back into the queue.
    RetryMessage = "retry_message" (MessageArgs) -> Message, Send, handlers::retry_message;
    /// One message.
    Message = "message" (MessageArgs) -> Message, Read, handlers::message;
    /// Gives an own message another text, within 24 hours.
    EditMessage = "edit_message" (EditMessageArgs) -> Message, Send, handlers::edit_message;
    /// Deletes an own message for everyone, or any message on this machine only.
    DeleteMessage = "delete_message" (DeleteMessageArgs) -> Message, Send, handlers::delete_message;
    /// Reacts to a message with an emoji, or no longer.
    React = "react" (ReactArgs) -> Message, Send, handlers::react;
    /// Pins a message in its session for all its members, or no longer.
    PinMessage = "pin_message" (PinMessageArgs) -> Message, Send, handlers::pin_message;
    /// Sends messages again into other sessions.
    ForwardMessage = "forward_message" (ForwardMessageArgs) -> Page<Message>, Send, handlers::forward_message;
    /// Who of the others has an own message, and who has seen it.
    MessageReceipts = "message_receipts" (MessageArgs) -> MessageReceipts, Read, handlers::message_receipts;
    /// All versions of a message's text, the first one first.
    MessageHistory = "message_history" (MessageArgs) -> MessageHistory, Read, handlers::message_history;
    /// Tells the others of a session that this person writes, or stopped.
    Typing = "typing" (TypingArgs) -> Done, Send, handlers::typing;
    /// Tells contacts whether this person is at the machine.
    SetStatus = "set_status" (SetStatusArgs) -> Done, Send, handlers::set_status;
    /// Sets after how long new messages of a session disappear on both sides.
    SetTimer = "set_timer" (SetTimerArgs) -> Session, Send, handlers::set_timer;
    /// Marks a message and all before it in its session as read.
    MarkMessageRead = "mark_message_read" (MessageArgs) -> Session, Send, handlers::mark_message_read;
    /// Marks a session as read, whole or up to a message.
    MarkSessionRead = "mark_session_read" (MarkSessionReadArgs) -> Session, Send, handlers::mark_session_read;
    /// Makes a file or folder of this computer ready to be sent from where it is.
    AddFile = "add_file" (AddFileArgs) -> Upload, Admin, handlers::add_file;
    /// Fetches an attachment that is offered.
    AcceptAttachment = "accept_attachment" (AcceptAttachmentArgs) -> Attachment, Send, handlers::accept_attachment;
    /// Attachments on their way, then the newest others.
    Transfers = "transfers" (NoArgs) -> Page<Transfer>, Read, handlers::transfers;
    /// Pauses the fetching of an attachment.
    PauseTransfer = "pause_transfer" (TransferArgs) -> Transfer, Send, handlers::pause_transfer;
    /// Goes on with an attachment that was paused, failed or was given up.
    ResumeTransfer = "resume_transfer" (TransferArgs) -> Transfer, Send, handlers::resume_transfer;
    /// Gives up an attachment; from the sending side it is no longer offered.
    CancelTransfer = "cancel_transfer" (TransferArgs) -> Transfer, Send, handlers::cancel_transfer;
    /// How many messages are unread.
    UnreadCount = "unread_count" (NoArgs) -> UnreadCount, Read, handlers::unread_count;
    /// The settings.
    Settings = "settings" (NoArgs) -> Settings, Read, handlers::settings;
    /// Changes settings.
    UpdateSettings = "update_settings" (UpdateSettingsArgs) -> Settings, Admin, handlers::update_settings;
    /// State of the network side.
    Network = "network" (NoArgs) -> Network, Read, handlers::network;
    /// Tells which session is on a screen, so that none of its messages raises a notification.
    Focus = "focus" (FocusArgs) -> Done, Send, handlers::focus;
    /// Records of the notification centre, newest first.
    Notifications = "notifications" (NotificationsArgs) -> Page<Notification>, Read, handlers::notifications;
    /// Counts of the notification centre.
    NotificationStats = "notification_stats" (NoArgs) -> NotificationStats, Read, handlers::notification_stats;
    /// Makes a record in the notification centre.
    CreateNotification = "create_notification" (CreateNotificationArgs) -> Notification, Send, handlers::create_notification;
    /// Marks a record of the notification centre as read.
    MarkNotificationRead = "mark_notification_read" (NotificationArgs) -> Notification, Send, handlers::mark_notification_read;
    /// Marks all records of the notification centre as read.
    MarkAllNotificationsRead = "mark_all_notifications_read" (NoArgs) -> Counted, Send, handlers::mark_all_notifications_read;
    /// Takes a record out of the notification centre.
    DeleteNotification = "delete_notification" (NotificationArgs) -> Done, Send, handlers::delete_notification;
    /// Takes old records out of the notification centre.
    CleanupNotifications = "cleanup_notifications" (CleanupArgs) -> Counted, Send, handlers::cleanup_notifications;
    /// The notifications that the system shows.
    Notices = "notices" (NoArgs) -> Page<Notice>, Read, handlers::notices;
    /// The tokens of this node, without their secret part.
    Tokens = "tokens" (NoArgs) -> Page<TokenInfo>, Admin, handlers::tokens;
    /// Makes a token.
    CreateToken = "create_token" (CreateTokenArgs) -> CreatedToken, Admin, handlers::create_token;
    /// Revokes a token at once.
    RevokeToken = "revoke_token" (TokenArgs) -> Done, Admin, handlers::revoke_token;
    /// Makes a link that opens the web page as the owner, once, within ten minutes.
    CreateLoginLink = "create_login_link" (NoArgs) -> LoginLink, Admin, handlers::create_login_link;
}

impl Command {
    /// Finds a command by its name.
    #[must_use]
    pub fn find(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|command| command.name() == name)
    }
}
