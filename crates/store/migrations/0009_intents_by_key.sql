-- The same table with the key in front in its order: two rows are mostly told apart by the first text that is compared, where
-- account and operation are the same for thousands.
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
  PRIMARY KEY (key, operation, account)
) WITHOUT ROWID;
INSERT INTO intents_new (account, operation, key, subject, state, begun_at, status, headers, payload, note, generation)
  SELECT account, operation, key, subject, state, begun_at, status, headers, payload, note, generation FROM intents;
DROP TABLE intents;
ALTER TABLE intents_new RENAME TO intents;
