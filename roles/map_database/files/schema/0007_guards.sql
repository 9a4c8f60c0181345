-- Schema of the maps, seventh step: the database guards its rows.
--
-- A row that sendmail could not use, or that would do what nobody wants, is
-- refused, whatever client it comes from.  The refusal looks like one of a CHECK
-- constraint (SQLSTATE 23514, with a constraint name), but says in words what is
-- wrong and how to write it right.  A function <table>_fault judges a row by
-- itself; triggers ask it once for each statement, so that a bulk load stays
-- one, and only about rows that changed, so that rows from before this step are
-- left alone.  What several rows make together is judged at the end of the
-- transaction, so that their order does not matter.

-- What is known by name.

CREATE TABLE mail.mailers (
    name         text NOT NULL,
    description  text NOT NULL,
    CONSTRAINT mailer_is_named_once PRIMARY KEY (name),
    CONSTRAINT mailer_is_a_name CHECK (name ~ '^[a-z][a-z0-9_-]*$'),
    -- A route to prog would do what aliases are refused.
    CONSTRAINT mailer_runs_no_program_of_the_sender CHECK (name <> 'prog')
);
COMMENT ON TABLE mail.mailers IS
    'Mailers that a route may name; add your own when you define one in sendmail.mc.';
COMMENT ON COLUMN mail.mailers.name IS 'Name of the mailer, in lower case; sendmail knows no case.';
COMMENT ON COLUMN mail.mailers.description IS 'What it does.';

INSERT INTO mail.mailers (name, description) VALUES
    ('local', 'delivers to a mailbox of this host'),
    ('smtp', 'SMTP without extensions'),
    ('esmtp', 'SMTP with extensions; the usual one'),
    ('smtp8', 'SMTP, eight bits without conversion'),
    ('dsmtp', 'SMTP, the receiver fetches its mail by ETRN'),
    ('relay', 'SMTP to a host that relays for us'),
    ('lmtp', 'LMTP to mta_config_lmtp_address'),
    ('error', 'refuses with the text given'),
    ('discard', 'throws away without a word');

CREATE TABLE mail.access_tags (
    name         text NOT NULL,
    keys         text NOT NULL,
    verdicts     text NOT NULL,
    description  text NOT NULL,
    CONSTRAINT access_tag_is_named_once PRIMARY KEY (name),
    CONSTRAINT access_tag_is_a_name CHECK (name ~ '^[a-z][a-z_]*$'),
    CONSTRAINT access_tag_knows_its_keys
        CHECK (keys IN ('host', 'name', 'address', 'certificate', 'any')),
    CONSTRAINT access_tag_knows_its_verdicts CHECK (
        verdicts IN (
            'verdict', 'friend', 'milliseconds', 'limit', 'features', 'try', 'security', 'session',
            'login', 'issuer', 'subject', 'any'
        )
    )
);
COMMENT ON TABLE mail.access_tags IS
    'Tags that a key of access may have; add those that rules of your own ask for.';
COMMENT ON COLUMN mail.access_tags.name IS 'Tag without its colon, in lower case.';
COMMENT ON COLUMN mail.access_tags.keys IS
    'What follows the tag: host (name, address or network), name, address (of mail), certificate'
    ' (a distinguished name) or any.';
COMMENT ON COLUMN mail.access_tags.verdicts IS
    'What the value may be: verdict, friend, milliseconds, limit, features, try, security, session,'
    ' login, issuer, subject or any.';
COMMENT ON COLUMN mail.access_tags.description IS 'What sendmail asks it for.';

INSERT INTO mail.access_tags (name, keys, verdicts, description) VALUES
    ('connect', 'host', 'verdict', 'may this client connect and relay'),
    ('from', 'address', 'verdict', 'may this sender send'),
    ('to', 'address', 'verdict', 'may this recipient receive, and from outside'),
    ('spam', 'address', 'friend', 'is this recipient spared or subjected, FEATURE(delay_checks)'),
    ('greetpause', 'host', 'milliseconds', 'wait before the greeting, FEATURE(greet_pause)'),
    ('clientrate', 'host', 'limit', 'connections in a minute, FEATURE(ratecontrol)'),
    ('clientconn', 'host', 'limit', 'connections at a time, FEATURE(conncontrol)'),
    ('srv_features', 'host', 'features', 'what is offered to a client'),
    ('clt_features', 'name', 'features', 'what is used with a server'),
    ('try_tls', 'host', 'try', 'is STARTTLS tried with a server'),
    ('tls_srv', 'host', 'security', 'what a server must have'),
    ('tls_clt', 'host', 'security', 'what a client must have'),
    ('tls_rcpt', 'address', 'security', 'what the server of a recipient must have'),
    ('tls_srv_features', 'host', 'session', 'TLS with a client, FEATURE(tls_session_features)'),
    ('tls_clt_features', 'host', 'session', 'TLS with a server, FEATURE(tls_session_features)'),
    ('authinfo', 'host', 'login', 'how to log in at a server'),
    ('certissuer', 'certificate', 'issuer', 'may clients with a certificate of this issuer relay'),
    ('certsubject', 'certificate', 'subject', 'may the client with this certificate relay');

GRANT SELECT, INSERT, UPDATE, DELETE ON TABLE mail.mailers, mail.access_tags TO sqlmail_writer;

CALL mail.watch('mailers', 'name');
CALL mail.watch('access_tags', 'name');

-- Which targets besides names and addresses an alias may have is a matter of
-- safety: who may write rows may not decide it.

CREATE FUNCTION mail.alias_targets()
    RETURNS text[]
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN '{}'::text[];
COMMENT ON FUNCTION mail.alias_targets() IS
    'Which of program, file and include an alias may name; replaced by mail.set_alias_targets.';

CREATE PROCEDURE mail.set_alias_targets(wanted text[])
    LANGUAGE plpgsql
AS $body$
BEGIN
    IF NOT wanted <@ ARRAY['program', 'file', 'include'] THEN
        RAISE EXCEPTION 'an alias may be allowed program, file and include, not %', wanted
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    EXECUTE format(
        'CREATE OR REPLACE FUNCTION mail.alias_targets()'
        ' RETURNS text[] LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN %L::text[]',
        wanted
    );
END
$body$;
COMMENT ON PROCEDURE mail.set_alias_targets(text[]) IS
    'Decides which of program, file and include an alias may name. Rows that are there stay.';


-- What names are made of.  Each function says what is wrong, or NULL.

CREATE FUNCTION mail.domain_problem(domain text)
    RETURNS text
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
AS $body$
BEGIN
    -- The usual; else letters of all scripts, for sendmail may be built for SMTPUTF8.
    IF octet_length(domain) < 64
        AND domain ~ '^[A-Za-z0-9_]+([.-][A-Za-z0-9_]+)*$'
        AND domain !~ '(^|\.)[0-9]+$'
    THEN
        RETURN NULL;
    END IF;
    IF octet_length(domain) <= 253
        AND domain ~ '^[A-Za-z0-9_\u0080-\U0010FFFF]+((\.|-+)[A-Za-z0-9_\u0080-\U0010FFFF]+)*$'
        AND domain !~ '(^|\.)[0-9]+$'
        AND domain !~ '[^.]{64}'
    THEN
        RETURN NULL;
    END IF;
    RETURN CASE
        WHEN domain = '' THEN 'a domain is missing'
        WHEN domain ~ '^[0-9]+(\.[0-9]+){3}$' THEN
            format('"%s" is an address, which is written in brackets: [%1$s]', domain)
        WHEN domain ~ '\s' THEN format('domain "%s" contains a blank', domain)
        WHEN domain ~ '@' THEN format('"%s" is an address where a domain belongs', domain)
        WHEN octet_length(domain) > 253 THEN
            format('domain "%s..." is longer than 253 bytes', left(domain, 20))
        WHEN domain ~ '[^.]{64}' THEN
            format('domain "%s..." has a part longer than 63 characters', left(domain, 20))
        WHEN domain ~ '\.$' THEN format('domain "%s" ends with a dot', domain)
        WHEN domain ~ '^\.' THEN format('domain "%s" begins with a dot', domain)
        WHEN domain ~ '\.\.' THEN format('domain "%s" has an empty part', domain)
        WHEN domain ~ '(^|\.)[0-9]+$' THEN format('domain "%s" ends with a number', domain)
        WHEN domain ~ '(^|\.)-|-(\.|$)' THEN
            format('domain "%s" has a part that begins or ends with a hyphen', domain)
        ELSE format(
            'domain "%s" contains "%s"', domain,
            substring(domain FROM '[^A-Za-z0-9_.\u0080-\U0010FFFF-]')
        )
    END;
END
$body$;
COMMENT ON FUNCTION mail.domain_problem(text) IS 'What is wrong with a domain or host; NULL: nothing.';

CREATE FUNCTION mail.literal_problem(host text)
    RETURNS text
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
AS $body$
BEGIN
    RETURN CASE
        WHEN host !~ '^\[.*\]$' THEN mail.domain_problem(host)
        WHEN host ~ '/' THEN format('"%s" has a network in brackets, which hold one address', host)
        WHEN host ~* '^\[[0-9./]+\]$|^\[IPv6:' THEN
            mail.network_problem(substr(host, 2, length(host) - 2))
        ELSE mail.domain_problem(substr(host, 2, length(host) - 2))
    END;
END
$body$;
COMMENT ON FUNCTION mail.literal_problem(text) IS
    'What is wrong with a host that may stand in brackets; NULL: nothing.';

CREATE FUNCTION mail.network_problem(network text)
    RETURNS text
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
AS $body$
DECLARE
    address CONSTANT text := regexp_replace(network, '/.*$', '');
    bits CONSTANT text := substring(network FROM '/(.*)$');
    groups CONSTANT text := regexp_replace(address, '^ipv6:', '', 'i');
    whole CONSTANT cidr := mail.network_of(address);
BEGIN
    IF mail.network_of(network) IS NOT NULL THEN
        RETURN NULL;
    END IF;
    IF position(':' IN network) = 0 THEN
        RETURN CASE
            WHEN address ~ '\.$' THEN format('network "%s" ends with a dot', network)
            WHEN address !~ '^[0-9]{1,3}(\.[0-9]{1,3}){0,3}$' THEN
                format('"%s" is no IPv4 address and no network', network)
            WHEN address ~ '(^|\.)0[0-9]' THEN
                format('network "%s" has a number with a leading zero', network)
            WHEN whole IS NULL THEN format('network "%s" has a number above 255', network)
            WHEN masklen(whole) < 32 THEN
                format('network "%s" has a prefix length but not four numbers', network)
            WHEN bits !~ '^([12]?[0-9]|3[012])$' THEN
                format('network "%s" has a prefix length that is not 0 to 32', network)
            ELSE format(
                'network "%s" has bits to the right of its prefix; it begins at %s', network,
                host(network(set_masklen(whole::inet, bits::integer)))
            )
        END;
    END IF;
    RETURN CASE
        WHEN groups ~ '\.' THEN format('"%s" has an IPv4 address in an IPv6 address', network)
        WHEN whole IS NULL AND groups ~* '^[0-9a-f]{1,4}(:[0-9a-f]{1,4}){1,6}$' THEN
            format('"%s" has not eight groups; the first ones of an address are IPv6:%1$s', network)
        WHEN whole IS NULL THEN format('"%s" is no IPv6 address and no network', network)
        WHEN masklen(whole) < 128 THEN
            format('network "%s" has a prefix length but not eight groups; end it with ::', network)
        WHEN bits !~ '^([1-9]?[0-9]|1[01][0-9]|12[0-8])$' THEN
            format('network "%s" has a prefix length that is not 0 to 128', network)
        ELSE format(
            'network "%s" has bits to the right of its prefix; it begins at %s', network,
            host(network(set_masklen(whole::inet, bits::integer)))
        )
    END;
END
$body$;
COMMENT ON FUNCTION mail.network_problem(text) IS
    'What is wrong with an address, a part of one, or a network in CIDR form; NULL: nothing.';

CREATE FUNCTION mail.local_part_problem(local_part text)
    RETURNS text
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
AS $body$
BEGIN
    -- sendmail takes more than RFC 5321 does; what it cannot take is refused.
    IF local_part ~ '^[^\s<>(),:;@"\\/|]+$' THEN
        RETURN NULL;
    END IF;
    RETURN CASE
        WHEN local_part = '' THEN 'a local part is missing'
        WHEN local_part ~ '^"([^"\\]|\\.)*"$' THEN NULL
        WHEN regexp_replace(local_part, '"[^"]*"', '', 'g') ~ '\s' THEN
            format('local part "%s" contains a blank outside of quotes', local_part)
        WHEN regexp_replace(local_part, '"[^"]*"|\\.', '', 'g') ~ '[<>(),]' THEN
            format(
                'local part "%s" contains "%s" outside of quotes', local_part,
                substring(regexp_replace(local_part, '"[^"]*"|\\.', '', 'g') FROM '[<>(),]')
            )
    END;
END
$body$;
COMMENT ON FUNCTION mail.local_part_problem(text) IS
    'What is wrong with a local part; NULL: nothing.';

CREATE FUNCTION mail.address_problem(address text)
    RETURNS text
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
AS $body$
DECLARE
    domain CONSTANT text := substring(address FROM '@([^@"]*)$');
BEGIN
    IF domain IS NULL THEN
        RETURN mail.local_part_problem(address);
    END IF;
    RETURN coalesce(
        CASE WHEN left(address, -length(domain) - 1) ~ '^[^"]*@' THEN
            format('address "%s" has more than one @', address)
        END,
        mail.local_part_problem(left(address, -length(domain) - 1)),
        mail.literal_problem(domain)
    );
END
$body$;
COMMENT ON FUNCTION mail.address_problem(text) IS
    'What is wrong with an address or a local name; NULL: nothing.';

CREATE FUNCTION mail.reply_problem(reply text)
    RETURNS text
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
AS $body$
DECLARE
    dsn CONSTANT text := substring(reply FROM '^"?([0-9]+\.[0-9.]*):');
    rest CONSTANT text := ltrim(substr(reply, coalesce(length(dsn) + 2, 1)), '" ');
    code CONSTANT text := substring(rest FROM '^([0-9]+)');
BEGIN
    RETURN CASE
        WHEN reply ~ '^"?[0-9]+\.[0-9]*[^0-9:. ]' OR reply ~ '^"?[0-9]+\.[0-9.]*( |$)' THEN
            format('"%s" begins like a status code D.S.N without its colon', left(reply, 20))
        WHEN dsn !~ '^[0-9]\.[0-9]{1,3}\.[0-9]{1,3}$' THEN
            format('"%s" is no status code D.S.N (RFC 3463)', dsn)
        WHEN dsn !~ '^[45]' THEN
            format('status code %s is not of class 4 or 5, which refuse', dsn)
        WHEN code IS NULL THEN 'the reply code is missing'
        WHEN code !~ '^[0-9]{3}$' OR rest !~ '^[0-9]{3}([ "]|$)' THEN
            format('"%s" is no reply code of three digits', substring(rest FROM '^[^ ]+'))
        WHEN code !~ '^[45][0-5]' THEN
            format('reply code %s is not of class 4 or 5, which refuse', code)
        WHEN left(code, 1) <> left(dsn, 1) THEN
            format('reply code %s and status code %s contradict each other', code, dsn)
        WHEN rest ~ '^[0-9]{3}[" ]*$' THEN format('no text follows reply code %s', code)
        WHEN length(reply) - length(replace(reply, '"', '')) = 1 THEN 'a quote is not closed'
    END;
END
$body$;
COMMENT ON FUNCTION mail.reply_problem(text) IS
    'What is wrong with a reply [D.S.N:]CODE text (RFC 5321, RFC 3463); NULL: nothing.';

CREATE FUNCTION mail.targets(value text)
    RETURNS text[]
    LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
AS $body$
BEGIN
    IF position('"' IN value) = 0 THEN
        RETURN regexp_split_to_array(btrim(value), '\s*,\s*');
    END IF;
    RETURN ARRAY(
        SELECT btrim(piece[1])
        FROM regexp_matches(value || ',', '((?:"(?:[^"\\]|\\.)*"|[^",])*"?),', 'g')
            AS piece
    );
END
$body$;
COMMENT ON FUNCTION mail.targets(text) IS 'Targets of an alias, one by one.';


-- What is wrong with a row.

CREATE TYPE mail.fault AS (rule text, problem text, remedy text);
COMMENT ON TYPE mail.fault IS
    'Why a row is refused: rule, as a constraint is named; what is wrong; how to write it right.';

CREATE FUNCTION mail.aliases_fault(key text, value text)
    RETURNS mail.fault
    LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $body$
DECLARE
    fault mail.fault;
    target text;
    kind text;
BEGIN
    fault.problem := mail.address_problem(key);
    IF fault.problem IS NOT NULL OR key ~ '^@|^\||^/|:include:' THEN
        fault.rule := 'aliases_key_is_well_formed';
        fault.problem := coalesce(fault.problem, format('"%s" is no local name', key));
        fault.remedy := 'The key of an alias is a local name, like sales or owner-list.';
        RETURN fault;
    END IF;
    -- The usual: one name or address.
    IF value ~ '^[A-Za-z0-9_.+-]+(@[A-Za-z0-9.-]+)?$'
        AND (position('@' IN value) = 0
            OR mail.domain_problem(split_part(value, '@', 2)) IS NULL)
    THEN
        RETURN NULL;
    END IF;
    IF regexp_replace(value, '\\.|"([^"\\]|\\.)*"', '', 'g') ~ '"' THEN
        fault.rule := 'aliases_target_is_well_formed';
        fault.problem := 'a quote is not closed';
        fault.remedy := 'Write quotes in pairs, like "john doe"@example.org.';
        RETURN fault;
    END IF;
    FOREACH target IN ARRAY mail.targets(value) LOOP
        -- sendmail takes quotes and backslashes away before it looks.
        kind := CASE
            WHEN ltrim(target, '"\ ') LIKE '|%' THEN 'program'
            WHEN ltrim(target, '"\ ') LIKE '/%' THEN 'file'
            WHEN ltrim(target, '"\ ') ILIKE ':include:%' THEN 'include'
        END;
        IF kind IS NULL THEN
            fault.problem := CASE
                WHEN target = '' THEN 'a target is empty'
                WHEN target ~ '^@' THEN format('"%s" has no local part', target)
                WHEN target ~ '^:' THEN format('"%s" is neither a name nor :include:', target)
                ELSE mail.address_problem(ltrim(target, '\'))
            END;
            IF fault.problem IS NOT NULL THEN
                fault.rule := 'aliases_target_is_well_formed';
                fault.remedy := 'Targets are names and addresses, separated by commas,'
                    ' like alice, bob@example.org.';
                RETURN fault;
            END IF;
        ELSIF kind <> ALL (mail.alias_targets()) THEN
            fault.rule := 'aliases_target_is_allowed';
            fault.problem := format(
                CASE kind
                    WHEN 'program' THEN 'mail for "%s" would run a program'
                    WHEN 'file' THEN 'mail for "%s" would be written to a file'
                    ELSE 'mail for "%s" would follow a list in a file'
                END,
                key
            );
            fault.remedy := format(
                'Name people instead, or allow it: map_database_alias_targets: [%s].', kind
            );
            RETURN fault;
        END IF;
    END LOOP;
    RETURN NULL;
END
$body$;
COMMENT ON FUNCTION mail.aliases_fault(text, text) IS 'What is wrong with a row of aliases.';

CREATE FUNCTION mail.virtualusers_fault(key text, value text)
    RETURNS mail.fault
    LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $body$
DECLARE
    fault mail.fault;
    text_of_error CONSTANT text := substring(value FROM '^[eE][rR][rR][oO][rR]:(.*)$');
BEGIN
    fault.problem := CASE
        WHEN position('@' IN key) = 0 THEN format('"%s" is no address', key)
        WHEN key ~ '^@[^@]*$' THEN mail.domain_problem(substr(key, 2))
        ELSE mail.address_problem(key)
    END;
    IF fault.problem IS NOT NULL THEN
        fault.rule := 'virtualusers_key_is_well_formed';
        fault.remedy := 'The key is an address, user@example.org, or @example.org for all others'
            ' there; a local name belongs into aliases.';
        RETURN fault;
    END IF;
    IF text_of_error IS NOT NULL THEN
        fault.problem := CASE
            WHEN text_of_error = '' THEN 'no text follows error:'
            WHEN text_of_error ~ '^[0-9]+\.' THEN mail.reply_problem(text_of_error)
            WHEN text_of_error ~*
                '^(usage|nouser|nohost|unavailable|software|tempfail|protocol|config)\s+\S'
            THEN NULL
            ELSE format('"%s" begins with no status code and no word for one', text_of_error)
        END;
        fault.rule := 'virtualusers_reply_is_well_formed';
        fault.remedy := 'Write error:nouser 550 No such user, or error:5.7.0:550 Text.';
    ELSE
        fault.problem := CASE
            WHEN ltrim(value, '"\ ') ~ '^[|/:]' THEN
                format('"%s" is a program or a file, which only an alias can name', value)
            WHEN value ~ '^@' THEN format('"%s" has no local part; for all of a domain: %%1%1$s', value)
            WHEN regexp_replace(value, '"[^"]*"', '', 'g') ~ ',' THEN
                'a virtual user has one target only'
            ELSE mail.address_problem(regexp_replace(value, '%[1-9%]', 'x', 'g'))
        END;
        fault.rule := 'virtualusers_target_is_well_formed';
        fault.remedy := 'The value is one local name or address; for several, name an alias.';
    END IF;
    RETURN CASE WHEN fault.problem IS NOT NULL THEN fault END;
END
$body$;
COMMENT ON FUNCTION mail.virtualusers_fault(text, text) IS
    'What is wrong with a row of virtualusers.';

CREATE FUNCTION mail.mailertable_fault(key text, value text)
    RETURNS mail.fault
    LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $body$
DECLARE
    fault mail.fault;
    mailer CONSTANT text := lower(substring(value FROM '^([^:]*):'));
    host CONSTANT text := substr(value, length(mailer) + 2);
    problem text;
BEGIN
    fault.problem := CASE WHEN key <> '.' THEN mail.domain_problem(ltrim(key, '.')) END;
    IF fault.problem IS NOT NULL OR key ~ '^\.\.' THEN
        fault.rule := 'mailertable_key_is_well_formed';
        fault.problem := coalesce(fault.problem, format('domain "%s" has an empty part', key));
        fault.remedy := 'The key is a domain, example.org, or .example.org for all below it, or a'
            ' single dot for the rest of the world.';
        RETURN fault;
    END IF;
    IF mailer IS NULL OR mailer !~ '^[a-z*][a-z0-9_*-]*$' THEN
        fault.rule := 'mailertable_mailer_is_known';
        fault.problem := format('route "%s" names no mailer', value);
        fault.remedy := format('Write mailer:host, for example esmtp:[%s].', btrim(value, '[]'));
        RETURN fault;
    END IF;
    IF NOT EXISTS (SELECT FROM mail.mailers AS known WHERE known.name = mailer) THEN
        fault.rule := 'mailertable_mailer_is_known';
        fault.problem := format('mailer "%s" is not known', mailer);
        fault.remedy := format(
            'Known are %s. One that you have defined in sendmail.mc is made known by a row in'
            ' mail.mailers.',
            (SELECT string_agg(known.name, ', ' ORDER BY known.name) FROM mail.mailers AS known)
        );
        RETURN fault;
    END IF;
    IF mailer = 'error' THEN
        fault.problem := CASE
            WHEN host ~* '^(usage|nouser|nohost|unavailable|software|tempfail|protocol|config):\s*\S'
            THEN NULL
            ELSE mail.reply_problem(host)
        END;
        fault.rule := 'mailertable_reply_is_well_formed';
        fault.remedy := 'Write error:5.7.0:550 Text, error:550 Text or error:nohost:Text.';
    ELSIF mailer = 'local' THEN
        fault.problem := CASE WHEN host <> '' THEN mail.address_problem(host) END;
        fault.rule := 'mailertable_host_is_well_formed';
        fault.remedy := 'Write local:user, or local: for the user of the address.';
    ELSIF mailer <> 'discard' THEN
        -- Several hosts, tried in this order, are separated by colons.
        fault.problem := CASE WHEN host = '' THEN format('route "%s" names no host', value) END;
        FOR problem IN
            SELECT CASE
                WHEN one[1] = '' THEN format('route "%s" has an empty host', value)
                WHEN one[1] ~ '^[0-9]+$' THEN
                    format('route "%s" has a port, which the mailer must have instead', value)
                ELSE mail.literal_problem(
                    rtrim(regexp_replace(one[1], '%[0-9]', 'x', 'g'), '.')
                )
            END
            FROM regexp_matches(
                regexp_replace(host, '^[^@[]*@', '') || ':', '(\[[^]]*\][^:]*|[^:]*):', 'g'
            ) AS one
        LOOP
            fault.problem := coalesce(fault.problem, problem);
        END LOOP;
        fault.rule := 'mailertable_host_is_well_formed';
        fault.remedy := 'Write mailer:[host], for example esmtp:[mail.example.org] or'
            ' esmtp:[192.0.2.1]; without brackets the MX records of the host are asked.';
    END IF;
    RETURN CASE WHEN fault.problem IS NOT NULL THEN fault END;
END
$body$;
COMMENT ON FUNCTION mail.mailertable_fault(text, text) IS 'What is wrong with a row of mailertable.';

CREATE FUNCTION mail.genericstable_fault(key text, value text)
    RETURNS mail.fault
    LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $body$
DECLARE
    fault mail.fault;
BEGIN
    fault.problem := CASE
        WHEN key ~ '^@[^@]*$' THEN mail.domain_problem(substr(key, 2))
        ELSE mail.address_problem(key)
    END;
    IF fault.problem IS NOT NULL THEN
        fault.rule := 'genericstable_key_is_well_formed';
        fault.remedy := 'The key is a local name, an address, or @example.org for a domain.';
        RETURN fault;
    END IF;
    fault.problem := CASE
        WHEN value ~ '^@' THEN format('"%s" has no local part; to keep it: %%1%1$s', value)
        WHEN value ~ '^"?\s*[|/:]' THEN format('"%s" is no address', value)
        ELSE mail.address_problem(regexp_replace(value, '%[1-9%]', 'x', 'g'))
    END;
    IF fault.problem IS NOT NULL THEN
        fault.rule := 'genericstable_value_is_well_formed';
        fault.remedy := 'The value is the address shown to the world, alice@example.org.';
        RETURN fault;
    END IF;
    RETURN NULL;
END
$body$;
COMMENT ON FUNCTION mail.genericstable_fault(text, text) IS
    'What is wrong with a row of genericstable.';

CREATE FUNCTION mail.domaintable_fault(key text, value text)
    RETURNS mail.fault
    LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $body$
DECLARE
    fault mail.fault;
BEGIN
    fault.problem := mail.domain_problem(key);
    fault.rule := 'domaintable_key_is_well_formed';
    IF fault.problem IS NULL THEN
        fault.problem := mail.domain_problem(value);
        fault.rule := 'domaintable_value_is_well_formed';
    END IF;
    IF fault.problem IS NULL AND lower(key) = lower(value) THEN
        fault.problem := format('domain "%s" would become itself', key);
    END IF;
    fault.remedy := 'Key and value are domains, the old name and the new one.';
    RETURN CASE WHEN fault.problem IS NOT NULL THEN fault END;
END
$body$;
COMMENT ON FUNCTION mail.domaintable_fault(text, text) IS 'What is wrong with a row of domaintable.';

CREATE FUNCTION mail.access_fault(key text, value text)
    RETURNS mail.fault
    LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $body$
DECLARE
    fault mail.fault;
    tag CONSTANT text := nullif(rtrim(mail.access_tag(key), ':'), '');
    rest CONSTANT text := substr(key, coalesce(length(tag) + 2, 1));
    known mail.access_tags;
    network CONSTANT boolean := rest ~* '^([0-9.]+(/.*)?|IPv6:.*|[0-9a-f]*:[0-9a-f:.]*(%.*|/.*)?)$';
BEGIN
    IF tag IS NOT NULL THEN
        SELECT * INTO known FROM mail.access_tags AS one WHERE one.name = tag;
        IF NOT found THEN
            fault.rule := 'access_tag_is_known';
            fault.problem := format('tag "%s:" is not known', substr(key, 1, length(tag)));
            fault.remedy := format(
                'Known are %s. One that rules of your own ask for is made known by a row in'
                ' mail.access_tags.',
                (SELECT string_agg(one.name, ', ' ORDER BY one.name) FROM mail.access_tags AS one)
            );
            RETURN fault;
        END IF;
    END IF;
    IF coalesce(tag, 'from') = 'from' AND rest IN ('', '<>', '@', '<@>') THEN
        fault.rule := 'access_accepts_the_null_sender';
        fault.problem := format('key "%s" speaks of the null sender', key);
        fault.remedy := 'Delivery reports come from <> and must be accepted (RFC 5321, 6.1);'
            ' name a client with Connect: instead.';
        RETURN fault;
    END IF;
    fault.problem := CASE coalesce(known.keys, 'untagged')
        WHEN 'any' THEN NULL
        WHEN 'certificate' THEN
            CASE
                WHEN rest !~ '^/' THEN format('"%s" is no distinguished name', rest)
                WHEN rest ~ '[ <>()"\\]|\+(?![0-9A-F]{2})' THEN
                    format(
                        'name "%s" contains "%s"', rest,
                        substring(rest FROM '[ <>()"\\]|\+(?![0-9A-F]{2})')
                    )
            END
        ELSE CASE
            WHEN rest = '' THEN
                CASE WHEN known.verdicts IN ('verdict', 'friend') THEN
                    format('nothing follows tag "%s"', substr(key, 1, length(tag) + 1))
                END
            WHEN rest ~ '[<>]' THEN format('key "%s" contains "%s"', key, substring(rest FROM '[<>]'))
            WHEN rest ~ '^\.' THEN
                format('"%s" begins with a dot; %s alone means all below it, too',
                    rest, ltrim(rest, '.'))
            WHEN rest ~ '^@' THEN
                format('"%s" has no local part; %s alone means all of the domain',
                    rest, ltrim(rest, '@'))
            WHEN position('@' IN rest) > 0 THEN
                CASE
                    WHEN known.keys IN ('host', 'name') THEN
                        format('"%s" is an address where a host or network belongs', rest)
                    WHEN rest ~ '^[^"]*@$|^"[^"]*"@$' THEN mail.local_part_problem(rtrim(rest, '@'))
                    ELSE mail.address_problem(rest)
                END
            WHEN network AND known.keys IN ('address', 'name') THEN
                format('"%s" is a network, which %s: is never asked for', rest,
                    substr(key, 1, length(tag)))
            WHEN network THEN mail.network_problem(rest)
            ELSE mail.literal_problem(rest)
        END
    END;
    IF fault.problem IS NOT NULL THEN
        fault.rule := CASE WHEN network THEN 'access_network_is_valid'
            ELSE 'access_key_is_well_formed' END;
        fault.remedy := CASE
            WHEN fault.problem ~ ' begins at ' THEN
                format('Write %1$s%2$s/%3$s for the network, or %1$s%4$s for the one address.',
                    left(key, -length(rest)), substring(fault.problem FROM ' begins at (.*)$'),
                    split_part(rest, '/', 2), split_part(rest, '/', 1))
            WHEN network AND known.keys IN ('address', 'name') THEN
                format('Write Connect:%s for what comes from there.', rest)
        END;
        fault.remedy := coalesce(fault.remedy, CASE coalesce(known.keys, 'untagged')
            WHEN 'address' THEN
                format('Write %1$suser@example.org, %1$suser@ or %1$sexample.org.',
                    substr(key, 1, length(tag) + 1))
            WHEN 'name' THEN format('Write %smail.example.org.', substr(key, 1, length(tag) + 1))
            WHEN 'certificate' THEN
                'Write the name as sendmail logs it, /C=DE/O=Example/CN=A+20Name; other characters'
                ' are + and two hexadecimal digits in upper case.'
            ELSE format(
                'Write %1$smail.example.org, %1$s192.0.2.1, %1$s192.0.2.0/25, %1$s2001:db8::1 or'
                ' %1$s2001:db8::/32.',
                coalesce(substr(key, 1, length(tag) + 1), 'Connect:')
            )
        END);
        RETURN fault;
    END IF;
    fault.rule := 'access_value_fits_its_tag';
    CASE coalesce(known.verdicts, 'verdict')
        WHEN 'any' THEN
            RETURN NULL;
        WHEN 'verdict' THEN
            IF value ~* '^(OK|RELAY|REJECT|DISCARD|SKIP|QUARANTINE:\s*\S.*)$' THEN
                RETURN NULL;
            END IF;
            IF value ~* '^ERROR:' OR value ~ '^"?[0-9]' THEN
                fault.rule := 'access_reply_is_well_formed';
                fault.problem := mail.reply_problem(regexp_replace(value, '^ERROR:', '', 'i'));
                fault.remedy := 'Write ERROR:5.7.1:550 Text, or ERROR:4.7.1:450 Text to have the'
                    ' client come again.';
            ELSE
                fault.problem := format('verdict "%s" is not known', value);
                fault.remedy := 'Known are OK, RELAY, REJECT, DISCARD, SKIP, QUARANTINE:reason and'
                    ' ERROR:5.7.1:550 text.';
            END IF;
        WHEN 'friend' THEN
            IF value !~* '^(FRIEND|HATER)$' THEN
                fault.problem := format('"%s" is neither FRIEND nor HATER', value);
                fault.remedy := 'Write FRIEND or HATER, as FEATURE(delay_checks) has it.';
            END IF;
        WHEN 'milliseconds' THEN
            IF value !~ '^([0-9]{1,5}|[12][0-9]{5}|300000)$' THEN
                fault.problem := format('"%s" is no number from 0 to 300000', value);
                fault.remedy := 'Write how many milliseconds the greeting waits, 5000 for example.';
            END IF;
        WHEN 'limit' THEN
            IF value !~ '^[0-9]{1,9}$' THEN
                fault.problem := format('"%s" is no number', value);
                fault.remedy := 'Write how many there may be; 0 is no limit.';
            END IF;
        WHEN 'features' THEN
            IF value !~* '^([a-z]2?(\s+[a-z]2?)*|temp)$' THEN
                fault.problem := format('"%s" is no list of single letters', value);
                fault.remedy := 'Write letters separated by blanks, for example S l; op.me,'
                    ' srv_features, lists them.';
            END IF;
        WHEN 'try' THEN
            IF value !~* '^(NO|YES|OK)$' THEN
                fault.problem := format('"%s" is neither NO nor YES', value);
                fault.remedy := 'Write NO where STARTTLS must not be tried.';
            END IF;
        WHEN 'security' THEN
            IF value !~* (
                '^(OK|((PERM|TEMP)\+)?(VERIFY(:[0-9]+)?|ENCR:[0-9]+)'
                '(\+(CN|C[NSI]:[^+]+(\+[0-9A-F]{2}[^+]*)*|CITag:[A-Za-z_]+)'
                '(\+\+(CN|C[NSI]:[^+]+(\+[0-9A-F]{2}[^+]*)*|CITag:[A-Za-z_]+))*)?)$'
            ) THEN
                fault.problem := format('"%s" is no requirement for TLS', value);
                fault.remedy := 'Write VERIFY, VERIFY:256 or ENCR:128, with PERM+ in front to'
                    ' refuse for good, or with +CN:name or the like behind.';
            END IF;
        WHEN 'session' THEN
            IF value !~ '^\s*[A-Za-z]+=[^;]+(;\s*[A-Za-z]+=[^;]+)*;?\s*$' THEN
                fault.problem := format('"%s" is no list of options', value);
                fault.remedy := 'Write name=value, separated by semicolons, for example'
                    ' CipherList=HIGH.';
            END IF;
        WHEN 'login' THEN
            -- The value is a secret and not repeated.
            IF value !~ '^"[UIPRMuiprm][:=][^"]*"(\s+"[UIPRMuiprm][:=][^"]*")*$'
                OR value !~* '"[UI][:=]' OR value !~* '"P[:=]'
            THEN
                fault.problem := 'the value is no login';
                fault.remedy := 'Write "U:user" "P:password", with "R:realm" and "M:mechanism" if'
                    ' the server needs them.';
            END IF;
        WHEN 'issuer' THEN
            IF value !~* '^(RELAY|SUBJECT)$' THEN
                fault.problem := format('"%s" is neither RELAY nor SUBJECT', value);
                fault.remedy := 'Write RELAY, or SUBJECT to look at the row for CertSubject: too.';
            END IF;
        WHEN 'subject' THEN
            IF value !~* '^RELAY$' THEN
                fault.problem := format('"%s" is not RELAY', value);
                fault.remedy := 'Write RELAY, or no row.';
            END IF;
    END CASE;
    RETURN CASE WHEN fault.problem IS NOT NULL THEN fault END;
END
$body$;
COMMENT ON FUNCTION mail.access_fault(text, text) IS 'What is wrong with a row of access.';


CREATE FUNCTION mail.member_fault(map text, key text)
    RETURNS mail.fault
    LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $body$
DECLARE
    fault mail.fault;
BEGIN
    fault.problem := CASE
        WHEN map = 'trusted_users' THEN
            CASE
                WHEN position('@' IN key) > 0 THEN
                    format('"%s" is an address where a login name belongs', key)
                ELSE mail.local_part_problem(key)
            END
        WHEN map = 'relay_domains' AND (key ~ '^[0-9./]+$' OR key ~* '^IPv6:') THEN
            CASE
                WHEN position('/' IN key) > 0 THEN
                    format('class R compares names, not prefixes like "%s"', key)
                ELSE mail.network_problem(key)
            END
        WHEN map IN ('local_domains', 'relay_domains') THEN
            CASE WHEN key <> '[UNIX:localhost]' THEN mail.literal_problem(key) END
        ELSE mail.domain_problem(key)
    END;
    fault.rule := map || '_key_is_well_formed';
    fault.remedy := CASE map
        WHEN 'trusted_users' THEN 'Write a login name, like list.'
        WHEN 'local_domains' THEN 'Write a domain or host, mail.example.org, or [192.0.2.1].'
        WHEN 'relay_domains' THEN
            'Write a domain, example.org, or an address or its first numbers, 192.0.2;'
            ' a prefix goes into access, Connect:192.0.2.0/25.'
        ELSE 'Write a domain, example.org, without a dot at its ends.'
    END;
    RETURN CASE WHEN fault.problem IS NOT NULL THEN fault END;
END
$body$;
COMMENT ON FUNCTION mail.member_fault(text, text) IS 'What is wrong with a row of a class.';

CREATE FUNCTION mail.authinfo_fault(key text, value text)
    RETURNS mail.fault
    LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $body$
DECLARE
    fault mail.fault;
BEGIN
    IF key ~* '^AuthInfo:' THEN
        RETURN mail.access_fault(key, value);
    END IF;
    fault.rule := 'authinfo_key_is_well_formed';
    fault.problem := format('key "%s" does not begin with AuthInfo:', key);
    fault.remedy := format('Write AuthInfo:%s.', regexp_replace(key, '^.*:', ''));
    RETURN fault;
END
$body$;
COMMENT ON FUNCTION mail.authinfo_fault(text, text) IS 'What is wrong with a row of authinfo.';

CREATE FUNCTION mail.fault_of(map text, key text, value text)
    RETURNS mail.fault
    LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $body$
BEGIN
    CASE map
        WHEN 'access' THEN
            RETURN mail.access_fault(key, value);
        WHEN 'aliases' THEN
            RETURN mail.aliases_fault(key, value);
        WHEN 'virtualusers' THEN
            RETURN mail.virtualusers_fault(key, value);
        WHEN 'mailertable' THEN
            RETURN mail.mailertable_fault(key, value);
        WHEN 'genericstable' THEN
            RETURN mail.genericstable_fault(key, value);
        WHEN 'domaintable' THEN
            RETURN mail.domaintable_fault(key, value);
        WHEN 'authinfo' THEN
            RETURN mail.authinfo_fault(key, value);
        ELSE
            RETURN mail.member_fault(map, key);
    END CASE;
END
$body$;
COMMENT ON FUNCTION mail.fault_of(text, text, text) IS
    'What is wrong with a row of the named map by itself; NULL: nothing.';


-- What rows do together.

CREATE FUNCTION mail.local_name(target text)
    RETURNS text
    LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE
AS $body$
DECLARE
    domain CONSTANT text := substring(target FROM '@([^@"]*)$');
BEGIN
    -- Programs, files and lists are no names.
    IF ltrim(target, '"\ ') ~ '^[|/:]' THEN
        RETURN NULL;
    END IF;
    IF domain IS NULL THEN
        RETURN target;
    END IF;
    RETURN (
        SELECT left(target, -length(domain) - 1)
        FROM mail.local_domains AS entry
        WHERE entry.lookup_key = mail.fold_domain(domain)
    );
END
$body$;
COMMENT ON FUNCTION mail.local_name(text) IS
    'Local part of a target of this host, which aliases apply to; NULL if it is none.';

CREATE FUNCTION mail.alias_names(value text)
    RETURNS text[]
    LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE
AS $body$
DECLARE
    names text[] := '{}';
    target text;
    name text;
BEGIN
    -- The usual: names only.
    IF value ~ '^[A-Za-z0-9_., -]+$' THEN
        FOREACH target IN ARRAY string_to_array(replace(value, ' ', ''), ',') LOOP
            names := names || mail.fold_alias(target);
        END LOOP;
        RETURN names;
    END IF;
    FOREACH target IN ARRAY mail.targets(value) LOOP
        name := mail.local_name(target);
        -- A backslash ends aliasing.
        CONTINUE WHEN name IS NULL OR name LIKE '\\%';
        names := names || mail.fold_alias(name);
        IF position('+' IN name) > 1 THEN
            names := names || ARRAY[
                mail.fold_alias(split_part(name, '+', 1) || '+*'),
                mail.fold_alias(split_part(name, '+', 1))
            ];
        END IF;
    END LOOP;
    RETURN names;
END
$body$;
COMMENT ON FUNCTION mail.alias_names(text) IS
    'Local names that the targets of an alias may lead to, as aliases are compared.';

CREATE FUNCTION mail.alias_cycle(name text, value text DEFAULT NULL)
    RETURNS text
    LANGUAGE plpgsql STABLE
AS $body$
DECLARE
    -- Breadth first: names, and from which of them each was reached.
    names text[] := ARRAY[mail.fold_alias(name)];
    sources integer[] := ARRAY[0];
    at integer := 1;
    step text;
    path text[];
BEGIN
    WHILE at <= cardinality(names) LOOP
        FOREACH step IN ARRAY coalesce(
            CASE WHEN at = 1 THEN mail.alias_names(value) END,
            (
                SELECT mail.alias_names(entry.value)
                FROM mail.aliases AS entry
                WHERE entry.lookup_key = names[at]
            ),
            '{}'
        )
        LOOP
            -- An alias that names itself is delivered to itself: no cycle.
            CONTINUE WHEN step = names[at];
            IF step = names[1] THEN
                path := ARRAY[step];
                WHILE at > 0 LOOP
                    path := names[at] || path;
                    at := sources[at];
                END LOOP;
                IF cardinality(path) > 10 THEN
                    path := path[:8] || ARRAY['...', step];
                END IF;
                RETURN array_to_string(path, ' -> ');
            END IF;
            IF step <> ALL (names) THEN
                names := names || step;
                sources := sources || at;
            END IF;
        END LOOP;
        at := at + 1;
    END LOOP;
    RETURN NULL;
END
$body$;
COMMENT ON FUNCTION mail.alias_cycle(text, text) IS
    'Cycle that begins with an alias, given its value or the one in the table; NULL: none.';

CREATE FUNCTION mail.fault_among(map text, key text, value text)
    RETURNS mail.fault
    LANGUAGE plpgsql STABLE
AS $body$
DECLARE
    fault mail.fault;
    other CONSTANT text := CASE map
        WHEN 'local_domains' THEN 'relay_domains'
        WHEN 'relay_domains' THEN 'local_domains'
    END;
    found_there boolean;
BEGIN
    IF map = 'aliases' THEN
        fault.rule := 'aliases_have_no_cycle';
        fault.problem := 'aliases lead in a circle: ' || mail.alias_cycle(key, value);
        fault.remedy := 'Let one of them lead to a mailbox; \name is the mailbox of that name.';
    ELSIF other IS NOT NULL THEN
        EXECUTE format(
            'SELECT EXISTS (SELECT FROM mail.%I WHERE lookup_key = mail.fold_domain($1))', other
        )
        INTO found_there
        USING key;
        IF found_there THEN
            fault.rule := 'domain_is_local_or_relayed';
            fault.problem := format('domain "%s" is in %s already', key, other);
            fault.remedy := format(
                'A domain is delivered here or passed on, not both: delete it from %s first, in'
                ' the same transaction if you like.',
                other
            );
        END IF;
    END IF;
    RETURN CASE WHEN fault.problem IS NOT NULL THEN fault END;
END
$body$;
COMMENT ON FUNCTION mail.fault_among(text, text, text) IS
    'What is wrong with a row of the named map beside the rows that are there; NULL: nothing.';


-- Asking it.

CREATE FUNCTION mail.refuse(map text, key text, fault mail.fault)
    RETURNS void
    LANGUAGE plpgsql
AS $body$
BEGIN
    RAISE EXCEPTION '%', fault.problem
        USING ERRCODE = 'check_violation',
            DETAIL = format('Row of %s with key "%s".', map, key),
            HINT = fault.remedy,
            SCHEMA = 'mail',
            TABLE = map,
            CONSTRAINT = fault.rule;
END
$body$;
COMMENT ON FUNCTION mail.refuse(text, text, mail.fault) IS 'Refuses a row in words.';

CREATE FUNCTION mail.try_row(map text, key text, value text)
    RETURNS void
    LANGUAGE plpgsql
AS $body$
DECLARE
    fault mail.fault := mail.fault_of(map, key, value);
BEGIN
    IF fault IS NULL THEN
        fault := mail.fault_among(map, key, value);
    END IF;
    IF NOT fault IS NULL THEN
        PERFORM mail.refuse(map, key, fault);
    END IF;
END
$body$;
COMMENT ON FUNCTION mail.try_row(text, text, text) IS
    'Refuses a row as its table would, without writing it.';

CREATE FUNCTION mail.was_there(map text, key text, value text)
    RETURNS boolean
    LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT EXISTS (
        SELECT
        FROM mail.changes AS change
        JOIN mail.changed_rows AS past ON past.change = ANY (change.undoes)
        WHERE change.txid = pg_current_xact_id()
            AND change.at >= transaction_timestamp()
            AND past.map = was_there.map
            AND past.key = was_there.key
            AND past.old ->> 'value' IS NOT DISTINCT FROM was_there.value
    );
END;
COMMENT ON FUNCTION mail.was_there(text, text, text) IS
    'Whether the transaction takes back a change that found this row.';

CREATE FUNCTION mail.guard_rows()
    RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $body$
DECLARE
    refused record;
BEGIN
    -- An undo may bring back what is older than the guards.  What may run a
    -- program is no matter of age.
    IF tg_op = 'INSERT' THEN
        SELECT judged.key, judged.fault INTO refused
        FROM (
            SELECT entry.key, entry.value, mail.fault_of(tg_table_name, entry.key, entry.value)
            FROM new_rows AS entry
            OFFSET 0
        ) AS judged (key, value, fault)
        WHERE NOT judged.fault IS NULL
            AND ((judged.fault).rule = 'aliases_target_is_allowed'
                OR NOT mail.was_there(tg_table_name, judged.key, judged.value))
        LIMIT 1;
    ELSE
        SELECT judged.key, judged.fault INTO refused
        FROM (
            SELECT entry.key, entry.value, mail.fault_of(tg_table_name, entry.key, entry.value)
            -- Not a join: its plan is kept, and may come from a statement of one row.
            FROM (
                SELECT key, value FROM new_rows
                EXCEPT
                SELECT key, value FROM old_rows
            ) AS entry
            OFFSET 0
        ) AS judged (key, value, fault)
        WHERE NOT judged.fault IS NULL
            AND ((judged.fault).rule = 'aliases_target_is_allowed'
                OR NOT mail.was_there(tg_table_name, judged.key, judged.value))
        LIMIT 1;
    END IF;
    IF found THEN
        PERFORM mail.refuse(tg_table_name, refused.key, refused.fault);
    END IF;
    RETURN NULL;
END
$body$;
COMMENT ON FUNCTION mail.guard_rows() IS
    'Refuses a statement if a row that it changed has a fault by itself.';

CREATE FUNCTION mail.guard_change()
    RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    -- After a bulk load the planner does not know the tables yet: row by row through
    -- the primary key is never bad.  What that seems to cost is not worth compiling.
    SET enable_seqscan = off
    SET jit = off
AS $body$
DECLARE
    refused record;
    maps CONSTANT text[] := ARRAY(
        SELECT DISTINCT entry.map
        FROM mail.changed_rows AS entry
        WHERE entry.change = new.number
            AND entry.new IS NOT NULL
            AND entry.map IN ('aliases', 'local_domains', 'relay_domains')
    );
BEGIN
    IF maps = '{}' THEN
        RETURN NULL;
    END IF;
    -- Two transactions may each bring half of a fault: the second one waits here
    -- until it can see the first.  0x5351 is the class of locks that the modules
    -- use; this lock is the last that a transaction takes.
    PERFORM pg_advisory_xact_lock(21329, hashtext('mail.changes'));
    IF 'aliases' = ANY (maps) THEN
        -- OFFSET 0 keeps the planner from another order.
        WITH RECURSIVE reached (origin, key, name) AS (
            SELECT changed.name, changed.key, step.name
            FROM (
                SELECT mail.fold_alias(entry.key), entry.key
                FROM mail.changed_rows AS entry
                WHERE entry.change = new.number
                    AND entry.map = 'aliases'
                    AND entry.new IS NOT NULL
                OFFSET 0
            ) AS changed (name, key)
            CROSS JOIN LATERAL (
                SELECT entry.value
                FROM mail.aliases AS entry
                WHERE entry.lookup_key = changed.name
                OFFSET 0
            ) AS entry
            CROSS JOIN LATERAL unnest(mail.alias_names(entry.value)) AS step (name)
            CROSS JOIN LATERAL (
                SELECT FROM mail.aliases AS target WHERE target.lookup_key = step.name OFFSET 0
            ) AS target
            WHERE step.name <> changed.name
            UNION
            SELECT reached.origin, reached.key, step.name
            FROM reached
            CROSS JOIN LATERAL (
                SELECT entry.value
                FROM mail.aliases AS entry
                WHERE entry.lookup_key = reached.name
                OFFSET 0
            ) AS entry
            CROSS JOIN LATERAL unnest(mail.alias_names(entry.value)) AS step (name)
            CROSS JOIN LATERAL (
                SELECT FROM mail.aliases AS target WHERE target.lookup_key = step.name OFFSET 0
            ) AS target
            WHERE step.name <> reached.name AND reached.name <> reached.origin
        )
        SELECT
            reached.key,
            'aliases' AS map,
            mail.fault_among('aliases', reached.key, NULL) AS fault
        INTO refused
        FROM reached
        WHERE reached.name = reached.origin
        LIMIT 1;
        IF found THEN
            PERFORM mail.refuse(refused.map, refused.key, refused.fault);
        END IF;
    END IF;
    IF maps && ARRAY['local_domains', 'relay_domains'] THEN
        SELECT entry.key, entry.map, mail.fault_among(entry.map, entry.key, '') AS fault
        INTO refused
        FROM mail.changed_rows AS entry
        CROSS JOIN LATERAL mail.fold_domain(entry.key) AS domain
        WHERE entry.change = new.number
            AND entry.map IN ('local_domains', 'relay_domains')
            AND entry.new IS NOT NULL
            AND (SELECT true FROM mail.local_domains AS here WHERE here.lookup_key = domain)
            AND (SELECT true FROM mail.relay_domains AS away WHERE away.lookup_key = domain)
        ORDER BY entry.number DESC
        LIMIT 1;
        IF found THEN
            PERFORM mail.refuse(refused.map, refused.key, refused.fault);
        END IF;
    END IF;
    RETURN NULL;
END
$body$;
COMMENT ON FUNCTION mail.guard_change() IS
    'Refuses a transaction if rows that it changed have a fault together with others.';

CREATE CONSTRAINT TRIGGER change_is_guarded
    AFTER INSERT OR UPDATE OF finished ON mail.changes
    DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW
    WHEN (NOT new.finished)
    EXECUTE FUNCTION mail.guard_change();

CREATE PROCEDURE mail.guard(map text)
    LANGUAGE plpgsql
AS $body$
DECLARE
    event text[];
BEGIN
    FOREACH event SLICE 1 IN ARRAY ARRAY[
        ['INSERT', 'guard_of_inserts', 'NEW TABLE AS new_rows'],
        ['UPDATE', 'guard_of_updates', 'OLD TABLE AS old_rows NEW TABLE AS new_rows']
    ]
    LOOP
        EXECUTE format(
            'CREATE OR REPLACE TRIGGER %I AFTER %s ON mail.%I REFERENCING %s'
            ' FOR EACH STATEMENT EXECUTE FUNCTION mail.guard_rows()',
            event[2], event[1], map, event[3]
        );
    END LOOP;
END
$body$;
COMMENT ON PROCEDURE mail.guard(text) IS 'Lets mail.fault_of judge the rows of a table.';

DO $step$
DECLARE
    map text;
BEGIN
    -- Maps and classes are what has a history, and a value.
    FOR map IN
        SELECT watched.map
        FROM mail.watched_tables() AS watched
        WHERE 'value' = ANY (watched.columns)
    LOOP
        CALL mail.guard(map);
    END LOOP;
END
$step$;

GRANT EXECUTE ON FUNCTION
    mail.alias_targets(),
    mail.domain_problem(text),
    mail.literal_problem(text),
    mail.network_problem(text),
    mail.local_part_problem(text),
    mail.address_problem(text),
    mail.reply_problem(text),
    mail.targets(text),
    mail.aliases_fault(text, text),
    mail.virtualusers_fault(text, text),
    mail.mailertable_fault(text, text),
    mail.genericstable_fault(text, text),
    mail.domaintable_fault(text, text),
    mail.access_fault(text, text),
    mail.member_fault(text, text),
    mail.authinfo_fault(text, text),
    mail.fault_of(text, text, text),
    mail.local_name(text),
    mail.alias_names(text),
    mail.alias_cycle(text, text),
    mail.fault_among(text, text, text),
    mail.refuse(text, text, mail.fault),
    mail.try_row(text, text, text)
TO sqlmail_writer;
