-- A domain that is passed on for some recipients only.
--
-- Its row of access refuses the rest, and the linter took its route for one
-- that nobody outside may use.

CREATE OR REPLACE VIEW mail.lint_route_without_relay AS
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
            UNION ALL
            SELECT split_part(entry.subject, '@', 2)
            FROM mail.access_entries AS entry
            WHERE entry.tag = 'to' AND entry.is_address AND upper(entry.value) = 'RELAY'
        ) AS relayed (domain)
        WHERE ltrim(route.lookup_key, '.') = relayed.domain
            OR route.lookup_key LIKE '%.' || relayed.domain
    );
