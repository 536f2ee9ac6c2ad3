-- Landline's database, as it stands after the last migration. A test compares this file with the real schema.
--
-- Times are milliseconds since 1970. `key` columns are local numbers; they mean nothing on another machine, and stand
-- in the big tables instead of IDs of 16 or 32 bytes. Numbers that stand for a kind or a state are never reused.
-- PRAGMA application_id is "LNDL"; PRAGMA user_version is schema version + 65536 × the oldest program version that
-- may open the file.

-- Facts about this database itself: own epoch, when it was made.
CREATE TABLE meta (
    name TEXT PRIMARY KEY,
    value ANY NOT NULL
) STRICT, WITHOUT ROWID;

-- What the person set.
CREATE TABLE settings (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL                          -- JSON
) STRICT, WITHOUT ROWID;

-- Tokens of the local API, to be listed and revoked. Not the tokens themselves.
CREATE TABLE tokens (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    scopes TEXT NOT NULL,                        -- comma-separated
    created_ms INTEGER NOT NULL,
    expires_ms INTEGER,                          -- NULL: never
    revoked_ms INTEGER,
    last_used_ms INTEGER
) STRICT, WITHOUT ROWID;

-- Whoever was seen or named. Rows stay.
CREATE TABLE machines (
    key INTEGER PRIMARY KEY,
    id BLOB NOT NULL UNIQUE CHECK (length(id) = 32),   -- public key
    trust INTEGER NOT NULL DEFAULT 0,            -- 0 unknown, 1 requested, 2 accepted, 3 verified, 4 blocked
    initiated INTEGER NOT NULL DEFAULT 0,        -- this side wrote first
    name TEXT NOT NULL DEFAULT '',               -- this and the next three from the profile
    device TEXT NOT NULL DEFAULT '',
    status_text TEXT NOT NULL DEFAULT '',
    colour INTEGER NOT NULL DEFAULT 0,
    profile_version INTEGER NOT NULL DEFAULT 0,
    profile BLOB,                                -- as its owner signed it
    profile_signature BLOB CHECK (length(profile_signature) = 64),
    first_seen_ms INTEGER NOT NULL,
    last_seen_ms INTEGER                         -- NULL: only named by another
) STRICT;

-- Where machines were reached. A few a machine; the newest are dialled at the start.
CREATE TABLE addresses (
    machine INTEGER NOT NULL REFERENCES machines (key),
    address TEXT NOT NULL,                       -- IP and port
    last_ms INTEGER NOT NULL,
    PRIMARY KEY (machine, address)
) STRICT, WITHOUT ROWID;

CREATE INDEX addresses_recent ON addresses (last_ms);

-- Addresses that the person typed.
CREATE TABLE typed_peers (
    address TEXT PRIMARY KEY,                    -- host name or IP, and port
    added_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Sessions, with what the list shows of them.
CREATE TABLE sessions (
    key INTEGER PRIMARY KEY,
    id BLOB NOT NULL UNIQUE CHECK (length(id) = 16),
    kind INTEGER NOT NULL,                       -- 0 direct
    peer INTEGER REFERENCES machines (key),      -- of a direct session
    created_ms INTEGER NOT NULL,
    activity INTEGER NOT NULL,                   -- newest event at its last message's arrival; no clock is involved
    last_message INTEGER,                        -- messages.key, last in the session's order
    unread_count INTEGER NOT NULL DEFAULT 0,     -- rows in unread
    waiting_count INTEGER NOT NULL DEFAULT 0,    -- own messages in state 0
    read_to INTEGER NOT NULL DEFAULT 0,          -- newest messages.key up to which it was marked read
    draft TEXT,
    draft_ms INTEGER,
    pinned INTEGER NOT NULL DEFAULT 0,
    archived INTEGER NOT NULL DEFAULT 0,
    muted_until_ms INTEGER,
    timer INTEGER NOT NULL DEFAULT 0,            -- seconds after which new messages disappear; 0: they stay
    timer_lamport INTEGER NOT NULL DEFAULT 0,    -- this and the next three are the place of the event that set it
    timer_rank INTEGER NOT NULL DEFAULT 0,
    timer_epoch INTEGER NOT NULL DEFAULT 0,
    timer_seq INTEGER NOT NULL DEFAULT 0,
    retention_days INTEGER,                      -- NULL: for ever
    notify INTEGER NOT NULL DEFAULT 0,           -- 0 all, 1 mentions, 2 none
    marked_unread INTEGER NOT NULL DEFAULT 0,    -- by hand
    draft_reply_to BLOB CHECK (length(draft_reply_to) = 16)   -- messages.id
) STRICT;

CREATE INDEX sessions_list ON sessions (pinned, activity);

CREATE INDEX sessions_peer ON sessions (peer);

-- The head of each log, so that vectors and digests need no look at the events.
CREATE TABLE logs (
    key INTEGER PRIMARY KEY,
    session INTEGER NOT NULL REFERENCES sessions (key),
    author INTEGER NOT NULL REFERENCES machines (key),
    epoch INTEGER NOT NULL,
    seq INTEGER NOT NULL,                        -- 1 to this are here, without a gap
    head BLOB NOT NULL CHECK (length(head) = 32),   -- ID of the event at seq
    lamport INTEGER NOT NULL,                    -- its Lamport time
    last_event INTEGER NOT NULL,                 -- its events.key
    bytes INTEGER NOT NULL,                      -- headers and bodies, as they arrived
    frozen INTEGER NOT NULL DEFAULT 0,           -- a fork was proven: nothing more is taken
    UNIQUE (session, author, epoch)
) STRICT;

-- What lasts, with the exact bytes that were hashed and signed, in the order of arrival. Keys are never used again:
-- receipts count by them.
CREATE TABLE events (
    key INTEGER PRIMARY KEY AUTOINCREMENT,
    log INTEGER NOT NULL,                        -- logs.key
    seq INTEGER NOT NULL,
    lamport INTEGER NOT NULL,
    arrived_ms INTEGER NOT NULL,
    run_id BLOB CHECK (length(run_id) = 32),     -- event ID, only at the last event of a run
    signature BLOB CHECK (length(signature) = 64),  -- of the run, only at its last event
    header BLOB NOT NULL,
    body BLOB                                    -- NULL once deleted
) STRICT;

CREATE UNIQUE INDEX events_place ON events (log, seq);

CREATE UNIQUE INDEX events_run ON events (run_id) WHERE run_id IS NOT NULL;

-- Proof that an author wrote two events at one place: one stands in events, the other in this run. One a log.
CREATE TABLE forks (
    log INTEGER NOT NULL REFERENCES logs (key),
    seq INTEGER NOT NULL,
    noticed_ms INTEGER NOT NULL,
    run BLOB NOT NULL,                           -- in its wire form
    PRIMARY KEY (log)
) STRICT, WITHOUT ROWID;

-- Messages as they are shown.
CREATE TABLE messages (
    key INTEGER PRIMARY KEY,                     -- events.key
    id BLOB NOT NULL CHECK (length(id) = 16),
    session INTEGER NOT NULL,                    -- sessions.key
    author INTEGER NOT NULL,                     -- machines.key
    lamport INTEGER NOT NULL,                    -- this and the next three are the order on all machines
    author_rank INTEGER NOT NULL,                -- first 8 bytes of the author's ID, as a number that sorts as they do
    epoch INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    wall_ms INTEGER NOT NULL,                    -- the author's clock
    shown_ms INTEGER NOT NULL,
    arrived_ms INTEGER NOT NULL,
    state INTEGER NOT NULL,                      -- 0 queued, 1 delivered (or another's), 2 failed, 3 read
    delivered_ms INTEGER,
    failure TEXT,
    temp_id TEXT,
    text TEXT NOT NULL,                          -- of the newest edit
    kind INTEGER NOT NULL DEFAULT 0,             -- 0 text, 1 line that says what the timer was set to
    flags INTEGER NOT NULL DEFAULT 0,            -- bits: 1 forwarded, 2 has reactions, 4 pinned
    reply_to BLOB CHECK (length(reply_to) = 16), -- messages.id
    mentions BLOB,                               -- machine IDs, one after the other
    edited_ms INTEGER,
    deleted_ms INTEGER,                          -- for everyone: the text is empty
    read_ms INTEGER,                             -- of an own one, by the other's clock
    timer INTEGER,                               -- seconds
    expires_ms INTEGER,                          -- NULL: never, or not known yet
    held_by TEXT                                 -- while queued: origin of the relay where it lies in the recipient's mailbox
) STRICT;

CREATE UNIQUE INDEX messages_id ON messages (id);

CREATE INDEX messages_order ON messages (session, lamport, author_rank, epoch, seq);

CREATE INDEX messages_temp ON messages (session, temp_id) WHERE temp_id IS NOT NULL;

CREATE INDEX messages_expiry ON messages (expires_ms) WHERE expires_ms IS NOT NULL;

CREATE INDEX messages_timed ON messages (session, lamport, author_rank, epoch, seq)
    WHERE timer IS NOT NULL AND expires_ms IS NULL;

-- Edits that count, in their order.
CREATE TABLE edits (
    message INTEGER NOT NULL,                    -- messages.key
    lamport INTEGER NOT NULL,
    author_rank INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    event INTEGER NOT NULL,                      -- events.key, which has the text
    shown_ms INTEGER NOT NULL,
    PRIMARY KEY (message, lamport, author_rank, epoch, seq)
) STRICT, WITHOUT ROWID;

-- The last word of each member on each emoji of a message.
CREATE TABLE reactions (
    message INTEGER NOT NULL,                    -- messages.key
    author INTEGER NOT NULL,                     -- machines.key
    emoji TEXT NOT NULL,
    lamport INTEGER NOT NULL,
    author_rank INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    shown_ms INTEGER NOT NULL,
    active INTEGER NOT NULL,
    PRIMARY KEY (message, author, emoji)
) STRICT, WITHOUT ROWID;

-- The last word on whether a message is pinned.
CREATE TABLE pins (
    session INTEGER NOT NULL,
    message INTEGER NOT NULL,                    -- messages.key
    lamport INTEGER NOT NULL,
    author_rank INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    active INTEGER NOT NULL,
    PRIMARY KEY (session, message)
) STRICT, WITHOUT ROWID;

-- What was said of messages that are not here yet.
CREATE TABLE awaiting (
    target BLOB NOT NULL CHECK (length(target) = 16),   -- messages.id to come
    event INTEGER NOT NULL,                      -- events.key
    PRIMARY KEY (target, event)
) STRICT, WITHOUT ROWID;

-- Messages that were here and are gone from this machine: nothing that is said of them later is kept.
CREATE TABLE removed (
    id BLOB PRIMARY KEY CHECK (length(id) = 16)
) STRICT, WITHOUT ROWID;

-- Messages of others not read here, in the order in which they are shown.
CREATE TABLE unread (
    session INTEGER NOT NULL,
    lamport INTEGER NOT NULL,
    author_rank INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    event INTEGER NOT NULL,                      -- messages.key
    PRIMARY KEY (session, lamport, author_rank, epoch, seq, event)
) STRICT, WITHOUT ROWID;

-- What each recipient has not acknowledged.
CREATE TABLE outbox (
    peer INTEGER NOT NULL,                       -- machines.key
    session INTEGER NOT NULL,
    log INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    event INTEGER NOT NULL,                      -- events.key
    enqueued_ms INTEGER NOT NULL,
    failed_reason TEXT, held_ms INTEGER,         -- when it was put into the recipient's mailbox at a relay; NULL: it lies in none
    PRIMARY KEY (peer, session, log, seq)
) STRICT, WITHOUT ROWID;

-- Signed latest-wins registers: how far each member has received and read.
CREATE TABLE registers (
    session INTEGER NOT NULL REFERENCES sessions (key),
    member INTEGER NOT NULL REFERENCES machines (key),
    kind INTEGER NOT NULL,                       -- as on the wire
    version INTEGER NOT NULL,
    bytes BLOB NOT NULL,                         -- as its member signed it
    signature BLOB NOT NULL CHECK (length(signature) = 64),
    PRIMARY KEY (session, member, kind)
) STRICT, WITHOUT ROWID;

-- Messages whose text changed since they came, for the search index (search.db) to follow.
CREATE TABLE search_queue (
    change INTEGER PRIMARY KEY,
    message INTEGER NOT NULL                     -- messages.key
) STRICT;

-- The notification centre.
CREATE TABLE notifications (
    key INTEGER PRIMARY KEY AUTOINCREMENT,
    place INTEGER NOT NULL,                      -- greater is newer; it rises when the record counts up
    kind INTEGER NOT NULL,                       -- 0 message, 1 mention, 2 request, 3 transfer, 4 security, 5 network
    session INTEGER,                             -- sessions.key
    message INTEGER,                             -- messages.key, whose text is not repeated here
    sender INTEGER,                              -- machines.key
    subject TEXT,                                -- unread records about the same thing are one
    title TEXT NOT NULL DEFAULT '',
    body TEXT NOT NULL DEFAULT '',
    created_ms INTEGER NOT NULL,
    count INTEGER NOT NULL DEFAULT 1,
    read INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE UNIQUE INDEX notifications_place ON notifications (place);

CREATE INDEX notifications_unread ON notifications (session, kind) WHERE read = 0;

CREATE INDEX notifications_about ON notifications (message) WHERE kind = 1 OR kind = 3;

-- Files and folders of messages, and how far each has come.
CREATE TABLE attachments (
    key INTEGER PRIMARY KEY,
    id BLOB NOT NULL CHECK (length(id) = 16),
    message INTEGER NOT NULL,                    -- messages.key
    place INTEGER NOT NULL,                      -- among the message's attachments, from 0
    peer INTEGER NOT NULL,                       -- machines.key: the other side
    outgoing INTEGER NOT NULL,                   -- from this machine to the other
    hash BLOB NOT NULL CHECK (length(hash) = 32),   -- BLAKE3 of the content
    size INTEGER NOT NULL,
    name TEXT NOT NULL,
    mime TEXT NOT NULL,
    files INTEGER,                               -- of a folder; NULL: a file
    width INTEGER,
    height INTEGER,
    animated INTEGER NOT NULL DEFAULT 0,
    thumbnail BLOB CHECK (length(thumbnail) = 32),  -- thumbnails.hash, once it is here
    thumbnail_size INTEGER,
    state INTEGER NOT NULL,                      -- 0 offered, 1 queued, 2 transferring, 3 paused, 4 complete, 5 failed, 6 cancelled, 7 gone
    failure TEXT,
    done INTEGER NOT NULL DEFAULT 0,             -- bytes from the beginning that are verified and on the receiver's disk
    part TEXT,                                   -- where it grows
    path TEXT,                                   -- where it lies, or will
    deposit INTEGER,                             -- deposits.key: serves an own one whose receiver is away
    told_s INTEGER NOT NULL DEFAULT 0,           -- deposits.until_s, as the receiver was told last; 0: not yet
    relayed INTEGER NOT NULL DEFAULT 0           -- of an incoming one: 1 some of it came from a relay, 2 and not what was meant
) STRICT;

CREATE UNIQUE INDEX attachments_id ON attachments (id);

CREATE UNIQUE INDEX attachments_place ON attachments (message, place);

CREATE INDEX attachments_hash ON attachments (hash);

CREATE INDEX attachments_thumbnail ON attachments (thumbnail) WHERE thumbnail IS NOT NULL;

CREATE INDEX attachments_open ON attachments (state) WHERE state < 4;

CREATE INDEX attachments_deposit ON attachments (deposit) WHERE deposit IS NOT NULL;

-- Small images that stand for attachments, of both sides.
CREATE TABLE thumbnails (
    hash BLOB PRIMARY KEY CHECK (length(hash) = 32),
    bytes BLOB NOT NULL
) STRICT;

-- Files that are to be removed from the disk: noted in the transaction that forgets them.
CREATE TABLE doomed_files (
    path TEXT PRIMARY KEY
) STRICT, WITHOUT ROWID;

-- What this machine can give, and how it tells that it is still the same.
CREATE TABLE sources (
    hash BLOB PRIMARY KEY CHECK (length(hash) = 32),
    size INTEGER NOT NULL,
    path TEXT NOT NULL,                          -- of a copy of the program's own only the name
    stamp INTEGER NOT NULL,                      -- when the file was last changed, as its system says
    kept INTEGER NOT NULL,                       -- 1: a copy of the program's own, 0: the person's file where it is
    hashes TEXT,                                 -- own file with the hashes between content and root; NULL: none are needed
    manifest BLOB,                               -- of a folder: the first bytes of its content
    stamps BLOB                                  -- of a folder: when each file was last changed
) STRICT;

-- What was added to be sent. It goes after a day, unless a draft has it.
CREATE TABLE uploads (
    id BLOB PRIMARY KEY CHECK (length(id) = 16),
    created_ms INTEGER NOT NULL,
    hash BLOB NOT NULL CHECK (length(hash) = 32),
    size INTEGER NOT NULL,
    name TEXT NOT NULL,
    mime TEXT NOT NULL,
    files INTEGER,
    width INTEGER,
    height INTEGER,
    animated INTEGER NOT NULL DEFAULT 0,
    thumbnail BLOB CHECK (length(thumbnail) = 32),
    thumbnail_size INTEGER,
    sent INTEGER NOT NULL DEFAULT 0              -- it lasts no longer than the messages that have it
) STRICT;

CREATE INDEX uploads_hash ON uploads (hash);

CREATE INDEX uploads_created ON uploads (created_ms);

-- What unsent messages carry.
CREATE TABLE draft_attachments (
    session INTEGER NOT NULL,                    -- sessions.key
    place INTEGER NOT NULL,                      -- among what the draft carries, from 0
    upload BLOB NOT NULL CHECK (length(upload) = 16),   -- uploads.id
    PRIMARY KEY (session, place)
) STRICT, WITHOUT ROWID;

CREATE INDEX draft_attachments_upload ON draft_attachments (upload);

-- Invitations made here, until they count no longer.
CREATE TABLE invitations (
    token BLOB PRIMARY KEY CHECK (length(token) = 16),
    expires_ms INTEGER NOT NULL,
    used_by INTEGER REFERENCES machines (key)    -- NULL: nobody yet
) STRICT, WITHOUT ROWID;

-- Invitations followed here whose inviter has not yet said that they count.
CREATE TABLE followed_invitations (
    machine INTEGER PRIMARY KEY REFERENCES machines (key),   -- who invited
    token BLOB NOT NULL CHECK (length(token) = 16),
    expires_ms INTEGER NOT NULL                  -- the latest that it can count until
) STRICT;

-- Relays at which this machine is to be reached.
CREATE TABLE relays (
    address TEXT PRIMARY KEY,
    membership TEXT,                             -- shows that this machine is a member; NULL: it does not ask
    added_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Own prekeys, until their secrets are destroyed.
CREATE TABLE prekeys (
    version INTEGER PRIMARY KEY,
    secret BLOB NOT NULL CHECK (length(secret) = 32),
    register BLOB NOT NULL,                      -- as it was signed
    signature BLOB NOT NULL CHECK (length(signature) = 64),
    destroy_s INTEGER NOT NULL                   -- seconds since 1970
) STRICT;

-- How machines are reached through relays, and by what they reach this one.
CREATE TABLE reach (
    machine INTEGER PRIMARY KEY REFERENCES machines (key),
    given BLOB CHECK (length(given) = 32),       -- secret that it was given; NULL: none, or taken back
    given_version INTEGER NOT NULL DEFAULT 0,    -- of the last grant that was made for it
    held BLOB,                                   -- its grant for this machine, as it was signed
    held_signature BLOB CHECK (length(held_signature) = 64),
    prekey BLOB,                                 -- its newest prekey, as it was signed
    prekey_signature BLOB CHECK (length(prekey_signature) = 64),
    invited_to TEXT NOT NULL DEFAULT '',         -- relays that its invitation named, one a line
    owed INTEGER NOT NULL DEFAULT 0              -- counts what it is to be told in its mailbox; 0: nothing
) STRICT;

-- Own files that are laid down at relays for contacts that are away.
CREATE TABLE deposits (
    key INTEGER PRIMARY KEY,
    hash BLOB NOT NULL CHECK (length(hash) = 32),
    relay TEXT NOT NULL,                         -- address
    mailbox BLOB NOT NULL CHECK (length(mailbox) = 32),  -- machine in whose mailbox it takes room
    token BLOB NOT NULL CHECK (length(token) = 32),      -- that was shown for it
    file BLOB NOT NULL CHECK (length(file) = 32),        -- its ID there
    secret BLOB CHECK (length(secret) = 32),     -- what opens it; NULL: it is only to be taken away
    until_s INTEGER NOT NULL DEFAULT 0,          -- kept until then, in seconds since 1970; 0: not whole
    begun INTEGER NOT NULL DEFAULT 0,            -- some of it is there
    seen_ms INTEGER NOT NULL,                    -- when the relay last took some of it, or said that it is whole
    refusal TEXT                                 -- why it is not there
) STRICT;

CREATE INDEX deposits_hash ON deposits (hash);

-- Files that contacts laid down at relays for this machine.
CREATE TABLE told_deposits (
    machine INTEGER NOT NULL REFERENCES machines (key),
    hash BLOB NOT NULL CHECK (length(hash) = 32),
    relay TEXT NOT NULL,
    secret BLOB NOT NULL CHECK (length(secret) = 32),
    until_s INTEGER NOT NULL,
    PRIMARY KEY (machine, hash, relay)
) STRICT, WITHOUT ROWID;
