-- What is allowed and still a mistake: a bad set for each rule, a good one without findings (E7).
-- The rows that a deployment plants have no findings, and nor have rows as they should be.
INSERT INTO access VALUES ('Connect:127.0.0.1', 'RELAY'), ('Connect:IPv6:::1', 'RELAY');
INSERT INTO aliases
SELECT spelling, 'root'
FROM unnest(ARRAY['postmaster', 'abuse', 'hostmaster', 'webmaster', 'security', 'noc', 'admin', 'mailer-daemon']) AS name
CROSS JOIN LATERAL (SELECT lower(name) UNION SELECT upper(name) UNION SELECT initcap(name)) AS spellings (spelling)
WHERE spelling NOT IN ('POSTMASTER', 'Postmaster');
SELECT * FROM mail.lint;
SET ROLE sqlmail_writer;
INSERT INTO local_domains VALUES ('example.org'), ('mx.example.org'), ('[192.0.2.1]'), ('localhost');
INSERT INTO relay_domains VALUES ('partner.example'), ('192.0.2'), ('inner.example');
INSERT INTO mailertable VALUES ('partner.example', 'esmtp:[mail.partner.example]'), ('.inner.example', 'relay:[10.0.0.1]'), ('inner.example', 'relay:[10.0.0.1]');
INSERT INTO access VALUES ('To:friend.example', 'RELAY'), ('Connect:192.0.2.0/25', 'RELAY'), ('From:junk.example', 'REJECT'), ('To:nobody@', 'REJECT'), ('Connect:dialup.example', 'REJECT');
INSERT INTO mailertable VALUES ('friend.example', 'esmtp:[192.0.2.25]:[192.0.2.26]'), ('closed.example', 'error:5.7.0:550 closed');
INSERT INTO virtualusers VALUES ('sales@hosted.example', 'alice'), ('postmaster@hosted.example', 'postmaster'), ('abuse@hosted.example', 'abuse'), ('mailer-daemon@hosted.example', 'postmaster');
INSERT INTO virtual_domains VALUES ('mapped.example');
INSERT INTO virtualusers VALUES ('@mapped.example', '%1@example.org');
INSERT INTO mailboxes VALUES ('root'), ('alice'), ('Bob');
INSERT INTO aliases VALUES ('sales', 'alice, Bob, \bob+list'), ('team', 'sales, sales+x, alice@example.org, far@away.example'), ('Bob', 'Bob, archive@away.example');
DELETE FROM aliases WHERE key = 'sales';
INSERT INTO aliases VALUES ('sales', 'alice, Bob, \Bob+list');
INSERT INTO genericstable VALUES ('alice', 'Alice.Doe@example.org');
INSERT INTO domaintable VALUES ('old.example', 'example.org');
INSERT INTO authinfo VALUES ('AuthInfo:smart.example', '"U:us" "P:hidden"');
SELECT * FROM mail.lint;
-- The statements of the HOWTO are taken, and told about.
BEGIN;
insert into access values ('localhost','RELAY');
insert into access values ('127.0.0.1','RELAY');
insert into access values ('mail.server.com','RELAY');
DELETE FROM aliases WHERE key = 'MAILER-DAEMON';
insert into aliases values ('MAILER-DAEMON','david');
insert into virtualusers values ('david@hostA.com','david@hostB.com');
insert into virtualusers values ('@domainC.com','joe@target.com');
insert into mailertable values ('mail.domain.com','esmtp:mail.primaryrelay.com');
SELECT severity, rule, map, key, problem FROM mail.lint;
SELECT DISTINCT rule, advice FROM mail.lint ORDER BY rule, advice;
ROLLBACK;
-- One rule after the other; nobody else has anything to say about these rows.
BEGIN;
INSERT INTO relay_domains VALUES ('lost.example');
INSERT INTO access VALUES ('To:lost2.example', 'relay');
SELECT severity, rule, map, key, problem, advice FROM mail.lint;
ROLLBACK;
BEGIN;
INSERT INTO mailertable VALUES ('forgotten.example', 'esmtp:[192.0.2.1]'), ('.forgotten2.example', 'esmtp:[192.0.2.1]'), ('sub.partner.example', 'esmtp:[192.0.2.1]');
-- Taken for some recipients only is taken.
INSERT INTO mailertable VALUES ('some.example', 'esmtp:[192.0.2.1]'), ('.some.example', 'esmtp:[192.0.2.1]'), ('other.example', 'esmtp:[192.0.2.1]');
INSERT INTO access VALUES ('To:some.example', 'ERROR:5.1.1:550 User unknown'), ('To:joe@some.example', 'RELAY'), ('To:joe@other.example', 'REJECT'), ('To:joe@', 'RELAY');
SELECT severity, rule, map, key, problem, advice FROM mail.lint;
ROLLBACK;
BEGIN;
UPDATE mailertable SET value = 'esmtp:mail.partner.example' WHERE key = 'partner.example';
UPDATE mailertable SET value = 'esmtp:mail.provider.example' WHERE key = 'friend.example';
SELECT severity, rule, map, key, problem, advice FROM mail.lint;
ROLLBACK;
BEGIN;
DELETE FROM aliases WHERE lower(key) IN ('postmaster', 'abuse', 'mailer-daemon') AND key <> 'Abuse';
SELECT severity, rule, map, key, problem, advice FROM mail.lint WHERE map = 'aliases';
ROLLBACK;
BEGIN;
INSERT INTO virtual_domains VALUES ('empty.example');
INSERT INTO virtualusers VALUES ('abuse@example.org', 'error:nouser 550 No such user');
DELETE FROM virtualusers WHERE key LIKE 'postmaster@%';
SELECT severity, rule, map, key, problem, advice FROM mail.lint;
ROLLBACK;
BEGIN;
INSERT INTO access VALUES ('To:postmaster@', 'REJECT'), ('To:Abuse@example.org', 'ERROR:550 go away'), ('To:postmaster@ok.example', 'OK');
SELECT severity, rule, map, key, problem, advice FROM mail.lint;
ROLLBACK;
BEGIN;
INSERT INTO aliases VALUES ('Sales', 'bob'), ('SALES', 'alice');
INSERT INTO virtualusers VALUES ('Sales@hosted.example', 'alice');
SELECT severity, rule, map, key, problem, advice FROM mail.lint WHERE rule = 'case_twins';
ROLLBACK;
BEGIN;
INSERT INTO aliases VALUES ('typo', 'alcie, alice'), ('typo2', 'bob@example.org'), ('typo3', '\sales'), ('alone', 'alone'), ('fine', 'someone@elsewhere.example');
INSERT INTO virtualusers VALUES ('typo4@hosted.example', 'alcie'), ('typo5@hosted.example', 'alcie@elsewhere.example');
SELECT severity, rule, map, key, problem, advice FROM mail.lint;
SELECT key, problem FROM dangling_aliases(ARRAY['alcie', 'bob']);
DELETE FROM mailboxes;
SELECT count(*) AS "0" FROM mail.lint;
ROLLBACK;
BEGIN;
INSERT INTO access VALUES ('Connect:office.example', 'RELAY'), ('192.0.2.200', 'RELAY'), ('spammer@junk.example', 'REJECT'), ('[192.0.2.201]', 'OK'), ('plain.example', 'REJECT');
SELECT severity, rule, map, key, problem, advice FROM mail.lint;
ROLLBACK;
BEGIN;
INSERT INTO virtualusers VALUES ('@all.example', 'alice'), ('@none.example', 'error:nouser 550 No such user');
INSERT INTO virtualusers VALUES ('@sub.shut.example', '%1@example.org'), ('@open.shut.example', '%1@example.org'), ('@old.example', '%1@example.org');
INSERT INTO access VALUES ('To:shut.example', 'REJECT'), ('To:open.shut.example', 'OK');
SELECT severity, rule, map, key, problem, advice FROM mail.lint WHERE rule ~ 'catch_all';
ROLLBACK;
BEGIN;
INSERT INTO mailertable VALUES ('example.org', 'esmtp:[192.0.2.1]');
SELECT severity, rule, map, key, problem, advice FROM mail.lint WHERE rule <> 'route_without_relay';
ROLLBACK;
BEGIN;
INSERT INTO genericstable VALUES ('joe@Example.ORG', 'joe@example.org'), ('Joe', 'joe@example.org');
INSERT INTO local_domains VALUES ('Capital.example');
SELECT severity, rule, map, key, problem, advice FROM mail.lint;
ROLLBACK;
BEGIN;
INSERT INTO access VALUES ('AuthInfo:smart.example', '"U:us" "P:hidden"');
SELECT severity, rule, map, key, problem, advice FROM mail.lint;
SELECT count(*) AS "0" FROM mail.lint WHERE lint::text ~ 'hidden';
ROLLBACK;
BEGIN;
INSERT INTO access VALUES ('From:late.example', 'ERROR:"451 Come again"'), ('From:late2.example', 'ERROR:4.7.1:451 Come again'), ('From:late3.example', 'ERROR:550 Never');
SELECT severity, rule, map, key, problem, advice FROM mail.lint;
ROLLBACK;
BEGIN;
INSERT INTO access VALUES ('To:example.org', 'RELAY');
SELECT severity, rule, map, key, problem, advice FROM mail.lint WHERE rule = 'local_and_relayed';
ROLLBACK;
-- Rows that are older than the guards.
RESET ROLE;
BEGIN;
ALTER TABLE mail.changes DISABLE TRIGGER change_is_guarded;
ALTER TABLE mailertable DISABLE TRIGGER guard_of_inserts;
ALTER TABLE aliases DISABLE TRIGGER guard_of_inserts;
INSERT INTO mailertable VALUES ('bad.example', 'esmpt:host');
INSERT INTO aliases VALUES ('a', 'b'), ('b', 'a, alice'), ('into', 'a'), ('prog', '"|cat"');
INSERT INTO relay_domains VALUES ('Example.org');
SELECT severity, rule, map, key, problem FROM mail.lint WHERE severity = 'error';
ROLLBACK;
-- In the other mode of case there are no twins, and one spelling is enough.
DELETE FROM aliases WHERE key <> lower(key);
CALL set_case_sensitive(false);
SELECT severity, rule, map, key, problem, advice FROM mail.lint;
-- Every rule is in mail.lint and has been seen.
SELECT relname AS nothing
FROM pg_class
WHERE relnamespace = 'mail'::regnamespace AND relname ~ '^lint_'
    AND pg_get_viewdef('mail.lint'::regclass) !~ relname;
SET ROLE sqlmail_reader;
SELECT count(*) FROM mail.lint;
SELECT count(*) FROM mail.mailboxes;
