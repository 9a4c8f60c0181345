-- Domains, hosts and tags have no case; local parts have one, by default.
CREATE FUNCTION pg_temp.folded(map text, VARIADIC keys text[]) RETURNS SETOF text
LANGUAGE sql AS 'SELECT mail.fold(map, k) FROM unnest(keys) WITH ORDINALITY AS u(k, n) ORDER BY n';
SELECT mail.case_sensitive() AS t;
SELECT pg_temp.folded('access', 'Connect:IPv6:2001:DB8::1', 'To:Joe@Example.ORG', 'TO:Example.ORG', 'Joe@', 'From:Joe@');
SELECT pg_temp.folded('aliases', 'Joe', 'PostMaster', 'Joe@Example.ORG', 'Owner-List');
SELECT pg_temp.folded('virtualusers', 'Joe+X@Example.ORG', '@Example.ORG', '"A@B"@Example.ORG');
SELECT pg_temp.folded('mailertable', '.Example.ORG');
SELECT pg_temp.folded('genericstable', 'Joe', 'Joe@Example.ORG');
SELECT pg_temp.folded('domaintable', 'Example.ORG');
INSERT INTO aliases VALUES ('Joe', 'one'), ('joe', 'two');
INSERT INTO virtualusers VALUES ('Ann@Example.org', 'ann');
INSERT INTO access VALUES ('To:Ann@Example.org', 'REJECT');
SELECT mail.lookup_aliases('Joe') AS one, mail.lookup_aliases('joe') AS two;
SELECT mail.lookup_virtualusers('Ann@EXAMPLE.ORG') AS ann;
SELECT count(*) AS "0" FROM mail.lookup_virtualusers('ann@example.org');
PREPARE asked(text) AS SELECT * FROM mail.lookup_virtualusers($1);
EXECUTE asked('ann@example.org');
SET plan_cache_mode = force_generic_plan;
EXECUTE asked('ann@example.org');
-- Keys that differ only in case stop the change, and nothing is half changed.
CALL mail.set_case_sensitive(false);
SELECT mail.case_sensitive() AS t;
SELECT count(*) AS "2" FROM aliases;
-- Without the collision the change goes through, for rows that are there too.
DELETE FROM aliases WHERE key = 'Joe';
CALL mail.set_case_sensitive(false);
SELECT mail.case_sensitive() AS f;
EXECUTE asked('ann@example.org');
SELECT mail.lookup_virtualusers('ANN@example.org') AS ann;
SELECT mail.lookup_access('To:aNN@example.org') AS "REJECT";
SELECT mail.lookup_aliases('JOE') AS two;
INSERT INTO aliases VALUES ('JOE', 'three');
SELECT key, lookup_key FROM virtualusers;
-- And back.
CALL mail.set_case_sensitive(true);
CALL mail.set_case_sensitive(true);
SELECT mail.case_sensitive() AS t;
INSERT INTO aliases VALUES ('JOE', 'three');
SELECT count(*) AS "0" FROM mail.lookup_virtualusers('ann@example.org');
SELECT mail.lookup_virtualusers('Ann@example.org') AS ann;
