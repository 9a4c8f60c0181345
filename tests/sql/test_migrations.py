# SPDX-License-Identifier: GPL-3.0-or-later
"""The steps of the schema, applied by the module map_schema to a real server; several clients.

The server is that of libpq's environment, as for tests/sql/run.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import subprocess
import sys
import time
import typing as t
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest

TOP = Path(__file__).resolve().parents[2]
STEPS = [
    {"name": path.name, "sql": path.read_text()}
    for path in sorted((TOP / "roles/map_database/files/schema").glob("[0-9]*.sql"))
]
MODULE = "ansible_collections.sqlmail.sendmail.plugins.modules.map_schema"
# The lock of the module (plugins/module_utils/_schema.py), and one of ours.
SCHEMA_LOCK = (0x5351, 0)
GATE = 4711
# A step that stops in the middle of the transaction until the gate is opened.
GATED = {"name": "9999_gated.sql", "sql": f"SELECT pg_advisory_xact_lock({GATE});"}

# What an operator may have had before there were guards: some of it would be refused today.
ROWS = {
    "access": {"127.0.0.1": "RELAY", "Connect:192.0.2": "RELAY", "spammer@": "GO AWAY"},
    "aliases": {"postmaster": "root", "Joe": "ann", "a": "b", "b": "a", "cat": '"|cat"'},
    "virtualusers": {"david@hostA.com": "david@hostB.com", "@domainC.com": "joe, ann"},
    "mailertable": {"mail.domain.com": "esmtp:mail.primaryrelay.com", "x.example": "nosuch:y"},
    "genericstable": {"joe": "Joe@Example.org"},
    "domaintable": {"Old.Example": "new.example", "user@old.example": "new.example"},
}


@pytest.fixture
def database() -> Iterator[str]:
    """An empty database of the owner, as the role provides it."""
    name = f"sqlmail_migrations_{os.getpid()}"
    subprocess.run([TOP / "tests/sql/deploy", "--empty", name], check=True)
    yield name
    with ask("postgres") as cursor:
        cursor.execute(f"DROP DATABASE {name} WITH (FORCE)")


@contextlib.contextmanager
def ask(database: str) -> Iterator[t.Any]:
    """Give a cursor whose statements are committed one by one."""
    connection = psycopg2.connect(dbname=database)
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            yield cursor
    finally:
        connection.close()


def answer(database: str, statement: str, *values: object) -> t.Any:
    """Return the only value that a statement answers with."""
    with ask(database) as cursor:
        cursor.execute(statement, values)
        return cursor.fetchone()[0]


@pytest.fixture(scope="module")
def collections(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A place where the checkout is found by its full name."""
    place = tmp_path_factory.mktemp("collections")
    (place / "ansible_collections/sqlmail").mkdir(parents=True)
    (place / "ansible_collections/sqlmail/sendmail").symlink_to(TOP)
    return place


class Call:
    """The module at work, in a process of its own."""

    def __init__(self, collections: Path, database: str, steps: list[dict[str, str]]) -> None:
        """Start it."""
        arguments = {
            "steps": steps,
            "login_db": database,
            "login_user": os.environ.get("PGUSER", ""),
            "session_role": "sqlmail_owner",
        }
        program = (
            f"import json, sys; sys.path.insert(0, {str(collections)!r})\n"
            "from ansible.module_utils import basic\n"
            "from ansible.module_utils.testing import patch_module_args\n"
            f"from {MODULE} import main\n"
            "with patch_module_args(json.load(sys.stdin)):\n"
            "    main()\n"
        )
        self.process = subprocess.Popen(
            [sys.executable, "-c", program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdin
        self.process.stdin.write(json.dumps(arguments))
        self.process.stdin.close()

    def result(self) -> dict[str, t.Any]:
        """Wait for the end and return what the module says."""
        assert self.process.stdout
        said = self.process.stdout.read()
        self.process.wait(timeout=60)
        return json.loads(said)


@pytest.fixture
def call(collections: Path, database: str) -> t.Callable[..., Call]:
    """Start the module with some of the steps."""
    return lambda steps=STEPS: Call(collections, database, steps)


def wait_until(what: t.Callable[[], bool]) -> None:
    """Wait until it is so, a minute at most."""
    deadline = time.monotonic() + 60
    while not what():
        assert time.monotonic() < deadline, "it did not happen within a minute"
        time.sleep(0.02)


def waiting(database: str) -> int:
    """Count the clients of the database that wait for an advisory lock."""
    return answer(
        "postgres",
        "SELECT count(*) FROM pg_locks JOIN pg_database AS d ON d.oid = database"
        " WHERE datname = %s AND locktype = 'advisory' AND NOT granted",
        database,
    )


def plant(database: str) -> None:
    """Insert the rows of the operator."""
    with ask(database) as cursor:
        for table, rows in ROWS.items():
            for row in rows.items():
                cursor.execute(f"INSERT INTO mail.{table} (key, value) VALUES (%s, %s)", row)


def planted(database: str) -> dict[str, dict[str, str]]:
    """Return the rows that are there."""
    found = {}
    with ask(database) as cursor:
        for table in ROWS:
            cursor.execute(f"SELECT key, value FROM mail.{table}")
            found[table] = dict(cursor.fetchall())
    return found


def test_all_steps_are_applied_once(call: t.Callable[..., Call]) -> None:
    first, second = call().result(), call().result()
    assert first["applied"] == [step["name"] for step in STEPS]
    assert first["changed"]
    assert (second["applied"], second["changed"]) == ([], False)
    assert first["version"] == second["version"] == int(STEPS[-1]["name"][:4])


def test_the_upgrade_from_the_first_schema_keeps_all_rows(
    call: t.Callable[..., Call], database: str
) -> None:
    # A6: also rows that the guards of today would refuse; the linter names those.
    assert call(STEPS[:1]).result()["applied"] == [STEPS[0]["name"]]
    plant(database)
    assert call().result()["applied"] == [step["name"] for step in STEPS[1:]]
    assert planted(database) == ROWS
    with ask(database) as cursor:
        cursor.execute(
            "SELECT map, key FROM mail.lint WHERE rule IN ('refused_rows', 'alias_cycles')"
        )
        assert sorted(cursor.fetchall()) == [
            ("access", "spammer@"),
            ("aliases", "a"),
            ("aliases", "b"),
            ("aliases", "cat"),
            ("domaintable", "user@old.example"),
            ("mailertable", "x.example"),
            ("virtualusers", "@domainC.com"),
        ]
        # What was there already may stay, and may go.
        cursor.execute("CALL mail.set_case_sensitive(false)")
        for table, rows in ROWS.items():
            cursor.execute(f"UPDATE mail.{table} SET value = value, key = key")
            for key in rows:
                cursor.execute(f"DELETE FROM mail.{table} WHERE key = %s", (key,))


@pytest.mark.parametrize("known", range(2, len(STEPS)))
def test_the_upgrade_from_each_schema_gives_the_same_database(
    call: t.Callable[..., Call], database: str, known: int
) -> None:
    def shape() -> str:
        # A dump is marked with a word made by chance from PostgreSQL 15.14 on.
        dump = subprocess.run(
            ["pg_dump", "--schema-only", "--schema=mail", database],
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        dump = re.sub(r"(?m)^\\(un)?restrict .*", "", dump)
        return hashlib.sha256(dump.encode()).hexdigest()

    call().result()
    whole = shape()
    with ask(database) as cursor:
        cursor.execute("DROP SCHEMA mail CASCADE")
    call(STEPS[:known]).result()
    call().result()
    assert shape() == whole


def test_of_two_hosts_at_once_one_waits(call: t.Callable[..., Call], database: str) -> None:
    # A74.
    with ask(database) as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s, %s)", SCHEMA_LOCK)
        calls = [call(), call()]
        wait_until(lambda: waiting(database) == 2)
        assert answer(database, "SELECT to_regclass('mail.schema_steps')") is None
        cursor.execute("SELECT pg_advisory_unlock(%s, %s)", SCHEMA_LOCK)
        applied = sorted(len(one.result()["applied"]) for one in calls)
    assert applied == [0, len(STEPS)]
    assert answer(database, "SELECT count(*) FROM mail.schema_steps") == len(STEPS)


@pytest.mark.parametrize("known", [0, 1])
def test_killed_in_the_middle_nothing_is_half_applied(
    call: t.Callable[..., Call], database: str, known: int
) -> None:
    # A74: from nothing, and from the first schema with rows.
    if known:
        call(STEPS[:known]).result()
        plant(database)
    with ask(database) as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", (GATE,))
        victim = call([*STEPS, GATED])
        wait_until(lambda: waiting(database) == 1)
        victim.process.kill()
        victim.process.wait()
    wait_until(
        lambda: (
            answer("postgres", "SELECT count(*) FROM pg_stat_activity WHERE datname = %s", database)
            == 0
        )
    )
    assert (answer(database, "SELECT to_regclass('mail.changes')")) is None
    if known:
        assert answer(database, "SELECT max(number) FROM mail.schema_steps") == known
        assert planted(database) == ROWS
    else:
        assert answer(database, "SELECT to_regnamespace('mail')") is None
    assert len(call().result()["applied"]) == len(STEPS) - known


def test_a_step_that_fails_takes_all_back(call: t.Callable[..., Call], database: str) -> None:
    broken = {"name": "9999_broken.sql", "sql": "CREATE TABLE mail.x (a int);\nSELECT 1 / 0;"}
    result = call([*STEPS, broken]).result()
    assert result["failed"]
    assert "9999_broken.sql" in result["msg"]
    assert result["sqlstate"] == "22012"
    assert answer(database, "SELECT to_regnamespace('mail')") is None


def test_only_the_owner_keeps_the_ledger(call: t.Callable[..., Call], database: str) -> None:
    call().result()
    for role in ("sqlmail_writer", "sqlmail_reader"):
        for right in ("SELECT", "INSERT", "UPDATE", "DELETE"):
            asked = "SELECT has_table_privilege(%s, 'mail.schema_steps', %s)"
            assert not answer(database, asked, role, right)


def test_two_transactions_with_half_a_cycle_each(
    call: t.Callable[..., Call], database: str
) -> None:
    # A89: neither sees the other's row before it is committed.
    call().result()
    first, second = psycopg2.connect(dbname=database), psycopg2.connect(dbname=database)
    with contextlib.closing(first), contextlib.closing(second):
        first.cursor().execute("INSERT INTO mail.aliases VALUES ('a', 'b')")
        second.cursor().execute("INSERT INTO mail.aliases VALUES ('b', 'a')")
        first.commit()
        with pytest.raises(psycopg2.errors.CheckViolation, match="b -> a -> b"):
            second.commit()
    assert answer(database, "SELECT string_agg(key, ',') FROM mail.aliases") == "a"
    assert answer(database, "SELECT string_agg(key, ',') FROM mail.history") == "a"
