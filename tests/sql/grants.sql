-- The reader reads the maps and nothing more.
SELECT
    relname AS map,
    has_table_privilege('sqlmail_reader', oid, 'SELECT') AS t,
    has_table_privilege('sqlmail_reader', oid, 'INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER') AS f
FROM pg_class
WHERE relnamespace = 'mail'::regnamespace AND relkind = 'r' AND relname NOT IN ('seeds', 'authinfo', 'mailers', 'access_tags', 'mailboxes', 'changes', 'changed_rows', 'sasl_users', 'sasl_decoy')
ORDER BY relname COLLATE "C";
SELECT has_table_privilege('sqlmail_reader', 'mail.authinfo', 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER') AS f;
SELECT has_table_privilege('sqlmail_reader', 'mail.seeds', 'SELECT') AS f;
-- It sees neither history nor findings, and no view at all.
SELECT relname AS nothing
FROM pg_class
WHERE relnamespace = 'mail'::regnamespace
    AND (relkind = 'v' OR relname IN ('mailers', 'access_tags', 'mailboxes', 'changes', 'changed_rows', 'sasl_users', 'sasl_decoy'))
    AND has_table_privilege('sqlmail_reader', oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER');
-- It asks the functions of lookups, and no others.
SELECT proname AS nothing
FROM pg_proc
WHERE pronamespace = 'mail'::regnamespace
    AND has_function_privilege('sqlmail_reader', oid, 'EXECUTE')
    AND proname !~ '^(lookup|fold)_|_keys(_ahead)?$|^(expand_detail|parents|class_phrases|access_network|access_tag|network_key|network_of|network_verdict|networks_around)$';
SELECT has_schema_privilege('sqlmail_reader', 'mail', 'CREATE') AS f;
SELECT nspname AS "mail and what belongs to PostgreSQL"
FROM pg_namespace
WHERE has_schema_privilege('sqlmail_reader', oid, 'USAGE') AND nspname !~ '^pg_temp_|^pg_toast'
ORDER BY nspname;
SET ROLE sqlmail_reader;
INSERT INTO access VALUES ('192.0.2.1', 'RELAY');
UPDATE access SET value = 'RELAY';
DELETE FROM aliases;
SELECT count(*) FROM mail.seeds;
SELECT count(*) FROM mail.authinfo;
CREATE TABLE mail.mine (a int);
CREATE TABLE public.mine (a int);
CALL mail.set_case_sensitive(false);
-- The writer changes rows, not structure.
SET ROLE sqlmail_writer;
INSERT INTO aliases VALUES ('alice', 'bob');
UPDATE aliases SET value = 'carol' WHERE key = 'alice';
DELETE FROM aliases WHERE key = 'alice';
INSERT INTO aliases (key, value, lookup_key) VALUES ('alice', 'bob', 'eve');
DROP TABLE aliases;
ALTER TABLE aliases ADD COLUMN note text;
TRUNCATE aliases;
CREATE TABLE mail.mine (a int);
CREATE FUNCTION mail.fold_local(a text) RETURNS text LANGUAGE sql RETURN a;
CALL mail.set_case_sensitive(false);
CALL mail.set_alias_targets('{program}');
ALTER TABLE aliases DISABLE TRIGGER ALL;
SET session_replication_role = replica;
CREATE OR REPLACE FUNCTION mail.fault_of(map text, key text, value text) RETURNS mail.fault LANGUAGE sql RETURN NULL;
CALL mail.watch('seeds');
CALL mail.guard('seeds');
RESET ROLE;
-- The submitter learns who is trusted, and nothing else.
SET ROLE sqlmail_submitter;
SELECT count(*) AS "0" FROM mail.lookup_trusted_users('nobody');
SELECT mail.lookup_aliases('alice');
RESET ROLE;
SELECT string_agg(relname, ' ') AS trusted_users FROM pg_class
WHERE relnamespace = 'mail'::regnamespace AND relkind IN ('r', 'v', 'S')
    AND has_table_privilege('sqlmail_submitter', oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER');
SELECT string_agg(proname, ' ' ORDER BY proname COLLATE "C") AS "fold_domain lookup_trusted_users" FROM pg_proc
WHERE pronamespace = 'mail'::regnamespace AND has_function_privilege('sqlmail_submitter', oid, 'EXECUTE');
SELECT has_table_privilege('sqlmail_submitter', 'mail.trusted_users', 'INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER') AS f;
-- Nothing is granted to everybody.
SELECT count(*) AS "0"
FROM pg_proc
WHERE pronamespace = 'mail'::regnamespace
    AND has_function_privilege('public', oid, 'EXECUTE');
SELECT count(*) AS "0"
FROM pg_class
WHERE relnamespace = 'mail'::regnamespace
    AND relkind = 'r'
    AND has_table_privilege('public', oid, 'SELECT, INSERT, UPDATE, DELETE');
