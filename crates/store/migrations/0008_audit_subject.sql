-- The history of one order or listing, without reading that of all.
CREATE INDEX audit_by_subject ON audit (subject, seq);
