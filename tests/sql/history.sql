-- Who changed which row, when, from where, what it was, and how to take it back.
CREATE VIEW pg_temp.told AS
SELECT dense_rank() OVER (ORDER BY change) AS nth, login = session_user AS login, role, client IS NULL AS socket,
    application, undoes IS NOT NULL AS undo, map, action, key, old, new
FROM mail.history;
GRANT SELECT ON pg_temp.told TO sqlmail_writer;
CREATE FUNCTION pg_temp.last() RETURNS bigint LANGUAGE sql AS 'SELECT max(number) FROM mail.changes';
SET application_name = 'a client';
SET ROLE sqlmail_writer;
INSERT INTO aliases VALUES ('sales', 'alice'), ('Sales', 'alice');
SELECT clock_timestamp() AS friday \gset
UPDATE aliases SET value = 'bob' WHERE key = 'sales';
UPDATE aliases SET key = 'SALES' WHERE key = 'Sales';
BEGIN;
DELETE FROM aliases WHERE key = 'SALES';
INSERT INTO local_domains VALUES ('example.org');
INSERT INTO local_domains VALUES ('example.net', 'ours');
COMMIT;
INSERT INTO aliases VALUES ('sales', 'carol') ON CONFLICT (lookup_key) DO UPDATE SET value = excluded.value;
SELECT nth, login, role, application, map, action, key, old, new FROM pg_temp.told;
-- No change, no history.
UPDATE aliases SET value = value, key = key;
DELETE FROM aliases WHERE key = 'nobody';
BEGIN;
INSERT INTO aliases VALUES ('never', 'x');
ROLLBACK;
INSERT INTO aliases VALUES ('not sound', 'x');
SELECT max(nth) AS "5" FROM pg_temp.told;
-- All rows as of a moment.
SELECT map, key, value FROM entries_as_of(:'friday') WHERE map NOT IN ('mailers', 'access_tags');
SELECT map, key, value FROM entries_as_of(now()) WHERE map NOT IN ('mailers', 'access_tags');
SELECT count(*) FROM entries_as_of('2002-06-28');
-- One change is taken back, and this is a change, too.
SELECT * FROM undo(pg_temp.last());
SELECT key, value FROM aliases;
SELECT nth, undo, map, action, key, old, new FROM pg_temp.told WHERE nth > 5;
SELECT * FROM undo(pg_temp.last());
SELECT key, value FROM aliases;
-- A span is taken back to what was there before it.
SELECT * FROM undo(:'friday'::timestamptz);
SELECT map, key, value FROM entries_as_of('infinity') WHERE map NOT IN ('mailers', 'access_tags');
SELECT * FROM undo(:'friday'::timestamptz);
-- What was changed again since is not overwritten.
INSERT INTO aliases VALUES ('one', 'a'), ('two', 'a');
SELECT pg_temp.last() AS change \gset
UPDATE aliases SET value = 'b' WHERE key = 'two';
\set VERBOSITY default
\set SHOW_CONTEXT never
SELECT * FROM undo(:change);
DELETE FROM aliases WHERE key = 'two';
SELECT * FROM undo(:change);
\set VERBOSITY terse
SELECT key, value FROM aliases WHERE key IN ('one', 'two');
INSERT INTO aliases VALUES ('two', 'a');
BEGIN READ ONLY;
SELECT * FROM try_undo(ARRAY[:change]);
COMMIT;
SELECT * FROM undo(:change);
-- What is as it was already is no conflict, and no change.
SELECT pg_temp.last() AS last \gset
SELECT * FROM undo(:change);
SELECT * FROM try_undo(ARRAY[:change]);
SELECT pg_temp.last() = :last AS t;
SELECT * FROM undo(1000000);
SELECT * FROM try_undo(ARRAY[1000000]);
SELECT * FROM undo('2001-01-01'::timestamptz, '2002-01-01');
-- An undo meets the guards of the whole.
INSERT INTO aliases VALUES ('here', 'there');
DELETE FROM aliases WHERE key = 'here';
SELECT pg_temp.last() AS change \gset
INSERT INTO aliases VALUES ('there', 'here');
SELECT * FROM undo(:change);
DELETE FROM aliases WHERE key IN ('here', 'there');
-- An operator's row took the place of a seed; the seed comes back as one.
RESET ROLE;
INSERT INTO aliases VALUES ('abuse', 'root');
INSERT INTO seeds (map, key, value) VALUES ('aliases', 'abuse', 'root');
SET ROLE sqlmail_writer;
INSERT INTO aliases VALUES ('abuse', 'david');
SELECT * FROM undo(pg_temp.last());
INSERT INTO aliases VALUES ('abuse', 'eve');
SELECT key, value FROM aliases WHERE key = 'abuse';
-- Rows that are older than the guards are restored; what may run a program is not.
RESET ROLE;
ALTER TABLE aliases DISABLE TRIGGER guard_of_inserts;
INSERT INTO aliases VALUES ('old row', 'x'), ('prog', '"|cat"');
ALTER TABLE aliases ENABLE TRIGGER guard_of_inserts;
SET ROLE sqlmail_writer;
DELETE FROM aliases WHERE key = 'old row';
SELECT * FROM undo(pg_temp.last());
UPDATE aliases SET value = 'y' WHERE key = 'old row';
DELETE FROM aliases WHERE key = 'prog';
SELECT * FROM undo(pg_temp.last());
SELECT * FROM try_undo(ARRAY[pg_temp.last()]);
DELETE FROM aliases WHERE key IN ('old row', 'Sales');
INSERT INTO aliases SELECT 'u' || i, 'mailbox' FROM generate_series(1, 9) AS i;
-- A bulk change is undone to the exact rows.
SELECT md5(string_agg(ROW(map, key, value)::text, '' ORDER BY map, key COLLATE "C")) AS before FROM entries_as_of('infinity') \gset
BEGIN;
INSERT INTO access SELECT 'To:u' || i || '@example.org', 'REJECT' FROM generate_series(1, 500) AS i;
UPDATE access SET value = 'RELAY' WHERE key LIKE '%7@example.org';
DELETE FROM access WHERE key LIKE '%8@example.org';
UPDATE aliases SET value = 'nobody';
DELETE FROM local_domains;
DELETE FROM mailers WHERE name = 'smtp8';
COMMIT;
SELECT md5(string_agg(ROW(map, key, value)::text, '' ORDER BY map, key COLLATE "C")) = :'before' AS f FROM entries_as_of('infinity');
SELECT md5(string_agg(told::text, '' ORDER BY told::text COLLATE "C")) AS told FROM try_undo(ARRAY[pg_temp.last()]) AS told \gset
SELECT count(*), md5(string_agg(done::text, '' ORDER BY done::text COLLATE "C")) = :'told' AS t FROM undo(pg_temp.last()) AS done;
SELECT md5(string_agg(ROW(map, key, value)::text, '' ORDER BY map, key COLLATE "C")) = :'before' AS t FROM entries_as_of('infinity');
SELECT count(*), count(*) FILTER (WHERE old IS NULL) AS inserted FROM history WHERE change = pg_temp.last();
-- Savepoints and immediate constraints are one change all the same.
BEGIN;
SET CONSTRAINTS ALL IMMEDIATE;
SAVEPOINT one;
INSERT INTO genericstable VALUES ('a', 'a@example.org');
RELEASE one;
SAVEPOINT two;
INSERT INTO genericstable VALUES ('b', 'b@example.org');
ROLLBACK TO two;
INSERT INTO genericstable VALUES ('c', 'c@example.org');
COMMIT;
SELECT change = pg_temp.last() AS t, key FROM history WHERE map = 'genericstable';
SELECT count(*) AS "0" FROM mail.changes WHERE NOT finished;
-- Another mode of case changes no row.
SELECT pg_temp.last() AS change \gset
RESET ROLE;
CALL set_case_sensitive(false);
SELECT pg_temp.last() = :change AS t;
-- Another spelling since is a conflict, too.
INSERT INTO aliases VALUES ('Spelt', 'a');
DELETE FROM aliases WHERE key = 'Spelt';
SELECT pg_temp.last() AS change \gset
INSERT INTO aliases VALUES ('spelt', 'a');
SELECT * FROM undo(:change);
-- TRUNCATE, which only the owner may, is written down row by row.
TRUNCATE aliases;
SELECT count(*) AS "0" FROM aliases;
SELECT count(*) > 2 AS t FROM undo(pg_temp.last());
SELECT count(*) > 2 AS t FROM aliases;
-- Nobody but the owner writes history or forgets it.
SET ROLE sqlmail_writer;
INSERT INTO changes (role) VALUES ('somebody');
UPDATE changes SET login = 'somebody';
DELETE FROM changed_rows;
DELETE FROM history;
TRUNCATE changed_rows;
SELECT prune_history('infinity');
SET ROLE sqlmail_reader;
SELECT count(*) FROM history;
SELECT count(*) FROM changed_rows;
SELECT count(*) FROM entries_as_of('infinity');
SELECT * FROM undo(1);
SELECT * FROM try_undo(ARRAY[1]);
-- Who may not read a table does not see its history.
RESET ROLE;
INSERT INTO authinfo VALUES ('AuthInfo:example.org', '"U:us" "P:hidden"');
CREATE ROLE sqlmail_test_helper;
GRANT USAGE ON SCHEMA mail TO sqlmail_test_helper;
GRANT SELECT ON aliases, changes, changed_rows, history TO sqlmail_test_helper;
GRANT EXECUTE ON FUNCTION watched_tables(), shown(jsonb), entries_as_of(timestamptz), history_begins() TO sqlmail_test_helper;
SET ROLE sqlmail_test_helper;
SELECT DISTINCT map FROM history;
SELECT DISTINCT map FROM changed_rows;
SELECT DISTINCT map FROM entries_as_of('infinity');
SELECT count(*) AS "0" FROM changed_rows WHERE new::text ~ 'hidden';
SET ROLE sqlmail_writer;
SELECT map, new FROM history WHERE map = 'authinfo';
RESET ROLE;
DROP OWNED BY sqlmail_test_helper;
DROP ROLE sqlmail_test_helper;
-- What is old is forgotten on demand, and no moment before it can be looked at.
SELECT clock_timestamp() AS now \gset
INSERT INTO aliases VALUES ('after', 'x');
SELECT prune_history(:'now') > 500 AS t;
SELECT map, action, key FROM history;
SELECT count(*) FROM entries_as_of(:'friday');
SELECT count(*) > 2 AS t FROM entries_as_of(:'now');
SELECT count(*) AS "0" FROM entries_as_of(:'now') WHERE key = 'after';
SELECT prune_history('infinity');
SELECT count(*) AS "1" FROM changes;
