-- Who may log in (A58, C28, C29, E1): verifiers go in, and only the authenticator gets them out.
SET ROLE sqlmail_writer;
INSERT INTO sasl_users (login, verifier, comment) VALUES
    ('david@MX.example.org', 'SCRAM-SHA-256$4096:c2FsdHNhbHRzYWx0c2FsdA==$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBA=', 'accounts'),
    ('david@example.net', 'SCRAM-SHA-256$4096:c2FsdHNhbHRzYWx0c2FsdA==$CCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCA=:BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBA=', NULL),
    (E'jose\u0301@mx.example.org', NULL, NULL);
SELECT login, enabled, comment, password_set IS NOT NULL AS "has a password" FROM sasl_users ORDER BY login;
-- The writer does not read what he wrote.
SELECT * FROM sasl_users;
SELECT verifier FROM sasl_users;
UPDATE sasl_users SET comment = verifier;
DELETE FROM sasl_users RETURNING verifier;
SELECT lookup_sasl_verifier('david', 'mx.example.org');
SELECT secret FROM sasl_decoy;
-- He can find out whether a password is still the same.
SELECT * FROM sasl_verifier_parameters('david@mx.example.ORG');
SELECT count(*) AS "0" FROM sasl_verifier_parameters('David@mx.example.org');
SELECT
    sasl_verifier_is('david@mx.example.org', 'SCRAM-SHA-256$4096:c2FsdHNhbHRzYWx0c2FsdA==$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBA=') AS t,
    sasl_verifier_is('david@example.net', 'SCRAM-SHA-256$4096:c2FsdHNhbHRzYWx0c2FsdA==$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBA=') AS f;
-- What is no verifier is refused, and not quoted: it may be a password.
\set VERBOSITY default
\set SHOW_CONTEXT never
INSERT INTO sasl_users (login, verifier) VALUES ('eve@mx.example.org', 'geheim');
INSERT INTO sasl_users (login, verifier) VALUES ('eve@mx.example.org', 'SCRAM-SHA-256$4096:c2FsdHNhbHRzYWx0c2FsdA==$AAAA=:BBBB=');
INSERT INTO sasl_users (login, verifier) VALUES ('eve@mx.example.org', 'SCRAM-SHA-256$4095:c2FsdHNhbHRzYWx0c2FsdA==$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBA=');
INSERT INTO sasl_users (login, verifier) VALUES ('eve@mx.example.org', 'SCRAM-SHA-256$65537:c2FsdHNhbHRzYWx0c2FsdA==$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBA=');
INSERT INTO sasl_users (login, verifier) VALUES ('eve@mx.example.org', 'SCRAM-SHA-256$9999999999:c2FsdHNhbHRzYWx0c2FsdA==$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBA=');
INSERT INTO sasl_users (login) VALUES ('eve');
INSERT INTO sasl_users (login) VALUES ('eve@a@b');
INSERT INTO sasl_users (login) VALUES ('eve@mx example org');
INSERT INTO sasl_users (login) VALUES ('david@mx.EXAMPLE.org');
INSERT INTO sasl_users (login) VALUES (E'jos\u00e9@mx.example.org');
\set VERBOSITY terse
-- The authenticator reads one verifier at a time, and nothing else.
RESET ROLE;
SET ROLE sqlmail_authenticator;
SELECT substring(lookup_sasl_verifier('david', 'mx.example.org') FROM '\$(A+=)') AS "A=";
SELECT substring(lookup_sasl_verifier('david@example.net', 'mx.example.org') FROM '\$(C+A=)') AS "CA=";
SELECT substring(lookup_sasl_verifier('david', 'EXAMPLE.net') FROM '\$(C+A=)') AS "CA=";
SELECT login FROM mail.sasl_users;
SELECT secret FROM mail.sasl_decoy;
SELECT mail.lookup_aliases('root');
SELECT mail.decoy_verifier('eve');
RESET ROLE;
SELECT string_agg(relname, ' ') AS nothing FROM pg_class
WHERE relnamespace = 'mail'::regnamespace AND relkind IN ('r', 'v', 'S')
    AND has_table_privilege('sqlmail_authenticator', oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER');
SELECT string_agg(proname, ' ') AS lookup_sasl_verifier FROM pg_proc
WHERE pronamespace = 'mail'::regnamespace AND has_function_privilege('sqlmail_authenticator', oid, 'EXECUTE');
-- Nobody else reads them; the role of the maps neither.
SELECT rolname AS nobody FROM pg_roles
WHERE rolname IN ('sqlmail_reader', 'sqlmail_submitter', 'sqlmail_writer')
    AND (has_function_privilege(oid, 'mail.lookup_sasl_verifier(text, text)', 'EXECUTE')
        OR has_column_privilege(oid, 'mail.sasl_users', 'verifier', 'SELECT'));
SELECT has_any_column_privilege('sqlmail_reader', 'mail.sasl_users', 'SELECT') AS f;
-- Unknown, disabled and without a password look like everybody else, and always the same.
UPDATE sasl_users SET enabled = false WHERE login = 'david@example.net';
SELECT
    left(login, 30) AS login,
    verifier = lookup_sasl_verifier(login, 'mx.example.org') AS "always the same",
    verifier ~ '^SCRAM-SHA-256\$4096:[A-Za-z0-9+/]{22}==\$[A-Za-z0-9+/]{43}=:[A-Za-z0-9+/]{43}=$' AS "a verifier"
FROM (VALUES ('nobody'), ('david@example.net'), ('david@elsewhere.example'), (E'jose\u0301'), (''), ('@'), ('a@b@c'), (repeat('x', 100000))) AS asked (login)
CROSS JOIN LATERAL lookup_sasl_verifier(login, 'mx.example.org') AS verifier;
SELECT count(DISTINCT lookup_sasl_verifier('nobody' || n, 'mx.example.org')) AS "100" FROM generate_series(1, 100) AS n;
SELECT lookup_sasl_verifier('nobody', 'mx.example.org') <> lookup_sasl_verifier('nobody', 'example.net') AS t;
UPDATE sasl_users SET enabled = true WHERE login = 'david@example.net';
SELECT substring(lookup_sasl_verifier('david', 'EXAMPLE.net') FROM '\$(C+A=)') AS "CA=";
-- They follow the site: as many iterations as the verifier that was set last.
UPDATE sasl_users SET verifier = replace(verifier, '$4096:', '$15000:') WHERE login = 'david@example.net';
SELECT verifier_iterations(lookup_sasl_verifier('nobody', 'mx.example.org')) AS "15000";
-- History knows users and never a verifier, for nobody.
SET ROLE sqlmail_writer;
UPDATE sasl_users SET enabled = false, comment = 'left' WHERE login = 'david@MX.example.org';
SELECT action, key FROM history WHERE map = 'sasl_users';
RESET ROLE;
SELECT count(*) AS "0" FROM changed_rows WHERE old::text ~ 'SCRAM' OR new::text ~ 'SCRAM';
SELECT count(*) AS "0" FROM history WHERE old ~ 'SCRAM' OR new ~ 'SCRAM' OR old ~ 'lookup_key';
SELECT count(*) AS "0" FROM entries_as_of(now()) WHERE entry::text ~ 'SCRAM';
-- Undo brings back all but the password.
SET ROLE sqlmail_writer;
SELECT map, key FROM undo((SELECT max(change) FROM history));
SELECT login, enabled, comment FROM sasl_users WHERE login ~ 'MX';
SELECT sasl_verifier_is('david@mx.example.org', 'SCRAM-SHA-256$4096:c2FsdHNhbHRzYWx0c2FsdA==$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBA=') AS t;
DELETE FROM sasl_users WHERE login ~ 'MX';
SELECT map, key FROM undo((SELECT max(change) FROM history));
SELECT login, enabled, comment, password_set IS NULL AS t FROM sasl_users WHERE login ~ 'MX';
SELECT count(*) AS "0" FROM sasl_verifier_parameters('david@mx.example.org');
UPDATE sasl_users SET verifier = 'SCRAM-SHA-256$4096:c2FsdHNhbHRzYWx0c2FsdA==$DDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDA=:BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBA=' WHERE login ~ 'MX';
SELECT map, key FROM undo((SELECT max(change) FROM history));
SELECT sasl_verifier_is('david@mx.example.org', 'SCRAM-SHA-256$4096:c2FsdHNhbHRzYWx0c2FsdA==$DDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDA=:BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBA=') AS t;
