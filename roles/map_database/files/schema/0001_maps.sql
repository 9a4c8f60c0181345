-- Schema of the maps, first step.
--
-- Applied once, in one transaction, by the owner of the database.  Needs the
-- group roles sqlmail_writer and sqlmail_reader.  Never edit a released step:
-- add another one.

CREATE SCHEMA IF NOT EXISTS mail;
COMMENT ON SCHEMA mail IS 'The maps of sendmail; one table for each map.';

-- Nobody gets a right by being there: what is granted stands in this file.
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;

-- Statements need no schema name: INSERT INTO access VALUES (...).
DO $step$
BEGIN
    EXECUTE format('ALTER DATABASE %I SET search_path = mail', current_database());
END
$step$;

GRANT USAGE ON SCHEMA mail TO sqlmail_writer, sqlmail_reader;


-- What a key and a value may be.

CREATE DOMAIN mail.map_key AS text
    CONSTRAINT key_is_not_empty CHECK (VALUE <> '')
    CONSTRAINT key_has_no_outer_blanks CHECK (VALUE = btrim(VALUE))
    CONSTRAINT key_has_no_control_characters CHECK (VALUE !~ '[[:cntrl:]]')
    CONSTRAINT key_is_at_most_1024_bytes CHECK (octet_length(VALUE) <= 1024);
COMMENT ON DOMAIN mail.map_key IS 'Left side of a map, as an operator types it.';

CREATE DOMAIN mail.map_value AS text
    CONSTRAINT value_is_not_empty CHECK (btrim(VALUE) <> '')
    CONSTRAINT value_has_no_control_characters CHECK (VALUE !~ '[[:cntrl:]]')
    CONSTRAINT value_is_at_most_8192_bytes CHECK (octet_length(VALUE) <= 8192);
COMMENT ON DOMAIN mail.map_value IS 'Right side of a map.';


-- How keys are compared.  Domains, hosts, networks and tags have no case; a
-- local part has one if the site wants it so.  These functions are in PL/pgSQL
-- because its compiled form makes a lookup faster than a nested SQL function.

CREATE FUNCTION mail.fold_local(local_part text)
    RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN local_part;
COMMENT ON FUNCTION mail.fold_local(text) IS
    'Local part as it is compared; replaced by mail.set_case_sensitive.';

CREATE FUNCTION mail.fold_domain(domain text)
    RETURNS text
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
AS $body$
BEGIN
    RETURN lower(domain);
END
$body$;
COMMENT ON FUNCTION mail.fold_domain(text) IS 'Domain or host as it is compared.';

CREATE FUNCTION mail.fold_address(address text)
    RETURNS text
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
AS $body$
DECLARE
    domain CONSTANT text := substring(address FROM '@[^@]*$');
BEGIN
    IF domain IS NULL THEN
        RETURN mail.fold_local(address);
    END IF;
    RETURN mail.fold_local(left(address, -length(domain))) || lower(domain);
END
$body$;
COMMENT ON FUNCTION mail.fold_address(text) IS
    'Address, or bare local part, as it is compared.';

CREATE FUNCTION mail.fold_alias(name text)
    RETURNS text
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
AS $body$
BEGIN
    -- sendmail asks for postmaster in lower case, whatever was written.
    IF lower(name) = 'postmaster' THEN
        RETURN 'postmaster';
    END IF;
    RETURN mail.fold_address(name);
END
$body$;
COMMENT ON FUNCTION mail.fold_alias(text) IS 'Name of an alias as it is compared.';

CREATE FUNCTION mail.fold_access(entry text)
    RETURNS text
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
AS $body$
DECLARE
    tag CONSTANT text := coalesce(substring(entry FROM '^[A-Za-z_]+:'), '');
BEGIN
    IF position('@' IN entry) = 0 THEN
        RETURN lower(entry);
    END IF;
    RETURN lower(tag) || mail.fold_address(substr(entry, length(tag) + 1));
END
$body$;
COMMENT ON FUNCTION mail.fold_access(text) IS
    'Key of the access map as it is compared: tag, and host or address.';

CREATE FUNCTION mail.fold(map text, key text)
    RETURNS text
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
AS $body$
BEGIN
    CASE map
        WHEN 'access' THEN
            RETURN mail.fold_access(key);
        WHEN 'aliases' THEN
            RETURN mail.fold_alias(key);
        WHEN 'virtualusers', 'genericstable' THEN
            RETURN mail.fold_address(key);
        WHEN 'mailertable', 'domaintable' THEN
            RETURN mail.fold_domain(key);
    END CASE;
END
$body$;
COMMENT ON FUNCTION mail.fold(text, text) IS 'Key of the named map as it is compared.';

GRANT EXECUTE ON FUNCTION
    mail.fold_local(text),
    mail.fold_domain(text),
    mail.fold_address(text),
    mail.fold_alias(text),
    mail.fold_access(text)
TO sqlmail_writer, sqlmail_reader;
GRANT EXECUTE ON FUNCTION mail.fold(text, text) TO sqlmail_writer;


-- The maps.  Key and value come first, so that INSERT INTO map VALUES (key, value)
-- is enough; the third column is what lookups compare, and no one writes it.

CREATE TABLE mail.access (
    key         mail.map_key NOT NULL,
    value       mail.map_value NOT NULL,
    lookup_key  text GENERATED ALWAYS AS (mail.fold_access(key)) STORED,
    CONSTRAINT access_key_is_unique PRIMARY KEY (lookup_key)
);
COMMENT ON TABLE mail.access IS
    'Who may connect, send and relay: the access map of sendmail.';
COMMENT ON COLUMN mail.access.key IS
    'Tag, and the host, network, domain or address it speaks of, as typed.';
COMMENT ON COLUMN mail.access.value IS
    'Verdict: RELAY, OK, REJECT, DISCARD, SKIP, ERROR:..., or what the tag calls for.';
COMMENT ON COLUMN mail.access.lookup_key IS
    'Key as it is compared; computed.';

CREATE TABLE mail.aliases (
    key         mail.map_key NOT NULL,
    value       mail.map_value NOT NULL,
    lookup_key  text GENERATED ALWAYS AS (mail.fold_alias(key)) STORED,
    CONSTRAINT aliases_key_is_unique PRIMARY KEY (lookup_key)
);
COMMENT ON TABLE mail.aliases IS
    'Local names and where their mail goes.';
COMMENT ON COLUMN mail.aliases.key IS
    'Local name, as typed; postmaster is the same name in every spelling.';
COMMENT ON COLUMN mail.aliases.value IS
    'Where the mail goes: one target, or several separated by commas.';
COMMENT ON COLUMN mail.aliases.lookup_key IS
    'Key as it is compared; computed.';

CREATE TABLE mail.virtualusers (
    key         mail.map_key NOT NULL,
    value       mail.map_value NOT NULL,
    lookup_key  text GENERATED ALWAYS AS (mail.fold_address(key)) STORED,
    CONSTRAINT virtualusers_key_is_unique PRIMARY KEY (lookup_key)
);
COMMENT ON TABLE mail.virtualusers IS
    'Addresses of hosted domains and where their mail goes: the virtusertable of sendmail.';
COMMENT ON COLUMN mail.virtualusers.key IS
    'Address user@domain, or @domain for everybody else in the domain, as typed.';
COMMENT ON COLUMN mail.virtualusers.value IS
    'Local name or address that receives the mail, or error:...; %1 to %3 as in sendmail.';
COMMENT ON COLUMN mail.virtualusers.lookup_key IS
    'Key as it is compared; computed.';

CREATE TABLE mail.mailertable (
    key         mail.map_key NOT NULL,
    value       mail.map_value NOT NULL,
    lookup_key  text GENERATED ALWAYS AS (mail.fold_domain(key)) STORED,
    CONSTRAINT mailertable_key_is_unique PRIMARY KEY (lookup_key)
);
COMMENT ON TABLE mail.mailertable IS
    'Routes: by which mailer and host the mail of a domain leaves.';
COMMENT ON COLUMN mail.mailertable.key IS
    'Domain, or .domain for everything below it, as typed.';
COMMENT ON COLUMN mail.mailertable.value IS
    'Route in the form mailer:host, for example esmtp:[mail.example.org].';
COMMENT ON COLUMN mail.mailertable.lookup_key IS
    'Key as it is compared; computed.';

CREATE TABLE mail.genericstable (
    key         mail.map_key NOT NULL,
    value       mail.map_value NOT NULL,
    lookup_key  text GENERATED ALWAYS AS (mail.fold_address(key)) STORED,
    CONSTRAINT genericstable_key_is_unique PRIMARY KEY (lookup_key)
);
COMMENT ON TABLE mail.genericstable IS
    'Sender addresses as they are shown to the world.';
COMMENT ON COLUMN mail.genericstable.key IS
    'Local name or address to be rewritten, as typed.';
COMMENT ON COLUMN mail.genericstable.value IS
    'Address that replaces it.';
COMMENT ON COLUMN mail.genericstable.lookup_key IS
    'Key as it is compared; computed.';

CREATE TABLE mail.domaintable (
    key         mail.map_key NOT NULL,
    value       mail.map_value NOT NULL,
    lookup_key  text GENERATED ALWAYS AS (mail.fold_domain(key)) STORED,
    CONSTRAINT domaintable_key_is_unique PRIMARY KEY (lookup_key)
);
COMMENT ON TABLE mail.domaintable IS
    'Old names of domains and what they are called now.';
COMMENT ON COLUMN mail.domaintable.key IS
    'Domain as it may still be written, as typed.';
COMMENT ON COLUMN mail.domaintable.value IS
    'Domain that replaces it.';
COMMENT ON COLUMN mail.domaintable.lookup_key IS
    'Key as it is compared; computed.';

GRANT SELECT, INSERT, UPDATE, DELETE ON TABLE
    mail.access,
    mail.aliases,
    mail.virtualusers,
    mail.mailertable,
    mail.genericstable,
    mail.domaintable
TO sqlmail_writer;
GRANT SELECT ON TABLE
    mail.access,
    mail.aliases,
    mail.virtualusers,
    mail.mailertable,
    mail.genericstable,
    mail.domaintable
TO sqlmail_reader;


-- Seeds: rows that were planted once and belong to the operator since then.

CREATE TABLE mail.seeds (
    map         text NOT NULL,
    key         mail.map_key NOT NULL,
    value       mail.map_value NOT NULL,
    planted_at  timestamptz NOT NULL DEFAULT now(),
    lookup_key  text GENERATED ALWAYS AS (mail.fold(map, key)) STORED,
    CONSTRAINT seed_is_planted_once PRIMARY KEY (map, key)
);
CREATE INDEX seeds_by_lookup_key ON mail.seeds (map, lookup_key);
COMMENT ON TABLE mail.seeds IS
    'Rows planted by a deployment. A seed is never planted twice: deleting its row lasts.';
COMMENT ON COLUMN mail.seeds.map IS 'Map that received the row.';
COMMENT ON COLUMN mail.seeds.key IS 'Key of the row, as planted.';
COMMENT ON COLUMN mail.seeds.value IS
    'Value of the row, as planted; a row that still has it was not touched since.';
COMMENT ON COLUMN mail.seeds.planted_at IS 'When the row was planted.';
COMMENT ON COLUMN mail.seeds.lookup_key IS 'Key as it is compared; computed.';
GRANT SELECT, INSERT, UPDATE, DELETE ON TABLE mail.seeds TO sqlmail_writer;

CREATE FUNCTION mail.yield_seed()
    RETURNS trigger
    LANGUAGE plpgsql
AS $body$
BEGIN
    IF EXISTS (
        SELECT
        FROM mail.seeds AS seed
        WHERE seed.map = tg_table_name
            AND seed.lookup_key = mail.fold(tg_table_name, new.key)
    ) THEN
        EXECUTE format(
            'DELETE FROM mail.%I AS entry'
            ' USING mail.seeds AS seed'
            ' WHERE entry.lookup_key = mail.fold($1, $2)'
            ' AND seed.map = $1'
            ' AND seed.key = entry.key'
            ' AND seed.value = entry.value',
            tg_table_name
        )
        USING tg_table_name::text, new.key::text;
    END IF;
    RETURN new;
END
$body$;
COMMENT ON FUNCTION mail.yield_seed() IS
    'Lets an inserted row take the place of an untouched seed with the same key.';

CREATE TRIGGER access_seed_yields
    BEFORE INSERT ON mail.access
    FOR EACH ROW
    EXECUTE FUNCTION mail.yield_seed();

CREATE TRIGGER aliases_seed_yields
    BEFORE INSERT ON mail.aliases
    FOR EACH ROW
    EXECUTE FUNCTION mail.yield_seed();

CREATE TRIGGER virtualusers_seed_yields
    BEFORE INSERT ON mail.virtualusers
    FOR EACH ROW
    EXECUTE FUNCTION mail.yield_seed();

CREATE TRIGGER mailertable_seed_yields
    BEFORE INSERT ON mail.mailertable
    FOR EACH ROW
    EXECUTE FUNCTION mail.yield_seed();

CREATE TRIGGER genericstable_seed_yields
    BEFORE INSERT ON mail.genericstable
    FOR EACH ROW
    EXECUTE FUNCTION mail.yield_seed();

CREATE TRIGGER domaintable_seed_yields
    BEFORE INSERT ON mail.domaintable
    FOR EACH ROW
    EXECUTE FUNCTION mail.yield_seed();


-- What sendmail asks.  Every function takes the key as sendmail has it and
-- returns one row or none; the planner inlines them, so a lookup is one scan of
-- the primary key.

CREATE FUNCTION mail.virtualuser_keys(address text)
    RETURNS text[]
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
AS $body$
DECLARE
    folded CONSTANT text := mail.fold_address(address);
    domain CONSTANT text := substring(folded FROM '@[^@]*$');
    local_part text;
    account text;
BEGIN
    IF domain IS NULL THEN
        RETURN ARRAY[folded];
    END IF;
    local_part := left(folded, -length(domain));
    IF position('+' IN local_part) < 2 THEN
        RETURN ARRAY[folded, domain];
    END IF;
    account := split_part(local_part, '+', 1);
    IF local_part = account || '+' THEN
        RETURN ARRAY[
            folded,
            account || '+*' || domain,
            account || domain,
            '+*' || domain,
            domain
        ];
    END IF;
    RETURN ARRAY[
        folded,
        account || '++' || domain,
        account || '+*' || domain,
        account || domain,
        '++' || domain,
        '+*' || domain,
        domain
    ];
END
$body$;
COMMENT ON FUNCTION mail.virtualuser_keys(text) IS
    'Keys of virtualusers that speak of an address, the most particular first.';

CREATE FUNCTION mail.expand_detail(value text, address text, matched text)
    RETURNS text
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
AS $body$
DECLARE
    local_part CONSTANT text := regexp_replace(address, '@[^@]*$', '');
    account CONSTANT text := split_part(local_part, '+', 1);
    detail text;
    percent CONSTANT text := chr(1);
BEGIN
    -- Without a detail, or for the address itself, sendmail expands %1 rightly.
    IF position('%' IN value) = 0
        OR position('+' IN local_part) < 2
        OR matched = mail.fold_address(address)
    THEN
        RETURN value;
    END IF;
    -- sendmail expands the answer once more: a percent sign of the address is
    -- doubled, by way of a character that no value has.
    detail := replace(substr(local_part, length(account) + 2), '%', percent);
    RETURN replace(
        replace(
            replace(
                replace(
                    replace(value, '%%', percent),
                    '%1', replace(account, '%', percent)
                ),
                '%2', detail
            ),
            '%3', '+' || detail
        ),
        percent, '%%'
    );
END
$body$;
COMMENT ON FUNCTION mail.expand_detail(text, text, text) IS
    'Value of a virtual user with %1 (user), %2 (detail) and %3 (+detail) put in.';

CREATE FUNCTION mail.recipient_access_keys(entry text)
    RETURNS text[]
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
AS $body$
DECLARE
    folded CONSTANT text := mail.fold_address(substr(entry, length('To:') + 1));
    domain CONSTANT text := substring(folded FROM '@[^@]*$');
    local_part CONSTANT text := left(folded, -length(domain));
    account CONSTANT text := split_part(local_part, '+', 1);
    keys text[] := ARRAY[folded, local_part || '@', substr(domain, 2)];
BEGIN
    IF position('+' IN local_part) > 1 THEN
        keys := keys || ARRAY[
            account || '+*' || domain,
            account || domain,
            account || '+*@',
            account || '@'
        ];
    END IF;
    RETURN keys || ARRAY(SELECT 'to:' || untagged FROM unnest(keys) AS untagged);
END
$body$;
COMMENT ON FUNCTION mail.recipient_access_keys(text) IS
    'Keys of access that speak of the recipient To:user@domain, tagged or not.';

CREATE FUNCTION mail.lookup_access(asked text)
    RETURNS SETOF text
    LANGUAGE sql STABLE PARALLEL SAFE ROWS 1
BEGIN ATOMIC
    SELECT entry.value::text
    FROM mail.access AS entry
    WHERE entry.lookup_key = mail.fold_access(asked)
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
    'Verdict of the access map; RELAY for the address of a virtual user that no row names.';

CREATE FUNCTION mail.lookup_virtualusers(asked text)
    RETURNS SETOF text
    LANGUAGE sql STABLE PARALLEL SAFE ROWS 1
BEGIN ATOMIC
    SELECT mail.expand_detail(entry.value, asked, entry.lookup_key)
    FROM mail.virtualusers AS entry
    WHERE entry.lookup_key = ANY (mail.virtualuser_keys(asked))
    ORDER BY array_position(mail.virtualuser_keys(asked), entry.lookup_key)
    LIMIT 1;
END;
COMMENT ON FUNCTION mail.lookup_virtualusers(text) IS
    'Target of an address: its own row, else +detail, user, and domain rows, in this order.';

CREATE FUNCTION mail.lookup_aliases(asked text)
    RETURNS SETOF text
    LANGUAGE sql STABLE PARALLEL SAFE ROWS 1
BEGIN ATOMIC
    SELECT entry.value::text
    FROM mail.aliases AS entry
    WHERE entry.lookup_key = mail.fold_alias(asked);
END;
COMMENT ON FUNCTION mail.lookup_aliases(text) IS 'Targets of an alias.';

CREATE FUNCTION mail.lookup_mailertable(asked text)
    RETURNS SETOF text
    LANGUAGE sql STABLE PARALLEL SAFE ROWS 1
BEGIN ATOMIC
    SELECT entry.value::text
    FROM mail.mailertable AS entry
    WHERE entry.lookup_key = mail.fold_domain(asked);
END;
COMMENT ON FUNCTION mail.lookup_mailertable(text) IS 'Route of a domain.';

CREATE FUNCTION mail.lookup_genericstable(asked text)
    RETURNS SETOF text
    LANGUAGE sql STABLE PARALLEL SAFE ROWS 1
BEGIN ATOMIC
    SELECT entry.value::text
    FROM mail.genericstable AS entry
    WHERE entry.lookup_key = mail.fold_address(asked);
END;
COMMENT ON FUNCTION mail.lookup_genericstable(text) IS 'Address that a sender is shown by.';

CREATE FUNCTION mail.lookup_domaintable(asked text)
    RETURNS SETOF text
    LANGUAGE sql STABLE PARALLEL SAFE ROWS 1
BEGIN ATOMIC
    SELECT entry.value::text
    FROM mail.domaintable AS entry
    WHERE entry.lookup_key = mail.fold_domain(asked);
END;
COMMENT ON FUNCTION mail.lookup_domaintable(text) IS 'New name of a domain.';

GRANT EXECUTE ON FUNCTION
    mail.lookup_access(text),
    mail.lookup_aliases(text),
    mail.lookup_virtualusers(text),
    mail.lookup_mailertable(text),
    mail.lookup_genericstable(text),
    mail.lookup_domaintable(text),
    mail.virtualuser_keys(text),
    mail.recipient_access_keys(text),
    mail.expand_detail(text, text, text)
TO sqlmail_writer, sqlmail_reader;


-- One switch for the case of local parts.

CREATE FUNCTION mail.case_sensitive()
    RETURNS boolean
    LANGUAGE plpgsql VOLATILE
AS $body$
DECLARE
    answer boolean;
BEGIN
    -- Dynamic, so that no plan remembers an old answer.
    EXECUTE 'SELECT mail.fold_local(''A'') = ''A''' INTO STRICT answer;
    RETURN answer;
END
$body$;
COMMENT ON FUNCTION mail.case_sensitive() IS
    'True if local parts that differ in case are different keys.';
GRANT EXECUTE ON FUNCTION mail.case_sensitive() TO sqlmail_writer;

CREATE PROCEDURE mail.set_case_sensitive(wanted boolean)
    LANGUAGE plpgsql
AS $body$
DECLARE
    map text;
    collisions text;
BEGIN
    IF wanted = mail.case_sensitive() THEN
        RETURN;
    END IF;
    -- Lookups wait: none may meet new keys with the old comparison.
    LOCK TABLE
        mail.access,
        mail.aliases,
        mail.virtualusers,
        mail.mailertable,
        mail.genericstable,
        mail.domaintable,
        mail.seeds
    IN ACCESS EXCLUSIVE MODE;
    EXECUTE
        'CREATE OR REPLACE FUNCTION mail.fold_local(local_part text)'
        ' RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN '
        || CASE WHEN wanted THEN 'local_part' ELSE 'lower(local_part)' END;
    FOREACH map IN ARRAY ARRAY[
        'access', 'aliases', 'virtualusers', 'mailertable', 'genericstable', 'domaintable'
    ]
    LOOP
        -- Of rows that become one key an untouched seed gives way, to an
        -- operator's row or to another seed with the same value.  It is
        -- forgotten too, so that it can be planted when the mode changes back.
        EXECUTE format(
            $query$
                WITH untouched AS (
                    SELECT
                        entry.key::text,
                        entry.value::text,
                        mail.fold($1, entry.key) AS folded
                    FROM mail.%1$I AS entry
                    JOIN mail.seeds AS seed
                        ON seed.map = $1
                        AND seed.key = entry.key
                        AND seed.value = entry.value
                ),
                spare AS (
                    SELECT DISTINCT untouched.key
                    FROM untouched
                    JOIN mail.%1$I AS other
                        ON mail.fold($1, other.key) = untouched.folded
                        AND other.key <> untouched.key
                    LEFT JOIN untouched AS twin
                        ON twin.key = other.key
                    WHERE twin.key IS NULL
                        OR (twin.value = untouched.value AND twin.key > untouched.key)
                ),
                forgotten AS (
                    DELETE FROM mail.seeds AS seed
                    USING spare
                    WHERE seed.map = $1 AND seed.key = spare.key
                )
                DELETE FROM mail.%1$I AS entry
                USING spare
                WHERE entry.key = spare.key
            $query$,
            map
        )
        USING map;
        EXECUTE format(
            $query$
                SELECT string_agg(same.keys, '; ')
                FROM (
                    SELECT string_agg(entry.key, ', ' ORDER BY entry.key) AS keys
                    FROM mail.%I AS entry
                    GROUP BY mail.fold($1, entry.key)
                    HAVING count(*) > 1
                    ORDER BY 1
                    LIMIT 20
                ) AS same
            $query$,
            map
        )
        INTO collisions
        USING map;
        IF collisions IS NOT NULL THEN
            RAISE EXCEPTION 'keys of map % differ only in case: %', map, collisions
                USING ERRCODE = 'unique_violation',
                    HINT = 'Delete or rename all but one of each, then try again.';
        END IF;
        -- The generated column is computed anew.
        EXECUTE format('UPDATE mail.%I SET key = key', map);
    END LOOP;
    UPDATE mail.seeds SET key = key;
END
$body$;
COMMENT ON PROCEDURE mail.set_case_sensitive(boolean) IS
    'Decides whether the case of local parts counts, and computes all keys anew.';
