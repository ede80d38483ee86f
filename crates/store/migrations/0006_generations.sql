-- A channel that remembers what it refused under a key would refuse it for ever: the next try has a key of its own, of the next
-- generation. The table is made anew because a CHECK cannot be changed.
CREATE TABLE intents_new (
  account    TEXT NOT NULL,
  operation  TEXT NOT NULL,
  key        TEXT NOT NULL,
  subject    TEXT NOT NULL,
  state      TEXT NOT NULL CHECK (state = 'begun' OR state = 'done' OR state = 'indeterminate' OR state = 'refused'),
  begun_at   TEXT NOT NULL,
  status     INTEGER,
  headers    TEXT,
  payload    TEXT,
  note       TEXT,
  generation INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (account, operation, key)
) WITHOUT ROWID;
INSERT INTO intents_new (account, operation, key, subject, state, begun_at, status, headers, payload, note)
  SELECT account, operation, key, subject, state, begun_at, status, headers, payload, note FROM intents;
DROP TABLE intents;
ALTER TABLE intents_new RENAME TO intents;
