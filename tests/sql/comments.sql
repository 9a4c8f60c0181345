-- Every table, column, function, type and the schema say what they are.
SELECT relname AS nothing FROM pg_class
WHERE relnamespace = 'mail'::regnamespace AND relkind IN ('r', 'v') AND obj_description(oid, 'pg_class') IS NULL;
SELECT attrelid::regclass || '.' || attname AS nothing
FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
WHERE relnamespace = 'mail'::regnamespace AND relkind IN ('r', 'v') AND attnum > 0 AND NOT attisdropped
    AND col_description(attrelid, attnum) IS NULL;
SELECT proname AS nothing FROM pg_proc
WHERE pronamespace = 'mail'::regnamespace AND obj_description(oid, 'pg_proc') IS NULL;
SELECT typname AS nothing FROM pg_type
WHERE typnamespace = 'mail'::regnamespace AND typtype = 'd' AND obj_description(oid, 'pg_type') IS NULL;
SELECT obj_description('mail'::regnamespace, 'pg_namespace') IS NOT NULL AS t;
-- The first two columns of every map are key and value.
SELECT attrelid::regclass AS map, string_agg(attname, ', ' ORDER BY attnum) AS "key, value"
FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
WHERE relnamespace = 'mail'::regnamespace AND relkind = 'r' AND attnum IN (1, 2)
    AND EXISTS (SELECT FROM mail.watched_tables() WHERE map = relname AND 'value' = ANY (columns))
GROUP BY attrelid
ORDER BY attrelid::regclass::text COLLATE "C";
