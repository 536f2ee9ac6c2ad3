//! The commands' handlers: arguments in, one call to the node, its answer out.

use crate::args::{
    self, AcceptAttachmentArgs, AddContactArgs, AddFileArgs, AddRelayArgs, CleanupArgs, CreateNotificationArgs,
    CreateSessionArgs, CreateTokenArgs, DeleteMessageArgs, EditMessageArgs, FocusArgs, ForwardMessageArgs,
    MarkSessionReadArgs, MessageArgs, MessagesArgs, NoArgs, NotificationArgs, NotificationsArgs, OwnStatus,
    PinMessageArgs, ReactArgs, RelayArgs, Scope, SearchArgs, SendMessageArgs, SessionArgs, SetStatusArgs, SetTimerArgs,
    TokenArgs, TransferArgs, TypingArgs, UpdateMeArgs, UpdateSessionArgs, UpdateSettingsArgs, UploadRef, UserArgs,
    UserFilter, UsersArgs,
};
use crate::door::Call;
use crate::error::ApiError;
use crate::results::{
    Counted, CreatedSession, CreatedToken, Done, Info, LoginLink, MessageHistory, MessageReceipts, TokenInfo,
    UnreadCount, UserStatus,
};
use axum::http::StatusCode;
use node::view::{
    Attachment, Invitation, Me, Message, MessageType, Network, Notice, Notification, NotificationKind,
    NotificationStats, Page, Relay, SearchPage, Session, Settings, Status, Transfer, Upload, User,
};
use node::{
    ErrorClass, FocusState, MePatch, NewNotification, Node, NodeError, NotificationsRequest, PageRequest,
    SearchRequest, SendRequest, SessionPatch,
};

type Answer<T> = Result<T, ApiError>;

/// When to try again after a passing failure.
const TRY_AGAIN: std::time::Duration = std::time::Duration::from_secs(5);

impl From<NodeError> for ApiError {
    fn from(error: NodeError) -> Self {
        let status = match error.class() {
            ErrorClass::Invalid => StatusCode::UNPROCESSABLE_ENTITY,
            ErrorClass::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            ErrorClass::NotFound => StatusCode::NOT_FOUND,
            ErrorClass::Conflict => StatusCode::CONFLICT,
            ErrorClass::Forbidden => StatusCode::FORBIDDEN,
            ErrorClass::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            ErrorClass::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        };
        let mut answer = Self::new(status, error.code(), error.to_string());
        answer.body.field = error.field().map(str::to_owned);
        answer.body.limit = error.limit();
        answer.retry_after = (error.class() == ErrorClass::Unavailable).then_some(TRY_AGAIN);
        answer
    }
}

/// A list that is short enough to come whole.
fn whole<T>(items: Vec<T>) -> Page<T> {
    Page { items, next_before: None, next_after: None }
}

pub(crate) async fn status(call: &Call<'_>, _: NoArgs) -> Answer<Status> {
    Ok(call.door.node.status().await?)
}

pub(crate) async fn info(call: &Call<'_>, _: NoArgs) -> Answer<Info> {
    Ok(Info::of(Some(call.door.node.machine_id().to_string())))
}

pub(crate) async fn me(call: &Call<'_>, _: NoArgs) -> Answer<Me> {
    Ok(call.door.node.me())
}

pub(crate) async fn update_me(call: &Call<'_>, args: UpdateMeArgs) -> Answer<Me> {
    let UpdateMeArgs { name, device, status_text, colour, welcomed } = args;
    Ok(call.door.node.update_me(MePatch { name, device, status_text, colour, welcomed }).await?)
}

pub(crate) async fn users(call: &Call<'_>, args: UsersArgs) -> Answer<Page<User>> {
    let filter = match args.filter.unwrap_or_default() {
        UserFilter::All => node::UserFilter::All,
        UserFilter::Online => node::UserFilter::Online,
        UserFilter::Nearby => node::UserFilter::Nearby,
    };
    Ok(whole(call.door.node.users(filter)))
}

pub(crate) async fn user(call: &Call<'_>, args: UserArgs) -> Answer<User> {
    Ok(call.door.node.user(&args.user_id)?)
}

pub(crate) async fn user_status(call: &Call<'_>, args: UserArgs) -> Answer<UserStatus> {
    let User { user_id, status, last_seen, .. } = call.door.node.user(&args.user_id)?;
    Ok(UserStatus { user_id, status, last_seen })
}

pub(crate) async fn user_sessions(call: &Call<'_>, args: UserArgs) -> Answer<Page<Session>> {
    let own = call.door.node.machine_id().to_string();
    if args.user_id != own {
        call.door.node.user(&args.user_id)?;
    }
    let mut sessions = call.door.node.sessions().await?;
    sessions.retain(|session| session.participants.contains(&args.user_id));
    Ok(whole(sessions))
}

pub(crate) async fn accept_user(call: &Call<'_>, args: UserArgs) -> Answer<User> {
    Ok(call.door.node.accept(&args.user_id).await?)
}

pub(crate) async fn block_user(call: &Call<'_>, args: UserArgs) -> Answer<User> {
    Ok(call.door.node.block(&args.user_id).await?)
}

pub(crate) async fn unblock_user(call: &Call<'_>, args: UserArgs) -> Answer<User> {
    Ok(call.door.node.unblock(&args.user_id).await?)
}

pub(crate) async fn add_contact(call: &Call<'_>, args: AddContactArgs) -> Answer<User> {
    match (args.address, args.link) {
        (Some(address), None) => Ok(call.door.node.add_address(&address).await?),
        (None, Some(link)) => Ok(call.door.node.follow_invitation(&link).await?),
        _ => Err(ApiError::invalid("address", "give an address or a link, and not both")),
    }
}

pub(crate) async fn create_invitation(call: &Call<'_>, _: NoArgs) -> Answer<Invitation> {
    Ok(call.door.node.invite().await?)
}

pub(crate) async fn relays(call: &Call<'_>, _: NoArgs) -> Answer<Page<Relay>> {
    Ok(call.door.node.relays())
}

pub(crate) async fn add_relay(call: &Call<'_>, args: AddRelayArgs) -> Answer<Relay> {
    Ok(call.door.node.add_relay(&args.address, args.membership.as_deref()).await?)
}

pub(crate) async fn remove_relay(call: &Call<'_>, args: RelayArgs) -> Answer<Done> {
    call.door.node.remove_relay(&args.address).await?;
    Ok(Done::DONE)
}

pub(crate) async fn sessions(call: &Call<'_>, _: NoArgs) -> Answer<Page<Session>> {
    Ok(whole(call.door.node.sessions().await?))
}

pub(crate) async fn create_session(call: &Call<'_>, args: CreateSessionArgs) -> Answer<CreatedSession> {
    let (session, created) = call.door.node.create_session(&args.receiver_user_id).await.map_err(|error| {
        let mut error = ApiError::from(error);
        if error.body.field.is_some() {
            error.body.field = Some("receiverUserId".to_owned());
        }
        error
    })?;
    Ok(CreatedSession { session, created })
}

pub(crate) async fn session(call: &Call<'_>, args: SessionArgs) -> Answer<Session> {
    Ok(call.door.node.session(&args.session_id).await?)
}

pub(crate) async fn update_session(call: &Call<'_>, args: UpdateSessionArgs) -> Answer<Session> {
    let UpdateSessionArgs {
        session_id,
        pinned,
        archived,
        muted_until,
        draft,
        draft_reply_to,
        draft_attachments,
        marked_unread,
        notify,
        retention_days,
    } = args;
    let patch = SessionPatch {
        pinned,
        archived,
        muted_until,
        draft,
        draft_reply_to,
        draft_attachments: draft_attachments.map(|drafted| drafted.map(upload_ids)),
        marked_unread,
        notify,
        retention_days,
    };
    Ok(call.door.node.update_session(&session_id, patch).await?)
}

pub(crate) async fn messages(call: &Call<'_>, args: MessagesArgs) -> Answer<Page<Message>> {
    let MessagesArgs { session_id, before, after, around, date, limit } = args;
    Ok(call.door.node.messages(&session_id, PageRequest { before, after, around, date, limit }).await?)
}

pub(crate) async fn search(call: &Call<'_>, args: SearchArgs) -> Answer<SearchPage> {
    let SearchArgs { q, from, session_id: session, message_type: kind, since, until, before, limit } = args;
    let text = q.unwrap_or_default();
    Ok(call.door.node.search(SearchRequest { text, from, session, kind, since, until, before, limit }).await?)
}

pub(crate) async fn send_message(call: &Call<'_>, args: SendMessageArgs) -> Answer<Message> {
    let SendMessageArgs {
        session_id,
        receiver_user_id,
        message,
        attachments,
        message_type,
        temp_id,
        reply_to,
        mentions,
    } = args;
    let attachments = upload_ids(attachments.unwrap_or_default());
    if message_type == Some(MessageType::System) {
        return Err(ApiError::invalid("messageType", "Only the session itself writes messages of type system."));
    }
    let session = match (session_id, receiver_user_id) {
        (Some(session), None) => session,
        (None, Some(receiver_user_id)) => {
            // A message that is refused must not leave an opened session behind.
            Node::check_message(&message, &attachments, temp_id.as_deref())?;
            create_session(call, CreateSessionArgs { receiver_user_id }).await?.session.session_id
        }
        (None, None) => {
            return Err(ApiError::invalid("sessionId", "Say where to: sessionId or receiverUserId is missing."));
        }
        (Some(_), Some(_)) => {
            return Err(ApiError::invalid("receiverUserId", "Give sessionId or receiverUserId, not both."));
        }
    };
    let (caller, mentions) = (call.caller.id.clone(), mentions.unwrap_or_default());
    let answers = reply_to.is_some();
    let request = SendRequest { session, message, attachments, temp_id, caller, reply_to, mentions };
    call.door.node.send_message(request).await.map_err(|error| {
        let mut error = ApiError::from(error);
        if answers && error.body.code == "message_not_found" {
            error.body.field = Some("replyTo".to_owned());
        }
        error
    })
}

fn upload_ids(named: Vec<UploadRef>) -> Vec<String> {
    named.into_iter().map(|named| named.upload_id).collect()
}

pub(crate) async fn message(call: &Call<'_>, args: MessageArgs) -> Answer<Message> {
    Ok(call.door.node.message(&args.message_id).await?)
}

pub(crate) async fn edit_message(call: &Call<'_>, args: EditMessageArgs) -> Answer<Message> {
    let EditMessageArgs { message_id, message, mentions } = args;
    Ok(call.door.node.edit_message(&message_id, &message, mentions.as_deref()).await?)
}

pub(crate) async fn delete_message(call: &Call<'_>, args: DeleteMessageArgs) -> Answer<Message> {
    let from = match args.r#for {
        args::DeleteFor::All => node::DeleteFor::All,
        args::DeleteFor::Me => node::DeleteFor::Me,
    };
    Ok(call.door.node.delete_message(&args.message_id, from).await?)
}

pub(crate) async fn react(call: &Call<'_>, args: ReactArgs) -> Answer<Message> {
    Ok(call.door.node.react(&args.message_id, &args.emoji, args.on.unwrap_or(true)).await?)
}

pub(crate) async fn pin_message(call: &Call<'_>, args: PinMessageArgs) -> Answer<Message> {
    Ok(call.door.node.pin_message(&args.message_id, args.on).await?)
}

pub(crate) async fn forward_message(call: &Call<'_>, args: ForwardMessageArgs) -> Answer<Page<Message>> {
    Ok(whole(call.door.node.forward_messages(&args.message_ids, &args.session_ids).await?))
}

pub(crate) async fn message_receipts(call: &Call<'_>, args: MessageArgs) -> Answer<MessageReceipts> {
    Ok(MessageReceipts { items: call.door.node.message_receipts(&args.message_id).await? })
}

pub(crate) async fn message_history(call: &Call<'_>, args: MessageArgs) -> Answer<MessageHistory> {
    Ok(MessageHistory { items: call.door.node.message_history(&args.message_id).await? })
}

pub(crate) async fn typing(call: &Call<'_>, args: TypingArgs) -> Answer<Done> {
    call.door.node.set_typing(&args.session_id, args.typing).await?;
    Ok(Done::DONE)
}

pub(crate) async fn set_status(call: &Call<'_>, args: SetStatusArgs) -> Answer<Done> {
    call.door.node.set_away(args.status == OwnStatus::Away);
    Ok(Done::DONE)
}

pub(crate) async fn set_timer(call: &Call<'_>, args: SetTimerArgs) -> Answer<Session> {
    Ok(call.door.node.set_timer(&args.session_id, args.seconds).await?)
}

pub(crate) async fn retry_message(call: &Call<'_>, args: MessageArgs) -> Answer<Message> {
    Ok(call.door.node.retry_message(&args.message_id).await?)
}

pub(crate) async fn mark_message_read(call: &Call<'_>, args: MessageArgs) -> Answer<Session> {
    Ok(call.door.node.mark_message_read(&args.message_id).await?)
}

pub(crate) async fn mark_session_read(call: &Call<'_>, args: MarkSessionReadArgs) -> Answer<Session> {
    Ok(call.door.node.mark_session_read(&args.session_id, args.message_id.as_deref()).await?)
}

pub(crate) async fn add_file(call: &Call<'_>, args: AddFileArgs) -> Answer<Upload> {
    Ok(call.door.node.add_file(&args.path).await?)
}

pub(crate) async fn accept_attachment(call: &Call<'_>, args: AcceptAttachmentArgs) -> Answer<Attachment> {
    if args.save_to.is_some() {
        call.caller.require(Scope::Admin)?;
    }
    Ok(call.door.node.accept_attachment(&args.attachment_id, args.save_to.as_deref()).await?)
}

pub(crate) async fn transfers(call: &Call<'_>, _: NoArgs) -> Answer<Page<Transfer>> {
    Ok(call.door.node.transfers().await?)
}

pub(crate) async fn pause_transfer(call: &Call<'_>, args: TransferArgs) -> Answer<Transfer> {
    Ok(call.door.node.pause_transfer(&args.transfer_id).await?)
}

pub(crate) async fn resume_transfer(call: &Call<'_>, args: TransferArgs) -> Answer<Transfer> {
    Ok(call.door.node.resume_transfer(&args.transfer_id).await?)
}

pub(crate) async fn cancel_transfer(call: &Call<'_>, args: TransferArgs) -> Answer<Transfer> {
    Ok(call.door.node.cancel_transfer(&args.transfer_id).await?)
}

pub(crate) async fn unread_count(call: &Call<'_>, _: NoArgs) -> Answer<UnreadCount> {
    Ok(UnreadCount { total: call.door.node.unread_count().await? })
}

pub(crate) async fn settings(call: &Call<'_>, _: NoArgs) -> Answer<Settings> {
    Ok(call.door.node.settings())
}

pub(crate) async fn update_settings(call: &Call<'_>, args: UpdateSettingsArgs) -> Answer<Settings> {
    let patch = serde_json::to_value(args).map_err(|error| ApiError::internal(&error))?;
    Ok(call.door.node.update_settings(patch).await?)
}

pub(crate) async fn network(call: &Call<'_>, _: NoArgs) -> Answer<Network> {
    Ok(call.door.node.network())
}

pub(crate) async fn focus(call: &Call<'_>, args: FocusArgs) -> Answer<Done> {
    let FocusArgs { viewer, session_id, focused } = args;
    if viewer.is_empty() || viewer.len() > 64 {
        return Err(ApiError::invalid("viewer", "A viewer's name has 1 to 64 bytes.").limit(64));
    }
    call.door.node.focus(FocusState { viewer, session: session_id, focused });
    Ok(Done::DONE)
}

pub(crate) async fn notifications(call: &Call<'_>, args: NotificationsArgs) -> Answer<Page<Notification>> {
    let NotificationsArgs { unread, kind, before, limit } = args;
    let unread = unread.unwrap_or_default();
    Ok(call.door.node.notifications(NotificationsRequest { unread, kind, before, limit }).await?)
}

pub(crate) async fn notification_stats(call: &Call<'_>, _: NoArgs) -> Answer<NotificationStats> {
    Ok(call.door.node.notification_stats().await?)
}

pub(crate) async fn create_notification(call: &Call<'_>, args: CreateNotificationArgs) -> Answer<Notification> {
    let CreateNotificationArgs { kind, title, body, session_id: session } = args;
    let kind = kind.unwrap_or(NotificationKind::Message);
    let new = NewNotification { kind, title, body: body.unwrap_or_default(), session };
    Ok(call.door.node.create_notification(new).await?)
}

pub(crate) async fn mark_notification_read(call: &Call<'_>, args: NotificationArgs) -> Answer<Notification> {
    Ok(call.door.node.mark_notification_read(&args.notification_id).await?)
}

pub(crate) async fn mark_all_notifications_read(call: &Call<'_>, _: NoArgs) -> Answer<Counted> {
    Ok(Counted { count: call.door.node.mark_all_notifications_read().await? })
}

pub(crate) async fn delete_notification(call: &Call<'_>, args: NotificationArgs) -> Answer<Done> {
    call.door.node.delete_notification(&args.notification_id).await?;
    Ok(Done::DONE)
}

pub(crate) async fn cleanup_notifications(call: &Call<'_>, args: CleanupArgs) -> Answer<Counted> {
    let days = args.days_old.unwrap_or(30);
    Ok(Counted { count: call.door.node.cleanup_notifications(days).await? })
}

pub(crate) async fn notices(call: &Call<'_>, _: NoArgs) -> Answer<Page<Notice>> {
    Ok(whole(call.door.node.notices()))
}

pub(crate) async fn tokens(call: &Call<'_>, _: NoArgs) -> Answer<Page<TokenInfo>> {
    Ok(whole(call.door.node.tokens().await?.into_iter().map(TokenInfo::from).collect()))
}

pub(crate) async fn create_token(call: &Call<'_>, args: CreateTokenArgs) -> Answer<CreatedToken> {
    call.door.tokens.create(&call.door.node, call.door.now(), args).await
}

pub(crate) async fn revoke_token(call: &Call<'_>, args: TokenArgs) -> Answer<Done> {
    call.door.tokens.revoke(&call.door.node, &args.token_id).await?;
    Ok(Done::DONE)
}

pub(crate) async fn create_login_link(call: &Call<'_>, _: NoArgs) -> Answer<LoginLink> {
    call.door.logins.link(call.door.now())
}
