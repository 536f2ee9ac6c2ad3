//! Every bound of the protocol, in one place. A decoder compares a length with one of these before it allocates.
//!
//! Sizes are in bytes of the encoded form unless a name says otherwise.

/// Version of the protocol that this crate speaks, sent in `Hello`.
pub const PROTOCOL_VERSION: u16 = 1;

/// Longest name of a person or device, in bytes of UTF-8. 64 holds 21 CJK characters or 64 Latin ones, and one DNS
/// label (63) nearly; XMPP allows 1023, Matrix leaves it open, Tox allows 128.
pub const NAME_BYTES: usize = 64;

/// Longest status text, in bytes of UTF-8. A line, not a page: 140 as the first short messages had. Tox allows 1007.
pub const STATUS_TEXT_BYTES: usize = 140;

/// Longest text of one message, in bytes of UTF-8. 64 KiB is what the local API promises; Matrix bounds a whole event
/// at 65,536 bytes, Tox a message at 1,372.
pub const MESSAGE_BYTES: usize = 65_536;

/// Longest event body. A message body is its text in a CBOR map, 7 bytes of overhead; the rest is room for its other
/// fields: a reply, mentions, and 32 attachments with the longest names.
pub const BODY_BYTES: usize = MESSAGE_BYTES + 24_576;

/// Longest emoji of a reaction, in bytes of UTF-8. The longest in use, a kiss of two people with skin tones, has 35.
pub const EMOJI_BYTES: usize = 64;

/// Most machines that a message mentions: 32 take 1.1 KB of the body.
pub const MENTIONS: usize = 32;

/// How long after a message its author may change its text, both by the author's own signed clock: so every machine
/// judges alike. A day, as Signal allows; WhatsApp allows a quarter of an hour, Telegram two days.
pub const EDIT_WINDOW_MS: u64 = 24 * 60 * 60 * 1000;

/// Most versions of a message beside the first one: those first in order count.
pub const EDITS: usize = 100;

/// Most reactions (user and emoji) that a message shows: those first in order.
pub const REACTIONS: usize = 64;

/// Shortest time after which messages of a session disappear, in seconds: shorter ones could not be read.
pub const TIMER_SECONDS_MIN: u64 = 5;

/// Longest time after which messages of a session disappear, in seconds: a year.
pub const TIMER_SECONDS_MAX: u64 = 365 * 24 * 60 * 60;

/// Longest event header. The fields take 170 bytes, 16 parents 544 more; the rest is room for later fields.
pub const HEADER_BYTES: usize = 1_024;

/// Most parents that an event names. A direct session needs one; in a session of 256 members the newest 16 heads link
/// all that matters, the others follow through later events. Matrix caps previous events at 20.
pub const PARENTS: usize = 16;

/// Most events that one signature covers: what one durable commit of an author can hold (`store` groups up to 256
/// writes into a commit).
pub const RUN_EVENTS: usize = 256;

/// Most bytes of headers and bodies in one run. Half a frame, so that one run always fits into one frame; seven of the
/// longest messages.
pub const RUN_BYTES: usize = 512 * 1024;

/// Longest frame before the peer's `Hello` was accepted: nothing but `Hello` and `Bye` is due then, and a `Hello` takes
/// about 500 bytes. Small because anyone can send it.
pub const FRAME_BEFORE_HELLO: usize = 4_096;

/// Longest frame after `Hello`: one run of [`RUN_BYTES`] with its wrapping, and as much again, so that batches stay
/// large. libp2p's and Syncthing's messages have 1 MiB and 500 MB; WebSocket servers commonly take 1 MiB.
pub const FRAME_BYTES: usize = 1 << 20;

/// Target for the runs of one `Events` frame: a sender stops adding runs once this many bytes are reached. With the run
/// that crosses the line the frame stays below [`FRAME_BYTES`]; small enough that a live message waits at most a few
/// milliseconds behind a batch.
pub const BATCH_BYTES: usize = 256 * 1024;

/// Most runs in one `Events` frame: bounds the signatures that one frame makes a receiver check (about 0.13 s of one
/// core).
pub const RUNS_PER_FRAME: usize = 1_024;

/// Most (session, digest) pairs in one `Digests` frame; a sender with more sends several. 4,096 take 217 KB.
pub const DIGESTS_PER_FRAME: usize = 4_096;

/// Most signed receipts in one `Receipts` frame: bounds the signatures to check, as [`RUNS_PER_FRAME`].
pub const RECEIPTS_PER_FRAME: usize = 256;

/// Most entries of a version vector, one for each (machine, epoch): 256 members with 16 epochs each. 4,096 take 217 KB,
/// a fifth of a frame.
pub const VECTOR_ENTRIES: usize = 4_096;

/// Most epochs that one author may have in one session. An epoch is made by an installation, a restore or lost data, so
/// an honest machine needs a handful; without the bound a peer could grow our version vector past what fits a frame.
pub const EPOCHS_PER_AUTHOR: u64 = 1_024;

/// Longest profile register: the fields take at most 330 bytes; the rest is room for later ones.
pub const PROFILE_BYTES: usize = 1_024;

/// Longest receipt register: a version vector of [`VECTOR_ENTRIES`] and 100 bytes of other fields.
pub const RECEIPT_BYTES: usize = VECTOR_ENTRIES * 56 + 1_024;

/// Longest detail text of a `Reject` frame, in bytes of UTF-8. For a log line, not for a story.
pub const DETAIL_BYTES: usize = 200;

/// What a machine keeps of an author that its owner has not accepted, per session, counted in header and body bytes:
/// enough for a greeting that says who is there and why.
pub const REQUEST_BYTES: usize = 4_096;

/// Most runs that wait for missing events, per session. They lie in memory, unacknowledged, so dropping one costs only
/// a repetition.
pub const WAITING_RUNS: usize = 256;

/// Most bytes of runs that wait for missing events, per session: two of the largest frames.
pub const WAITING_BYTES: usize = 2 << 20;

/// Greatest value of a sequence number, Lamport time, version or epoch: the greatest 64-bit integer of the stores
/// (SQLite's are signed).
pub const INTEGER_MAX: u64 = i64::MAX as u64;

/// Greatest wall-clock time in milliseconds since 1970: what 48 bits hold, because a message's UUIDv7 has no more (the
/// year 10889). An author clamps its own clock to this, so a wrong clock never makes an event that others refuse.
pub const WALL_MS_MAX: u64 = (1 << 48) - 1;

/// Deepest nesting of arrays and maps in any encoding. The deepest of version 1 is six (frame, body, runs, run, events,
/// event); two more are room for later ones.
pub const NESTING: usize = 8;

/// Longest discovery datagram. Version 1 takes about 60 bytes; 256 passes every network unfragmented.
pub const BEACON_BYTES: usize = 256;

/// Colours of the avatar palette: a profile's colour is an index below this.
pub const COLOURS: u8 = 12;

/// Longest text form of a machine ID that is looked at: `landline1` and 58 characters, as bech32 allows no more than 90.
pub const MACHINE_ID_TEXT_BYTES: usize = 90;

/// Most attachments of one message: a page of pictures. Signal takes 32.
pub const ATTACHMENTS: usize = 32;

/// Longest name of an attached file, in bytes of UTF-8: what the file systems of today take (255 bytes or UTF-16 units).
pub const FILE_NAME_BYTES: usize = 255;

/// Longest media type; RFC 6838 asks for no more than 127 characters on either side of the slash, real ones have 80.
pub const MIME_BYTES: usize = 128;

/// Largest blob: 16 TiB, as far as the largest files of today's usual file systems go.
pub const BLOB_BYTES: u64 = 1 << 44;

/// Bytes of a blob that are checked together. The hashes between them cost 0.1 % of its size.
pub const BLOB_GROUP_BYTES: u64 = 64 * 1024;

/// Largest thumbnail: 320 pixels a side in good quality.
pub const THUMBNAIL_BYTES: usize = 64 * 1024;

/// Most pixels on one side of an image, as claimed by its sender. JPEG has no more.
pub const PICTURE_SIDE: u32 = 65_535;

/// Most files and empty directories in an attached folder. Each takes about 60 bytes of the manifest.
pub const FOLDER_FILES: usize = 20_000;

/// Most names in a path within an attached folder.
pub const FOLDER_DEPTH: usize = 32;

/// Longest manifest of a folder: 200 bytes for each of [`FOLDER_FILES`].
pub const MANIFEST_BYTES: usize = 4 << 20;

/// Version of the relay protocol that this crate speaks, sent in `Challenge` and `Login`.
pub const RELAY_VERSION: u16 = 1;

/// Longest address of a relay. Four of them, with the other fields, keep a profile within [`PROFILE_BYTES`], which older
/// machines hold it to. A key takes 54, which leaves 90 for the host.
pub const RELAY_ADDRESS_BYTES: usize = 160;

/// Longest origin: an address with its port written out.
pub const RELAY_ORIGIN_BYTES: usize = RELAY_ADDRESS_BYTES + 6;

/// Longest token of membership.
pub const MEMBERSHIP_BYTES: usize = 64;

/// Longest envelope: 96 KiB padded, and what sealing adds.
pub const ENVELOPE_BYTES: usize = 96 * 1024 + 1_155;

/// Longest parcel: what fits the largest envelope. A message of the longest text with the longest names beside it, and a
/// few registers, fit.
pub const PARCEL_BYTES: usize = 96 * 1024 - 4;

/// Most frames in a parcel.
pub const PARCEL_FRAMES: usize = 256;

/// Longest frame between machine and relay, either way: the longest list of tokens (215 KB), or two of the longest
/// envelopes.
pub const RELAY_FRAME_BYTES: usize = 256 * 1024;

/// Most tokens of a machine at a relay, and in one frame.
pub const RELAY_TOKENS: usize = 4_096;

/// Most tokens that one frame takes away; to take all away, none are named and the rest is replaced.
pub const RELAY_TOKENS_REMOVED: usize = 1_024;

/// Most machines in one `Watch` or `Presence` frame: 141 KB.
pub const RELAY_WATCHES_PER_FRAME: usize = 2_048;

/// Most items that one `Fetch` asks for.
pub const RELAY_ITEMS: usize = 64;

/// Most cursors in one `Ack`.
pub const RELAY_ACKS: usize = 1_024;

/// Longest prekey register: 1,216 bytes of key and 62 of other fields; the rest is room for later ones.
pub const PREKEY_BYTES: usize = 2_048;

/// Longest public key of any suite: room for one with ML-KEM-1024 and a curve.
pub const PREKEY_PUBLIC_BYTES: usize = 1_792;

/// Longest grant register: the fields take 115 bytes; the rest is room for later ones.
pub const GRANT_BYTES: usize = 256;

/// Longest deposit register: the longest relay address and the other fields take 276 bytes; the rest is room for later ones.
pub const DEPOSIT_BYTES: usize = 512;

/// Least size that a file at a relay is padded to before it is sealed, so that small ones all look alike.
pub const FILE_PADDED_MIN: u64 = 16 * 1024;

/// Most relays that a machine is to be reached at.
pub const RELAYS: usize = 4;

/// Longest time for which a prekey may be used: a machine rotates every 7 days, and may be away for a while.
pub const PREKEY_LIFE_S: u64 = 30 * 24 * 60 * 60;

/// How long a prekey's secret outlives its use: a day more than an envelope lies at a relay.
pub const PREKEY_GRACE_S: u64 = 22 * 24 * 60 * 60;

/// Longest invitation link. Four of the longest relay addresses and the longest name written with escapes take 1,100; what
/// people make has 150 to 400, which a QR code of the usual size holds.
pub const INVITATION_BYTES: usize = 2_048;

/// Most addresses, and most relays, in an invitation.
pub const INVITATION_ADDRESSES: usize = 4;

/// How long an invitation's token counts, in seconds.
pub const INVITATION_LIFE_S: u32 = 600;
