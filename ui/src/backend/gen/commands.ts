// Made from crates/api by `cargo xtask types`; do not edit.

import type { AcceptAttachmentArgs } from "./AcceptAttachmentArgs";
import type { AddContactArgs } from "./AddContactArgs";
import type { AddFileArgs } from "./AddFileArgs";
import type { AddRelayArgs } from "./AddRelayArgs";
import type { Attachment } from "./Attachment";
import type { CleanupArgs } from "./CleanupArgs";
import type { Counted } from "./Counted";
import type { CreateNotificationArgs } from "./CreateNotificationArgs";
import type { CreateSessionArgs } from "./CreateSessionArgs";
import type { CreateTokenArgs } from "./CreateTokenArgs";
import type { CreatedSession } from "./CreatedSession";
import type { CreatedToken } from "./CreatedToken";
import type { DeleteMessageArgs } from "./DeleteMessageArgs";
import type { Done } from "./Done";
import type { EditMessageArgs } from "./EditMessageArgs";
import type { FocusArgs } from "./FocusArgs";
import type { ForwardMessageArgs } from "./ForwardMessageArgs";
import type { Info } from "./Info";
import type { Invitation } from "./Invitation";
import type { LoginLink } from "./LoginLink";
import type { MarkSessionReadArgs } from "./MarkSessionReadArgs";
import type { Me } from "./Me";
import type { Message } from "./Message";
import type { MessageArgs } from "./MessageArgs";
import type { MessageHistory } from "./MessageHistory";
import type { MessageReceipts } from "./MessageReceipts";
import type { MessagesArgs } from "./MessagesArgs";
import type { Network } from "./Network";
import type { NoArgs } from "./NoArgs";
import type { Notice } from "./Notice";
import type { Notification } from "./Notification";
import type { NotificationArgs } from "./NotificationArgs";
import type { NotificationStats } from "./NotificationStats";
import type { NotificationsArgs } from "./NotificationsArgs";
import type { Page } from "./Page";
import type { PinMessageArgs } from "./PinMessageArgs";
import type { ReactArgs } from "./ReactArgs";
import type { Relay } from "./Relay";
import type { RelayArgs } from "./RelayArgs";
import type { SearchArgs } from "./SearchArgs";
import type { SearchPage } from "./SearchPage";
import type { SendMessageArgs } from "./SendMessageArgs";
import type { Session } from "./Session";
import type { SessionArgs } from "./SessionArgs";
import type { SetStatusArgs } from "./SetStatusArgs";
import type { SetTimerArgs } from "./SetTimerArgs";
import type { Settings } from "./Settings";
import type { Status } from "./Status";
import type { TokenArgs } from "./TokenArgs";
import type { TokenInfo } from "./TokenInfo";
import type { Transfer } from "./Transfer";
import type { TransferArgs } from "./TransferArgs";
import type { TypingArgs } from "./TypingArgs";
import type { UnreadCount } from "./UnreadCount";
import type { UpdateMeArgs } from "./UpdateMeArgs";
import type { UpdateSessionArgs } from "./UpdateSessionArgs";
import type { UpdateSettingsArgs } from "./UpdateSettingsArgs";
import type { Upload } from "./Upload";
import type { User } from "./User";
import type { UserArgs } from "./UserArgs";
import type { UserStatus } from "./UserStatus";
import type { UsersArgs } from "./UsersArgs";

/** What each command takes. */
export interface Args {
  status: NoArgs;
  info: NoArgs;
  me: NoArgs;
  update_me: UpdateMeArgs;
  users: UsersArgs;
  user: UserArgs;
  user_status: UserArgs;
  user_sessions: UserArgs;
  accept_user: UserArgs;
  block_user: UserArgs;
  unblock_user: UserArgs;
  add_contact: AddContactArgs;
  create_invitation: NoArgs;
  relays: NoArgs;
  add_relay: AddRelayArgs;
  remove_relay: RelayArgs;
  sessions: NoArgs;
  create_session: CreateSessionArgs;
  session: SessionArgs;
  update_session: UpdateSessionArgs;
  messages: MessagesArgs;
  search: SearchArgs;
  send_message: SendMessageArgs;
  retry_message: MessageArgs;
  message: MessageArgs;
  edit_message: EditMessageArgs;
  delete_message: DeleteMessageArgs;
  react: ReactArgs;
  pin_message: PinMessageArgs;
  forward_message: ForwardMessageArgs;
  message_receipts: MessageArgs;
  message_history: MessageArgs;
  typing: TypingArgs;
  set_status: SetStatusArgs;
  set_timer: SetTimerArgs;
  mark_message_read: MessageArgs;
  mark_session_read: MarkSessionReadArgs;
  add_file: AddFileArgs;
  accept_attachment: AcceptAttachmentArgs;
  transfers: NoArgs;
  pause_transfer: TransferArgs;
  resume_transfer: TransferArgs;
  cancel_transfer: TransferArgs;
  unread_count: NoArgs;
  settings: NoArgs;
  update_settings: UpdateSettingsArgs;
  network: NoArgs;
  focus: FocusArgs;
  notifications: NotificationsArgs;
  notification_stats: NoArgs;
  create_notification: CreateNotificationArgs;
  mark_notification_read: NotificationArgs;
  mark_all_notifications_read: NoArgs;
  delete_notification: NotificationArgs;
  cleanup_notifications: CleanupArgs;
  notices: NoArgs;
  tokens: NoArgs;
  create_token: CreateTokenArgs;
  revoke_token: TokenArgs;
  create_login_link: NoArgs;
}

/** What each command answers. */
export interface Result {
  /** Counts of the whole node. */
  status: Status;
  /** What answers, and its version. */
  info: Info;
  /** This machine's profile. */
  me: Me;
  /** Changes this machine's profile. */
  update_me: Me;
  /** The machines that are known or on this network. */
  users: Page<User>;
  /** One machine. */
  user: User;
  /** Whether a machine can be reached now. */
  user_status: UserStatus;
  /** The sessions with a machine. */
  user_sessions: Page<Session>;
  /** Accepts a machine: its messages come in, and it may link. */
  accept_user: User;
  /** Blocks a machine by its key. */
  block_user: User;
  /** Lifts a block. */
  unblock_user: User;
  /** Adds the machine at an address or of an invitation; answers once its key has been proven. */
  add_contact: User;
  /** Makes a link by which one other machine adds this one, within ten minutes. */
  create_invitation: Invitation;
  /** The relays where this machine is to be reached, and how it stands with each. */
  relays: Page<Relay>;
  /** Adds a relay where this machine is to be reached; answers when it has, or soon. */
  add_relay: Relay;
  /** Removes a relay. */
  remove_relay: Done;
  /** All sessions, pinned ones first, then the newest. */
  sessions: Page<Session>;
  /** Opens the direct session with a machine, or finds it. */
  create_session: CreatedSession;
  /** One session. */
  session: Session;
  /** Pins, mutes, archives a session or keeps its draft; on this machine only. */
  update_session: Session;
  /** A page of messages. */
  messages: Page<Message>;
  /** Looks for messages in all sessions, newest first. */
  search: SearchPage;
  /** Sends a message; answers once it is on this disk. */
  send_message: Message;
  /** Puts a failed message back into the queue. */
  retry_message: Message;
  /** One message. */
  message: Message;
  /** Gives an own message another text, within 24 hours. */
  edit_message: Message;
  /** Deletes an own message for everyone, or any message on this machine only. */
  delete_message: Message;
  /** Reacts to a message with an emoji, or no longer. */
  react: Message;
  /** Pins a message in its session for all its members, or no longer. */
  pin_message: Message;
  /** Sends messages again into other sessions. */
  forward_message: Page<Message>;
  /** Who of the others has an own message, and who has seen it. */
  message_receipts: MessageReceipts;
  /** All versions of a message's text, the first one first. */
  message_history: MessageHistory;
  /** Tells the others of a session that this person writes, or stopped. */
  typing: Done;
  /** Tells contacts whether this person is at the machine. */
  set_status: Done;
  /** Sets after how long new messages of a session disappear on both sides. */
  set_timer: Session;
  /** Marks a message and all before it in its session as read. */
  mark_message_read: Session;
  /** Marks a session as read, whole or up to a message. */
  mark_session_read: Session;
  /** Makes a file or folder of this computer ready to be sent from where it is. */
  add_file: Upload;
  /** Fetches an attachment that is offered. */
  accept_attachment: Attachment;
  /** Attachments on their way, then the newest others. */
  transfers: Page<Transfer>;
  /** Pauses the fetching of an attachment. */
  pause_transfer: Transfer;
  /** Goes on with an attachment that was paused, failed or was given up. */
  resume_transfer: Transfer;
  /** Gives up an attachment; from the sending side it is no longer offered. */
  cancel_transfer: Transfer;
  /** How many messages are unread. */
  unread_count: UnreadCount;
  /** The settings. */
  settings: Settings;
  /** Changes settings. */
  update_settings: Settings;
  /** State of the network side. */
  network: Network;
  /** Tells which session is on a screen, so that none of its messages raises a notification. */
  focus: Done;
  /** Records of the notification centre, newest first. */
  notifications: Page<Notification>;
  /** Counts of the notification centre. */
  notification_stats: NotificationStats;
  /** Makes a record in the notification centre. */
  create_notification: Notification;
  /** Marks a record of the notification centre as read. */
  mark_notification_read: Notification;
  /** Marks all records of the notification centre as read. */
  mark_all_notifications_read: Counted;
  /** Takes a record out of the notification centre. */
  delete_notification: Done;
  /** Takes old records out of the notification centre. */
  cleanup_notifications: Counted;
  /** The notifications that the system shows. */
  notices: Page<Notice>;
  /** The tokens of this node, without their secret part. */
  tokens: Page<TokenInfo>;
  /** Makes a token. */
  create_token: CreatedToken;
  /** Revokes a token at once. */
  revoke_token: Done;
  /** Makes a link that opens the web page as the owner, once, within ten minutes. */
  create_login_link: LoginLink;
}

/** The name of a command. */
export type CommandName = keyof Args;
