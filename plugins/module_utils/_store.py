# Copyright: (c) sqlmail contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at
# any time. Do not use it directly.

"""The database, as the modules see it; the only file that knows psycopg2."""

from __future__ import annotations

import contextlib
import traceback
import typing as t

from ansible_collections.sqlmail.sendmail.plugins.module_utils._errors import (
    StoreError,
    connection_hint,
    statement_hint,
)
from ansible_collections.sqlmail.sendmail.plugins.module_utils._plan import (
    CLASSES,
    Change,
    Entry,
    Found,
    Recorded,
    Step,
)

try:
    import psycopg2
    from psycopg2 import sql

    PSYCOPG2_IMPORT_ERROR = None
except ImportError:
    PSYCOPG2_IMPORT_ERROR = traceback.format_exc()

__all__ = ["STORE_OPTIONS", "Store", "open_store"]

SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")

# The words for these options are in doc_fragments/_connection.py.
STORE_OPTIONS: dict[str, dict[str, t.Any]] = {
    "login_host": {"type": "str"},
    "login_unix_socket": {"type": "path"},
    "login_port": {"type": "int"},
    "login_db": {"type": "str"},
    "login_user": {"type": "str"},
    "login_password": {"type": "str", "no_log": True},
    "ssl_mode": {"type": "str", "choices": list(SSL_MODES), "default": "verify-full"},
    "ca_cert": {"type": "path"},
    "ssl_cert": {"type": "path"},
    "ssl_key": {"type": "path"},
    "connect_params": {"type": "dict", "default": {}},
    "service": {"type": "str"},
    "session_role": {"type": "str"},
}

# One schema change at a time, and one writer of a map at a time, in a database.
_LOCK_CLASS = 0x5351  # "SQ"
_SCHEMA_LOCK = 0

_LEDGER = """
CREATE SCHEMA IF NOT EXISTS mail;
CREATE TABLE IF NOT EXISTS mail.schema_steps (
    number      integer NOT NULL,
    name        text NOT NULL,
    sha256      text NOT NULL,
    applied_at  timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT schema_step_is_applied_once PRIMARY KEY (number)
);
COMMENT ON TABLE mail.schema_steps IS 'Steps of the schema that were applied.';
COMMENT ON COLUMN mail.schema_steps.number IS 'Number of the step; steps are applied in order.';
COMMENT ON COLUMN mail.schema_steps.name IS 'File of the step.';
COMMENT ON COLUMN mail.schema_steps.sha256 IS 'Digest of the file; it is never edited later.';
COMMENT ON COLUMN mail.schema_steps.applied_at IS 'When the step was applied.';
"""


def connection_parameters(params: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """Translate the options of a module into parameters of libpq."""
    host = params["login_host"] or params["login_unix_socket"]
    service = params["service"]
    result = {
        "service": service,
        "host": host,
        "port": params["login_port"],
        # What a service says is not overridden by our defaults.
        "dbname": params["login_db"] or (None if service else "sendmail"),
        "user": params["login_user"] or (None if service else "mailadmin"),
        "password": params["login_password"],
        "sslmode": params["ssl_mode"] if params["login_host"] else None,
        "sslrootcert": params["ca_cert"],
        "sslcert": params["ssl_cert"],
        "sslkey": params["ssl_key"],
        "connect_timeout": 10,
        "application_name": "sqlmail.sendmail",
        "client_encoding": "UTF8",
    }
    result.update(params["connect_params"] or {})
    return {name: value for name, value in result.items() if value is not None}


class Store:
    """One transaction in the database of the maps."""

    def __init__(self, connection: t.Any) -> None:
        self._connection = connection
        self._cursor = connection.cursor()
        self.queries: list[str] = []

    @property
    def database(self) -> str:
        """Name of the database."""
        return self._connection.info.dbname

    def _ask(self, statement: t.Any, values: t.Mapping[str, t.Any] | None = None) -> t.Any:
        self._cursor.execute(statement, values)
        return self._cursor

    def _change(self, statement: t.Any, values: t.Mapping[str, t.Any]) -> None:
        self.queries.append(statement.as_string(self._connection))
        if self._ask(statement, values).rowcount != 1:
            raise StoreError("another client changed the row in the meantime; run again")

    def become(self, role: str) -> None:
        """Go on with the rights of another role."""
        with self._refusals(f"act as role {role!r}"):
            self._ask(sql.SQL("SET ROLE {}").format(sql.Identifier(role)))

    def read(self, name: str, entry: tuple[str, str | None], *, seeds: bool) -> Found:
        """Return the row that has the key, and whether it was planted before.

        The key and the value asked for are checked by the database here, so that
        check mode meets the same refusals as the real run.
        """
        planted: t.Any = sql.SQL("false")
        if seeds:
            planted = sql.SQL(
                "EXISTS (SELECT FROM mail.seeds AS seed"
                " WHERE seed.map = %(map)s AND seed.lookup_key = asked.lookup_key)"
            )
        statement = sql.SQL(
            "SELECT entry.key, entry.value, {planted} AS planted, asked.value"
            " FROM (SELECT mail.fold(%(map)s, %(key)s::{domain}) AS lookup_key,"
            " %(value)s::mail.map_value AS value) AS asked"
            " LEFT JOIN {table} AS entry ON entry.lookup_key = asked.lookup_key"
        ).format(
            planted=planted,
            domain=sql.Identifier("mail", "class_member" if name in CLASSES else "map_key"),
            table=sql.Identifier("mail", name),
        )
        key, value = entry
        with self._refusals(f"manage key {key!r} of map {name!r}"):
            self._ask(
                "SELECT pg_advisory_xact_lock(%(class)s, hashtext(%(map)s))",
                {"class": _LOCK_CLASS, "map": name},
            )
            row = self._ask(statement, {"map": name, "key": key, "value": value}).fetchone()
        return Found(None if row[0] is None else Entry(row[0], row[1]), row[2])

    def require(self, name: str, change: Change, *, plant: bool) -> None:
        """Refuse a change that the role may not make or the database would not take.

        Check mode meets the same refusals as the real run.
        """
        right = "INSERT" if change.before is None else "DELETE"
        if change.before and change.after:
            right = "UPDATE"
        rights = [(f"mail.{name}", right), *([("mail.seeds", "INSERT")] if plant else [])]
        for table, privilege in rights:
            role, granted, standby = self._ask(
                "SELECT current_user, has_table_privilege(%(table)s, %(right)s),"
                " pg_is_in_recovery()",
                {"table": table, "right": privilege},
            ).fetchone()
            if not granted:
                raise StoreError(
                    f"role {role!r} may not {privilege} in {table}; {statement_hint('42501')}",
                    sqlstate="42501",
                )
            if standby:
                raise StoreError(
                    f"cannot {privilege} in {table}; {statement_hint('25006')}", sqlstate="25006"
                )
        if change.after:
            with self._refusals(f"write key {change.after.key!r} of map {name!r}"):
                self._ask(
                    "SELECT mail.try_row(%(map)s, %(key)s, %(value)s)",
                    {"map": name, **change.after._asdict()},
                )

    def apply(self, name: str, change: Change, *, plant: bool) -> None:
        """Make the change; a planted row is remembered."""
        table = sql.Identifier("mail", name)
        values: dict[str, t.Any] = {"map": name}
        if change.after is None:
            statement = "DELETE FROM {table} WHERE key = %(key)s"
        elif change.before is None:
            statement = "INSERT INTO {table} (key, value) VALUES (%(key)s, %(value)s)"
        else:
            statement = "UPDATE {table} SET value = %(value)s WHERE key = %(key)s"
        row = change.after or change.before
        values.update(row._asdict() if row else {})
        with self._refusals(f"write key {values['key']!r} of map {name!r}"):
            self._change(sql.SQL(statement).format(table=table), values)
            if plant:
                self._change(
                    sql.SQL(
                        "INSERT INTO mail.seeds (map, key, value)"
                        " VALUES (%(map)s, %(key)s, %(value)s)"
                    ),
                    values,
                )

    def lock_schema(self) -> None:
        """Wait until nobody else changes the schema."""
        with self._refusals("lock the schema"):
            self._ask(
                "SELECT pg_advisory_xact_lock(%(class)s, %(lock)s)",
                {"class": _LOCK_CLASS, "lock": _SCHEMA_LOCK},
            )

    def recorded_steps(self) -> list[Recorded]:
        """Return the steps that were applied, in their order."""
        with self._refusals("read the steps of the schema"):
            if self._ask("SELECT to_regclass('mail.schema_steps')").fetchone()[0] is None:
                return []
            rows = self._ask(
                "SELECT number, name, sha256 FROM mail.schema_steps ORDER BY number"
            ).fetchall()
        return [Recorded(*row) for row in rows]

    def apply_steps(self, steps: t.Sequence[Step], *, first: bool) -> None:
        """Apply and record the steps; the ledger comes before the first one."""
        with self._refusals("create the table mail.schema_steps"):
            if first:
                self._ask(_LEDGER)
        for step in steps:
            with self._refusals(f"apply schema step {step.name!r}", step.sql):
                self._ask(step.sql)
            with self._refusals(f"record schema step {step.name!r}"):
                self._ask(
                    "INSERT INTO mail.schema_steps (number, name, sha256)"
                    " VALUES (%(number)s, %(name)s, %(sha256)s)",
                    {"number": step.number, "name": step.name, "sha256": step.sha256},
                )

    @contextlib.contextmanager
    def _refusals(self, attempt: str, script: str = "") -> t.Iterator[None]:
        """Tell a refusal of the server in words."""
        try:
            yield
        except psycopg2.Error as cause:
            raise _refusal(attempt, cause, script) from cause
        except ValueError as cause:
            # psycopg2 itself refuses a NUL byte.
            raise StoreError(f"cannot {attempt}: {cause}", sqlstate="22021") from cause


def _refusal(attempt: str, cause: t.Any, script: str) -> StoreError:
    diag = cause.diag
    if diag.sqlstate is None:
        return StoreError(f"cannot {attempt}: {str(cause).strip() or 'the connection was lost'}")
    message = f"cannot {attempt}: {diag.message_primary} (SQLSTATE {diag.sqlstate})"
    if script and diag.statement_position:
        line = script.count("\n", 0, int(diag.statement_position)) + 1
        message += f" at line {line}"
    # A mistake in a script is the author's; our words are about the deployment.
    hint = diag.message_hint
    if not script:
        hint = statement_hint(diag.sqlstate, diag.constraint_name) or hint
    return StoreError(f"{message}; {hint}" if hint else message, sqlstate=diag.sqlstate)


@contextlib.contextmanager
def open_store(params: t.Mapping[str, t.Any], *, read_only: bool) -> t.Iterator[Store]:
    """Connect, and make what is done with the store one transaction."""
    if PSYCOPG2_IMPORT_ERROR is not None:
        raise StoreError(
            "the Python library psycopg2 is missing on the managed host;"
            " install the package python3-psycopg2 there"
        )
    wanted = connection_parameters(params)
    try:
        connection = psycopg2.connect(**wanted)
    except psycopg2.Error as cause:
        text = " ".join(str(cause).split())
        raise StoreError(
            f"cannot connect to {_target(wanted)}: {text}; {connection_hint(text)}"
        ) from cause
    try:
        connection.set_session(readonly=True if read_only else None)
        store = Store(connection)
        if params["session_role"]:
            store.become(params["session_role"])
        yield store
        connection.commit()
    except psycopg2.Error as cause:
        raise _refusal("finish the transaction", cause, "") from cause
    finally:
        connection.close()


def _target(wanted: t.Mapping[str, t.Any]) -> str:
    """Name the target of a connection, without secrets."""
    if "service" in wanted:
        return f"service {wanted['service']!r}"
    place = wanted.get("host", "the local socket")
    return f"database {wanted.get('dbname')!r} as role {wanted.get('user')!r} on {place}"
