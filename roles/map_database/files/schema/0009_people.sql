-- Schema of the maps, ninth step: people who log in to send mail.
--
-- A row holds a salted verifier (RFC 5802, RFC 7677), which serves SCRAM-SHA-256,
-- PLAIN and LOGIN and from which no password can be computed but by guessing it.
-- Only the role of the authenticator reads verifiers; who writes them does not.
-- Needs the group role sqlmail_authenticator, too.

GRANT USAGE ON SCHEMA mail TO sqlmail_authenticator;


-- Users.

CREATE FUNCTION mail.fold_login(login text)
    RETURNS text
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
AS $body$
BEGIN
    -- An accented letter may be typed as one character or as two.
    RETURN normalize(substring(login FROM '^(.*)@'), NFKC)
        || '@' || lower(substring(login FROM '[^@]*$'));
END
$body$;
COMMENT ON FUNCTION mail.fold_login(text) IS
    'User and realm as they are compared: the case of the user counts, that of the realm does not.';

CREATE TABLE mail.sasl_users (
    login         mail.map_key NOT NULL,
    verifier      text,
    enabled       boolean NOT NULL DEFAULT true,
    comment       mail.map_value,
    created       timestamptz NOT NULL DEFAULT now(),
    password_set  timestamptz,
    lookup_key    text GENERATED ALWAYS AS (mail.fold_login(login)) STORED,
    CONSTRAINT sasl_user_is_unique PRIMARY KEY (lookup_key)
);
COMMENT ON TABLE mail.sasl_users IS
    'People and programs that may log in at the mail hosts to send mail.';
COMMENT ON COLUMN mail.sasl_users.login IS
    'User and realm, as typed: david@mx.example.org. Who logs in without a realm is in that of the host.';
COMMENT ON COLUMN mail.sasl_users.verifier IS
    'Verifier of the password, SCRAM-SHA-256$iterations:salt$StoredKey:ServerKey; NULL lets nobody in.';
COMMENT ON COLUMN mail.sasl_users.enabled IS 'False keeps the user out at the next login.';
COMMENT ON COLUMN mail.sasl_users.comment IS 'Remark of the operator, or nothing.';
COMMENT ON COLUMN mail.sasl_users.created IS 'When the row was made.';
COMMENT ON COLUMN mail.sasl_users.password_set IS
    'When the verifier was set; the database keeps it. NULL if there is none.';
COMMENT ON COLUMN mail.sasl_users.lookup_key IS 'User and realm as they are compared; computed.';

CREATE FUNCTION mail.verifier_iterations(verifier text)
    RETURNS int
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN substring(verifier FROM '^SCRAM-SHA-256\$([1-9][0-9]{0,8}):')::int;
COMMENT ON FUNCTION mail.verifier_iterations(text) IS
    'How often a password is hashed for a verifier.';

CREATE FUNCTION mail.sasl_users_fault(login text, verifier text)
    RETURNS mail.fault
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
AS $body$
DECLARE
    problem CONSTANT text := mail.domain_problem(substring(login FROM '[^@]*$'));
    -- The verifier itself is not quoted: it may be a password that somebody typed.
    remedy CONSTANT text := 'A password is never stored, only its verifier; the module sasl_user'
        ' makes one.';
BEGIN
    IF login !~ '^[^@]+@[^@]+$' THEN
        RETURN (
            'sasl_user_has_a_realm',
            format('login "%s" is not a user, an @ and a realm', login),
            'Write user@realm; the realm of a mail host is its confAUTH_REALM or its name.'
        )::mail.fault;
    ELSIF problem IS NOT NULL THEN
        RETURN (
            'sasl_realm_is_a_domain',
            format('the realm cannot be: %s', problem),
            'A realm looks like the name of a host or of a domain.'
        )::mail.fault;
    ELSIF octet_length(login) > 255 THEN
        RETURN (
            'sasl_login_fits_into_auth',
            format('login "%s..." is longer than 255 bytes', left(login, 20)),
            'RFC 4616 lets nobody log in with more.'
        )::mail.fault;
    ELSIF verifier !~ '^SCRAM-SHA-256\$[1-9][0-9]*:([A-Za-z0-9+/]{4}){4,}'
            '([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?\$[A-Za-z0-9+/]{43}=:[A-Za-z0-9+/]{43}=$'
    THEN
        RETURN (
            'verifier_is_scram_sha_256',
            'the verifier is not SCRAM-SHA-256$iterations:salt$StoredKey:ServerKey',
            remedy
        )::mail.fault;
    ELSIF verifier IS NOT NULL
        AND coalesce(mail.verifier_iterations(verifier), 0) NOT BETWEEN 4096 AND 65536
    THEN
        RETURN (
            'verifier_has_4096_to_65536_iterations',
            'the verifier has fewer than 4096 or more than 65536 iterations',
            'RFC 7677 wants 4096 at least, and Cyrus SASL refuses more than 65536. ' || remedy
        )::mail.fault;
    END IF;
    RETURN NULL;
END
$body$;
COMMENT ON FUNCTION mail.sasl_users_fault(text, text) IS 'What is wrong with a row of sasl_users.';


-- What is said of users that are unknown or disabled: a salt of their own, the
-- same at each login, and keys that no password fits.  So nobody learns from the
-- answer, or from its time, who has an account here.

CREATE TABLE mail.sasl_decoy (
    secret      bytea NOT NULL,
    iterations  int NOT NULL,
    the_only    boolean NOT NULL DEFAULT true,
    CONSTRAINT decoy_is_one PRIMARY KEY (the_only),
    CONSTRAINT decoy_is_the_only_one CHECK (the_only)
);
COMMENT ON TABLE mail.sasl_decoy IS 'What verifiers of users that do not exist are made from.';
COMMENT ON COLUMN mail.sasl_decoy.secret IS 'Random bytes of this database.';
COMMENT ON COLUMN mail.sasl_decoy.iterations IS
    'How often a password is hashed: as often as for the verifier that was set last.';
COMMENT ON COLUMN mail.sasl_decoy.the_only IS 'Keeps the table to one row.';
INSERT INTO mail.sasl_decoy (secret, iterations) VALUES (
    sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())), 4096
);

CREATE FUNCTION mail.decoy_verifier(folded text)
    RETURNS text
    LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT format(
        'SCRAM-SHA-256$%s:%s$%s:%s',
        decoy.iterations,
        encode(substring(seed.bytes FOR 16), 'base64'),
        encode(sha256(decoy.secret || '\x01' || seed.bytes), 'base64'),
        encode(sha256(decoy.secret || '\x02' || seed.bytes), 'base64')
    )
    FROM mail.sasl_decoy AS decoy
    CROSS JOIN LATERAL (
        SELECT sha256(decoy.secret || sha256(decoy.secret || convert_to(folded, 'UTF8')))
    ) AS seed (bytes);
END;
COMMENT ON FUNCTION mail.decoy_verifier(text) IS
    'Verifier that no password fits, always the same for a user who does not exist.';


-- The guard of a row.

CREATE FUNCTION mail.guard_sasl_user()
    RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $body$
DECLARE
    fault CONSTANT mail.fault := mail.sasl_users_fault(new.login, new.verifier);
BEGIN
    IF fault.rule IS NOT NULL THEN
        PERFORM mail.refuse('sasl_users', new.login, fault);
    END IF;
    IF tg_op = 'UPDATE' AND new.verifier IS NOT DISTINCT FROM old.verifier THEN
        IF new.password_set IS DISTINCT FROM old.password_set THEN
            RAISE WARNING 'the password of % stays as it is; history keeps none', new.login;
            new.password_set := old.password_set;
        END IF;
        RETURN new;
    END IF;
    IF new.verifier IS NULL THEN
        IF new.password_set IS NOT NULL THEN
            RAISE WARNING '% has no password until one is set; history keeps none', new.login;
        END IF;
        new.password_set := NULL;
        RETURN new;
    END IF;
    new.password_set := now();
    UPDATE mail.sasl_decoy
    SET iterations = mail.verifier_iterations(new.verifier)
    WHERE iterations <> mail.verifier_iterations(new.verifier);
    RETURN new;
END
$body$;
COMMENT ON FUNCTION mail.guard_sasl_user() IS
    'Refuses what is no verifier, and keeps the time when a password was set.';

CREATE TRIGGER sasl_user_is_sound
    BEFORE INSERT OR UPDATE ON mail.sasl_users
    FOR EACH ROW
    EXECUTE FUNCTION mail.guard_sasl_user();


-- What the mail hosts ask.

CREATE FUNCTION mail.lookup_sasl_verifier(login text, realm text)
    RETURNS text
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $body$
DECLARE
    folded CONSTANT text := mail.fold_login(
        CASE WHEN position('@' IN login) > 0 THEN login ELSE login || '@' || realm END
    );
    -- Computed for everybody, so that it takes the same time for everybody.
    decoy CONSTANT text := mail.decoy_verifier(folded);
    found_verifier text;
BEGIN
    SELECT known.verifier INTO found_verifier
    FROM mail.sasl_users AS known
    WHERE known.lookup_key = folded AND known.enabled;
    RETURN coalesce(found_verifier, decoy);
END
$body$;
COMMENT ON FUNCTION mail.lookup_sasl_verifier(text, text) IS
    'Verifier of a user, who is in the given realm unless the login names one; a decoy if there'
    ' is no such user or he is disabled.';
GRANT EXECUTE ON FUNCTION mail.lookup_sasl_verifier(text, text) TO sqlmail_authenticator;


-- What those who set passwords ask.  Enough to find out whether a password is
-- still the same, and not enough to guess one at home.

CREATE FUNCTION mail.sasl_verifier_parameters(who text)
    RETURNS TABLE (iterations int, salt text)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT
        mail.verifier_iterations(known.verifier),
        split_part(split_part(known.verifier, '$', 2), ':', 2)
    FROM mail.sasl_users AS known
    WHERE known.lookup_key = mail.fold_login(who) AND known.verifier IS NOT NULL;
END;
COMMENT ON FUNCTION mail.sasl_verifier_parameters(text) IS
    'How the password of a user is hashed: iterations, and salt in base64.';

CREATE FUNCTION mail.sasl_verifier_is(who text, candidate text)
    RETURNS boolean
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT EXISTS (
        SELECT
        FROM mail.sasl_users AS known
        WHERE known.lookup_key = mail.fold_login(who)
            AND known.verifier = candidate
    );
END;
COMMENT ON FUNCTION mail.sasl_verifier_is(text, text) IS
    'Whether this is the verifier of the user.';

-- All but the verifier can be read.  The owner's trigger sets password_set, but
-- mail.undo writes whole rows.
GRANT SELECT (login, enabled, comment, created, password_set, lookup_key) ON TABLE mail.sasl_users
TO sqlmail_writer;
GRANT INSERT (login, verifier, enabled, comment, created, password_set) ON TABLE mail.sasl_users
TO sqlmail_writer;
GRANT UPDATE (login, verifier, enabled, comment, created, password_set) ON TABLE mail.sasl_users
TO sqlmail_writer;
GRANT DELETE ON TABLE mail.sasl_users TO sqlmail_writer;
GRANT EXECUTE ON FUNCTION
    mail.fold_login(text),
    mail.sasl_verifier_parameters(text),
    mail.sasl_verifier_is(text, text)
TO sqlmail_writer;


-- History knows users, and never a verifier.  So a password is not brought back by
-- undo, and a deleted user comes back without one.

CALL mail.watch('sasl_users', 'login', '{verifier}');
