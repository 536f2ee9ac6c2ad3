-- Files. Their bytes lie in the folder "files", each under its ID; here stands what they count for.

-- A sealed file, for whoever knows its ID.
CREATE TABLE files (
    id            BLOB    PRIMARY KEY CHECK (length(id) = 32),
    mailbox       INTEGER REFERENCES mailboxes (id) ON DELETE SET NULL,  -- whose room it takes; without one it is to go
    token         BLOB    NOT NULL CHECK (length(token) = 32),  -- hash of the token by which it was begun
    size          INTEGER NOT NULL,
    received      INTEGER NOT NULL,  -- how much of it is on the disk
    expires_s     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX files_by_mailbox ON files (mailbox, size);
CREATE INDEX files_by_expiry ON files (expires_s);

-- How many there are, and the room they take: counting a million would take a while.
CREATE TABLE file_totals (
    one           INTEGER PRIMARY KEY CHECK (one = 1),
    files         INTEGER NOT NULL,
    bytes         INTEGER NOT NULL
) STRICT;
INSERT INTO file_totals (one, files, bytes) VALUES (1, 0, 0);
CREATE TRIGGER files_come AFTER INSERT ON files BEGIN
    UPDATE file_totals SET files = files + 1, bytes = bytes + NEW.size;
END;
CREATE TRIGGER files_go AFTER DELETE ON files BEGIN
    UPDATE file_totals SET files = files - 1, bytes = bytes - OLD.size;
END;
