-- Every table of records has one shape: a key, the account and state that lists filter by, the body as JSON, and a
-- version that counts up with every change (compare-and-set). What is in a body is defined by the type that is
-- stored there; a money amount in it is {"amount": text, "currency": code}, never a float.
CREATE TABLE products      (key TEXT PRIMARY KEY, account TEXT NOT NULL DEFAULT '', state TEXT NOT NULL DEFAULT '', body TEXT NOT NULL, version INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE variants      (key TEXT PRIMARY KEY, account TEXT NOT NULL DEFAULT '', state TEXT NOT NULL DEFAULT '', body TEXT NOT NULL, version INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE offers        (key TEXT PRIMARY KEY, account TEXT NOT NULL DEFAULT '', state TEXT NOT NULL DEFAULT '', body TEXT NOT NULL, version INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE stock         (key TEXT PRIMARY KEY, account TEXT NOT NULL DEFAULT '', state TEXT NOT NULL DEFAULT '', body TEXT NOT NULL, version INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE reservations  (key TEXT PRIMARY KEY, account TEXT NOT NULL DEFAULT '', state TEXT NOT NULL DEFAULT '', body TEXT NOT NULL, version INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE orders        (key TEXT PRIMARY KEY, account TEXT NOT NULL DEFAULT '', state TEXT NOT NULL DEFAULT '', body TEXT NOT NULL, version INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE shipments     (key TEXT PRIMARY KEY, account TEXT NOT NULL DEFAULT '', state TEXT NOT NULL DEFAULT '', body TEXT NOT NULL, version INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE declarations  (key TEXT PRIMARY KEY, account TEXT NOT NULL DEFAULT '', state TEXT NOT NULL DEFAULT '', body TEXT NOT NULL, version INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE receipts      (key TEXT PRIMARY KEY, account TEXT NOT NULL DEFAULT '', state TEXT NOT NULL DEFAULT '', body TEXT NOT NULL, version INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE quotes        (key TEXT PRIMARY KEY, account TEXT NOT NULL DEFAULT '', state TEXT NOT NULL DEFAULT '', body TEXT NOT NULL, version INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE transactions  (key TEXT PRIMARY KEY, account TEXT NOT NULL DEFAULT '', state TEXT NOT NULL DEFAULT '', body TEXT NOT NULL, version INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE payouts       (key TEXT PRIMARY KEY, account TEXT NOT NULL DEFAULT '', state TEXT NOT NULL DEFAULT '', body TEXT NOT NULL, version INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE statements    (key TEXT PRIMARY KEY, account TEXT NOT NULL DEFAULT '', state TEXT NOT NULL DEFAULT '', body TEXT NOT NULL, version INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE plans         (key TEXT PRIMARY KEY, account TEXT NOT NULL DEFAULT '', state TEXT NOT NULL DEFAULT '', body TEXT NOT NULL, version INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE jobs          (key TEXT PRIMARY KEY, account TEXT NOT NULL DEFAULT '', state TEXT NOT NULL DEFAULT '', body TEXT NOT NULL, version INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE cursors       (key TEXT PRIMARY KEY, account TEXT NOT NULL DEFAULT '', state TEXT NOT NULL DEFAULT '', body TEXT NOT NULL, version INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX offers_by_account       ON offers (account, state);
CREATE INDEX reservations_by_account ON reservations (account, state);
CREATE INDEX orders_by_account       ON orders (account, state);
CREATE INDEX shipments_by_state      ON shipments (state);
CREATE INDEX declarations_by_state   ON declarations (state);
CREATE INDEX transactions_by_account ON transactions (account);

-- What was sent and what came of it, before and after (invariant 3).
CREATE TABLE intents (
  account   TEXT NOT NULL,
  operation TEXT NOT NULL,
  key       TEXT NOT NULL,
  subject   TEXT NOT NULL,
  state     TEXT NOT NULL CHECK (state IN ('begun', 'done', 'indeterminate')),
  begun_at  TEXT NOT NULL,
  status    INTEGER,
  headers   TEXT,
  payload   TEXT REFERENCES payloads (hash),
  note      TEXT,
  PRIMARY KEY (account, operation, key)
) WITHOUT ROWID;

-- Bodies byte for byte, once each, compressed (invariant 5). The hash is SHA-256 of the uncompressed bytes.
CREATE TABLE payloads (
  hash  TEXT PRIMARY KEY,
  size  INTEGER NOT NULL,
  zstd  BLOB NOT NULL
) WITHOUT ROWID;

CREATE TABLE exchanges (
  id        INTEGER PRIMARY KEY,
  account   TEXT NOT NULL,
  connector TEXT NOT NULL,
  operation TEXT NOT NULL,
  at        TEXT NOT NULL,
  status    INTEGER NOT NULL,
  payload   TEXT NOT NULL REFERENCES payloads (hash)
);
CREATE INDEX exchanges_by_account ON exchanges (account, operation, at);

-- Tokens, sealed with AES-256-GCM under the store's key (invariant 8).
CREATE TABLE tokens (
  account  TEXT NOT NULL,
  audience TEXT NOT NULL,
  sealed   BLOB NOT NULL,
  PRIMARY KEY (account, audience)
) WITHOUT ROWID;

-- Who did what, chained by hash: a row that is changed or taken away breaks the chain.
CREATE TABLE audit (
  seq     INTEGER PRIMARY KEY,
  at      TEXT NOT NULL,
  action  TEXT NOT NULL,
  subject TEXT NOT NULL,
  detail  TEXT NOT NULL,
  hash    TEXT NOT NULL
);
