-- Schema of the maps, fifth step: networks in the access map.
--
-- sendmail asks for an address, then for it without its last number, and so on.
-- The question for the whole address gets the answer of the longest network
-- around it, of whatever length, by one search of an index; so the questions
-- after it find nothing, and are foretold without a look.


-- What is a network.  All its spellings are one key: the one that sendmail asks
-- for, if it has one.

CREATE FUNCTION mail.network_of(host text)
    RETURNS cidr
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
AS $body$
DECLARE
    address text := lower(split_part(host, '/', 1));
    size integer := substring(host FROM '^[^/]*/(0|[1-9][0-9]{0,2})$');
    -- What is no length after a slash is a mistake.
    whole CONSTANT boolean := position('/' IN host) = 0;
    numbers integer;
    network inet;
BEGIN
    IF address ~
        '^((25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])([.](?=[0-9])|$)){1,4}$'
    THEN
        numbers := cardinality(string_to_array(address, '.'));
        IF whole THEN
            size := 8 * numbers;
        ELSIF numbers < 4 OR size > 32 THEN
            RETURN NULL;
        END IF;
        network := set_masklen((address || repeat('.0', 4 - numbers))::inet, size);
    ELSIF address = 'ipv6' AND whole THEN
        network := '::/0';
    ELSIF address ~ '^(ipv6:)?[0-9a-f:]+$' THEN
        address := regexp_replace(address, '^ipv6:', '');
        numbers := cardinality(array_remove(string_to_array(address, ':'), ''));
        IF address ~ '^([0-9a-f]{1,4}:)*[0-9a-f]{1,4}$' THEN
            IF numbers < 8 AND whole AND host ~* '^ipv6:' THEN
                size := 16 * numbers;
                address := address || repeat(':0', 8 - numbers);
            ELSIF numbers <> 8 THEN
                RETURN NULL;
            END IF;
        ELSIF numbers > 7 OR address !~
            '^(([0-9a-f]{1,4}:)*[0-9a-f]{1,4})?::(([0-9a-f]{1,4}:)*[0-9a-f]{1,4})?$'
        THEN
            RETURN NULL;
        END IF;
        IF whole THEN
            size := coalesce(size, 128);
        ELSIF size > 128 THEN
            RETURN NULL;
        END IF;
        network := set_masklen(address::inet, size);
    END IF;
    RETURN CASE WHEN network = network(network) THEN network(network) END;
END
$body$;
COMMENT ON FUNCTION mail.network_of(text) IS
    'Network written as 192.0.2.0/25, 2001:db8::/33, or by its first numbers, 192.0.2 and IPv6:2001:db8; an address is the smallest one. NULL for all else.';

CREATE FUNCTION mail.network_key(network cidr)
    RETURNS text
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
AS $body$
DECLARE
    size CONSTANT integer := masklen(network);
    groups text;
BEGIN
    IF family(network) = 4 THEN
        IF size > 0 AND size % 8 = 0 THEN
            RETURN array_to_string((string_to_array(host(network), '.'))[:size / 8], '.');
        END IF;
    ELSIF size % 16 = 0 THEN
        -- The address is at the end of what would be sent, two digits a byte.
        groups := left(right(encode(inet_send(network), 'hex'), 32), size / 4);
        groups := regexp_replace(groups, '(....)', ':\1', 'g');
        RETURN 'ipv6' || regexp_replace(groups, ':0{1,3}', ':', 'g');
    END IF;
    RETURN CASE family(network) WHEN 6 THEN 'ipv6:' ELSE '' END || network;
END
$body$;
COMMENT ON FUNCTION mail.network_key(cidr) IS
    'Network as it is compared: 192.0.2, ipv6:2001:db8, and with its length where sendmail has no name for it.';

CREATE FUNCTION mail.access_tag(entry text)
    RETURNS text
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
AS $body$
BEGIN
    -- The first numbers of an IPv6 address can be letters, but no others than these.
    RETURN coalesce(substring(lower(entry) FROM '^[a-z_]*[g-z_][a-z_]*:'), '');
END
$body$;
COMMENT ON FUNCTION mail.access_tag(text) IS
    'Tag of a key of access in lower case, with its colon; empty if it has none.';

CREATE FUNCTION mail.access_network(entry text)
    RETURNS cidr
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
AS $body$
DECLARE
    tag text;
BEGIN
    IF entry !~* '^([a-z_]+:)?(ipv6:?)?[0-9a-f.:]*(/[0-9]+)?$' THEN
        RETURN NULL;
    END IF;
    tag := mail.access_tag(entry);
    -- These are asked for senders, recipients and names.
    IF tag IN ('from:', 'to:', 'spam:', 'tls_rcpt:', 'clt_features:') THEN
        RETURN NULL;
    END IF;
    RETURN mail.network_of(substr(entry, length(tag) + 1));
END
$body$;
COMMENT ON FUNCTION mail.access_network(text) IS
    'Network that a key of access speaks of; NULL if it speaks of something else.';

CREATE OR REPLACE FUNCTION mail.fold_access(entry text)
    RETURNS text
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
AS $body$
DECLARE
    tag text;
    network cidr;
BEGIN
    IF position('@' IN entry) > 0 THEN
        tag := coalesce(substring(entry FROM '^[A-Za-z_]+:'), '');
        RETURN lower(tag) || mail.fold_address(substr(entry, length(tag) + 1));
    END IF;
    IF entry LIKE '%:%:%' OR entry LIKE '%/%' THEN
        network := mail.access_network(entry);
        IF network IS NOT NULL THEN
            RETURN mail.access_tag(entry) || mail.network_key(network);
        END IF;
    END IF;
    RETURN lower(entry);
END
$body$;


-- The rows get their new keys.

DO $step$
DECLARE
    same text;
BEGIN
    SELECT string_agg(twins.keys, '; ')
    INTO same
    FROM (
        SELECT string_agg(entry.key, ', ' ORDER BY entry.key) AS keys
        FROM mail.access AS entry
        GROUP BY mail.fold_access(entry.key)
        HAVING count(*) > 1
        ORDER BY 1
        LIMIT 20
    ) AS twins;
    IF same IS NOT NULL THEN
        RAISE EXCEPTION 'keys of access are the same network: %', same
            USING ERRCODE = 'unique_violation',
                HINT = 'Delete all but one of each, then try again.';
    END IF;
END
$step$;

UPDATE mail.access SET key = key WHERE lookup_key <> mail.fold_access(key);
UPDATE mail.seeds SET key = key WHERE map = 'access' AND lookup_key <> mail.fold_access(key);

ALTER TABLE mail.access
    ADD COLUMN network cidr GENERATED ALWAYS AS (mail.access_network(key)) STORED;
COMMENT ON COLUMN mail.access.network IS
    'Network that the key speaks of, if it speaks of one; computed.';

-- A radix tree: the time does not grow with the rows, as it does with GiST.
CREATE INDEX access_by_network ON mail.access USING spgist (network inet_ops)
    WHERE network IS NOT NULL;


-- What sendmail asks.

CREATE FUNCTION mail.networks_around(address cidr)
    RETURNS TABLE (tag text, value text, size integer)
    LANGUAGE sql STABLE PARALLEL SAFE ROWS 4
BEGIN ATOMIC
    SELECT
        CASE
            WHEN entry.lookup_key ~ '^([0-9]|ipv6)' THEN ''
            ELSE split_part(entry.lookup_key, ':', 1) || ':'
        END,
        entry.value::text,
        masklen(entry.network)
    FROM mail.access AS entry
    -- A value that the planner does not see: it would plan for each anew, which
    -- takes longer than the search.
    WHERE entry.network >>= (SELECT address);
END;
COMMENT ON FUNCTION mail.networks_around(cidr) IS
    'Rows of access for an address and the networks around it, with their tags.';

CREATE FUNCTION mail.network_verdict(asked text)
    RETURNS SETOF text
    LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 1
AS $body$
DECLARE
    address CONSTANT cidr := mail.access_network(asked);
    asked_tag text;
BEGIN
    IF address IS NULL OR masklen(address) < masklen(host(address)::inet) THEN
        RETURN;
    END IF;
    asked_tag := mail.access_tag(asked);
    -- sendmail asks with the tag first, and that is answered by the rows without
    -- one, too.
    IF asked_tag = '' THEN
        RETURN;
    END IF;
    RETURN QUERY
    SELECT network.value
    FROM mail.networks_around(address) AS network
    WHERE network.tag = asked_tag
        OR (asked_tag = 'connect:' AND network.tag = '')
    ORDER BY network.size DESC, network.tag DESC
    LIMIT 1;
END
$body$;
COMMENT ON FUNCTION mail.network_verdict(text) IS
    'Verdict of the longest network around the address that a tag asks for.';

CREATE OR REPLACE FUNCTION mail.lookup_access(asked text)
    RETURNS SETOF text
    LANGUAGE sql STABLE PARALLEL SAFE ROWS 1
BEGIN ATOMIC
    SELECT entry.value::text
    FROM mail.access AS entry
    WHERE entry.lookup_key = mail.fold_access(asked)
    UNION ALL
    SELECT network.value
    FROM mail.network_verdict(asked) AS network (value)
    WHERE NOT EXISTS (
        SELECT
        FROM mail.access AS entry
        WHERE entry.lookup_key = mail.fold_access(asked)
    )
    UNION ALL
    -- The address of a virtual user is accepted, unless a row says otherwise.
    SELECT 'RELAY'
    WHERE lower(asked) LIKE 'to:_%@_%'
        AND NOT EXISTS (
            SELECT
            FROM mail.access AS entry
            WHERE entry.lookup_key = ANY (mail.recipient_access_keys(asked))
        )
        AND EXISTS (
            SELECT
            FROM mail.virtualusers AS entry
            WHERE entry.lookup_key = ANY (mail.virtualuser_keys(substr(asked, 4)))
        );
END;
COMMENT ON FUNCTION mail.lookup_access(text) IS
    'Verdict of the access map: the row, for an address the longest network; RELAY for a virtual user that no row names.';

CREATE FUNCTION mail.lookup_host_ahead(asked text, client_name text, client_address text)
    RETURNS TABLE (function text, key text, value text)
    LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 40
AS $body$
DECLARE
    asked_tag CONSTANT text := coalesce(substring(asked FROM '^[A-Za-z_]+:'), '');
    host CONSTANT text := substr(asked, length(asked_tag) + 1);
    -- Each of these tags is asked for the host and all above it, ...
    tags text[] := ARRAY[asked_tag];
    names text[] := mail.parents(host);
    -- ... these for the address, ...
    address_tags text[];
    address text;
    -- ... and these alone.
    defaults text[] := ARRAY[asked_tag];
    -- What that makes: keys to be looked for, and keys whose values are known.
    keys text[] := ARRAY[]::text[];
    known_keys text[];
    known_values text[];
    network_tags text[];
    network_values text[];
    place integer;
    tag text;
    part text;
BEGIN
    IF asked_tag = 'Connect:' THEN
        tags := tags || ''::text;
        defaults := NULL;
    END IF;
    IF asked_tag = '' OR host = '' THEN
        defaults := NULL;
    ELSIF asked_tag = 'Clt_Features:' THEN
        -- A server, whose address is not known yet.
        tags := ARRAY['Clt_Features:', 'Try_TLS:', 'TLS_Clt_Features:', 'TLS_Srv:', 'AuthInfo:'];
        defaults := ARRAY['Clt_Features:', 'Try_TLS:', 'TLS_Srv:', 'AuthInfo:'];
    ELSIF host = client_name THEN
        -- Who asks for the name of the client asks for its address next.
        address := client_address;
        -- The begin of a session, and of encryption.
        IF asked_tag = 'Connect:' THEN
            tags := tags || ARRAY['Srv_Features:', 'GreetPause:'];
            address_tags := tags || ARRAY['ClientRate:', 'ClientConn:'];
            defaults := ARRAY['Srv_Features:', 'ClientRate:', 'ClientConn:'];
        ELSIF asked_tag = 'TLS_Srv_Features:' THEN
            tags := tags || 'TLS_Clt:'::text;
            defaults := ARRAY['TLS_Clt:'];
        END IF;
    ELSIF mail.access_network(asked) IS NOT NULL THEN
        address := host;
        names := CASE WHEN host = client_address THEN mail.parents(client_name) END;
        IF asked_tag = 'Try_TLS:' THEN
            -- The server's address; its name was asked for before.
            address_tags := ARRAY['Try_TLS:', 'TLS_Clt_Features:', 'TLS_Srv:', 'AuthInfo:'];
        END IF;
    END IF;

    FOREACH tag IN ARRAY tags LOOP
        FOREACH part IN ARRAY coalesce(names, ARRAY[]::text[]) LOOP
            keys := keys || (tag || part);
        END LOOP;
    END LOOP;
    IF address <> '' THEN
        SELECT
            array_agg(around.tag ORDER BY around.size DESC, around.tag DESC),
            array_agg(around.value ORDER BY around.size DESC, around.tag DESC)
        INTO network_tags, network_values
        FROM mail.networks_around(mail.network_of(address)) AS around;
        FOREACH tag IN ARRAY coalesce(address_tags, tags) LOOP
            place := array_position(network_tags, lower(tag));
            IF tag = 'Connect:' THEN
                place := least(place, array_position(network_tags, ''));
            END IF;
            -- What is found ends the search; it is found with the tag.
            IF place IS NOT NULL THEN
                CONTINUE WHEN tag = '';
                known_keys := known_keys || (tag || address);
                known_values := known_values || network_values[place];
            ELSE
                FOREACH part IN ARRAY mail.parents(address) LOOP
                    known_keys := known_keys || (tag || part);
                    known_values := known_values || NULL::text;
                END LOOP;
            END IF;
        END LOOP;
    END IF;

    RETURN QUERY
    SELECT foretold.* FROM mail.lookup_access_ahead(keys || defaults) AS foretold
    UNION ALL
    SELECT 'mail.lookup_access', known.key, known.value
    FROM unnest(known_keys, known_values) AS known (key, value);
END
$body$;
COMMENT ON FUNCTION mail.lookup_host_ahead(text, text, text) IS
    'Verdict of the access map on a host or an address, and those that sendmail asks for next.';

GRANT EXECUTE ON FUNCTION
    mail.network_of(text),
    mail.network_key(cidr),
    mail.access_tag(text),
    mail.access_network(text),
    mail.networks_around(cidr),
    mail.network_verdict(text),
    mail.lookup_host_ahead(text, text, text)
TO sqlmail_writer, sqlmail_reader;
