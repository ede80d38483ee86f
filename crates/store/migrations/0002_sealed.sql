-- What names persons is sealed with AES-256-GCM under the store's key (invariant 8): bodies of the collections that
-- `Collection::is_personal` names, as BLOB in place of TEXT; all payloads; notes of intents. Rows from before are sealed
-- when the store is opened, which SQL cannot do.
ALTER TABLE payloads ADD COLUMN sealed INTEGER NOT NULL DEFAULT 0;

-- One row once everything is sealed: a known text, which only the right key opens. `clean`: the pages where it stood in
-- plain are gone too.
CREATE TABLE sealing (
  id    INTEGER PRIMARY KEY CHECK (id = 1),
  probe BLOB NOT NULL,
  clean INTEGER NOT NULL
);
