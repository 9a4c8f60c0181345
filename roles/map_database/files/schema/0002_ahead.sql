-- Schema of the maps, second step: the questions of sendmail, foretold.
--
-- sendmail asks the access map label by label, and one command asks several
-- maps about one address.  mail.lookup_ahead answers a question together with
-- those that follow it, so that a command costs one round trip.  It decides
-- nothing: each answer comes from the function of its map, and a question that
-- it did not foretell is asked by itself.

CREATE FUNCTION mail.parents(host text)
    RETURNS text[]
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
AS $body$
DECLARE
    -- Strangers choose hosts; what is beyond this is asked by itself.
    most CONSTANT integer := 16;
    literal CONSTANT boolean := host LIKE '[%]';
    rest text := CASE WHEN literal THEN btrim(host, '[]') ELSE host END;
    separator CONSTANT text := CASE WHEN rest ~* '^IPv6:' THEN ':' ELSE '.' END;
    parents text[] := ARRAY[host];
BEGIN
    -- A network is the beginning of an address, a domain the end of a host.
    IF separator = ':' OR rest ~ '^[0-9.]+$' THEN
        WHILE position(separator IN rest) > 0 AND cardinality(parents) < most LOOP
            rest := left(rest, -position(separator IN reverse(rest)));
            parents := parents || CASE WHEN literal THEN '[' || rest || ']' ELSE rest END;
        END LOOP;
        RETURN parents;
    END IF;
    rest := host;
    WHILE position('.' IN rest) > 0 AND cardinality(parents) < most LOOP
        rest := substr(rest, position('.' IN rest) + 1);
        parents := parents || rest;
    END LOOP;
    RETURN parents;
END
$body$;
COMMENT ON FUNCTION mail.parents(text) IS
    'Host and the domains above it, or address and the networks around it, as sendmail asks.';

CREATE FUNCTION mail.access_keys_ahead(asked text)
    RETURNS text[]
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
AS $body$
DECLARE
    tag CONSTANT text := coalesce(substring(asked FROM '^[A-Za-z_]+:'), '');
    rest CONSTANT text := substr(asked, length(tag) + 1);
    domain CONSTANT text := substring(rest FROM '@([^@]*)$');
    keys text[] := ARRAY[]::text[];
    local_part text;
    account text;
    bases text[];
    base text;
BEGIN
    IF tag = '' OR rest = '' THEN
        RETURN ARRAY[asked];
    END IF;
    IF domain IS NOT NULL THEN
        local_part := left(rest, -length(domain) - 1);
        bases := ARRAY[rest];
        IF position('+' IN local_part) > 1 THEN
            account := split_part(local_part, '+', 1);
            bases := bases || ARRAY[
                account || '+*@' || domain,
                account || '@' || domain,
                local_part || '@',
                account || '+*@',
                account || '@'
            ];
        ELSE
            bases := bases || (local_part || '@');
        END IF;
        bases := bases || mail.parents(domain);
    ELSE
        bases := mail.parents(rest);
    END IF;
    FOREACH base IN ARRAY bases LOOP
        keys := keys || (tag || base);
        IF tag IN ('From:', 'To:') THEN
            keys := keys || base;
        END IF;
    END LOOP;
    RETURN keys;
END
$body$;
COMMENT ON FUNCTION mail.access_keys_ahead(text) IS
    'Keys of access that sendmail asks for an address, one after the other, beginning with a given one.';

CREATE FUNCTION mail.lookup_access_ahead(keys text[])
    RETURNS TABLE (function text, key text, value text)
    LANGUAGE sql STABLE PARALLEL SAFE ROWS 24
BEGIN ATOMIC
    SELECT 'mail.lookup_access', foretold.key, entry.value::text
    FROM unnest(keys) AS foretold (key)
    LEFT JOIN mail.access AS entry
        ON entry.lookup_key = mail.fold_access(foretold.key);
END;
COMMENT ON FUNCTION mail.lookup_access_ahead(text[]) IS
    'Verdicts of the access map for many keys at once, none of them a virtual user.';

CREATE FUNCTION mail.mailertable_keys_ahead(domain text)
    RETURNS text[]
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
AS $body$
DECLARE
    parents text[] := mail.parents(domain);
    n CONSTANT integer := cardinality(parents);
BEGIN
    FOR i IN 2..n LOOP
        parents[i] := '.' || parents[i];
    END LOOP;
    RETURN parents || '.'::text;
END
$body$;
COMMENT ON FUNCTION mail.mailertable_keys_ahead(text) IS
    'Keys of mailertable that sendmail asks for, one after the other, for a domain.';

CREATE FUNCTION mail.lookup_ahead(
    asked_function text,
    asked text,
    client_name text,
    client_address text,
    under_way text
)
    RETURNS TABLE (function text, key text, value text)
    LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 40
AS $body$
DECLARE
    lines text[] := string_to_array(under_way, E'\n');
    -- What a list of recipients or an alias has beyond this is asked by itself.
    most CONSTANT integer := 100;
    i integer := 0;
    line text;
    kind text;
    address text;
    domain text;
    local_part text;
    name text;
    access_keys text[];
    mailertable_keys text[];
    genericstable_keys text[];
    -- The client by all its names, and what may be a member of a class.
    client CONSTANT text[] := ARRAY[client_name, '[' || client_address || ']'];
    class_texts text[];
BEGIN
    -- What is asked of the addresses of a command, or of a message.
    WHILE i < least(cardinality(lines), most) LOOP
        i := i + 1;
        line := lines[i];
        CONTINUE WHEN line = ANY (lines[:i - 1]);
        kind := split_part(line, ':', 1);
        address := substr(line, length(kind) + 2);
        domain := substring(address FROM '@([^@]*)$');
        local_part := left(address, -length(domain) - 1);
        IF kind IN ('From', 'To') THEN
            access_keys := access_keys || mail.access_keys_ahead(line);
        ELSIF kind = 'sender' THEN
            genericstable_keys := ARRAY[address, '@' || domain, local_part];
        END IF;
        IF domain IS NOT NULL THEN
            mailertable_keys := mailertable_keys || mail.mailertable_keys_ahead(domain);
            class_texts := array_remove(class_texts, domain) || domain;
            function := 'mail.lookup_domaintable';
            key := domain;
            SELECT entry.value INTO value
            FROM mail.domaintable AS entry
            WHERE entry.lookup_key = mail.fold_domain(domain);
            RETURN NEXT;
            IF value IS NOT NULL THEN
                lines := lines || (kind || ':' || local_part || '@' || value);
            END IF;
            function := 'mail.lookup_virtualusers';
            key := address;
            SELECT answer.value INTO value
            FROM mail.lookup_virtualusers(address) AS answer (value);
            RETURN NEXT;
            IF value IS NOT NULL THEN
                lines := lines || ('recipient:' || value);
                IF kind = 'To' THEN
                    -- Of this recipient mail.lookup_access knows more than its table.
                    function := 'mail.lookup_access';
                    key := line;
                    SELECT answer.value INTO value
                    FROM mail.lookup_access(line) AS answer (value);
                    RETURN NEXT;
                    access_keys := ARRAY(
                        SELECT tagged.key
                        FROM unnest(access_keys) AS tagged (key)
                        WHERE tagged.key NOT LIKE 'To:_%@_%'
                    );
                END IF;
            END IF;
        END IF;
        IF kind IN ('To', 'recipient') THEN
            function := 'mail.lookup_aliases';
            name := coalesce(local_part, address);
            key := name;
            SELECT entry.value INTO value
            FROM mail.aliases AS entry
            WHERE entry.lookup_key = mail.fold_alias(name);
            RETURN NEXT;
            IF value IS NOT NULL THEN
                -- Plain names and addresses; others lead out of the maps.
                lines := lines || ARRAY(
                    SELECT 'recipient:' || target
                    FROM regexp_split_to_table(value, '\s*,\s*') AS target
                    WHERE target ~ '^[^\\"/|:<>() ]+$'
                );
                name := 'owner-' || name;
                key := name;
                SELECT entry.value INTO value
                FROM mail.aliases AS entry
                WHERE entry.lookup_key = mail.fold_alias(name);
                RETURN NEXT;
            ELSIF kind = 'recipient' THEN
                -- A mailbox; one without a login shell must be trusted to run programs.
                function := 'mail.lookup_trusted_users';
                SELECT answer.value INTO value
                FROM mail.lookup_trusted_users(name) AS answer (value);
                RETURN NEXT;
            END IF;
        END IF;
    END LOOP;
    IF under_way LIKE 'From:%' AND client_name <> '' THEN
        -- A message begins: may this client, with its certificate or without?
        RETURN QUERY
        SELECT foretold.*
        FROM mail.lookup_host_ahead(
            'TLS_Clt:' || client_name, client_name, client_address
        ) AS foretold;
    END IF;

    -- The question itself, unless it is about one of these addresses.
    IF asked <> '' AND coalesce(
        position(regexp_replace(asked, '^(From|To):', '') IN under_way), 0
    ) = 0 THEN
        CASE asked_function
            WHEN 'mail.lookup_access' THEN
                IF position('@' IN asked) = 0 THEN
                    RETURN QUERY
                    SELECT foretold.*
                    FROM mail.lookup_host_ahead(asked, client_name, client_address) AS foretold;
                -- The class asks mail.lookup_access alone for what may be a virtual user.
                ELSIF asked NOT LIKE 'To:_%@_%' THEN
                    access_keys := mail.access_keys_ahead(asked) || access_keys;
                END IF;
                IF asked = 'Connect:' || client_name THEN
                    class_texts := class_texts || client;
                END IF;
            WHEN 'mail.lookup_mailertable' THEN
                mailertable_keys := mail.mailertable_keys_ahead(asked) || mailertable_keys;
            WHEN 'mail.lookup_genericstable' THEN
                domain := substring(asked FROM '@([^@]*)$');
                genericstable_keys := genericstable_keys
                    || ARRAY[asked, '@' || domain, left(asked, -length(domain) - 1)];
            WHEN 'mail.lookup_domaintable' THEN
                -- Of which classes the domain is a member is asked next.
                class_texts := class_texts || asked;
                RETURN QUERY
                SELECT asked_function, asked, answer.value
                FROM (SELECT) AS question
                LEFT JOIN LATERAL mail.lookup_domaintable(asked) AS answer (value) ON true;
            WHEN 'mail.lookup_local_domains',
                'mail.lookup_relay_domains',
                'mail.lookup_virtual_domains',
                'mail.lookup_generics_domains',
                'mail.lookup_masquerade_domains',
                'mail.lookup_masquerade_exceptions'
            THEN
                class_texts := class_texts || client || asked;
            WHEN 'mail.lookup_trusted_users' THEN
                RETURN QUERY
                SELECT asked_function, asked, answer.value
                FROM (SELECT) AS question
                LEFT JOIN LATERAL mail.lookup_trusted_users(asked) AS answer (value) ON true;
            WHEN 'mail.lookup_authinfo' THEN
                RETURN QUERY
                SELECT asked_function, foretold.key, answer.value
                FROM unnest(ARRAY[asked, 'AuthInfo:']) AS foretold (key)
                LEFT JOIN LATERAL mail.lookup_authinfo(foretold.key) AS answer (value) ON true;
            ELSE
                -- The class asks the map alone.
                NULL;
        END CASE;
    END IF;
    IF class_texts IS NOT NULL THEN
        RETURN QUERY
        SELECT foretold.* FROM mail.lookup_classes_ahead(class_texts) AS foretold;
    END IF;
    IF access_keys IS NOT NULL THEN
        RETURN QUERY
        SELECT foretold.* FROM mail.lookup_access_ahead(access_keys) AS foretold;
    END IF;
    IF mailertable_keys IS NOT NULL THEN
        RETURN QUERY
        SELECT 'mail.lookup_mailertable', foretold.key, entry.value::text
        FROM unnest(mailertable_keys) AS foretold (key)
        LEFT JOIN mail.mailertable AS entry
            ON entry.lookup_key = mail.fold_domain(foretold.key);
    END IF;
    IF genericstable_keys IS NOT NULL THEN
        RETURN QUERY
        SELECT 'mail.lookup_genericstable', foretold.key, entry.value::text
        FROM unnest(genericstable_keys) AS foretold (key)
        LEFT JOIN mail.genericstable AS entry
            ON entry.lookup_key = mail.fold_address(foretold.key)
        WHERE foretold.key IS NOT NULL;
    END IF;
END
$body$;
COMMENT ON FUNCTION mail.lookup_ahead(text, text, text, text, text) IS
    'Answer of a map, and answers to what sendmail asks next; value NULL: no such key.';

GRANT EXECUTE ON FUNCTION
    mail.parents(text),
    mail.access_keys_ahead(text),
    mail.lookup_access_ahead(text[]),
    mail.mailertable_keys_ahead(text),
    mail.lookup_ahead(text, text, text, text, text)
TO sqlmail_writer, sqlmail_reader;
