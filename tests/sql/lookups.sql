-- Virtual users: the most particular row answers, in sendmail's order.
CREATE FUNCTION pg_temp.best(address text) RETURNS text
LANGUAGE sql AS 'SELECT * FROM mail.lookup_virtualusers(address)';
INSERT INTO virtualusers VALUES
    ('u+d@a.org', '1'), ('u++@a.org', '2'), ('u+*@a.org', '3'), ('u@a.org', '4'),
    ('++@a.org', '5'), ('+*@a.org', '6'), ('@a.org', '7'), ('@b.org', '8');
SELECT pg_temp.best('u+d@A.org') AS "1", pg_temp.best('u+e@a.org') AS "2", pg_temp.best('u+@a.org') AS "3",
    pg_temp.best('u@a.org') AS "4", pg_temp.best('v+d@a.org') AS "5", pg_temp.best('v+@a.org') AS "6",
    pg_temp.best('v@a.org') AS "7", pg_temp.best('w+x@b.org') AS "8", pg_temp.best('+x@b.org') AS "8";
DELETE FROM virtualusers WHERE value = '2';
SELECT pg_temp.best('u+e@a.org') AS "3";
DELETE FROM virtualusers WHERE value = '3';
SELECT pg_temp.best('u+e@a.org') AS "4";
DELETE FROM virtualusers WHERE value IN ('4', '5');
SELECT pg_temp.best('u+e@a.org') AS "6";
DELETE FROM virtualusers WHERE value = '6';
SELECT pg_temp.best('u+e@a.org') AS "7";
SELECT count(*) AS "0" FROM mail.lookup_virtualusers('u@c.org');
SELECT count(*) AS "1" FROM mail.lookup_virtualusers('@b.org');
-- The parts of an address with a detail are put in; a percent sign is doubled,
-- because sendmail expands the answer once more.
INSERT INTO virtualusers VALUES
    ('@p.org', '%1%3@q.org'), ('x@p.org', 'y+%2+100%%1@q.org'), ('full+d@p.org', '%1@q.org');
SELECT pg_temp.best('u+d@p.org') AS "u+d@q.org", pg_temp.best('U+d+e@p.org') AS "U+d+e@q.org",
    pg_temp.best('u@p.org') AS "%1%3@q.org", pg_temp.best('x+d@p.org') AS "y+d+100%%1@q.org",
    pg_temp.best('full+d@p.org') AS "%1@q.org", pg_temp.best('a%2b+c%1@p.org') AS "a%%2b+c%%1@q.org";
-- Access: a virtual user's address is accepted, nothing else of its domain.
CREATE FUNCTION pg_temp.verdict(asked text) RETURNS text
LANGUAGE sql AS 'SELECT * FROM mail.lookup_access(asked)';
INSERT INTO virtualusers VALUES ('v@v.org', 'root'), ('w@v.org', 'root'), ('e@v.org', 'error:nouser gone');
SELECT pg_temp.verdict('To:v@V.org') AS "RELAY", pg_temp.verdict('To:v+d@v.org') AS "RELAY",
    pg_temp.verdict('To:z@v.org') IS NULL AS t, pg_temp.verdict('To:v.org') IS NULL AS t,
    pg_temp.verdict('v@v.org') IS NULL AS t, pg_temp.verdict('From:v@v.org') IS NULL AS t,
    pg_temp.verdict('To:V@v.org') IS NULL AS t, pg_temp.verdict('To:any@b.org') AS "RELAY";
-- A row of the access map has the last word.
INSERT INTO access VALUES ('To:v@v.org', 'REJECT');
SELECT pg_temp.verdict('To:v@v.org') AS "REJECT", pg_temp.verdict('To:v+d@v.org') IS NULL AS t,
    pg_temp.verdict('To:w@v.org') AS "RELAY";
INSERT INTO access VALUES ('w@v.org', 'REJECT'), ('To:e@', 'REJECT'), ('To:b.org', 'REJECT');
SELECT pg_temp.verdict('To:w@v.org') IS NULL AS t, pg_temp.verdict('To:e@v.org') IS NULL AS t,
    pg_temp.verdict('To:any@b.org') IS NULL AS t;
INSERT INTO access VALUES ('v.org', '550 closed');
SELECT pg_temp.verdict('To:v+d@v.org') IS NULL AS t;
-- The other maps answer for their key and no other.
INSERT INTO genericstable VALUES ('joe', 'joe@public.org'), ('ann@in.org', 'ann@public.org');
INSERT INTO domaintable VALUES ('Old.org', 'new.org');
INSERT INTO mailertable VALUES ('.Sub.org', 'esmtp:[gw.org]');
SELECT mail.lookup_genericstable('joe') AS "joe@public.org", mail.lookup_genericstable('ann@IN.org') AS "ann@public.org",
    mail.lookup_domaintable('old.ORG') AS "new.org", mail.lookup_mailertable('.sub.org') AS "esmtp:[gw.org]";
SELECT count(*) AS "0" FROM mail.lookup_mailertable('sub.org');
