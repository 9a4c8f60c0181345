-- Schema of the maps, second step: the questions of sendmail, foretold.
--
-- sendmail asks the access map label by label, and one command asks several
-- maps.  mail.lookup_ahead answers a question together with those that follow
-- it, so that a command costs few round trips.  It decides nothing: each answer
-- comes from the function of its map, and a question that it did not foretell
-- is asked by itself.

-- As in the first step, but the many keys without an address cost nothing.
CREATE OR REPLACE FUNCTION mail.fold_access(entry text)
    RETURNS text
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
AS $body$
DECLARE
    tag text;
BEGIN
    IF position('@' IN entry) = 0 THEN
        RETURN lower(entry);
    END IF;
    tag := coalesce(substring(entry FROM '^[A-Za-z_]+:'), '');
    RETURN lower(tag) || mail.fold_address(substr(entry, length(tag) + 1));
END
$body$;

CREATE FUNCTION mail.parents(host text)
    RETURNS text[]
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
AS $body$
DECLARE
    rest text := host;
    separator text;
    parents text[] := ARRAY[host];
    -- Strangers choose hosts; what is beyond this is asked by itself.
    most CONSTANT integer := 16;
BEGIN
    -- A network is the beginning of an address, a domain the end of a host.
    IF host ~ '^[0-9.]+$' OR host ~* '^IPv6:' THEN
        separator := CASE WHEN host ~ '^[0-9]' THEN '.' ELSE ':' END;
        LOOP
            rest := rtrim(left(rest, -position(separator IN reverse(rest))), separator);
            EXIT WHEN position(separator IN rest) = 0 AND rest !~ '^[0-9]';
            parents := parents || rest;
            EXIT WHEN position(separator IN rest) = 0 OR cardinality(parents) >= most;
        END LOOP;
        RETURN parents;
    END IF;
    WHILE position('.' IN rest) > 0 AND cardinality(parents) < most LOOP
        rest := substr(rest, position('.' IN rest) + 1);
        parents := parents || rest;
    END LOOP;
    RETURN parents;
END
$body$;
COMMENT ON FUNCTION mail.parents(text) IS
    'Host and the domains above it, or address and the networks around it, as sendmail asks.';

CREATE FUNCTION mail.access_keys_ahead(asked text, client_name text, client_address text)
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
        -- Who asks for the name of the client asks for its address next.
        IF rest = client_name AND client_address <> '' THEN
            bases := bases || mail.parents(client_address);
        END IF;
        keys := keys || tag;
    END IF;
    FOREACH base IN ARRAY bases LOOP
        keys := keys || (tag || base);
        IF tag IN ('Connect:', 'From:', 'To:') THEN
            keys := keys || base;
        END IF;
        IF tag = 'Connect:' THEN
            keys := keys || ('Srv_Features:' || base);
        END IF;
    END LOOP;
    IF tag = 'Connect:' THEN
        keys := keys || 'Srv_Features:'::text;
    END IF;
    RETURN keys;
END
$body$;
COMMENT ON FUNCTION mail.access_keys_ahead(text, text, text) IS
    'Keys of access that sendmail asks for, one after the other, beginning with a given one.';

CREATE FUNCTION mail.lookup_access_ahead(keys text[])
    RETURNS TABLE (function text, key text, value text)
    LANGUAGE sql STABLE PARALLEL SAFE ROWS 24
BEGIN ATOMIC
    SELECT 'mail.lookup_access', foretold.key, entry.value
    FROM unnest(keys) AS foretold (key)
    LEFT JOIN mail.access AS entry
        ON entry.lookup_key = mail.fold_access(foretold.key)
    WHERE foretold.key NOT LIKE 'To:_%@_%'
    UNION ALL
    -- Only of a recipient does the function know more than the table.
    SELECT 'mail.lookup_access', keys[1], answer.value
    FROM (SELECT WHERE keys[1] LIKE 'To:_%@_%') AS question
    LEFT JOIN LATERAL mail.lookup_access(keys[1]) AS answer (value) ON true;
END;
COMMENT ON FUNCTION mail.lookup_access_ahead(text[]) IS
    'Verdicts of the access map for many keys at once.';

CREATE FUNCTION mail.lookup_ahead(
    asked_function text,
    asked text,
    client_name text,
    client_address text,
    sender text
)
    RETURNS TABLE (function text, key text, value text)
    LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 40
AS $body$
DECLARE
    domain CONSTANT text := substring(asked FROM '@([^@]*)$');
BEGIN
    CASE asked_function
        WHEN 'mail.lookup_access' THEN
            RETURN QUERY
            SELECT foretold.*
            FROM mail.lookup_access_ahead(
                mail.access_keys_ahead(asked, client_name, client_address)
            ) AS foretold;
        WHEN 'mail.lookup_virtualusers' THEN
            -- What is rewritten here is a sender first and a recipient later.
            RETURN QUERY
            SELECT asked_function, asked, answer.value
            FROM (SELECT) AS question
            LEFT JOIN LATERAL mail.lookup_virtualusers(asked) AS answer (value) ON true;
            RETURN QUERY
            SELECT foretold.*
            FROM mail.lookup_access_ahead(
                mail.access_keys_ahead(
                    CASE WHEN sender IS NULL THEN 'From:' ELSE 'To:' END || asked, NULL, NULL
                )
            ) AS foretold;
            IF sender IS NOT NULL AND domain IS NOT NULL THEN
                RETURN QUERY
                SELECT 'mail.lookup_aliases', foretold.key, answer.value
                FROM unnest(ARRAY['', 'owner-']) AS prefix,
                    concat(prefix, left(asked, -length(domain) - 1)) AS foretold (key)
                LEFT JOIN LATERAL mail.lookup_aliases(foretold.key) AS answer (value) ON true;
            END IF;
        WHEN 'mail.lookup_aliases' THEN
            RETURN QUERY
            SELECT asked_function, foretold.key, answer.value
            FROM unnest(ARRAY[asked, 'owner-' || asked]) AS foretold (key)
            LEFT JOIN LATERAL mail.lookup_aliases(foretold.key) AS answer (value) ON true;
        WHEN 'mail.lookup_mailertable' THEN
            RETURN QUERY
            SELECT asked_function, foretold.key, answer.value
            FROM unnest(
                asked || array_replace(
                    ARRAY(SELECT '.' || parent FROM unnest(mail.parents(asked)) AS parent),
                    '.' || asked, '.'
                )
            ) AS foretold (key)
            LEFT JOIN LATERAL mail.lookup_mailertable(foretold.key) AS answer (value) ON true;
        WHEN 'mail.lookup_genericstable' THEN
            RETURN QUERY
            SELECT asked_function, foretold.key, answer.value
            FROM unnest(
                ARRAY[asked, '@' || domain, left(asked, -length(domain) - 1)]
            ) AS foretold (key)
            LEFT JOIN LATERAL mail.lookup_genericstable(foretold.key) AS answer (value) ON true
            WHERE foretold.key IS NOT NULL;
        WHEN 'mail.lookup_domaintable' THEN
            RETURN QUERY
            SELECT asked_function, asked, answer.value
            FROM (SELECT) AS question
            LEFT JOIN LATERAL mail.lookup_domaintable(asked) AS answer (value) ON true;
        ELSE
            -- A map that is not ours is asked by itself.
            NULL;
    END CASE;
END
$body$;
COMMENT ON FUNCTION mail.lookup_ahead(text, text, text, text, text) IS
    'Answer of a map, and answers to what sendmail asks next; value NULL: no such key.';

GRANT EXECUTE ON FUNCTION
    mail.parents(text),
    mail.access_keys_ahead(text, text, text),
    mail.lookup_access_ahead(text[]),
    mail.lookup_ahead(text, text, text, text, text)
TO sqlmail_writer, sqlmail_reader;
