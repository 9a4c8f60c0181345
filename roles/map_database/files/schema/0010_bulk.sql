-- Schema of the maps, tenth step: what changes of many rows need.
--
-- The modules bring rows by COPY into a temporary table and change the maps from
-- there, set by set.  So no statement contains a value: what the log of the server
-- and pg_stat_activity say of a statement, also of one that was refused, says
-- nothing about the secrets of authinfo.

DO $step$
BEGIN
    EXECUTE format('GRANT TEMPORARY ON DATABASE %I TO sqlmail_writer', current_database());
END
$step$;
