-- A malformed row is refused by a constraint whose name says why.
SET ROLE sqlmail_writer;
INSERT INTO aliases VALUES ('', 'x');
INSERT INTO aliases VALUES (' alice', 'x');
INSERT INTO aliases VALUES ('alice ', 'x');
INSERT INTO aliases VALUES (E'ali\nce', 'x');
INSERT INTO aliases VALUES (E'ali\tce', 'x');
INSERT INTO aliases VALUES (repeat('a', 1025), 'x');
INSERT INTO aliases VALUES ('alice', '');
INSERT INTO aliases VALUES ('alice', '   ');
INSERT INTO aliases VALUES ('alice', E'bob\ncarol');
INSERT INTO aliases VALUES ('alice', repeat('a', 8193));
INSERT INTO aliases VALUES (NULL, 'x');
INSERT INTO aliases VALUES ('alice', NULL);
INSERT INTO aliases VALUES ('alice');
SELECT count(*) AS "0" FROM aliases;
-- A key stands once, in whatever spelling of the domain.
INSERT INTO virtualusers VALUES ('alice@Example.org', 'x');
INSERT INTO virtualusers VALUES ('alice@example.ORG', 'y');
INSERT INTO mailertable VALUES ('Example.org', 'esmtp:x');
INSERT INTO mailertable VALUES ('example.ORG', 'esmtp:y');
INSERT INTO access VALUES ('Connect:192.0.2.1', 'RELAY');
INSERT INTO access VALUES ('connect:192.0.2.1', 'REJECT');
-- Long keys, quotes, backslashes and percent signs are just keys.
INSERT INTO aliases VALUES (repeat('k', 1024), 'x');
INSERT INTO aliases VALUES ($$o'neil\"%s%1$1;--$$, 'x');
SET ROLE sqlmail_reader;
SELECT count(*) AS "1" FROM mail.lookup_aliases(repeat('k', 1024));
SELECT count(*) AS "1" FROM mail.lookup_aliases($$o'neil\"%s%1$1;--$$);
SELECT count(*) AS "0" FROM mail.lookup_aliases(repeat('@', 100000));
SELECT count(*) AS "0" FROM mail.lookup_virtualusers(repeat('+', 100000) || '@' || repeat('%', 100000));
SELECT count(*) AS "0" FROM mail.lookup_access('To:' || repeat('a+', 1000) || '@' || repeat('b.', 1000));
SELECT count(*) AS "0" FROM mail.lookup_access('');
SELECT count(*) AS "0" FROM mail.lookup_access(NULL);
SELECT count(*) AS "0" FROM mail.lookup_access('To:@');
SELECT count(*) AS "0" FROM mail.lookup_virtualusers('');
SELECT count(*) AS "0" FROM mail.lookup_virtualusers('@');
