-- Notifications of channels (ADR 50): each delivery once, so that a repetition is known, and what must be read because of
-- them. What names persons is in the payload that a delivery points to.
CREATE TABLE deliveries (key TEXT PRIMARY KEY, account TEXT NOT NULL DEFAULT '', state TEXT NOT NULL DEFAULT '', body TEXT NOT NULL, version INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE hints      (key TEXT PRIMARY KEY, account TEXT NOT NULL DEFAULT '', state TEXT NOT NULL DEFAULT '', body TEXT NOT NULL, version INTEGER NOT NULL) WITHOUT ROWID;
-- State is the day on which it came: old ones are taken away by it.
CREATE INDEX deliveries_by_day ON deliveries (state);
CREATE INDEX hints_by_account  ON hints (account);
