-- What buyers want back, what they dispute, and the couriers that were ordered. Shape as in 0001.
CREATE TABLE returns  (key TEXT PRIMARY KEY, account TEXT NOT NULL DEFAULT '', state TEXT NOT NULL DEFAULT '', body TEXT NOT NULL, version INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE disputes (key TEXT PRIMARY KEY, account TEXT NOT NULL DEFAULT '', state TEXT NOT NULL DEFAULT '', body TEXT NOT NULL, version INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE pickups  (key TEXT PRIMARY KEY, account TEXT NOT NULL DEFAULT '', state TEXT NOT NULL DEFAULT '', body TEXT NOT NULL, version INTEGER NOT NULL) WITHOUT ROWID;
