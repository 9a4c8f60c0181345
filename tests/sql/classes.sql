-- A class is a set of names; its rows need no value.
SET ROLE sqlmail_writer;
INSERT INTO local_domains VALUES ('Example.org'), ('[192.0.2.1]');
INSERT INTO local_domains VALUES ('example.net', 'the shop');
INSERT INTO relay_domains VALUES ('relay.example'), ('192.0.2'), ('IPv6:2001:db8');
INSERT INTO virtual_domains VALUES ('virtual.example');
INSERT INTO generics_domains VALUES ('generics.example');
INSERT INTO masquerade_domains VALUES ('inside.example');
INSERT INTO masquerade_exceptions VALUES ('honest.inside.example');
INSERT INTO trusted_users VALUES ('uucp');
SET ROLE sqlmail_reader;
SELECT mail.lookup_local_domains('EXAMPLE.ORG') AS "Example.org";
SELECT mail.lookup_local_domains('[192.0.2.1]') AS "[192.0.2.1]";
SELECT count(*) AS "0" FROM mail.lookup_local_domains('www.example.org');
SELECT count(*) AS "0" FROM mail.lookup_local_domains('virtual.example');
SELECT count(*) AS "0" FROM mail.lookup_local_domains(NULL);
SELECT mail.lookup_relay_domains('192.0.2') AS "192.0.2";
SELECT mail.lookup_relay_domains('ipv6:2001:DB8') AS "IPv6:2001:db8";
SELECT count(*) AS "0" FROM mail.lookup_relay_domains('example.org');
SELECT mail.lookup_masquerade_domains('inside.example') AS "inside.example";
SELECT mail.lookup_masquerade_exceptions('honest.inside.example') AS "honest.inside.example";
SELECT mail.lookup_trusted_users('uucp') AS "uucp";
SELECT count(*) AS "0" FROM mail.lookup_trusted_users('nobody');
-- Virtual domains are relayed for, and local senders are generic.
SELECT mail.lookup_virtual_domains('virtual.example') AS "virtual.example";
SELECT mail.lookup_relay_domains('virtual.example') AS "virtual.example";
SELECT mail.lookup_generics_domains('generics.example') AS "generics.example";
SELECT mail.lookup_generics_domains('example.net') AS "example.net";
-- What sendmail could not take for one word is refused.
SET ROLE sqlmail_writer;
INSERT INTO local_domains VALUES ('.example.org');
INSERT INTO local_domains VALUES ('example.org.');
INSERT INTO local_domains VALUES ('example org');
INSERT INTO local_domains VALUES ('');
INSERT INTO local_domains VALUES ('EXAMPLE.org');
SELECT count(*) AS "3" FROM local_domains;
-- A seed without a value gives way as others do.
INSERT INTO seeds (map, key) VALUES ('local_domains', 'example.net'), ('trusted_users', 'uucp');
INSERT INTO trusted_users VALUES ('UUCP', 'by hand');
SELECT key, value FROM trusted_users;
INSERT INTO local_domains VALUES ('Example.NET');
-- The reader asks for a secret by the name of its server.
INSERT INTO authinfo VALUES ('AuthInfo:Smart.example', '"U:us" "P:secret"');
INSERT INTO access VALUES ('AuthInfo:example', '"U:all" "P:known"'), ('AuthInfo:', '"U:any" "P:known"'),
    ('AuthInfo:192.0.2.0/25', '"U:net" "P:known"');
SET ROLE sqlmail_reader;
SELECT mail.lookup_authinfo('AuthInfo:smart.EXAMPLE');
SELECT mail.lookup_authinfo('AuthInfo:other.example');
SELECT mail.lookup_authinfo('AuthInfo:192.0.2.1');
SELECT mail.lookup_authinfo('AuthInfo:');
SELECT count(*) AS "0" FROM mail.lookup_authinfo('AuthInfo:smart');
SELECT count(*) AS "0" FROM mail.lookup_authinfo('smart.example');
SELECT count(*) AS "0" FROM mail.lookup_authinfo(NULL);
SELECT count(*) FROM authinfo;
-- The phrases of a text: what a rule of sendmail may ask for.
RESET ROLE;
SELECT mail.class_phrases(ARRAY['a.b.c', NULL, 'u@h', '']) AS "six and three";
SELECT array_agg(phrase) AS "of an address, with its brackets and without"
FROM unnest(mail.class_phrases(ARRAY['u@[192.0]'])) AS phrase WHERE phrase !~ '^[.]|[.]$|^$';
SELECT cardinality(mail.class_phrases(ARRAY[repeat('a.', 99) || 'a'])) AS "1480";
SET ROLE sqlmail_writer;
INSERT INTO local_domains VALUES ('[IPv6:1:2:3:4:5:6:7:8]'), (rtrim(repeat('a.', 16), '.'));
INSERT INTO local_domains VALUES (rtrim(repeat('b.', 17), '.'));
-- They are answered at once, for all classes, as the classes themselves answer.
SET ROLE sqlmail_reader;
SELECT * FROM mail.lookup_classes_ahead(ARRAY['www.EXAMPLE.org', 'virtual.example']);
WITH asked AS (
    SELECT ARRAY['www.example.org', 'example.org.', 'a.virtual.example', '192.0.2.9', '[192.0.2.1]',
        'IPv6:2001:db8:0:0:0:0:0:1', 'user@honest.inside.example', 'generics.example', 'relay.example', ''] AS texts
),
phrase AS (
    SELECT DISTINCT lower(phrase) AS phrase
    FROM asked, unnest(mail.class_phrases(asked.texts) || asked.texts) AS phrase
),
answer AS (
    SELECT 'mail.lookup_local_domains' AS function, phrase AS key, mail.lookup_local_domains(phrase) AS value FROM phrase
    UNION ALL SELECT 'mail.lookup_relay_domains', phrase, mail.lookup_relay_domains(phrase) FROM phrase
    UNION ALL SELECT 'mail.lookup_virtual_domains', phrase, mail.lookup_virtual_domains(phrase) FROM phrase
    UNION ALL SELECT 'mail.lookup_generics_domains', phrase, mail.lookup_generics_domains(phrase) FROM phrase
    UNION ALL SELECT 'mail.lookup_masquerade_domains', phrase, mail.lookup_masquerade_domains(phrase) FROM phrase
    UNION ALL SELECT 'mail.lookup_masquerade_exceptions', phrase, mail.lookup_masquerade_exceptions(phrase) FROM phrase
),
foretold AS (
    SELECT DISTINCT foretold.function, foretold.key, foretold.value
    FROM asked, mail.lookup_classes_ahead(asked.texts) AS foretold
)
SELECT
    (SELECT count(*) FROM foretold WHERE value IS NULL) AS "60",
    (SELECT count(*) FROM answer) > 10 AS t,
    (SELECT count(*) FROM (TABLE answer EXCEPT SELECT * FROM foretold) AS missed) AS "0",
    (SELECT count(*) FROM (SELECT * FROM foretold WHERE value IS NOT NULL EXCEPT TABLE answer) AS invented) AS "0";
SELECT count(*) AS "0" FROM mail.lookup_classes_ahead(ARRAY[NULL]::text[]);
-- They come with what is asked before: a client, the addresses of a command, a domain.
SELECT key, value FROM mail.lookup_ahead('mail.lookup_access', 'Connect:c.example', 'c.example', '192.0.2.9', NULL)
WHERE function = 'mail.lookup_relay_domains' ORDER BY key COLLATE "C";
SELECT function, key, value
FROM mail.lookup_ahead('mail.lookup_access', '', 'c.example', '192.0.2.9', E'From:a@www.example.org\nTo:b@www.example.org')
WHERE function = 'mail.lookup_local_domains';
SELECT function, key, value
FROM mail.lookup_ahead('mail.lookup_domaintable', 'www.example.org', 'c.example', '192.0.2.9', NULL)
WHERE function IN ('mail.lookup_local_domains', 'mail.lookup_domaintable');
SELECT key, value FROM mail.lookup_ahead('mail.lookup_relay_domains', 'www.example.org', 'c.example', '192.0.2.9', NULL)
WHERE function = 'mail.lookup_relay_domains' ORDER BY key COLLATE "C";
-- What has no phrases is answered as a map is.
SELECT * FROM mail.lookup_ahead('mail.lookup_trusted_users', 'Uucp', NULL, NULL, NULL);
SELECT * FROM mail.lookup_ahead('mail.lookup_trusted_users', 'nobody', NULL, NULL, NULL);
SELECT * FROM mail.lookup_ahead('mail.lookup_authinfo', 'AuthInfo:smart.example', NULL, NULL, NULL);
