# SPDX-License-Identifier: GPL-3.0-or-later
"""Ways in which a database fails, each done to a real server and mended again.

A fault is a context manager: while it is open the database is in that state, for
sessions that had a connection before as well as for new ones.
"""

from __future__ import annotations

import contextlib
import re
import typing as t
from collections.abc import Callable, Iterator

from shared.machine import Machine
from shared.waiting import wait_until

Inject = Callable[[Machine], contextlib.AbstractContextManager[None]]

READER = "sendmail"
DATABASE = "sendmail"
SERVICE = "/etc/postgresql-common/pg_service.conf"
# Where the real lookup functions stay while others stand in for them.
KEPT = "kept_by_the_tests"


class Fault(t.NamedTuple):
    """A way to fail, and the callers that meet it; none named: all of them."""

    inject: Inject
    callers: tuple[str, ...] = ()


FAULTS: dict[str, Fault] = {}


def fault(name: str) -> Callable[[Callable[[Machine], Iterator[None]]], Inject]:
    """Give a fault the name that it has in the table."""

    def register(function: Callable[[Machine], Iterator[None]]) -> Inject:
        inject = contextlib.contextmanager(function)
        FAULTS[name] = Fault(inject)
        return inject

    return register


# The server, as its superuser sees it ------------------------------------------


def admin(host: Machine, statements: str, database: str = "postgres") -> str:
    """Enter statements as the superuser of the server."""
    return host.sql(statements, role="postgres", user="postgres", database=database)


def cut(host: Machine) -> None:
    """End the sessions that the maps have, so that they must connect anew."""
    admin(
        host,
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
        f" WHERE usename = '{READER}';",
    )
    wait_until(lambda: not host.backends(READER))


def reload(host: Machine) -> None:
    """Make the server read its files again and wait until it has done so."""
    before = admin(host, "SELECT pg_conf_load_time();")
    admin(host, "SELECT pg_reload_conf();")
    wait_until(lambda: admin(host, "SELECT pg_conf_load_time();") != before)


@contextlib.contextmanager
def changed(host: Machine, path: str, change: Callable[[str], str]) -> Iterator[None]:
    """Change a file of the host for a while; it keeps its owner and its mode."""
    before = host.run("cat", path)
    after = change(before)
    assert after != before, f"nothing to change in {path}"
    host.run("tee", path, text=after)
    try:
        yield
    finally:
        host.run("tee", path, text=before)


@contextlib.contextmanager
def service(machine: Machine, **parameters: str) -> Iterator[None]:
    """Change parameters of the libpq service that the maps name."""

    def change(text: str) -> str:
        head, block = text.split(f"[{READER}]\n")
        block, end = block.split("# END", 1)
        for name, value in parameters.items():
            block = re.sub(rf"(?m)^{name}=.*\n", "", block) + f"{name}={value}\n"
        return f"{head}[{READER}]\n{block}# END{end}"

    with changed(machine, SERVICE, change):
        yield


@contextlib.contextmanager
def stand_in(
    host: Machine, body: str, *, returns: str = "SETOF text", only: str = "%"
) -> Iterator[None]:
    """Let other functions answer the lookups, in PL/pgSQL; ``$1`` is the key.

    The real ones wait in another schema and come back as they were, rights included.
    If it is not all of them, nothing is foretold: every map is asked by itself.
    """
    admin(
        host,
        f"""
        DO $replace$
        DECLARE
            lookup record;
        BEGIN
            CREATE SCHEMA {KEPT};
            GRANT USAGE ON SCHEMA {KEPT} TO sqlmail_reader;
            FOR lookup IN
                SELECT oid, proname, pg_get_function_identity_arguments(oid) AS arguments
                FROM pg_proc
                WHERE pronamespace = 'mail'::regnamespace
                    AND (proname LIKE 'lookup\\_{only}' OR proname = 'lookup_ahead')
            LOOP
                EXECUTE format('ALTER FUNCTION %s SET SCHEMA {KEPT}', lookup.oid::regprocedure);
                IF lookup.proname LIKE 'lookup\\_{only}' THEN
                    EXECUTE format(
                        'CREATE FUNCTION mail.%I(%s) RETURNS {returns} LANGUAGE plpgsql AS %L',
                        lookup.proname, lookup.arguments, $body${body}$body$);
                ELSE
                    EXECUTE format(
                        'CREATE FUNCTION mail.%I(%s) RETURNS TABLE (a text, b text, c text)'
                        ' LANGUAGE plpgsql AS %L',
                        lookup.proname, lookup.arguments, 'BEGIN END');
                END IF;
                EXECUTE format(
                    'GRANT EXECUTE ON FUNCTION mail.%I TO sqlmail_reader', lookup.proname);
            END LOOP;
        END
        $replace$;
        """,
        DATABASE,
    )
    try:
        yield
    finally:
        admin(
            host,
            f"""
            DO $restore$
            DECLARE
                lookup record;
            BEGIN
                FOR lookup IN
                    SELECT oid, proname FROM pg_proc WHERE pronamespace = '{KEPT}'::regnamespace
                LOOP
                    EXECUTE format('DROP FUNCTION mail.%I', lookup.proname);
                    EXECUTE format('ALTER FUNCTION %s SET SCHEMA mail', lookup.oid::regprocedure);
                END LOOP;
                DROP SCHEMA {KEPT};
            END
            $restore$;
            """,
            DATABASE,
        )


@contextlib.contextmanager
def background(host: Machine, *argv: str, text: str = "", ready: str = "") -> Iterator[str]:
    """Run a program on the host until the block ends; hand over its first line.

    The program must end when its input does.
    """
    process = host.start(*argv)
    assert process.stdin
    assert process.stdout
    process.stdin.write(text.encode())
    process.stdin.flush()
    try:
        line = process.stdout.readline().decode().strip()
        assert line.startswith(ready), line
        yield line
    finally:
        process.stdin.close()
        process.wait(timeout=30)
        process.stdout.close()


PSQL = (
    *("runuser", "-u", "postgres", "--", "psql", "--no-psqlrc", "--quiet", "--tuples-only"),
    *("--no-align", "--dbname", DATABASE),
)


@contextlib.contextmanager
def locked(host: Machine) -> Iterator[None]:
    """Hold a lock that lets nobody read the maps."""
    tables = (
        host.sql(
            "SELECT string_agg(format('mail.%I', tablename), ', ') FROM pg_tables"
            " WHERE schemaname = 'mail' AND tablename NOT LIKE '%seeds%';"
        )
        .strip()
        .strip('"')
    )
    statements = f"BEGIN; LOCK TABLE {tables} IN ACCESS EXCLUSIVE MODE; SELECT 'held';\n"
    with background(host, *PSQL, text=statements, ready="held"):
        yield


# The faults -------------------------------------------------------------------


@fault("server refused")
def server_refused(host: Machine) -> Iterator[None]:
    """Stop the server: its socket is gone."""
    with host.stopped("postgresql"):
        yield


# A socket that listens and never accepts: once its queue is full, the kernel drops
# the packets of everybody else who wants to connect.
SWALLOW = """
import socket, sys
server = socket.create_server(("127.0.0.1", 0), backlog=0)
address = server.getsockname()
clients = []
for n in range(2):
    client = socket.socket()
    client.setblocking(False)
    client.connect_ex(address)
    clients.append(client)
print(address[1], flush=True)
sys.stdin.read()
"""


@fault("packets dropped")
def packets_dropped(host: Machine) -> Iterator[None]:
    """Lead the service to a port whose packets the kernel drops."""
    with (
        background(host, "python3", "-c", SWALLOW) as port,
        service(host, host="127.0.0.1", port=port, sslmode="disable"),
    ):
        cut(host)
        yield


@fault("server hangs")
def server_hangs(host: Machine) -> Iterator[None]:
    """Stop the postmaster by SIGSTOP: connections are taken and never answered."""
    cut(host)
    (cluster,) = host.run("pg_lsclusters", "--no-header").splitlines()
    pid = host.run("head", "-n", "1", f"{cluster.split()[5]}/postmaster.pid").strip()
    host.run("kill", "-STOP", pid)
    try:
        yield
    finally:
        host.run("kill", "-CONT", pid)


@fault("authentication failed")
def authentication_failed(host: Machine) -> Iterator[None]:
    """Take from the system users the right to be the reader."""
    path = admin(host, "SHOW ident_file;").strip()
    mapping = rf"(?m)^(\S+\s+\S+\s+{READER})$"
    with changed(host, path, lambda text: re.sub(mapping, r"# \1", text)):
        reload(host)
        cut(host)
        yield
    reload(host)


@fault("no database")
def no_database(host: Machine) -> Iterator[None]:
    """Give the database another name."""
    cut(host)
    admin(host, f"ALTER DATABASE {DATABASE} RENAME TO {KEPT};")
    try:
        yield
    finally:
        admin(host, f"ALTER DATABASE {KEPT} RENAME TO {DATABASE};")


@fault("no table")
def no_table(host: Machine) -> Iterator[None]:
    """Let the lookups ask a table that does not exist."""
    with stand_in(host, "BEGIN RETURN QUERY SELECT value FROM mail.no_such_table; END"):
        yield


@fault("no permission")
def no_permission(host: Machine) -> Iterator[None]:
    """Take the right to use the schema."""
    admin(host, "REVOKE USAGE ON SCHEMA mail FROM sqlmail_reader;", DATABASE)
    try:
        yield
    finally:
        admin(host, "GRANT USAGE ON SCHEMA mail TO sqlmail_reader;", DATABASE)


@fault("wrong column count")
def wrong_column_count(host: Machine) -> Iterator[None]:
    """Let the lookups answer with two columns."""
    with stand_in(
        host,
        "BEGIN RETURN QUERY SELECT 'REJECT'::text, 'REJECT'::text; END",
        returns="TABLE (one text, two text)",
    ):
        yield


@fault("lock held")
def lock_held(host: Machine) -> Iterator[None]:
    """Lock the tables, as a careless ALTER TABLE does."""
    with locked(host):
        yield


@fault("query too slow")
def query_too_slow(host: Machine) -> Iterator[None]:
    """Let each lookup take a minute."""
    with stand_in(host, "BEGIN PERFORM pg_sleep(60); END"):
        yield


# Terminates whoever waits for a lock in a lookup, until its input ends.
KILL = f"""
import psycopg2, select, sys
connection = psycopg2.connect("dbname=postgres")
connection.autocommit = True
print("killing", flush=True)
while not select.select([sys.stdin], [], [], 0.05)[0]:
    connection.cursor().execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE usename = '{READER}' AND wait_event_type = 'Lock'"
    )
"""


@fault("backend killed in mid-query")
def backend_killed(host: Machine) -> Iterator[None]:
    """Terminate each backend that waits for a lock in a lookup."""
    kill = ("runuser", "-u", "postgres", "--", "python3", "-c", KILL)
    with locked(host), background(host, *kill, ready="killing"):
        yield


@fault("restart")
def restart(host: Machine) -> Iterator[None]:
    """Restart the server under the sessions; it is back when they ask again."""
    host.run("systemctl", "restart", "postgresql@*.service")
    wait_until(lambda: host.psql("SELECT 1;").error is None)
    yield


@contextlib.contextmanager
def read_only(host: Machine) -> Iterator[None]:
    """Let the server refuse to write, as a standby does."""
    admin(host, "ALTER SYSTEM SET default_transaction_read_only = on;")
    reload(host)
    cut(host)
    try:
        yield
    finally:
        admin(
            host,
            "SET default_transaction_read_only = off;"
            "\nALTER SYSTEM RESET default_transaction_read_only;",
        )
        reload(host)


@fault("read-only failover, any")
def failover_any(host: Machine) -> Iterator[None]:
    """Make the server read-only; the maps take any server."""
    with service(host, target_session_attrs="any"), read_only(host):
        yield


@fault("read-only failover, read-write")
def failover_read_write(host: Machine) -> Iterator[None]:
    """Make the server read-only; the maps want one that can be written to."""
    with service(host, target_session_attrs="read-write"), read_only(host):
        yield


@fault("connection limit of the role")
def role_limit(host: Machine) -> Iterator[None]:
    """Let the reader have no connection."""
    limit = admin(host, f"SELECT rolconnlimit FROM pg_roles WHERE rolname = '{READER}';").strip()
    admin(host, f"ALTER ROLE {READER} CONNECTION LIMIT 0;")
    cut(host)
    try:
        yield
    finally:
        admin(host, f"ALTER ROLE {READER} CONNECTION LIMIT {limit};")


# Takes all the connections that the server has for those who are not superusers.
OCCUPY = """
import psycopg2, sys
held = []
while True:
    try:
        held.append(psycopg2.connect("service=sendmail-admin"))
    except psycopg2.OperationalError:
        break
print("full", flush=True)
sys.stdin.read()
"""


@fault("connection slots used up")
def slots_used_up(host: Machine) -> Iterator[None]:
    """Take all connections that the server has."""
    cut(host)
    with background(host, "python3", "-c", OCCUPY, ready="full"):
        yield
    wait_until(lambda: not host.backends("mailadmin"))


@fault("out of memory")
def out_of_memory(host: Machine) -> Iterator[None]:
    """Let the server report in each lookup that it has no memory, SQLSTATE 53200."""
    with stand_in(host, "BEGIN RAISE EXCEPTION 'out of memory' USING ERRCODE = '53200'; END"):
        yield


# A part of the lookups fails while the others answer -----------------------------


def partial(name: str, table: str, *callers: str, keys: str = "true") -> None:
    """Let the lookups of one map fail for some keys, with SQLSTATE 53200."""
    body = f"""
    BEGIN
        IF {keys} THEN
            RAISE EXCEPTION 'out of memory' USING ERRCODE = '53200';
        END IF;
        RETURN QUERY SELECT {KEPT}.lookup_{table}($1);
    END
    """

    @contextlib.contextmanager
    def inject(host: Machine) -> Iterator[None]:
        with stand_in(host, body, only=table):
            yield

    which = "" if keys == "true" else f" where `{keys}`"
    inject.__doc__ = f"Let `mail.lookup_{table}` report that it has no memory{which}."
    FAULTS[name] = Fault(inject, callers)


SESSION = ("connect", "HELO", "MAIL", "RCPT", "RCPT elsewhere", "DATA")
partial("access alone", "access", *SESSION, "srv_features", "route, AUTH")
partial("aliases alone", "aliases", *SESSION, "aliases", "owner", "queue run")
partial("virtual users alone", "virtualusers", *SESSION, "virtual users", "queue run")
partial("mailertable alone", "mailertable", *SESSION, "route, AUTH")
partial("genericstable alone", "genericstable", *SESSION, "route, AUTH", "From", "rule set 2")
partial("domaintable alone", "domaintable", *SESSION, "route, AUTH", "From", "sender")
partial("local domains alone", "local_domains", *SESSION, "aliases", "queue run", "route, AUTH")
partial("relay domains alone", "relay_domains", *SESSION)
partial("masquerade domains alone", "masquerade_domains", "route, AUTH", "From", "queue run")
partial("old.example alone", "domaintable", "MAIL", "sender", keys="$1 = 'old.example'")
partial("one alias of several", "aliases", "aliases", keys="$1 = 'postbox'")
partial("owner-list alone", "aliases", "owner", keys="$1 = 'owner-list'")
partial("authinfo alone", "authinfo", "route, AUTH")
partial("Clt_Features alone", "access", "route, AUTH", keys="$1 ILIKE 'Clt_Features:%'")
partial("Srv_Features alone", "access", "srv_features", keys="$1 ILIKE 'Srv_Features:%'")
partial("TLS_Clt alone", "access", "MAIL", keys="$1 ILIKE 'TLS_Clt:%'")
partial("TLS_Srv alone", "access", "route, AUTH", keys="$1 ILIKE 'TLS_Srv:%'")
partial("TLS_Clt_Features alone", "access", "route, AUTH", keys="$1 ILIKE 'TLS_Clt_Features:%'")
partial("Try_TLS alone", "access", "route, AUTH", keys="$1 ILIKE 'Try_TLS:%'")
