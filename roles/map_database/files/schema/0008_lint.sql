-- Schema of the maps, eighth step: what is allowed and still a mistake.
--
-- One view for each rule, and mail.lint for all.  A finding is advice; nothing is
-- refused or changed.  What SQL cannot know, it does not guess: MX records, the
-- files of the mail hosts, and mailboxes that nobody has told it of.

CREATE TYPE mail.lint_severity AS ENUM ('info', 'warning', 'error');
COMMENT ON TYPE mail.lint_severity IS
    'info: could be better; warning: does harm sooner or later; error: mail is lost or refused.';

CREATE TABLE mail.mailboxes (
    key    mail.map_key NOT NULL,
    value  mail.map_value,
    CONSTRAINT mailbox_is_named_once PRIMARY KEY (key)
);
COMMENT ON TABLE mail.mailboxes IS
    'Local mailboxes, for the linter only; while it is empty, no alias is taken for dangling.';
COMMENT ON COLUMN mail.mailboxes.key IS 'Login name of the mailbox.';
COMMENT ON COLUMN mail.mailboxes.value IS 'Remark of the operator, or nothing.';
GRANT SELECT, INSERT, UPDATE, DELETE ON TABLE mail.mailboxes TO sqlmail_writer;
CALL mail.watch('mailboxes');


-- What the rules have in common.

CREATE FUNCTION mail.refuses(value text)
    RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN value ~* '^(REJECT|DISCARD|ERROR:|"?[45][0-9][0-9])';
COMMENT ON FUNCTION mail.refuses(text) IS 'Whether a verdict of access, or a target, refuses.';

CREATE VIEW mail.access_entries AS
SELECT
    entry.key::text,
    entry.value::text,
    coalesce(lower(split.part[1]), '') AS tag,
    lower(split.part[2]) AS subject,
    split.part[2] ~ '^[0-9./]+$' OR split.part[2] ~* '^(\[|IPv6:|[0-9a-f]*:)' AS is_network,
    position('@' IN split.part[2]) > 0 AS is_address
FROM mail.access AS entry
CROSS JOIN LATERAL regexp_match(entry.key, '^(?:([A-Za-z_]+):)?(.*)$') AS split (part);
COMMENT ON VIEW mail.access_entries IS 'Rows of access, their keys taken apart.';
COMMENT ON COLUMN mail.access_entries.key IS 'Key, as typed.';
COMMENT ON COLUMN mail.access_entries.value IS 'Value.';
COMMENT ON COLUMN mail.access_entries.tag IS 'Tag without its colon, in lower case; empty if none.';
COMMENT ON COLUMN mail.access_entries.subject IS 'What follows the tag, in lower case.';
COMMENT ON COLUMN mail.access_entries.is_network IS 'Whether that is an address or a network.';
COMMENT ON COLUMN mail.access_entries.is_address IS 'Whether that is user@domain or user@.';

CREATE VIEW mail.relayed_domains AS
SELECT 'relay_domains' AS map, entry.key::text, entry.lookup_key AS domain
FROM mail.relay_domains AS entry
WHERE entry.lookup_key !~ '^[0-9.]+$|:|^\['
UNION ALL
SELECT 'access', entry.key::text, entry.subject
FROM mail.access_entries AS entry
WHERE entry.tag = 'to'
    AND upper(entry.value) = 'RELAY'
    AND NOT entry.is_address
    AND NOT entry.is_network;
COMMENT ON VIEW mail.relayed_domains IS 'Domains that mail is taken for and passed on.';
COMMENT ON COLUMN mail.relayed_domains.map IS 'Table that says so.';
COMMENT ON COLUMN mail.relayed_domains.key IS 'Key of the row.';
COMMENT ON COLUMN mail.relayed_domains.domain IS 'Domain, in lower case.';

CREATE FUNCTION mail.dangling_aliases(known text[])
    RETURNS TABLE (
        severity mail.lint_severity, map text, key text, problem text, advice text
    )
    LANGUAGE sql STABLE
BEGIN ATOMIC
    WITH mailboxes AS (
        SELECT mail.fold_local(name) AS name FROM unnest(known) AS name
        UNION
        SELECT mail.fold_local(box.key) FROM mail.mailboxes AS box
    ),
    leads AS (
        SELECT 'aliases' AS map, entry.key::text, target, mail.local_name(target) AS name
        FROM mail.aliases AS entry
        CROSS JOIN LATERAL unnest(mail.targets(entry.value)) AS target
        UNION ALL
        SELECT 'virtualusers', entry.key::text, entry.value, mail.local_name(entry.value)
        FROM mail.virtualusers AS entry
        WHERE entry.value !~* '^error:|%'
    )
    SELECT
        'warning'::mail.lint_severity,
        leads.map,
        leads.key,
        format('leads to "%s", which is no alias and no mailbox', leads.target),
        'Correct the name, or make it known: INSERT INTO mailboxes VALUES (...).'
    FROM leads
    CROSS JOIN LATERAL split_part(ltrim(leads.name, '\'), '+', 1) AS account
    WHERE leads.name IS NOT NULL
        AND EXISTS (SELECT FROM mailboxes)
        AND NOT EXISTS (
            SELECT FROM mailboxes WHERE mailboxes.name IN (mail.fold_local(account), lower(account))
        )
        AND (
            leads.name LIKE '\\%'
            OR NOT EXISTS (
                SELECT
                FROM mail.aliases AS other
                WHERE other.lookup_key IN (
                    mail.fold_alias(leads.name),
                    mail.fold_alias(account || '+*'),
                    mail.fold_alias(account)
                )
                -- An alias for itself needs a mailbox.
                AND NOT (leads.map = 'aliases' AND other.key = leads.key)
            )
        );
END;
COMMENT ON FUNCTION mail.dangling_aliases(text[]) IS
    'Aliases and virtual users that lead nowhere, given login names beside those in mail.mailboxes.';


-- The rules.

CREATE VIEW mail.lint_refused_rows AS
SELECT
    'error'::mail.lint_severity AS severity,
    entry.map,
    entry.key,
    (entry.fault).problem,
    (entry.fault).remedy AS advice
FROM (
    SELECT rows.map, rows.key, mail.fault_of(rows.map, rows.key, rows.value) AS fault
    FROM (
        SELECT 'access' AS map, key::text, value::text FROM mail.access
        UNION ALL SELECT 'aliases', key, value FROM mail.aliases
        UNION ALL SELECT 'virtualusers', key, value FROM mail.virtualusers
        UNION ALL SELECT 'mailertable', key, value FROM mail.mailertable
        UNION ALL SELECT 'genericstable', key, value FROM mail.genericstable
        UNION ALL SELECT 'domaintable', key, value FROM mail.domaintable
        UNION ALL SELECT 'authinfo', key, value FROM mail.authinfo
        UNION ALL SELECT 'local_domains', key, value FROM mail.local_domains
        UNION ALL SELECT 'relay_domains', key, value FROM mail.relay_domains
        UNION ALL SELECT 'virtual_domains', key, value FROM mail.virtual_domains
        UNION ALL SELECT 'generics_domains', key, value FROM mail.generics_domains
        UNION ALL SELECT 'masquerade_domains', key, value FROM mail.masquerade_domains
        UNION ALL SELECT 'masquerade_exceptions', key, value FROM mail.masquerade_exceptions
        UNION ALL SELECT 'trusted_users', key, value FROM mail.trusted_users
    ) AS rows
) AS entry
WHERE NOT entry.fault IS NULL;
COMMENT ON VIEW mail.lint_refused_rows IS
    'Rows from before the guards, or from before they became stricter, that would be refused today.';

CREATE VIEW mail.lint_alias_cycles AS
SELECT
    'error'::mail.lint_severity AS severity,
    'aliases'::text AS map,
    entry.key::text,
    'leads in a circle: ' || cycle.path AS problem,
    'Let one of them lead to a mailbox; \name is the mailbox of that name.'::text AS advice
FROM mail.aliases AS entry
CROSS JOIN LATERAL mail.alias_cycle(entry.key) AS cycle (path)
WHERE cycle.path IS NOT NULL
    AND EXISTS (
        SELECT
        FROM mail.aliases AS target
        WHERE target.lookup_key = ANY (mail.alias_names(entry.value))
    );
COMMENT ON VIEW mail.lint_alias_cycles IS 'Aliases that lead back to themselves.';

CREATE VIEW mail.lint_local_and_relayed AS
SELECT
    CASE relayed.map WHEN 'access' THEN 'info' ELSE 'error' END::mail.lint_severity AS severity,
    relayed.map,
    relayed.key,
    'is in local_domains, too: ' || entry.key AS problem,
    'A domain is delivered here or passed on, not both; delete one of the two rows.'::text AS advice
FROM mail.relayed_domains AS relayed
JOIN mail.local_domains AS entry ON entry.lookup_key = relayed.domain;
COMMENT ON VIEW mail.lint_local_and_relayed IS 'Domains that are delivered here and passed on.';

CREATE VIEW mail.lint_case_twins AS
SELECT
    'warning'::mail.lint_severity AS severity,
    twins.map,
    min(twins.key) AS key,
    'differs only in case from ' || string_agg(twins.key, ', ' ORDER BY twins.key)
        FILTER (WHERE twins.key <> twins.first) AS problem,
    'Nobody expects them to be two; give them one value, or delete all but one.'::text AS advice
FROM (
    SELECT rows.map, rows.key, rows.value, min(rows.key) OVER same AS first
    FROM (
        SELECT 'access' AS map, key::text, value::text FROM mail.access
        UNION ALL SELECT 'aliases', key, value FROM mail.aliases
        UNION ALL SELECT 'virtualusers', key, value FROM mail.virtualusers
        UNION ALL SELECT 'genericstable', key, value FROM mail.genericstable
    ) AS rows
    WINDOW same AS (PARTITION BY rows.map, lower(rows.key))
) AS twins
GROUP BY twins.map, lower(twins.key)
HAVING count(DISTINCT twins.value) > 1;
COMMENT ON VIEW mail.lint_case_twins IS
    'Keys that differ only in case and have different values.';

CREATE VIEW mail.lint_missing_mailboxes AS
WITH required (name, severity, reason) AS (
    VALUES
        ('postmaster', 'error'::mail.lint_severity, 'RFC 5321, 4.5.1'),
        ('abuse', 'warning', 'RFC 2142, 4'),
        ('mailer-daemon', 'warning', 'replies to delivery reports')
),
spellings (name, spelling, severity, reason) AS (
    SELECT name, name, severity, reason FROM required
    UNION
    SELECT name, upper(name), 'warning', 'other hosts write it so'
    FROM required
    WHERE mail.fold_alias(upper(name)) <> mail.fold_alias(name)
),
missing_here AS (
    SELECT spellings.*
    FROM spellings
    WHERE NOT EXISTS (
        SELECT
        FROM mail.aliases AS entry
        WHERE entry.lookup_key = mail.fold_alias(spellings.spelling)
    )
    AND NOT EXISTS (
        SELECT FROM mail.mailboxes AS box WHERE mail.fold_local(box.key) = spellings.spelling
    )
),
domains (domain, is_local) AS (
    SELECT entry.lookup_key, true
    FROM mail.local_domains AS entry
    WHERE entry.lookup_key LIKE '%.%' AND entry.lookup_key NOT LIKE '[%'
    UNION
    SELECT hosted.domain, false
    FROM (
        SELECT entry.lookup_key FROM mail.virtual_domains AS entry
        UNION
        SELECT substring(entry.lookup_key FROM '@([^@]*)$') FROM mail.virtualusers AS entry
    ) AS hosted (domain)
    WHERE NOT EXISTS (
        SELECT FROM mail.local_domains AS entry WHERE entry.lookup_key = hosted.domain
    )
)
SELECT
    missing_here.severity,
    'aliases'::text AS map,
    missing_here.spelling AS key,
    format('mail for %s has no home (%s)', missing_here.spelling, missing_here.reason) AS problem,
    format('INSERT INTO aliases VALUES (''%s'', ''...'');', missing_here.spelling) AS advice
FROM missing_here
UNION ALL
SELECT
    required.severity,
    'virtualusers',
    required.name || '@' || domains.domain,
    CASE WHEN answer.target IS NULL
        THEN format('mail for it has no home (%s)', required.reason)
        ELSE format('mail for it is refused (%s)', required.reason)
    END,
    format('INSERT INTO virtualusers VALUES (''%s@%s'', ''...'');', required.name, domains.domain)
FROM required
CROSS JOIN domains
LEFT JOIN LATERAL mail.lookup_virtualusers(required.name || '@' || domains.domain)
    AS answer (target) ON true
WHERE CASE WHEN answer.target IS NULL THEN NOT domains.is_local
    ELSE answer.target ~* '^error:' END;
COMMENT ON VIEW mail.lint_missing_mailboxes IS
    'Mailboxes that every domain must have and that no row gives a home to.';

CREATE VIEW mail.lint_refused_mailboxes AS
SELECT
    'error'::mail.lint_severity AS severity,
    'access'::text AS map,
    entry.key::text,
    'mail for a mailbox that every domain must have is refused'::text AS problem,
    'Delete the row; postmaster and abuse must be reachable (RFC 5321, 4.5.1; RFC 2142).'::text
        AS advice
FROM mail.access_entries AS entry
WHERE entry.tag IN ('', 'to')
    AND entry.subject ~ '^(postmaster|abuse|mailer-daemon)@'
    AND mail.refuses(entry.value);
COMMENT ON VIEW mail.lint_refused_mailboxes IS
    'Rows of access that refuse mail for postmaster, abuse or mailer-daemon.';

CREATE VIEW mail.lint_dangling_aliases AS
SELECT * FROM mail.dangling_aliases('{}');
COMMENT ON VIEW mail.lint_dangling_aliases IS
    'Aliases and virtual users that lead to a local name nobody knows; needs mail.mailboxes.';

CREATE VIEW mail.lint_relay_without_route AS
SELECT
    'warning'::mail.lint_severity AS severity,
    relayed.map,
    relayed.key,
    format('mail for %s is relayed, but no row of mailertable says where to', relayed.domain)
        AS problem,
    format(
        'With a wildcard MX it comes back here until it is dropped:'
        ' INSERT INTO mailertable VALUES (''%s'', ''esmtp:[...]'');',
        relayed.domain
    ) AS advice
FROM mail.relayed_domains AS relayed
WHERE NOT EXISTS (
    SELECT
    FROM mail.mailertable AS route
    WHERE route.lookup_key IN (relayed.domain, '.')
        OR (route.lookup_key LIKE '.%' AND relayed.domain LIKE '%' || route.lookup_key)
);
COMMENT ON VIEW mail.lint_relay_without_route IS
    'Domains that are relayed without a route, which loops where the MX record is a wildcard.';

CREATE VIEW mail.lint_route_without_relay AS
SELECT
    'info'::mail.lint_severity AS severity,
    'mailertable'::text AS map,
    route.key::text,
    'has a route, but mail for it is taken from nobody outside'::text AS problem,
    format(
        'If this host is an MX of it: INSERT INTO access VALUES (''To:%s'', ''RELAY'');',
        ltrim(route.lookup_key, '.')
    ) AS advice
FROM mail.mailertable AS route
WHERE route.lookup_key <> '.'
    AND route.value !~* '^(error|discard):'
    AND NOT EXISTS (
        SELECT
        FROM (
            SELECT relayed.domain FROM mail.relayed_domains AS relayed
            UNION ALL
            SELECT entry.subject
            FROM mail.access_entries AS entry
            WHERE entry.tag = '' AND upper(entry.value) = 'RELAY'
            UNION ALL
            SELECT entry.lookup_key FROM mail.virtual_domains AS entry
        ) AS relayed (domain)
        WHERE ltrim(route.lookup_key, '.') = relayed.domain
            OR route.lookup_key LIKE '%.' || relayed.domain
    );
COMMENT ON VIEW mail.lint_route_without_relay IS
    'Routes of domains that are not relayed: for own mail only, or a forgotten row of access.';

CREATE VIEW mail.lint_routes_by_mx AS
SELECT
    CASE
        WHEN host.name = ltrim(route.lookup_key, '.')
            OR host.name LIKE '%.' || ltrim(route.lookup_key, '.')
        THEN 'warning' ELSE 'info'
    END::mail.lint_severity AS severity,
    'mailertable'::text AS map,
    route.key::text,
    format('the MX records of %s are asked, and may lead back here', host.name) AS problem,
    format('Write it in brackets: %s:[%s].', split_part(route.value, ':', 1), host.name) AS advice
FROM mail.mailertable AS route
CROSS JOIN LATERAL lower(split_part(route.value, ':', 2)) AS host (name)
WHERE lower(split_part(route.value, ':', 1)) IN ('smtp', 'esmtp', 'smtp8', 'dsmtp', 'relay')
    AND host.name NOT LIKE '[%';
COMMENT ON VIEW mail.lint_routes_by_mx IS
    'Routes to a host without brackets; warning where a wildcard MX of the domain would cover it.';

CREATE VIEW mail.lint_relay_by_name AS
SELECT
    'warning'::mail.lint_severity AS severity,
    'access'::text AS map,
    entry.key::text,
    'who may relay depends on names in DNS, which others may control or forge'::text AS problem,
    'Name addresses instead, Connect:192.0.2.1; for mail to a domain write To:.'::text AS advice
FROM mail.access_entries AS entry
WHERE entry.tag IN ('', 'connect')
    AND upper(entry.value) = 'RELAY'
    AND NOT entry.is_network
    AND NOT entry.is_address;
COMMENT ON VIEW mail.lint_relay_by_name IS
    'Clients that may relay because of their name in DNS.';

CREATE VIEW mail.lint_untagged_access AS
SELECT
    'info'::mail.lint_severity AS severity,
    'access'::text AS map,
    entry.key::text,
    'has no tag, so it speaks of clients, senders and recipients alike'::text AS problem,
    format(
        'Say which is meant: %s.',
        CASE
            WHEN entry.is_address THEN format('From:%1$s or To:%1$s', entry.key)
            WHEN entry.is_network THEN 'Connect:' || entry.key
            ELSE format('Connect:%1$s, From:%1$s or To:%1$s', entry.key)
        END
    ) AS advice
FROM mail.access_entries AS entry
WHERE entry.tag = '';
COMMENT ON VIEW mail.lint_untagged_access IS 'Keys of access without a tag, which are deprecated.';

CREATE VIEW mail.lint_catch_all AS
SELECT
    'info'::mail.lint_severity AS severity,
    'virtualusers'::text AS map,
    entry.key::text,
    'takes mail for every name, which attracts spam'::text AS problem,
    'Name the addresses that exist, and let the others be refused.'::text AS advice
FROM mail.virtualusers AS entry
WHERE entry.key LIKE '@%' AND entry.value !~* '^error:' AND entry.value NOT LIKE '\%1%';
COMMENT ON VIEW mail.lint_catch_all IS 'Virtual users that stand for a whole domain.';

CREATE VIEW mail.lint_unreachable_catch_all AS
SELECT
    'warning'::mail.lint_severity AS severity,
    'virtualusers'::text AS map,
    entry.key::text,
    hidden.problem,
    hidden.advice
FROM mail.virtualusers AS entry
CROSS JOIN LATERAL substr(entry.lookup_key, 2) AS asked (domain)
JOIN (
    SELECT
        access.subject AS domain,
        true AS is_parent,
        format('no mail reaches it: access has %s %s', access.key, access.value),
        'Delete one of the two rows.'
    FROM mail.access_entries AS access
    WHERE access.tag IN ('', 'to') AND NOT access.is_address AND mail.refuses(access.value)
    UNION ALL
    SELECT
        renamed.lookup_key,
        false,
        format('no mail reaches it: domaintable makes it %s', renamed.value),
        format('Write @%s.', renamed.value)
    FROM mail.domaintable AS renamed
) AS hidden (domain, is_parent, problem, advice)
    ON hidden.domain = asked.domain
    OR (hidden.is_parent AND asked.domain LIKE '%.' || hidden.domain)
WHERE entry.key LIKE '@%'
    -- A more particular row of access comes first.
    AND NOT (
        hidden.is_parent
        AND EXISTS (
            SELECT
            FROM mail.access_entries AS nearer
            WHERE nearer.tag IN ('', 'to')
                AND NOT mail.refuses(nearer.value)
                AND length(nearer.subject) > length(hidden.domain)
                AND (asked.domain = nearer.subject OR asked.domain LIKE '%.' || nearer.subject)
        )
    );
COMMENT ON VIEW mail.lint_unreachable_catch_all IS
    'Virtual users for a whole domain that no mail comes to.';

CREATE VIEW mail.lint_unreachable_routes AS
SELECT
    'warning'::mail.lint_severity AS severity,
    'mailertable'::text AS map,
    route.key::text,
    'is never asked, because the domain is in local_domains'::text AS problem,
    'Delete one of the two rows.'::text AS advice
FROM mail.mailertable AS route
JOIN mail.local_domains AS entry ON entry.lookup_key = route.lookup_key;
COMMENT ON VIEW mail.lint_unreachable_routes IS 'Routes of domains that are delivered here.';

CREATE VIEW mail.lint_capitals AS
SELECT
    'info'::mail.lint_severity AS severity,
    rows.map,
    rows.key,
    'has capitals in a domain, where case does not count'::text AS problem,
    format('Write it as it is compared, %s.', lower(rows.domain)) AS advice
FROM (
    SELECT 'mailertable' AS map, key::text, key::text AS domain FROM mail.mailertable
    UNION ALL SELECT 'domaintable', key, key FROM mail.domaintable
    UNION ALL SELECT 'virtualusers', key, substring(key FROM '@[^@]*$') FROM mail.virtualusers
    UNION ALL SELECT 'genericstable', key, substring(key FROM '@[^@]*$') FROM mail.genericstable
    UNION ALL SELECT 'local_domains', key, key FROM mail.local_domains
    UNION ALL SELECT 'relay_domains', key, key FROM mail.relay_domains
    UNION ALL SELECT 'virtual_domains', key, key FROM mail.virtual_domains
    UNION ALL SELECT 'generics_domains', key, key FROM mail.generics_domains
    UNION ALL SELECT 'masquerade_domains', key, key FROM mail.masquerade_domains
    UNION ALL SELECT 'masquerade_exceptions', key, key FROM mail.masquerade_exceptions
) AS rows
WHERE rows.domain ~ '[A-Z]' AND rows.domain NOT LIKE '[%' AND rows.domain !~* '^IPv6:';
COMMENT ON VIEW mail.lint_capitals IS 'Keys with capitals in a domain.';

CREATE VIEW mail.lint_secrets_in_access AS
SELECT
    'warning'::mail.lint_severity AS severity,
    'access'::text AS map,
    entry.key::text,
    'has a password, which everybody who may read access can read'::text AS problem,
    'Move the row to authinfo, which is asked for one server at a time.'::text AS advice
FROM mail.access_entries AS entry
WHERE entry.tag = 'authinfo';
COMMENT ON VIEW mail.lint_secrets_in_access IS 'Logins that belong into authinfo.';

CREATE VIEW mail.lint_replies_without_status AS
SELECT
    'info'::mail.lint_severity AS severity,
    'access'::text AS map,
    entry.key,
    'asks to come again, but is sent with status code 5.0.0, which says never'::text AS problem,
    format(
        'Write ERROR:4.0.0:%s.', regexp_replace(entry.value, '^ERROR:|"', '', 'gi')
    ) AS advice
FROM mail.access_entries AS entry
WHERE entry.value ~* '^(ERROR:)?"?4[0-5][0-9][ "]';
COMMENT ON VIEW mail.lint_replies_without_status IS
    'Replies of class 4 without a status code, which contradict themselves (cf/README).';

CREATE VIEW mail.lint AS
SELECT finding.severity, finding.rule, finding.map, finding.key, finding.problem, finding.advice
FROM (
    SELECT 'refused_rows' AS rule, * FROM mail.lint_refused_rows
    UNION ALL SELECT 'alias_cycles', * FROM mail.lint_alias_cycles
    UNION ALL SELECT 'local_and_relayed', * FROM mail.lint_local_and_relayed
    UNION ALL SELECT 'case_twins', * FROM mail.lint_case_twins
    UNION ALL SELECT 'missing_mailboxes', * FROM mail.lint_missing_mailboxes
    UNION ALL SELECT 'refused_mailboxes', * FROM mail.lint_refused_mailboxes
    UNION ALL SELECT 'dangling_aliases', * FROM mail.lint_dangling_aliases
    UNION ALL SELECT 'relay_without_route', * FROM mail.lint_relay_without_route
    UNION ALL SELECT 'route_without_relay', * FROM mail.lint_route_without_relay
    UNION ALL SELECT 'routes_by_mx', * FROM mail.lint_routes_by_mx
    UNION ALL SELECT 'relay_by_name', * FROM mail.lint_relay_by_name
    UNION ALL SELECT 'untagged_access', * FROM mail.lint_untagged_access
    UNION ALL SELECT 'catch_all', * FROM mail.lint_catch_all
    UNION ALL SELECT 'unreachable_catch_all', * FROM mail.lint_unreachable_catch_all
    UNION ALL SELECT 'unreachable_routes', * FROM mail.lint_unreachable_routes
    UNION ALL SELECT 'capitals', * FROM mail.lint_capitals
    UNION ALL SELECT 'replies_without_status', * FROM mail.lint_replies_without_status
    UNION ALL SELECT 'secrets_in_access', * FROM mail.lint_secrets_in_access
) AS finding
ORDER BY finding.severity DESC, finding.rule, finding.map, finding.key COLLATE "C";
COMMENT ON VIEW mail.lint IS 'Findings of all rules, the worst first.';

DO $step$
DECLARE
    rule name;
BEGIN
    FOR rule IN
        SELECT relname FROM pg_class
        WHERE relnamespace = 'mail'::regnamespace AND relkind = 'v' AND relname ~ '^lint'
    LOOP
        EXECUTE format(
            $comments$
                COMMENT ON COLUMN mail.%1$I.severity IS 'info, warning or error.';
                COMMENT ON COLUMN mail.%1$I.map IS 'Table of the row.';
                COMMENT ON COLUMN mail.%1$I.key IS 'Key of the row, or of the one that is missing.';
                COMMENT ON COLUMN mail.%1$I.problem IS 'What is wrong with it.';
                COMMENT ON COLUMN mail.%1$I.advice IS 'What to do about it.';
                GRANT SELECT ON mail.%1$I TO sqlmail_writer;
            $comments$,
            rule
        );
    END LOOP;
END
$step$;
COMMENT ON COLUMN mail.lint.rule IS 'Rule; the view lint_<rule> explains it.';

GRANT EXECUTE ON FUNCTION
    mail.refuses(text),
    mail.dangling_aliases(text[])
TO sqlmail_writer;
