# SPDX-License-Identifier: GPL-3.0-or-later
"""Real modules, called by real Ansible, in a throw-away cluster of PostgreSQL.

`make module-test` starts the cluster and says in libpq's environment how to
reach it.  Every test has a fresh database `sendmail` with the whole schema.  A
module that is told nothing else logs in there as mailadmin, as on a host that
playbooks/site.yml has made.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import typing as t
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

TOP = Path(__file__).resolve().parents[2]
SCHEMA = TOP / "roles/map_database/files/schema"
# Who logs in, and the rights that come with it.
LOGINS = {
    "postgres": "SUPERUSER",
    "mailadmin": "IN ROLE sqlmail_writer",
    "sendmail": "IN ROLE sqlmail_reader",
    "nobody": "",
}
READ_ONLY = {"PGOPTIONS": "-c default_transaction_read_only=on"}

# All rows of all maps and classes, in the form of a diff.
LINES = """
SELECT line
FROM pg_class AS map
CROSS JOIN LATERAL xmltable(
    '/table/row' PASSING query_to_xml(
        format('SELECT key || coalesce(E''\\t'' || value, '''') AS line FROM mail.%I', map.relname),
        true, false, ''
    )
    COLUMNS line text
)
WHERE map.relnamespace = 'mail'::regnamespace AND map.oid IN (
    SELECT tgrelid FROM pg_trigger WHERE tgname = 'guard_of_inserts'
)
"""
# Everything, history included.
EVERYTHING = """
SELECT map.relname, query_to_xml(format('TABLE mail.%I', map.relname), true, true, '')
FROM pg_class AS map
WHERE map.relnamespace = 'mail'::regnamespace AND map.relkind = 'r'
ORDER BY map.relname
"""


class Told(t.NamedTuple):
    """What a task said, and what the database held after it."""

    result: dict[str, t.Any]
    lines: Counter[str]
    everything: list[str]

    @property
    def changed(self) -> bool:
        """Whether the task said that it changed something."""
        assert not self.result["failed"], self.result["msg"]
        return self.result["changed"]

    @property
    def diff(self) -> dict[str, str]:
        """All that the task showed in diff mode."""
        diff = self.result["diff"]
        diffs = diff if isinstance(diff, list) else [diff]
        return {side: "".join(one[side] for one in diffs) for side in ("before", "after")}


class Database:
    """The database of the maps, asked by psql."""

    name = "sendmail"
    template = f"sqlmail_modules_{os.getpid()}"

    def ask(self, statement: str, *, database: str = name) -> str:
        """Return what psql prints; its columns are separated by bars."""
        argv = ["psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-d", database, "-c", statement]
        return subprocess.run(argv, check=True, capture_output=True, text=True).stdout.strip()

    def wait_for(self, condition: str) -> None:
        """Wait until a condition of SQL is true, a minute at most."""
        deadline = time.monotonic() + 60
        while self.ask(f"SELECT {condition}") != "t":
            assert time.monotonic() < deadline, condition
            time.sleep(0.02)

    def rows(self, name: str) -> dict[str, str]:
        """Return the entries of a map."""
        answer = self.ask(f"SELECT json_object_agg(key, value)::text FROM mail.{name}")
        return json.loads(answer or "{}")

    def create(self, template: str) -> None:
        """Make it anew, with the rights that the template gives."""
        self.drop()
        self.ask(
            f"CREATE DATABASE {self.name} TEMPLATE {template} ENCODING 'UTF8' LOCALE 'C'"
            " OWNER sqlmail_owner",
            database="postgres",
        )
        self.ask(f"REVOKE ALL ON DATABASE {self.name} FROM PUBLIC")
        self.ask(f"GRANT CONNECT ON DATABASE {self.name} TO {', '.join(LOGINS)}")
        # What a step says of the database itself is not copied with it.
        for said in self.ask(
            f"SELECT format('GRANT %s ON DATABASE {self.name} TO %I', privilege_type,"
            " grantee::regrole) FROM pg_database, aclexplode(datacl)"
            f" WHERE datname = '{template}' AND grantee <> 0 AND grantee <> datdba"
        ).splitlines():
            self.ask(said)

    def drop(self) -> None:
        """Remove it, whoever is connected."""
        self.ask(f"DROP DATABASE IF EXISTS {self.name} WITH (FORCE)", database="postgres")


@pytest.fixture(scope="session")
def template() -> Iterator[str]:
    """A database with the schema, from which each test gets its own."""
    database, name = Database(), Database.template
    password = os.environ["PGPASSWORD"]
    subprocess.run([TOP / "tests/sql/deploy", name], check=True)
    known = database.ask("SELECT rolname FROM pg_roles", database="postgres").split()
    for role in set(LOGINS).difference(known):
        database.ask(
            f"CREATE ROLE {role} LOGIN PASSWORD '{password}' {LOGINS[role]}", database="postgres"
        )
    yield name
    database.drop()
    database.ask(f"DROP DATABASE {name}", database="postgres")


@pytest.fixture
def empty_database(template: str) -> Database:  # noqa: ARG001 - it makes the roles
    """The database before its first step."""
    database = Database()
    database.create("template0")
    return database


@pytest.fixture
def database(template: str) -> Database:
    """The database with the schema, and no row."""
    database = Database()
    database.create(template)
    return database


class Play(t.NamedTuple):
    """What a play said."""

    told: list[Told]
    output: str


class Process:
    """A module at work, as on the managed host."""

    def __init__(self, collections: Path, module: str, options: dict[str, t.Any]) -> None:
        """Start it."""
        name = f"ansible_collections.sqlmail.sendmail.plugins.modules.{module}"
        program = (
            f"import importlib, sys; sys.path.insert(0, {str(collections)!r})\n"
            "from ansible.module_utils import basic\n"
            "basic._ANSIBLE_ARGS, basic._ANSIBLE_PROFILE = sys.stdin.buffer.read(), 'legacy'\n"
            f"importlib.import_module({name!r}).main()\n"
        )
        self.process = subprocess.Popen(
            [sys.executable, "-c", program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdin
        self.process.stdin.write(json.dumps({"ANSIBLE_MODULE_ARGS": options}))
        self.process.stdin.close()

    def kill(self) -> None:
        """End it at once."""
        self.process.kill()
        self.process.wait()

    def result(self) -> dict[str, t.Any]:
        """Wait for the end and return what it says."""
        assert self.process.stdout
        said = self.process.stdout.read()
        self.process.wait(timeout=60)
        return json.loads(said)


class Ansible:
    """Ansible, with the checkout as its collection."""

    LINES = LINES

    def __init__(self, place: Path) -> None:
        """Prepare a directory for it."""
        self.place = place
        (place / "collections/ansible_collections/sqlmail").mkdir(parents=True)
        (place / "collections/ansible_collections/sqlmail/sendmail").symlink_to(TOP)
        # No settings but those below.
        (place / "ansible.cfg").touch()
        # For examples, which have the schema beside the playbook.
        (place / "schema").symlink_to(SCHEMA)

    def play(
        self,
        *tasks: dict[str, t.Any],
        lines: str = LINES,
        environment: t.Mapping[str, str] | None = None,
        **variables: t.Any,
    ) -> Play:
        """Run tasks on this host, each whatever becomes of the one before, and verbosely.

        A secret belongs into a variable: Ansible quotes the playbook when a task fails.
        """
        playbook, record = self.place / "play.yml", self.place / "record"
        extra = self.place / "variables.json"
        record.write_text("")
        extra.write_text(json.dumps({"ansible_python_interpreter": sys.executable, **variables}))
        playbook.write_text(
            yaml.safe_dump(
                [
                    {
                        "hosts": "localhost",
                        "connection": "local",
                        "gather_facts": False,
                        "ignore_errors": True,
                        "diff": True,
                        "tasks": list(tasks),
                    }
                ]
            )
        )
        settings = {
            "ANSIBLE_COLLECTIONS_PATH": os.pathsep.join(
                [str(self.place / "collections"), os.environ.get("ANSIBLE_COLLECTIONS_PATH", "")]
            ).rstrip(os.pathsep),
            "ANSIBLE_CALLBACK_PLUGINS": str(Path(__file__).parent / "callbacks"),
            "ANSIBLE_CALLBACKS_ENABLED": "record",
            "ANSIBLE_HOME": str(self.place / "home"),
            "ANSIBLE_LOCALHOST_WARNING": "false",
            "ANSIBLE_PIPELINING": "true",
            "ANSIBLE_FORCE_COLOR": "false",
            "ANSIBLE_CONFIG": str(self.place / "ansible.cfg"),
            "PGDATABASE": Database.name,
            "RECORD_TO": str(record),
            "RECORD_QUERIES": json.dumps([lines, EVERYTHING]),
        }
        run = subprocess.run(
            ["ansible-playbook", "-vvv", "-i", "localhost,", "-e", f"@{extra}", playbook],
            check=False,
            env={**os.environ, **settings, **(environment or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        told = [json.loads(line) for line in record.read_text().splitlines()]
        # A role that is included tells more.
        assert len(told) >= len(tasks), run.stdout
        return Play(
            [Told(one["result"], Counter(one["answers"][0]), one["answers"][1]) for one in told],
            run.stdout,
        )

    def start(self, module: str, **options: t.Any) -> Process:
        """Start a module by itself, for what has to happen while it runs."""
        return Process(self.place / "collections", module, options)

    def task(self, module: str, **options: t.Any) -> dict[str, t.Any]:
        """Return a task that calls a module of the collection."""
        return {f"sqlmail.sendmail.{module}": options}

    def fails(self, module: str, *, environment: t.Any = None, **options: t.Any) -> str:
        """Return the message of a call that is refused and changes nothing, in check mode too."""
        check, run = self.play(
            {**self.task(module, **options), "check_mode": True},
            self.task(module, **options),
            environment=environment,
        ).told
        assert check.result["failed"]
        assert run.result["failed"]
        assert "Traceback" not in json.dumps(run.result)
        assert check.result["msg"] == run.result["msg"]
        assert check.everything == run.everything
        return run.result["msg"]

    def four_times(
        self, module: str, *, lines: str = LINES, before: t.Sequence[t.Any] = (), **options: t.Any
    ) -> list[Told]:
        """Check, run, check, run: changed, changed, ok, ok (D1), and return what was told.

        The two repeats are in a session that may not write.  The query gives the
        lines that the diff speaks of; those that the run adds and takes away are
        those of its diff, and of the diff of the check.  Tasks that come before
        prepare the database.
        """
        task = self.task(module, **options)
        first = [{**task, "check_mode": True}, task]
        repeats = [{**one, "environment": READ_ONLY} for one in first]
        play = self.play(
            *before,
            {"ansible.builtin.set_fact": {"begun": True}},
            *first,
            *repeats,
            lines=lines,
        )
        begun, check, run, again, last = play.told[len(before) :]
        told = [check, run, again, last]
        assert [one.changed for one in told] == [True, True, False, False]
        assert check.everything == begun.everything
        assert run.everything == again.everything == last.everything
        assert check.diff == run.diff
        for one in (again, last):
            assert one.diff["before"] == one.diff["after"]
        shown = [Counter(run.diff[side].splitlines()) for side in ("before", "after")]
        assert shown[0] - shown[1] == begun.lines - run.lines
        assert shown[1] - shown[0] == run.lines - begun.lines
        return told


@pytest.fixture
def ansible(tmp_path: Path) -> Ansible:
    """Ansible, with the checkout as its collection."""
    return Ansible(tmp_path)


@pytest.fixture(scope="module")
def module_database(template: str) -> Database:
    """The database with the schema, for all tests of a file."""
    database = Database()
    database.create(template)
    return database


@pytest.fixture(scope="session")
def makemap() -> Path:
    """sendmail's own makemap."""
    place = TOP / ".cache/module-test"
    subprocess.run([TOP / "tests/modules/makemap", place], check=True)
    return place / "makemap"


@pytest.fixture
def examples(tmp_path: Path) -> t.Callable[[str], list[dict[str, t.Any]]]:
    """Gives the examples of a module that reads or writes /etc, for another /etc."""

    def found(name: str) -> list[dict[str, t.Any]]:
        document = (TOP / f"plugins/modules/{name}.py").read_text()
        text = document.split('EXAMPLES = r"""')[1].split('"""')[0]
        return yaml.safe_load(text.replace("/etc/", f"{tmp_path}/etc/"))

    return found
