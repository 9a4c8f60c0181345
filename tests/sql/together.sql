-- What several rows make together is judged at the end of the transaction.
SET ROLE sqlmail_writer;
-- A cycle of aliases is refused and named (A89).
INSERT INTO aliases VALUES ('a', 'b');
INSERT INTO aliases VALUES ('b', 'a');
INSERT INTO aliases VALUES ('b', 'c, d@example.org'), ('c', 'x');
\set VERBOSITY default
\set SHOW_CONTEXT never
UPDATE aliases SET value = 'someone, A' WHERE key = 'c';
UPDATE aliases SET value = 'someone, a' WHERE key = 'c';
\set VERBOSITY terse
-- In every form that sendmail follows: with a detail, in quotes, with a local domain.
UPDATE aliases SET value = 'a+detail' WHERE key = 'c';
UPDATE aliases SET value = 'a@here.example' WHERE key = 'c';
INSERT INTO local_domains VALUES ('Here.Example');
UPDATE aliases SET value = 'x' WHERE key = 'c';
UPDATE aliases SET value = 'a@HERE.example' WHERE key = 'c';
-- A name for itself, a mailbox and another domain end it.
UPDATE aliases SET value = 'c, archive@example.org' WHERE key = 'c';
UPDATE aliases SET value = '\a' WHERE key = 'c';
UPDATE aliases SET value = 'a@elsewhere.example' WHERE key = 'c';
UPDATE aliases SET value = 'a, POSTMASTER' WHERE key = 'c';
INSERT INTO aliases VALUES ('Postmaster', 'c');
-- The order within a transaction does not matter.
DELETE FROM aliases;
INSERT INTO aliases VALUES ('up', 'down');
BEGIN;
INSERT INTO aliases VALUES ('down', 'up');
UPDATE aliases SET value = 'mailbox' WHERE key = 'up';
COMMIT;
SELECT key, value FROM aliases ORDER BY key;
BEGIN;
UPDATE aliases SET value = 'down' WHERE key = 'up';
COMMIT;
SELECT key, value FROM aliases ORDER BY key;
-- Whoever wants to know at once may.
BEGIN;
SET CONSTRAINTS ALL IMMEDIATE;
UPDATE aliases SET value = 'down' WHERE key = 'up';
ROLLBACK;
-- A long chain, many ways to one name, and an old cycle that is not touched.
INSERT INTO aliases SELECT 'c' || i, 'c' || i + 1 FROM generate_series(1, 100) AS i;
INSERT INTO aliases SELECT 'd' || i, format('d%s, d%s', i + 1, i + 2) FROM generate_series(1, 60) AS i;
INSERT INTO aliases VALUES ('c101', 'c1');
INSERT INTO aliases VALUES ('c31', 'c1') ON CONFLICT (lookup_key) DO UPDATE SET value = excluded.value;
RESET ROLE;
ALTER TABLE mail.changes DISABLE TRIGGER change_is_guarded;
INSERT INTO aliases VALUES ('old1', 'old2'), ('old2', 'old1');
ALTER TABLE mail.changes ENABLE TRIGGER change_is_guarded;
SET ROLE sqlmail_writer;
INSERT INTO aliases VALUES ('new', 'old1');
UPDATE aliases SET value = 'old1, more' WHERE key = 'old2';
-- A domain is local or relayed, not both (A54).
INSERT INTO local_domains VALUES ('both.example'), ('mail.away.example');
\set VERBOSITY default
INSERT INTO relay_domains VALUES ('Both.Example');
INSERT INTO relay_domains VALUES ('away.example');
INSERT INTO local_domains VALUES ('AWAY.example');
\set VERBOSITY terse
UPDATE local_domains SET key = 'away.example' WHERE key = 'both.example';
-- It may move in one transaction, in this order or the other.
BEGIN;
INSERT INTO relay_domains VALUES ('both.example');
DELETE FROM local_domains WHERE key = 'both.example';
COMMIT;
SELECT 'local' AS table, key FROM local_domains UNION ALL SELECT 'relay', key FROM relay_domains ORDER BY key;
-- The modules ask before they write.
SELECT try_row('aliases', 'down', 'up');
SELECT try_row('aliases', 'up', 'down');
SELECT try_row('local_domains', 'both.example', NULL);
SELECT try_row('mailertable', 'x', 'y');
SELECT try_row('virtualusers', 'a@b', 'c');
-- In the other mode of case, spellings of one name close a cycle.
RESET ROLE;
DELETE FROM aliases;
INSERT INTO aliases VALUES ('One', 'two'), ('two', 'one');
DELETE FROM aliases;
CALL set_case_sensitive(false);
INSERT INTO aliases VALUES ('One', 'two'), ('two', 'one');
