-- One question, and the answers to those that sendmail asks next.
INSERT INTO access VALUES
    ('Connect:192.0.2', 'REJECT'), ('example.org', 'OK'), ('To:u+*@a.org', 'RELAY'),
    ('Srv_Features:', 'V'), ('From:bad@', 'REJECT'), ('TLS_Clt:', 'VERIFY');
INSERT INTO virtualusers VALUES ('@a.org', 'u@b.org');
INSERT INTO aliases VALUES ('list', 'a, b'), ('owner-list', 'a');
INSERT INTO mailertable VALUES ('.example.org', 'esmtp:[192.0.2.9]'), ('.', 'smtp:gw');
INSERT INTO genericstable VALUES ('@a.org', '%1@c.org');
SELECT mail.parents('a.b.c') AS "a.b.c b.c c", mail.parents('192.0.2.1') AS "four networks",
    mail.parents('IPv6:2001:db8::1') AS "three networks", mail.parents('localhost') AS "one",
    mail.parents('[192.0.2.1]') AS "a host";
SELECT cardinality(mail.parents(repeat('a.', 500))) AS "16",
    cardinality(mail.parents(repeat('1.', 500))) AS "16",
    cardinality(mail.parents('IPv6' || repeat(':1', 500))) AS "16";
-- A client: its name and its address, every tag of the connection.
SELECT * FROM mail.lookup_ahead('mail.lookup_access', 'Connect:c.example.org', 'c.example.org', '192.0.2.1', NULL);
SELECT * FROM mail.lookup_ahead('mail.lookup_access', 'TLS_Clt:c.example.org', 'c.example.org', '', NULL);
SELECT * FROM mail.lookup_ahead('mail.lookup_access', 'Connect:192.0.2.1', 'c.example.org', '192.0.2.1', NULL);
-- A sender, and a recipient.
SELECT * FROM mail.lookup_ahead('mail.lookup_virtualusers', 'bad@x.org', NULL, NULL, NULL);
SELECT * FROM mail.lookup_ahead('mail.lookup_virtualusers', 'u+d@a.org', NULL, NULL, 's@x.org');
-- The other maps.
SELECT * FROM mail.lookup_ahead('mail.lookup_aliases', 'list', NULL, NULL, NULL);
SELECT * FROM mail.lookup_ahead('mail.lookup_mailertable', 'c.example.org', NULL, NULL, NULL);
SELECT * FROM mail.lookup_ahead('mail.lookup_genericstable', 'u@a.org', NULL, NULL, NULL);
SELECT * FROM mail.lookup_ahead('mail.lookup_genericstable', 'u', NULL, NULL, NULL);
SELECT * FROM mail.lookup_ahead('mail.lookup_domaintable', 'a.org', NULL, NULL, NULL);
-- What is not ours is asked by itself; odd questions are answered, too.
SELECT count(*) AS "0" FROM mail.lookup_ahead('my.function', 'a', NULL, NULL, NULL);
SELECT count(*) > 0 AS t FROM unnest(ARRAY['', ':', 'To:', 'To:@', 'To:+@', 'To:a@', 'To:@a', 'x', 'Connect:.',
    'Connect:..', 'Connect:1.', 'Connect:IPv6:', 'Connect:IPv6::::', 'a:b:c', '%', '''']) AS odd,
    mail.lookup_ahead('mail.lookup_access', odd, odd, odd, odd);
SELECT count(*) > 0 AS t FROM unnest(ARRAY['', '@', '@@', 'a@', '@a', '+@a', 'a+@b', '.', '%']) AS odd,
    unnest(ARRAY['virtualusers', 'aliases', 'mailertable', 'genericstable', 'domaintable']) AS map,
    mail.lookup_ahead('mail.lookup_' || map, odd, NULL, NULL, odd);
-- Every question is answered, as the map itself answers it.
SELECT asked.map, asked.key, foretold.value
FROM (VALUES ('access', 'Connect:192.0.2.1'), ('access', 'To:u+d@a.org'), ('virtualusers', 'u@a.org'),
    ('aliases', 'list'), ('mailertable', 'c.example.org'), ('genericstable', 'u@a.org')) AS asked (map, key),
    mail.lookup_ahead('mail.lookup_' || asked.map, asked.key, NULL, NULL, 's') AS foretold
WHERE foretold.value IS DISTINCT FROM CASE foretold.function
    WHEN 'mail.lookup_access' THEN (SELECT mail.lookup_access(foretold.key))
    WHEN 'mail.lookup_virtualusers' THEN (SELECT mail.lookup_virtualusers(foretold.key))
    WHEN 'mail.lookup_aliases' THEN (SELECT mail.lookup_aliases(foretold.key))
    WHEN 'mail.lookup_mailertable' THEN (SELECT mail.lookup_mailertable(foretold.key))
    WHEN 'mail.lookup_genericstable' THEN (SELECT mail.lookup_genericstable(foretold.key))
END
OR NOT EXISTS (
    SELECT FROM mail.lookup_ahead('mail.lookup_' || asked.map, asked.key, NULL, NULL, 's') AS own
    WHERE own.key = asked.key
);
