# SPDX-License-Identifier: GPL-3.0-or-later
"""What cannot be done is told in one sentence, and shows no secret (D28, D10)."""

from __future__ import annotations

import os
import subprocess
import threading
import typing as t
import venv
from pathlib import Path

import pytest

SECRET = "hush-" + "never-shown"
# Calls that change something, of modules that write.
WRITES = {
    "map_entry": {"map": "aliases", "key": "joe", "value": "ann"},
    "map_entries": {"map": "aliases", "entries": [{"key": "joe", "value": "ann"}]},
    "relay_domain": {"domain": "partner.example", "hosts": ["192.0.2.9"]},
    "sasl_sql_user": {"name": "joe", "realm": "a.example", "password": "secret of joe"},
}
write = pytest.mark.parametrize("module", WRITES)


@write
@pytest.mark.usefixtures("database")
def test_a_server_that_is_down(ansible: t.Any, module: str) -> None:
    said = ansible.fails(module, **WRITES[module], login_port=1)
    assert "is PostgreSQL running" in said
    assert "role 'mailadmin'" in said


@write
def test_a_server_that_is_read_only(database: t.Any, ansible: t.Any, module: str) -> None:
    play = ansible.play(
        ansible.task(module, **WRITES[module]),
        environment={"PGOPTIONS": "-c default_transaction_read_only=on"},
    )
    assert "the server is read-only" in play.told[0].result["msg"]
    assert play.told[0].result["sqlstate"] == "25006"
    assert database.rows("aliases") == {}


@write
@pytest.mark.usefixtures("database")
def test_a_missing_database(ansible: t.Any, module: str) -> None:
    assert "create it with role map_database" in ansible.fails(
        module, **WRITES[module], login_db="nowhere"
    )


@write
@pytest.mark.usefixtures("empty_database")
def test_a_missing_schema(ansible: t.Any, module: str) -> None:
    assert "role map_database" in ansible.fails(module, **WRITES[module])


@write
@pytest.mark.usefixtures("database")
@pytest.mark.parametrize("role", ["sendmail", "nobody"])
def test_a_missing_grant(ansible: t.Any, module: str, role: str) -> None:
    said = ansible.fails(module, **WRITES[module], login_user=role)
    assert "role map_database grants it" in said


@write
@pytest.mark.usefixtures("database")
def test_a_missing_driver(ansible: t.Any, module: str, tmp_path: Path) -> None:
    venv.create(tmp_path / "bare", symlinks=True)
    play = ansible.play(
        ansible.task(module, **WRITES[module]),
        ansible_python_interpreter=str(tmp_path / "bare/bin/python"),
    )
    assert "python3-psycopg2" in play.told[0].result["msg"]


def server_log() -> str:
    """Return what the server wrote to its log."""
    listed = subprocess.run(
        ["pg_lsclusters", "--no-header"], check=True, capture_output=True, text=True
    ).stdout
    (log,) = [line.split()[6] for line in listed.splitlines() if os.environ["PGPORT"] in line]
    return Path(log).read_text()


class Watcher(threading.Thread):
    """Looks at the command lines of all processes until told to stop."""

    def __init__(self) -> None:
        """Have seen nothing."""
        super().__init__(daemon=True)
        self.stopped = threading.Event()
        self.looked = 0
        self.seen: set[str] = set()

    def run(self) -> None:
        """Look, all the time."""
        while not self.stopped.is_set():
            self.looked += 1
            for place in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    line = place.read_bytes().decode(errors="replace")
                except OSError:
                    continue
                if SECRET in line:
                    self.seen.add(line)


@pytest.mark.usefixtures("database")
@pytest.mark.parametrize("check_mode", [False, True])
def test_secrets_are_shown_nowhere(ansible: t.Any, check_mode: bool) -> None:
    watcher = Watcher()
    watcher.start()
    smart = {"map": "authinfo", "key": "AuthInfo:a.example"}
    play = ansible.play(
        *(
            {**task, "check_mode": check_mode}
            for task in (
                ansible.task("map_entry", **smart, secret='"U:us" "P:{{ hush }}"'),
                ansible.task("map_entry", **smart, secret='"U:us" "P:{{ hush }}-2"'),
                # Refused, by a guard and by a domain.
                ansible.task("map_entry", **smart, secret="P:{{ hush }}"),
                ansible.task("map_entry", **smart, secret='"U:us"\t"P:{{ hush }}"'),
                ansible.task("map_entry", **{**smart, "map": "aliases"}, secret="{{ hush }}"),
                ansible.task("map_entries", entries=[{**smart, "secret": "P:{{ hush }}"}]),
                ansible.task(
                    "map_entries", entries=[{**smart, "secret": '"U:us" "P:{{ hush }}-3"'}]
                ),
                ansible.task("map_entry", **smart, state="absent"),
                ansible.task("map_entry", **smart, secret="x", login_password="{{ hush }}"),
            )
        ),
        hush=SECRET,
    )
    watcher.stopped.set()
    watcher.join()
    failed = [told.result["failed"] for told in play.told]
    assert failed == [False, False, True, True, True, True, False, False, True]
    assert SECRET not in play.output
    assert SECRET not in str([told.result for told in play.told])
    assert SECRET not in server_log()
    assert watcher.looked > 10
    assert watcher.seen == set()
