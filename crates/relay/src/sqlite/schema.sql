-- What the relay keeps. No name, no sender, no plain text: envelopes are sealed by their senders for their recipients.

-- A machine that has logged in here.
CREATE TABLE mailboxes (
    id            INTEGER PRIMARY KEY,
    machine       BLOB    NOT NULL UNIQUE CHECK (length(machine) = 32),
    seen_s        INTEGER NOT NULL,  -- when its owner was last here, to within a day
    items         INTEGER NOT NULL,  -- how many lie in it from holders of tokens
    bytes         INTEGER NOT NULL,  -- and how large they are
    requests      INTEGER NOT NULL,  -- how many lie in its request slot
    remembered    INTEGER NOT NULL,  -- how many hashes are remembered
    tokens        INTEGER NOT NULL   -- how many tokens it has given out
) STRICT;
CREATE INDEX mailboxes_by_seen ON mailboxes (seen_s);

-- What waits for its recipient. A cursor is never given twice, so that one who asks for what comes after one misses nothing.
CREATE TABLE items (
    cursor        INTEGER PRIMARY KEY AUTOINCREMENT,
    mailbox       INTEGER NOT NULL REFERENCES mailboxes (id) ON DELETE CASCADE,
    is_request    INTEGER NOT NULL,  -- 1 in the request slot
    put_s         INTEGER NOT NULL,
    expires_s     INTEGER NOT NULL,
    envelope      BLOB    NOT NULL
) STRICT;
CREATE INDEX items_by_mailbox ON items (mailbox, cursor);
CREATE INDEX items_by_expiry ON items (expires_s);

-- BLAKE3 of what was put, so that a sender who missed the answer can put again.
CREATE TABLE remembered (
    mailbox       INTEGER NOT NULL REFERENCES mailboxes (id) ON DELETE CASCADE,
    hash          BLOB    NOT NULL CHECK (length(hash) = 32),
    expires_s     INTEGER NOT NULL,
    PRIMARY KEY (mailbox, hash)
) STRICT, WITHOUT ROWID;
CREATE INDEX remembered_by_mailbox ON remembered (mailbox, expires_s);
CREATE INDEX remembered_by_expiry ON remembered (expires_s);

-- Hashes of the tokens that allow to put into a mailbox.
CREATE TABLE tokens (
    mailbox       INTEGER NOT NULL REFERENCES mailboxes (id) ON DELETE CASCADE,
    hash          BLOB    NOT NULL CHECK (length(hash) = 32),
    expires_s     INTEGER NOT NULL,  -- 0: never
    PRIMARY KEY (mailbox, hash)
) STRICT, WITHOUT ROWID;
CREATE INDEX tokens_by_expiry ON tokens (expires_s) WHERE expires_s > 0;

-- The newest signed prekey register of a machine.
CREATE TABLE prekeys (
    mailbox       INTEGER PRIMARY KEY REFERENCES mailboxes (id) ON DELETE CASCADE,
    version       INTEGER NOT NULL,
    register      BLOB    NOT NULL
) STRICT;
