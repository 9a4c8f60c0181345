-- Every lookup function is inlined and reads by the primary key.
CREATE TEMP TABLE numbers AS SELECT i FROM generate_series(1, 20000) AS i;
INSERT INTO access SELECT 'To:u' || i || '@a.org', 'RELAY' FROM numbers;
INSERT INTO access SELECT 'Connect:10.' || i / 256 || '.' || i % 256 || '.0/25', 'RELAY' FROM numbers;
INSERT INTO virtualusers SELECT 'u' || i || '@a.org', 'x' FROM numbers;
INSERT INTO aliases SELECT 'u' || i, 'x' FROM numbers;
INSERT INTO mailertable SELECT 'd' || i || '.org', 'esmtp:x' FROM numbers;
INSERT INTO genericstable SELECT 'u' || i, 'x' FROM numbers;
INSERT INTO domaintable SELECT 'd' || i || '.org', 'x' FROM numbers;
INSERT INTO local_domains SELECT 'd' || i || '.org' FROM numbers;
INSERT INTO relay_domains SELECT 'r' || i || '.org' FROM numbers;
INSERT INTO virtual_domains SELECT 'd' || i || '.org' FROM numbers;
ANALYZE;
CREATE FUNCTION pg_temp.scans(function text, mode text, question text = 'To:u77@a.org') RETURNS TABLE (node text)
LANGUAGE plpgsql AS $$
DECLARE
    line text;
BEGIN
    EXECUTE format('PREPARE q AS SELECT * FROM mail.%I($1)', function);
    PERFORM set_config('plan_cache_mode', mode, true);
    FOR line IN EXECUTE format('EXPLAIN (COSTS off) EXECUTE q(%L)', question)
    LOOP
        IF line ~ 'Scan' AND line !~ 'Recheck|Bitmap Heap' THEN
            node := btrim(regexp_replace(line, '^.*->', ''));
            RETURN NEXT;
        END IF;
    END LOOP;
    DEALLOCATE q;
END
$$;
SELECT name, mode, node
FROM (VALUES ('force_custom_plan'), ('force_generic_plan')) AS modes(mode),
    (VALUES ('lookup_access'), ('lookup_aliases'), ('lookup_virtualusers'),
        ('lookup_mailertable'), ('lookup_genericstable'), ('lookup_domaintable'),
        ('lookup_local_domains'), ('lookup_relay_domains')) AS names(name),
    pg_temp.scans(name, mode)
ORDER BY mode, name, node;
-- A network is found by the index, too.
SELECT mode, node
FROM (VALUES ('force_custom_plan'), ('force_generic_plan')) AS modes(mode),
    pg_temp.scans('networks_around', mode, '10.1.2.3');
-- History and guards keep no plan of a statement without rows for one with many.
SET statement_timeout = '20s';
UPDATE aliases SET value = 'y' WHERE key = 'nobody';
DELETE FROM aliases WHERE key = 'nobody';
SELECT count(*) AS "0" FROM undo((SELECT max(number) FROM changes)) WHERE key = 'nobody';
SELECT count(*) AS "20000" FROM undo((SELECT max(number) FROM changes));
UPDATE aliases SET value = 'y';
SELECT count(*) AS "20000" FROM undo((SELECT max(number) FROM changes));
DELETE FROM aliases;
