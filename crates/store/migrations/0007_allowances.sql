-- What counts towards a buyer's yearly limit, found by the buyer. Shape as in 0001.
CREATE TABLE allowances (key TEXT PRIMARY KEY, account TEXT NOT NULL DEFAULT '', state TEXT NOT NULL DEFAULT '', body TEXT NOT NULL, version INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX allowances_by_buyer ON allowances (state);
CREATE INDEX quotes_by_buyer     ON quotes (state);
