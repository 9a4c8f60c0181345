-- A network has one key, however it is written (A82, B33).
SELECT written, mail.network_of(written) AS network, mail.network_key(mail.network_of(written)) AS key
FROM unnest(ARRAY[
    '192.0.2.77', '192.0.2.77/32', '192.0.2', '192.0.2.0/24', '192.0', '10', '10.0.0.0/8', '192.0.2.0/25', '0.0.0.0/0',
    'IPv6:2001:db8:0:0:0:0:0:1', 'IPv6:2001:DB8::1', '2001:0db8::0001', '2001:db8::1/128', 'IPv6:2001:db8',
    '2001:db8::/32', 'IPv6:2001:db8:0', '2001:db8::/33', '2001:db8:8000::/33', '1:2:3:4:5:6:7::', '::', '::/0', 'IPv6', '::1',
    '::ffff:102:304'
]) AS written;
-- What is none is none, and nothing fails.
SELECT count(*) AS "0" FROM unnest(ARRAY[
    '', ':', '.', '/', '192.0.2.', '192.0.2.1.1', '256', '1.2.3.256', '01.2.3.4', '192.0.2/24', '192.0.2.1/25', '192.0.2.0/33',
    '192.0.2.0/', '192.0.2.0/x', '192.0.2.0/024', '192.0.2.0/24/24', '192.0.2.0/-1', '192.0.2.0/9999', '[192.0.2.1]',
    '2001:db8', '2001:db8::/129', '2001:db8::1/64', '::1::', ':::', ':1', '1:', '1:2:3:4:5:6:7:8:9', '1:2:3:4:5:6:7:8::',
    'fffff::', 'fe80::1%eth0', '::ffff:1.2.3.4', 'IPv6:', 'IPv6:2001:db8:', 'IPv6:IPv6:1', 'IPv6:192.0.2.1', 'beef', 'a.b'
]) AS written
WHERE mail.network_of(written) IS NOT NULL;
-- All spellings of random addresses and networks.
SELECT count(*) AS "0"
FROM generate_series(1, 2000) AS number,
    LATERAL (SELECT network(set_masklen(('2001:db8::' || to_hex(number) || ':' || to_hex(number * 31 % 65536))::inet, 1 + number % 128))) AS six (net),
    LATERAL (SELECT network(set_masklen('1.0.0.0'::inet + number * 1048573, number % 33))) AS four (net)
WHERE mail.network_of(six.net::text) IS DISTINCT FROM six.net
    OR mail.network_of(mail.network_key(six.net)) IS DISTINCT FROM six.net
    OR mail.network_of(four.net::text) IS DISTINCT FROM four.net
    OR mail.network_of(mail.network_key(four.net)) IS DISTINCT FROM four.net;
-- A tag is no part of it; some tags know no networks.
SELECT entry, mail.access_network(entry) AS network, mail.fold_access(entry) AS folded
FROM unnest(ARRAY[
    'Connect:192.0.2.0/25', 'connect:2001:DB8::/33', 'TLS_Clt:IPv6:2001:db8', '192.0.2', 'fe80::1', 'dead:beef::/32', 'Connect:::1',
    'From:192.0.2.0/25', 'To:2001:db8::1', 'Connect:host.example', 'Connect:[192.0.2.1]', 'user@192.0.2.1', 'CERTISSUER:/C=1/CN=2'
]) AS entry;

-- A key that looks like a network and is none is refused, and says what to write.
\set VERBOSITY default
\set SHOW_CONTEXT never
INSERT INTO access VALUES ('Connect:192.0.2.1/25', 'x');
INSERT INTO access VALUES ('2001:db8::1/33', 'x');
INSERT INTO access VALUES ('Connect:192.0.2.0/33', 'x');
INSERT INTO access VALUES ('Connect:2001:db8', 'x');
INSERT INTO access VALUES ('From:192.0.2.0/25', 'x');
\set VERBOSITY terse
INSERT INTO access VALUES ('Connect:192.0.2/24', 'x');
INSERT INTO access VALUES ('Connect:192.0.2.', 'x');
INSERT INTO access VALUES ('Connect:192.0.2.256', 'x');
INSERT INTO access VALUES ('1.2.3.4.5', 'x');
INSERT INTO access VALUES ('Connect:[192.0.2.0/24]', 'x');
INSERT INTO access VALUES ('Connect:IPv6:2001:db8:', 'x');
INSERT INTO access VALUES ('Connect:2001:db8::/129', 'x');
INSERT INTO access VALUES ('Connect:192.0.2.0/x', 'x');
INSERT INTO access VALUES ('fe80::1%eth0', 'x');
INSERT INTO access VALUES ('Connect:IPv6:::ffff:192.0.2.1', 'x');
INSERT INTO access VALUES ('Connect:192.0.2.0/25', 'REJECT');
UPDATE access SET key = 'Connect:192.0.2.0/40';
INSERT INTO access VALUES ('Connect:192.0.2.0/25', 'twice');
INSERT INTO access VALUES ('Connect:2001:db8::1', 'REJECT'), ('IPv6:2001:DB8:0:0::1', 'OK');
INSERT INTO access VALUES ('connect:IPv6:2001:db8:0:0:0:0:0:1', 'twice');
-- Names, addresses and certificates are none of that.
INSERT INTO access VALUES ('Connect:host-1.example', 'OK'), ('a/b@example.org', 'REJECT'),
    ('CERTISSUER:/C=US/CN=1.2', 'RELAY'), ('Connect:[192.0.2.1]', 'OK'), ('Connect:[IPv6:2001:db8:0:0:0:0:0:1]', 'OK'),
    ('Connect:com', 'OK'), ('cafe', 'OK');
DELETE FROM access;

-- The longest network answers, for the whole address; any value will do here.
ALTER TABLE access DISABLE TRIGGER guard_of_inserts;
INSERT INTO access VALUES
    ('Connect:192.0.2.0/25', '/25'), ('Connect:192.0.2', '/24'), ('192.0.2.64/26', 'untagged /26'), ('Connect:192.0.2.64/26', '/26'),
    ('192.0.2.65', 'untagged /32'), ('192.0', 'untagged /16'), ('Connect:0.0.0.0/0', '/0'), ('GreetPause:192.0.2.0/24', '100'),
    ('Connect:2001:db8::/33', '6 /33'), ('Connect:IPv6:2001:db8', '6 /32'), ('Connect:2001:db8::1', '6 /128');
SELECT asked, answer
FROM unnest(ARRAY[
    '191.255.255.255', '192.0.1.255', '192.0.2.0', '192.0.2.63', '192.0.2.64', '192.0.2.65', '192.0.2.127', '192.0.2.128', '192.0.2.255',
    '192.0.3.0', '192.1.0.0', 'IPv6:2001:db7:ffff:ffff:ffff:ffff:ffff:ffff', 'IPv6:2001:db8:0:0:0:0:0:0', 'IPv6:2001:db8:0:0:0:0:0:1',
    'IPv6:2001:db8::1', 'IPv6:2001:db8:7fff:ffff:ffff:ffff:ffff:ffff', 'IPv6:2001:db8:8000:0:0:0:0:0', 'IPv6:2001:db9:0:0:0:0:0:0'
]) AS asked
LEFT JOIN LATERAL mail.lookup_access('Connect:' || asked) AS answer ON true;
-- Another tag has its own rows, and none but its own.
SELECT mail.lookup_access('GreetPause:192.0.2.65') AS "100",
    (SELECT count(*) FROM mail.lookup_access('TLS_Clt:192.0.2.65')) AS "0";
-- Without a tag it is asked second, for what is written there alone.
SELECT mail.lookup_access('192.0.2.65') AS "untagged /32", mail.lookup_access('192.0') AS "untagged /16",
    (SELECT count(*) FROM mail.lookup_access('192.0.2.66')) AS "0", (SELECT count(*) FROM mail.lookup_access('Connect:192.0.2.6')) AS "1";
-- Whatever the rows are, the answer is that of comparing with each of them.
DELETE FROM access;
INSERT INTO access
SELECT DISTINCT ON (lower(key)) key, number::text
FROM generate_series(1, 3000) AS number,
    LATERAL (SELECT network(set_masklen('10.0.0.0'::inet + number::bigint * 7919 % 65536, 12 + number % 21))) AS four (net),
    LATERAL (SELECT network(set_masklen('2001:db8::'::inet + number::bigint * 7919 % 65536, 100 + number % 29))) AS six (net),
    unnest(ARRAY[
        CASE number % 3 WHEN 0 THEN '' WHEN 1 THEN 'Connect:' ELSE 'ClientRate:' END || CASE number % 2 WHEN 0 THEN four.net ELSE six.net END
    ]) AS key;
SELECT count(*) AS "4000", count(answer) > 3000 AS t, count(*) FILTER (WHERE answer IS DISTINCT FROM best.value) AS "0"
FROM generate_series(1, 2000) AS number,
    LATERAL (VALUES ('10.0.0.0'::inet + number * 31), ('2001:db8::'::inet + number * 31)) AS client (address)
LEFT JOIN LATERAL mail.lookup_access('Connect:' || mail.network_key(address::cidr)) AS answer ON true
LEFT JOIN LATERAL (
    SELECT entry.value
    FROM access AS entry,
        LATERAL (SELECT regexp_replace(entry.key, '^[A-Za-z]+:', '')::cidr) AS written (net)
    WHERE entry.key !~ '^Client' AND written.net >>= address
    ORDER BY masklen(written.net) DESC, entry.key ~ '^Connect' DESC
    LIMIT 1
) AS best ON true;

-- What is foretold is what the map answers, for a client that has networks around it.
DELETE FROM access;
INSERT INTO access VALUES
    ('Connect:192.0.2', 'REJECT'), ('192.0.2.128/25', 'OK'), ('GreetPause:192.0.2.0/30', '9'), ('ClientRate:', '5'),
    ('Connect:2001:db8::/33', 'RELAY'), ('TLS_Clt:c.example.org', 'VERIFY'), ('TLS_Clt:', 'ENCR:1'), ('example.org', 'OK'),
    ('Srv_Features:[192.0.2]', 'S');
SELECT * FROM mail.lookup_host_ahead('Connect:c.example.org', 'c.example.org', '192.0.2.1');
SELECT * FROM mail.lookup_host_ahead('Connect:192.0.2.129', 'c.example.org', '192.0.2.129');
SELECT * FROM mail.lookup_host_ahead('TLS_Srv_Features:c.org', 'c.org', 'IPv6:2001:db8:0:0:0:0:0:1');
SELECT * FROM mail.lookup_host_ahead('Clt_Features:mx.org', NULL, NULL);
SELECT * FROM mail.lookup_host_ahead('Try_TLS:192.0.2.129', 'c.org', '192.0.2.9');
SELECT count(*) > 100 AS t, count(*) FILTER (WHERE foretold.value IS DISTINCT FROM (SELECT mail.lookup_access(foretold.key))) AS "0"
FROM (VALUES ('c.example.org', '192.0.2.1'), ('c.example.org', '192.0.2.129'), ('[192.0.2.1]', '192.0.2.1'), ('', '192.0.2.1'),
    ('c.example.org', 'IPv6:2001:db8:0:0:0:0:0:1'), ('c.example.org', 'IPv6:2001:db9:0:0:0:0:0:1'), ('c.example.org', '')) AS client (name, address),
    unnest(ARRAY['Connect:', 'TLS_Clt:', 'TLS_Srv_Features:', 'GreetPause:', 'Clt_Features:', 'Try_TLS:', 'AuthInfo:', '']) AS tag,
    unnest(ARRAY[client.name, client.address]) AS host,
    mail.lookup_host_ahead(tag || host, client.name, client.address) AS foretold;
