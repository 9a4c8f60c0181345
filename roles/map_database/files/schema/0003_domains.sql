-- Schema of the maps, third step: the classes of sendmail, and secrets.
--
-- A class is a set of names: local domains, relayed domains and so on.  Its table
-- is made like that of a map, and its rows count as soon as those of a map do.
-- Needs the group role sqlmail_submitter, too.


-- What may be a member.

CREATE DOMAIN mail.class_member AS mail.map_key
    CONSTRAINT member_has_no_blanks CHECK (VALUE !~ '[[:space:]]')
    CONSTRAINT member_has_no_outer_dot CHECK (VALUE !~ '^[.]|[.]$')
    CONSTRAINT member_has_at_most_16_parts CHECK (VALUE !~ '([.:].*){16}');
COMMENT ON DOMAIN mail.class_member IS
    'Member of a class, as an operator types it; sendmail takes it for one word.';


-- Seeds may be planted in a class, where a value is only a remark.

ALTER TABLE mail.seeds ALTER COLUMN value DROP NOT NULL;

CREATE OR REPLACE FUNCTION mail.fold(map text, key text)
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
        WHEN 'mailertable', 'domaintable', 'authinfo',
            'local_domains', 'relay_domains', 'virtual_domains',
            'generics_domains', 'masquerade_domains', 'masquerade_exceptions',
            'trusted_users'
        THEN
            RETURN mail.fold_domain(key);
    END CASE;
END
$body$;

CREATE OR REPLACE FUNCTION mail.yield_seed()
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
            ' AND seed.value IS NOT DISTINCT FROM entry.value',
            tg_table_name
        )
        USING tg_table_name::text, new.key::text;
    END IF;
    RETURN new;
END
$body$;


-- The classes.  INSERT INTO class VALUES (member) is enough.

CREATE TABLE mail.local_domains (
    key         mail.class_member NOT NULL,
    value       mail.map_value,
    lookup_key  text GENERATED ALWAYS AS (mail.fold_domain(key)) STORED,
    CONSTRAINT local_domains_key_is_unique PRIMARY KEY (lookup_key)
);
COMMENT ON TABLE mail.local_domains IS
    'Names that this host receives mail for: class w of sendmail.';
COMMENT ON COLUMN mail.local_domains.key IS
    'Domain, host, or [address], as typed.';
COMMENT ON COLUMN mail.local_domains.value IS
    'Remark of the operator, or nothing; sendmail does not see it.';
COMMENT ON COLUMN mail.local_domains.lookup_key IS
    'Key as it is compared; computed.';

CREATE TABLE mail.relay_domains (
    key         mail.class_member NOT NULL,
    value       mail.map_value,
    lookup_key  text GENERATED ALWAYS AS (mail.fold_domain(key)) STORED,
    CONSTRAINT relay_domains_key_is_unique PRIMARY KEY (lookup_key)
);
COMMENT ON TABLE mail.relay_domains IS
    'Domains and networks that this host relays for: class R of sendmail.';
COMMENT ON COLUMN mail.relay_domains.key IS
    'Domain, which stands for all below it, or address or network without its last numbers, as typed.';
COMMENT ON COLUMN mail.relay_domains.value IS
    'Remark of the operator, or nothing; sendmail does not see it.';
COMMENT ON COLUMN mail.relay_domains.lookup_key IS
    'Key as it is compared; computed.';

CREATE TABLE mail.virtual_domains (
    key         mail.class_member NOT NULL,
    value       mail.map_value,
    lookup_key  text GENERATED ALWAYS AS (mail.fold_domain(key)) STORED,
    CONSTRAINT virtual_domains_key_is_unique PRIMARY KEY (lookup_key)
);
COMMENT ON TABLE mail.virtual_domains IS
    'Domains of virtual users all addresses of which are accepted: class VirtHost of sendmail.';
COMMENT ON COLUMN mail.virtual_domains.key IS
    'Domain, as typed; it is relayed for, too.';
COMMENT ON COLUMN mail.virtual_domains.value IS
    'Remark of the operator, or nothing; sendmail does not see it.';
COMMENT ON COLUMN mail.virtual_domains.lookup_key IS
    'Key as it is compared; computed.';

CREATE TABLE mail.generics_domains (
    key         mail.class_member NOT NULL,
    value       mail.map_value,
    lookup_key  text GENERATED ALWAYS AS (mail.fold_domain(key)) STORED,
    CONSTRAINT generics_domains_key_is_unique PRIMARY KEY (lookup_key)
);
COMMENT ON TABLE mail.generics_domains IS
    'Domains whose senders are looked up in genericstable: class G of sendmail.';
COMMENT ON COLUMN mail.generics_domains.key IS
    'Domain, as typed; a local domain need not be named.';
COMMENT ON COLUMN mail.generics_domains.value IS
    'Remark of the operator, or nothing; sendmail does not see it.';
COMMENT ON COLUMN mail.generics_domains.lookup_key IS
    'Key as it is compared; computed.';

CREATE TABLE mail.masquerade_domains (
    key         mail.class_member NOT NULL,
    value       mail.map_value,
    lookup_key  text GENERATED ALWAYS AS (mail.fold_domain(key)) STORED,
    CONSTRAINT masquerade_domains_key_is_unique PRIMARY KEY (lookup_key)
);
COMMENT ON TABLE mail.masquerade_domains IS
    'Domains hidden behind the name that the host masquerades as: class M of sendmail.';
COMMENT ON COLUMN mail.masquerade_domains.key IS
    'Domain, as typed.';
COMMENT ON COLUMN mail.masquerade_domains.value IS
    'Remark of the operator, or nothing; sendmail does not see it.';
COMMENT ON COLUMN mail.masquerade_domains.lookup_key IS
    'Key as it is compared; computed.';

CREATE TABLE mail.masquerade_exceptions (
    key         mail.class_member NOT NULL,
    value       mail.map_value,
    lookup_key  text GENERATED ALWAYS AS (mail.fold_domain(key)) STORED,
    CONSTRAINT masquerade_exceptions_key_is_unique PRIMARY KEY (lookup_key)
);
COMMENT ON TABLE mail.masquerade_exceptions IS
    'Hosts that are not masqueraded: class N of sendmail.';
COMMENT ON COLUMN mail.masquerade_exceptions.key IS
    'Host or domain, as typed.';
COMMENT ON COLUMN mail.masquerade_exceptions.value IS
    'Remark of the operator, or nothing; sendmail does not see it.';
COMMENT ON COLUMN mail.masquerade_exceptions.lookup_key IS
    'Key as it is compared; computed.';

CREATE TABLE mail.trusted_users (
    key         mail.class_member NOT NULL,
    value       mail.map_value,
    lookup_key  text GENERATED ALWAYS AS (mail.fold_domain(key)) STORED,
    CONSTRAINT trusted_users_key_is_unique PRIMARY KEY (lookup_key)
);
COMMENT ON TABLE mail.trusted_users IS
    'Users who may choose a sender without a warning: class t of sendmail.';
COMMENT ON COLUMN mail.trusted_users.key IS
    'Login name, as typed; has no case, as in every class.';
COMMENT ON COLUMN mail.trusted_users.value IS
    'Remark of the operator, or nothing; sendmail does not see it.';
COMMENT ON COLUMN mail.trusted_users.lookup_key IS
    'Key as it is compared; computed.';


-- Secrets: who this host is where it must log in.

CREATE TABLE mail.authinfo (
    key         mail.map_key NOT NULL,
    value       mail.map_value NOT NULL,
    lookup_key  text GENERATED ALWAYS AS (mail.fold_domain(key)) STORED,
    CONSTRAINT authinfo_key_is_unique PRIMARY KEY (lookup_key)
);
COMMENT ON TABLE mail.authinfo IS
    'Logins of this host at other servers: the authinfo map of sendmail. Secret: it is asked for one server at a time.';
COMMENT ON COLUMN mail.authinfo.key IS
    'AuthInfo: and the name or address of the server, or AuthInfo: alone for all others, as typed.';
COMMENT ON COLUMN mail.authinfo.value IS
    'What to log in with, for example "U:user" "P:password" "M:PLAIN".';
COMMENT ON COLUMN mail.authinfo.lookup_key IS
    'Key as it is compared; computed.';

GRANT SELECT, INSERT, UPDATE, DELETE ON TABLE
    mail.local_domains,
    mail.relay_domains,
    mail.virtual_domains,
    mail.generics_domains,
    mail.masquerade_domains,
    mail.masquerade_exceptions,
    mail.trusted_users,
    mail.authinfo
TO sqlmail_writer;
GRANT SELECT ON TABLE
    mail.local_domains,
    mail.relay_domains,
    mail.virtual_domains,
    mail.generics_domains,
    mail.masquerade_domains,
    mail.masquerade_exceptions,
    mail.trusted_users
TO sqlmail_reader;

CREATE TRIGGER local_domains_seed_yields
    BEFORE INSERT ON mail.local_domains
    FOR EACH ROW
    EXECUTE FUNCTION mail.yield_seed();

CREATE TRIGGER relay_domains_seed_yields
    BEFORE INSERT ON mail.relay_domains
    FOR EACH ROW
    EXECUTE FUNCTION mail.yield_seed();

CREATE TRIGGER virtual_domains_seed_yields
    BEFORE INSERT ON mail.virtual_domains
    FOR EACH ROW
    EXECUTE FUNCTION mail.yield_seed();

CREATE TRIGGER generics_domains_seed_yields
    BEFORE INSERT ON mail.generics_domains
    FOR EACH ROW
    EXECUTE FUNCTION mail.yield_seed();

CREATE TRIGGER masquerade_domains_seed_yields
    BEFORE INSERT ON mail.masquerade_domains
    FOR EACH ROW
    EXECUTE FUNCTION mail.yield_seed();

CREATE TRIGGER masquerade_exceptions_seed_yields
    BEFORE INSERT ON mail.masquerade_exceptions
    FOR EACH ROW
    EXECUTE FUNCTION mail.yield_seed();

CREATE TRIGGER trusted_users_seed_yields
    BEFORE INSERT ON mail.trusted_users
    FOR EACH ROW
    EXECUTE FUNCTION mail.yield_seed();

CREATE TRIGGER authinfo_seed_yields
    BEFORE INSERT ON mail.authinfo
    FOR EACH ROW
    EXECUTE FUNCTION mail.yield_seed();


-- What sendmail asks.

CREATE FUNCTION mail.lookup_local_domains(asked text)
    RETURNS SETOF text
    LANGUAGE sql STABLE PARALLEL SAFE ROWS 1
BEGIN ATOMIC
    SELECT entry.key::text
    FROM mail.local_domains AS entry
    WHERE entry.lookup_key = mail.fold_domain(asked);
END;
COMMENT ON FUNCTION mail.lookup_local_domains(text) IS
    'Whether mail for a name is received here.';

CREATE FUNCTION mail.lookup_relay_domains(asked text)
    RETURNS SETOF text
    LANGUAGE sql STABLE PARALLEL SAFE ROWS 1
BEGIN ATOMIC
    SELECT entry.key::text
    FROM mail.relay_domains AS entry
    WHERE entry.lookup_key = mail.fold_domain(asked)
    UNION ALL
    SELECT entry.key::text
    FROM mail.virtual_domains AS entry
    WHERE entry.lookup_key = mail.fold_domain(asked);
END;
COMMENT ON FUNCTION mail.lookup_relay_domains(text) IS
    'Whether a name is one that is relayed for; virtual domains are.';

CREATE FUNCTION mail.lookup_virtual_domains(asked text)
    RETURNS SETOF text
    LANGUAGE sql STABLE PARALLEL SAFE ROWS 1
BEGIN ATOMIC
    SELECT entry.key::text
    FROM mail.virtual_domains AS entry
    WHERE entry.lookup_key = mail.fold_domain(asked);
END;
COMMENT ON FUNCTION mail.lookup_virtual_domains(text) IS
    'Whether a domain is one of virtual users.';

CREATE FUNCTION mail.lookup_generics_domains(asked text)
    RETURNS SETOF text
    LANGUAGE sql STABLE PARALLEL SAFE ROWS 1
BEGIN ATOMIC
    SELECT entry.key::text
    FROM mail.generics_domains AS entry
    WHERE entry.lookup_key = mail.fold_domain(asked)
    UNION ALL
    SELECT entry.key::text
    FROM mail.local_domains AS entry
    WHERE entry.lookup_key = mail.fold_domain(asked);
END;
COMMENT ON FUNCTION mail.lookup_generics_domains(text) IS
    'Whether senders of a domain are looked up in genericstable; those of local domains are.';

CREATE FUNCTION mail.lookup_masquerade_domains(asked text)
    RETURNS SETOF text
    LANGUAGE sql STABLE PARALLEL SAFE ROWS 1
BEGIN ATOMIC
    SELECT entry.key::text
    FROM mail.masquerade_domains AS entry
    WHERE entry.lookup_key = mail.fold_domain(asked);
END;
COMMENT ON FUNCTION mail.lookup_masquerade_domains(text) IS
    'Whether a domain is masqueraded.';

CREATE FUNCTION mail.lookup_masquerade_exceptions(asked text)
    RETURNS SETOF text
    LANGUAGE sql STABLE PARALLEL SAFE ROWS 1
BEGIN ATOMIC
    SELECT entry.key::text
    FROM mail.masquerade_exceptions AS entry
    WHERE entry.lookup_key = mail.fold_domain(asked);
END;
COMMENT ON FUNCTION mail.lookup_masquerade_exceptions(text) IS
    'Whether a host is not masqueraded.';

CREATE FUNCTION mail.lookup_trusted_users(asked text)
    RETURNS SETOF text
    LANGUAGE sql STABLE PARALLEL SAFE ROWS 1
BEGIN ATOMIC
    SELECT entry.key::text
    FROM mail.trusted_users AS entry
    WHERE entry.lookup_key = mail.fold_domain(asked);
END;
COMMENT ON FUNCTION mail.lookup_trusted_users(text) IS
    'Whether a user is trusted.';

CREATE FUNCTION mail.lookup_authinfo(asked text)
    RETURNS SETOF text
    LANGUAGE sql STABLE PARALLEL SAFE ROWS 1
    -- The reader cannot see the table, only what it can name.
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT found.value
    FROM (
        SELECT 0 AS distance, entry.value::text
        FROM mail.authinfo AS entry
        WHERE entry.lookup_key = mail.fold_domain(asked)
        UNION ALL
        -- Without the feature authinfo sendmail looks in the access map.
        SELECT parent.distance, entry.value
        FROM unnest(mail.parents(substr(asked, length('AuthInfo:') + 1)))
            WITH ORDINALITY AS parent (name, distance),
            mail.lookup_access('AuthInfo:' || parent.name) AS entry (value)
        WHERE lower(asked) LIKE 'authinfo:%'
    ) AS found
    ORDER BY found.distance
    LIMIT 1;
END;
COMMENT ON FUNCTION mail.lookup_authinfo(text) IS
    'What to log in with at a server: its row of authinfo, else that of access for it or what is above it.';

GRANT EXECUTE ON FUNCTION
    mail.lookup_local_domains(text),
    mail.lookup_relay_domains(text),
    mail.lookup_virtual_domains(text),
    mail.lookup_generics_domains(text),
    mail.lookup_masquerade_domains(text),
    mail.lookup_masquerade_exceptions(text),
    mail.lookup_trusted_users(text),
    mail.lookup_authinfo(text)
TO sqlmail_writer, sqlmail_reader;


-- A rule of sendmail asks a class for every phrase of a text, one after the
-- other: mail, mail.example, mail.example.org.  They are answered at once.

CREATE FUNCTION mail.class_phrases(texts text[])
    RETURNS text[]
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
AS $body$
DECLARE
    -- As the constraint of class_member.
    most CONSTANT integer := 16;
    phrases text[] := ARRAY[]::text[];
    parts text[];
    text text;
    starts integer[];
    ends integer[];
    at integer;
BEGIN
    FOREACH text IN ARRAY texts LOOP
        CONTINUE WHEN text IS NULL;
        -- With its brackets an address is another phrase than without.
        IF text LIKE '[%]' THEN
            phrases := phrases || text;
            text := substr(text, 2, length(text) - 2);
        ELSIF position('[' IN text) > 0 THEN
            phrases := phrases || mail.class_phrases(ARRAY[translate(text, '[]', '..')]);
        END IF;
        parts := string_to_array(translate(text, ':@', '..'), '.');
        starts := ARRAY[]::integer[];
        ends := ARRAY[]::integer[];
        at := 1;
        FOR i IN 1 .. cardinality(parts) LOOP
            starts[i] := at;
            at := at + length(parts[i]) + 1;
            ends[i] := at - 1;
        END LOOP;
        FOR i IN 1 .. cardinality(parts) LOOP
            FOR j IN i .. least(i + most - 1, cardinality(parts)) LOOP
                phrases := phrases || substr(text, starts[i], ends[j] - starts[i]);
            END LOOP;
        END LOOP;
    END LOOP;
    RETURN phrases;
END
$body$;
COMMENT ON FUNCTION mail.class_phrases(text[]) IS
    'Phrases of texts that may be members: what stands between two of the signs . : @.';

CREATE FUNCTION mail.lookup_classes_ahead(texts text[])
    RETURNS TABLE (function text, key text, value text)
    LANGUAGE plpgsql STABLE PARALLEL SAFE ROWS 12
AS $body$
DECLARE
    folded CONSTANT text[] := lower(texts::text)::text[];
    phrases CONSTANT text[] := mail.class_phrases(folded);
BEGIN
    FOR function, key, value IN
        SELECT 'mail.lookup_local_domains', entry.lookup_key, entry.key::text
        FROM mail.local_domains AS entry
        WHERE entry.lookup_key = ANY (phrases)
        UNION ALL
        SELECT 'mail.lookup_relay_domains', entry.lookup_key, entry.key::text
        FROM mail.relay_domains AS entry
        WHERE entry.lookup_key = ANY (phrases)
        UNION ALL
        SELECT 'mail.lookup_virtual_domains', entry.lookup_key, entry.key::text
        FROM mail.virtual_domains AS entry
        WHERE entry.lookup_key = ANY (phrases)
        UNION ALL
        SELECT 'mail.lookup_generics_domains', entry.lookup_key, entry.key::text
        FROM mail.generics_domains AS entry
        WHERE entry.lookup_key = ANY (phrases)
        UNION ALL
        SELECT 'mail.lookup_masquerade_domains', entry.lookup_key, entry.key::text
        FROM mail.masquerade_domains AS entry
        WHERE entry.lookup_key = ANY (phrases)
        UNION ALL
        SELECT 'mail.lookup_masquerade_exceptions', entry.lookup_key, entry.key::text
        FROM mail.masquerade_exceptions AS entry
        WHERE entry.lookup_key = ANY (phrases)
    LOOP
        RETURN NEXT;
        -- As lookup_generics_domains and lookup_relay_domains have it.
        IF function = 'mail.lookup_local_domains' THEN
            function := 'mail.lookup_generics_domains';
            RETURN NEXT;
        ELSIF function = 'mail.lookup_virtual_domains' THEN
            function := 'mail.lookup_relay_domains';
            RETURN NEXT;
        END IF;
    END LOOP;
    value := NULL;
    FOREACH key IN ARRAY folded LOOP
        CONTINUE WHEN key IS NULL;
        FOREACH function IN ARRAY ARRAY[
            'mail.lookup_local_domains',
            'mail.lookup_relay_domains',
            'mail.lookup_virtual_domains',
            'mail.lookup_generics_domains',
            'mail.lookup_masquerade_domains',
            'mail.lookup_masquerade_exceptions'
        ]
        LOOP
            RETURN NEXT;
        END LOOP;
    END LOOP;
END
$body$;
COMMENT ON FUNCTION mail.lookup_classes_ahead(text[]) IS
    'Members of classes among the phrases of texts; value NULL: no other phrase of the text is one.';

GRANT EXECUTE ON FUNCTION
    mail.class_phrases(text[]),
    mail.lookup_classes_ahead(text[])
TO sqlmail_writer, sqlmail_reader;


-- Who submits mail on the host asks, under his own name, whether he is trusted.

GRANT USAGE ON SCHEMA mail TO sqlmail_submitter;
GRANT SELECT ON TABLE mail.trusted_users TO sqlmail_submitter;
GRANT EXECUTE ON FUNCTION
    mail.lookup_trusted_users(text),
    mail.fold_domain(text)
TO sqlmail_submitter;
