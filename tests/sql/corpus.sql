-- Every bad row is refused, by the rule and in the words that stand beside it
-- (A77, A83, A84, A87; corpus/bad.tsv: map, key, value, rule, words), and every
-- good row is taken (corpus/good.tsv).  Nothing else in a table changes.
CREATE TEMP TABLE bad (number int GENERATED ALWAYS AS IDENTITY, map text, key text, value text, rule text, words text);
CREATE TEMP TABLE good (number int GENERATED ALWAYS AS IDENTITY, map text, key text, value text);
\copy bad (map, key, value, rule, words) FROM corpus/bad.tsv
\copy good (map, key, value) FROM corpus/good.tsv
GRANT SELECT ON bad, good TO sqlmail_writer;
SELECT count(*) >= 150 AS t FROM bad;
SELECT count(*) >= 150 AS t FROM good;
-- In the presence of other rows, and whatever the order of the rows is.
INSERT INTO aliases VALUES ('kept', 'mailbox');
CREATE FUNCTION pg_temp.attempt(map text, key text, value text, OUT rule text, OUT words text, OUT state text, OUT hint text)
LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('INSERT INTO %I (key, value) VALUES ($1, $2)', map) USING key, value;
    rule := 'taken';
EXCEPTION
    WHEN others THEN
        GET STACKED DIAGNOSTICS rule = CONSTRAINT_NAME, words = MESSAGE_TEXT, state = RETURNED_SQLSTATE, hint = PG_EXCEPTION_HINT;
END
$$;
SET ROLE sqlmail_writer;
SELECT bad.map, bad.key, bad.value, result.rule, result.words
FROM bad CROSS JOIN LATERAL pg_temp.attempt(bad.map, bad.key, bad.value) AS result
WHERE (result.rule, result.words) IS DISTINCT FROM (bad.rule, bad.words)
ORDER BY bad.number;
-- A refusal looks like one of a CHECK constraint, and those in our words say how to write it right.
SELECT bad.map, bad.key, bad.value, result.state, result.hint
FROM bad CROSS JOIN LATERAL pg_temp.attempt(bad.map, bad.key, bad.value) AS result
WHERE result.state <> CASE WHEN bad.words LIKE 'null value %' THEN '23502' ELSE '23514' END
    OR (bad.words !~ '^(null value|value for domain) ' AND result.hint !~ '^[A-Z].*\.$')
ORDER BY bad.number;
SELECT map, key, value FROM entries_as_of('infinity') WHERE map NOT IN ('mailers', 'access_tags');
SELECT good.map, good.key, good.value, result.words AS nothing
FROM good CROSS JOIN LATERAL pg_temp.attempt(good.map, good.key, good.value) AS result
WHERE result.rule <> 'taken'
ORDER BY good.number;
-- All of them are there, and nothing else.
SELECT good.map, good.key AS nothing, good.value
FROM good FULL JOIN entries_as_of('infinity') AS entry
    ON (good.map, good.key, coalesce(good.value, '')) = (entry.map, entry.key, entry.value)
WHERE (good.key IS NULL AND entry.key <> 'kept' AND entry.map NOT IN ('mailers', 'access_tags')) OR entry.key IS NULL;
-- An UPDATE meets the same guards; that a row stays as it was is no change.
UPDATE mailertable SET value = 'esmpt:[x.example]' WHERE key = 'relayed.example';
UPDATE aliases SET key = 'joe blow' WHERE key = 'kept';
UPDATE mailertable SET value = value;
-- So does COPY, as a whole.
COPY aliases (key, value) FROM stdin;
fine	alice
not fine	alice
\.
SELECT count(*) AS "0" FROM aliases WHERE key ~ 'fine';
\set VERBOSITY default
INSERT INTO mailertable VALUES ('example.org', 'esmpt:[mail.example.org]');
\set VERBOSITY terse
-- What a deployment has besides is made known by a row.
INSERT INTO mailertable VALUES ('maildrop.example', 'maildrop:example');
INSERT INTO mailers VALUES ('maildrop', 'delivers by maildrop');
INSERT INTO mailertable VALUES ('maildrop.example', 'maildrop:example');
INSERT INTO mailers VALUES ('prog', 'runs what the recipient says');
INSERT INTO access VALUES ('MyCA:/C=US/O=safe', 'OK');
INSERT INTO access_tags VALUES ('myca', 'certificate', 'any', 'CITag:MyCA');
INSERT INTO access VALUES ('MyCA:/C=US/O=safe', 'OK');
-- What an alias may name is decided by the owner (A87).
CALL set_alias_targets(ARRAY['program']);
RESET ROLE;
CALL set_alias_targets(ARRAY['anything']);
CALL set_alias_targets(ARRAY['program', 'include']);
SET ROLE sqlmail_writer;
INSERT INTO aliases VALUES ('away', 'away, "|/usr/bin/vacation away"'), ('team', ':include:/etc/mail/team');
INSERT INTO aliases VALUES ('store', '/var/mail/store');
RESET ROLE;
CALL set_alias_targets('{}');
INSERT INTO aliases VALUES ('away2', '"|/usr/bin/vacation away"');
SELECT count(*) AS "2" FROM aliases WHERE key IN ('away', 'team');
-- The case of local parts may go or stay, guards are the same.
DELETE FROM aliases;
CALL set_case_sensitive(false);
INSERT INTO aliases VALUES ('Joe Blow', 'x');
INSERT INTO aliases VALUES ('Joe', 'x'), ('Ann', 'JOE');
