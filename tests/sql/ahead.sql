-- One question, and the answers to those that sendmail asks next.
CALL mail.set_alias_targets('{program}');
INSERT INTO access VALUES
    ('Connect:192.0.2', 'REJECT'), ('example.org', 'OK'), ('To:u+*@a.org', 'RELAY'),
    ('Srv_Features:', 'V'), ('From:bad@', 'REJECT'), ('TLS_Clt:', 'VERIFY');
INSERT INTO virtualusers VALUES ('@a.org', 'u@b.org'), ('n@h.org', 'list');
INSERT INTO aliases VALUES ('list', 'a, b@c.org, |prog, "q x"'), ('owner-list', 'a'), ('a', 'z'), ('loop', 'loop');
INSERT INTO mailertable VALUES ('.example.org', 'esmtp:[192.0.2.9]'), ('.', 'smtp:gw');
INSERT INTO genericstable VALUES ('@a.org', '%1@c.org');
INSERT INTO domaintable VALUES ('old.org', 'h.org');
SELECT mail.parents('a.b.c') AS "a.b.c b.c c", mail.parents('192.0.2.1') AS "four networks",
    mail.parents('IPv6:2001:db8:1') AS "four networks", mail.parents('localhost') AS "one",
    mail.parents('[192.0.2.1]') AS "four names", mail.parents('[IPv6:1:2]') AS "three names";
SELECT cardinality(mail.parents(repeat('a.', 500))) AS "16",
    cardinality(mail.parents(repeat('1.', 500))) AS "16",
    cardinality(mail.parents('IPv6' || repeat(':1', 500))) AS "16";
-- A client: its name and its address, every tag of the connection.
SELECT * FROM mail.lookup_ahead('mail.lookup_access', 'Connect:c.example.org', 'c.example.org', '192.0.2.1', NULL);
SELECT * FROM mail.lookup_ahead('mail.lookup_access', 'TLS_Clt:c.example.org', 'c.example.org', '', NULL);
SELECT * FROM mail.lookup_ahead('mail.lookup_access', 'Connect:192.0.2.1', 'c.example.org', '192.0.2.1', NULL);
-- A sender and its client, and a recipient who is a virtual user and one who is not.
SELECT * FROM mail.lookup_ahead('mail.lookup_domaintable', 'x.org', 'c.org', '192.0.2.1', 'From:bad@x.org');
SELECT * FROM mail.lookup_ahead('mail.lookup_domaintable', 'old.org', 'c.org', '192.0.2.1', 'To:n@old.org');
SELECT * FROM mail.lookup_ahead('mail.lookup_virtualusers', 'u+d@a.org', NULL, NULL, 'To:u+d@a.org');
-- A message that is going to be delivered: nobody asks for access.
SELECT * FROM mail.lookup_ahead('', '', NULL, NULL, E'sender:u@a.org\nrecipient:list\nrecipient:loop\nrecipient:list');
-- A question about something else comes with what is under way.
SELECT DISTINCT function, key IN ('TLS_Srv:h.org', '.') AS asked
FROM mail.lookup_ahead('mail.lookup_access', 'TLS_Srv:h.org', NULL, NULL, 'sender:a@b.org') ORDER BY 1, 2;
-- The other maps.
SELECT * FROM mail.lookup_ahead('mail.lookup_mailertable', 'c.example.org', NULL, NULL, NULL);
SELECT * FROM mail.lookup_ahead('mail.lookup_genericstable', 'u@a.org', NULL, NULL, NULL);
SELECT * FROM mail.lookup_ahead('mail.lookup_genericstable', 'u', NULL, NULL, NULL);
-- A single question is asked by the class, and so is what is not ours; odd ones are answered, too.
SELECT count(*) AS "0" FROM unnest(ARRAY['mail.lookup_aliases', 'mail.lookup_virtualusers', 'my.function']) AS function, mail.lookup_ahead(function, 'a', NULL, NULL, NULL);
SELECT count(*) AS "0" FROM mail.lookup_ahead('mail.lookup_access', 'To:n@h.org', NULL, NULL, NULL);
SELECT count(*) > 0 AS t FROM unnest(ARRAY['', ':', 'To:', 'To:@', 'To:+@', 'To:a@', 'To:@a', 'x', 'Connect:.',
    'Connect:..', 'Connect:1.', 'Connect:IPv6:', 'Connect:IPv6::::', 'a:b:c', '%', '''']) AS odd,
    mail.lookup_ahead('mail.lookup_access', odd, odd, odd, odd);
SELECT count(*) > 0 AS t FROM unnest(ARRAY['', '@', '@@', 'a@', '@a', '+@a', 'a+@b', '.', '%', E'\n']) AS odd,
    unnest(ARRAY['virtualusers', 'aliases', 'mailertable', 'genericstable', 'domaintable']) AS map,
    unnest(ARRAY['', 'From:', 'To:', 'sender:', 'recipient:']) AS kind,
    mail.lookup_ahead('mail.lookup_' || map, odd, NULL, NULL, kind || odd);
SELECT count(*) AS "two for each of 100" FROM (
    SELECT string_agg('recipient:r' || n, E'\n') AS lines FROM generate_series(1, 200) AS n
) AS many, mail.lookup_ahead('', '', NULL, NULL, lines);
-- Every question is answered, as the map itself answers it.
SELECT asked.map, asked.key, foretold.function, foretold.key AS wrong
FROM (VALUES ('access', 'Connect:192.0.2.1', NULL), ('access', 'To:u+d@a.org', 'To:u+d@a.org'),
    ('virtualusers', 'u@a.org', 'From:u@a.org'), ('access', 'To:n@h.org', 'To:n@h.org'),
    ('access', 'To:v+d@h.org', 'To:v+d@h.org'),
    ('aliases', 'list', E'sender:\nrecipient:list'), ('mailertable', 'c.example.org', NULL),
    ('mailertable', 'c.example.org', 'sender:a@c.example.org'), ('genericstable', 'u@a.org', NULL),
    ('genericstable', '@a.org', 'sender:u@a.org'), ('domaintable', 'old.org', 'To:N@old.org')) AS asked (map, key, under_way),
    mail.lookup_ahead('mail.lookup_' || asked.map, asked.key, 'c.example.org', '192.0.2.1', asked.under_way) AS foretold
WHERE foretold.value IS DISTINCT FROM CASE foretold.function
    WHEN 'mail.lookup_access' THEN (SELECT mail.lookup_access(foretold.key))
    WHEN 'mail.lookup_virtualusers' THEN (SELECT mail.lookup_virtualusers(foretold.key))
    WHEN 'mail.lookup_aliases' THEN (SELECT mail.lookup_aliases(foretold.key))
    WHEN 'mail.lookup_mailertable' THEN (SELECT mail.lookup_mailertable(foretold.key))
    WHEN 'mail.lookup_genericstable' THEN (SELECT mail.lookup_genericstable(foretold.key))
    WHEN 'mail.lookup_domaintable' THEN (SELECT mail.lookup_domaintable(foretold.key))
END
OR NOT EXISTS (
    SELECT FROM mail.lookup_ahead('mail.lookup_' || asked.map, asked.key, 'c.example.org', '192.0.2.1', asked.under_way)
        AS own
    WHERE own.key = asked.key AND own.function = 'mail.lookup_' || asked.map
);
