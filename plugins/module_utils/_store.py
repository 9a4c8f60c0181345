# Copyright: (c) sqlmail contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at
# any time. Do not use it directly.

"""The connection of the modules, and their transaction.

What is asked over it is in the file of its subject, such as _entries.py.
"""

from __future__ import annotations

import contextlib
import itertools
import re
import traceback
import typing as t

from ansible_collections.sqlmail.sendmail.plugins.module_utils._errors import (
    OVERTAKEN,
    OvertakenError,
    StoreError,
    connection_hint,
    statement_hint,
)
from ansible_collections.sqlmail.sendmail.plugins.module_utils._window import RefusalError, Rows

try:
    import psycopg2
    import psycopg2.extensions
    from psycopg2 import sql

    PSYCOPG2_IMPORT_ERROR = None
except ImportError:
    PSYCOPG2_IMPORT_ERROR = traceback.format_exc()

__all__ = ["LOCK_CLASS", "STORE_OPTIONS", "Store", "open_store"]

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

# The class of our advisory locks: one writer of a map, or of the schema, at a time.
LOCK_CLASS = 0x5351  # "SQ"


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

    def ask(
        self,
        attempt: str,
        statement: t.Any,
        values: t.Mapping[str, t.Any] | None = None,
        *,
        script: bool = False,
    ) -> t.Any:
        """Run a statement and return the cursor, from which rows are read.

        The attempt completes the sentence "cannot ...", for a refusal.  A script is
        the text of somebody else: a refusal names the line in it.
        """
        with self.refusals(attempt, statement if script else ""):
            self._cursor.execute(statement, values)
        return self._cursor

    def change(
        self, attempt: str, statement: t.Any, values: t.Mapping[str, t.Any] | None = None
    ) -> t.Any:
        """Run a statement that changes rows, as ask() does, and remember its text."""
        self.queries.append(statement.as_string(self._connection))
        return self.ask(attempt, statement, values)

    def copy(self, attempt: str, statement: str, rows: t.Iterable[t.Sequence[t.Any]]) -> None:
        """Send rows by COPY ... FROM STDIN, a piece at a time."""
        with self.refusals(attempt):
            self._cursor.copy_expert(statement, _Stream(rows))

    @contextlib.contextmanager
    def savepoint(self) -> t.Iterator[None]:
        """Take back what is done inside if it is refused; the transaction goes on."""
        self.ask("set a savepoint", "SAVEPOINT sqlmail")
        try:
            yield
        except StoreError:
            if not self._connection.closed:
                self.ask("go back to a savepoint", "ROLLBACK TO SAVEPOINT sqlmail")
            raise
        self.ask("leave a savepoint", "RELEASE SAVEPOINT sqlmail")

    def conclude(self, attempt: str, *, check_mode: bool) -> dict[str, t.Any]:
        """Have judged now what is judged at the end; check mode takes back what it tried.

        Returns what the server and the history call the transaction, if it is to stay.
        """
        self.ask(attempt, "SET CONSTRAINTS ALL IMMEDIATE")
        if check_mode:
            self.roll_back()
            return {"transaction": None, "change": None}
        row = self.ask(
            "read the number of the change",
            "SELECT pg_current_xact_id()::text, max(number) FROM mail.changes"
            " WHERE txid = pg_current_xact_id() AND at >= transaction_timestamp()",
        ).fetchone()
        return {"transaction": row[0], "change": row[1]}

    def roll_back(self) -> None:
        """Take everything back; check mode does so with what it tried."""
        with self.refusals("take back what was tried"):
            self._connection.rollback()

    @property
    def version(self) -> str:
        """Version of the server, as it calls itself."""
        return self._connection.get_parameter_status("server_version")

    def peek(self, query: str, values: t.Sequence[str | None]) -> Rows:
        """Ask a query of a client of the protocol, with $1 and so on for the values.

        What it does to rows is taken back; one that is refused leaves the transaction
        as it was.
        """
        parts = re.split(r'("[^"]*"|\$[0-9]+)', query.replace("%", "%%"))
        text = "".join(f"%(p{part[1:]})s" if part[:1] == "$" else part for part in parts)
        with self._connection.cursor() as cursor:
            # Values are what the server sent.
            kinds = tuple(psycopg2.extensions.string_types)
            psycopg2.extensions.register_type(
                psycopg2.extensions.new_type(kinds, "AS_SENT", lambda value, _cursor: value), cursor
            )
            try:
                # As long as the role of the lookups has; it ends with the savepoint.
                cursor.execute("SAVEPOINT peek; SET LOCAL statement_timeout = '5s'")
                try:
                    cursor.execute(
                        text, {f"p{number}": value for number, value in enumerate(values, 1)}
                    )
                    columns = [(one.name, one.type_code) for one in cursor.description or ()]
                    return Rows(columns, cursor.fetchall() if columns else [])
                finally:
                    cursor.execute("ROLLBACK TO SAVEPOINT peek; RELEASE SAVEPOINT peek")
            except psycopg2.Error as cause:
                # Without a SQLSTATE the connection is gone.
                raise RefusalError(
                    cause.diag.sqlstate or "08006", cause.diag.message_primary or "connection lost"
                ) from cause
            except ValueError as cause:
                # psycopg2 itself refuses a NUL byte.
                raise RefusalError("22021", str(cause)) from cause

    def lock(self, attempt: str, name: str) -> None:
        """Wait until nobody else has the lock of this map; the transaction keeps it."""
        self.ask(
            attempt,
            "SELECT pg_advisory_xact_lock(%(class)s, hashtext(%(name)s))",
            {"class": LOCK_CLASS, "name": name},
        )

    def become(self, role: str) -> None:
        """Go on with the rights of another role."""
        self.ask(f"act as role {role!r}", sql.SQL("SET ROLE {}").format(sql.Identifier(role)))

    @contextlib.contextmanager
    def refusals(self, attempt: str, script: str = "") -> t.Iterator[None]:
        """Tell a refusal of the server in words."""
        try:
            yield
        except psycopg2.Error as cause:
            raise _refusal(attempt, cause, script) from cause
        except ValueError as cause:
            # psycopg2 itself refuses a NUL byte.
            raise StoreError(f"cannot {attempt}: {cause}", sqlstate="22021") from cause


class _Stream:
    """Rows in the text format of COPY, as a file that is read once."""

    _ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})

    def __init__(self, rows: t.Iterable[t.Sequence[t.Any]]) -> None:
        self._lines = map(self._line, rows)

    def _line(self, row: t.Sequence[t.Any]) -> str:
        fields = ("\\N" if field is None else str(field).translate(self._ESCAPES) for field in row)
        return "\t".join(fields) + "\n"

    def read(self, _size: int) -> str:
        """Return the next thousand lines; psycopg2 takes more than it asks for."""
        return "".join(itertools.islice(self._lines, 1000))


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
    kind = OvertakenError if diag.sqlstate in OVERTAKEN else StoreError
    return kind(f"{message}; {hint}" if hint else message, sqlstate=diag.sqlstate)


@contextlib.contextmanager
def open_store(params: t.Mapping[str, t.Any], *, read_only: bool = False) -> t.Iterator[Store]:
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
