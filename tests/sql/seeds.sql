-- An inserted row takes the place of an untouched seed, of nothing else.
INSERT INTO aliases VALUES ('abuse', 'root'), ('Abuse', 'root'), ('ABUSE', 'root'), ('noc', 'root'), ('mine', 'me');
INSERT INTO seeds (map, key, value) VALUES
    ('aliases', 'abuse', 'root'), ('aliases', 'Abuse', 'root'), ('aliases', 'ABUSE', 'root'), ('aliases', 'noc', 'root');
SET ROLE sqlmail_writer;
INSERT INTO aliases VALUES ('abuse', 'david');
SELECT mail.lookup_aliases('abuse') AS david;
INSERT INTO aliases VALUES ('abuse', 'again');
UPDATE aliases SET value = 'alice' WHERE key = 'noc';
INSERT INTO aliases VALUES ('noc', 'again');
INSERT INTO aliases VALUES ('mine', 'again');
RESET ROLE;
-- When local parts lose their case, untouched seeds give way and are forgotten.
CALL mail.set_case_sensitive(false);
SELECT key, value FROM aliases ORDER BY key COLLATE "C";
SELECT key, value FROM seeds ORDER BY key COLLATE "C";
SELECT mail.lookup_aliases('ABUSE') AS david;
CALL mail.set_case_sensitive(true);
-- Seeds among themselves: one is left.
DELETE FROM aliases;
DELETE FROM seeds;
INSERT INTO aliases VALUES ('abuse', 'root'), ('Abuse', 'root'), ('ABUSE', 'root');
INSERT INTO seeds (map, key, value) SELECT 'aliases', key, value FROM aliases;
CALL mail.set_case_sensitive(false);
SELECT key, value FROM aliases;
SELECT key, value FROM seeds;
-- A seed in another spelling gives way as well.
INSERT INTO aliases VALUES ('ABUSE', 'david');
SELECT key, value FROM aliases;
