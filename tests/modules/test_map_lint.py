# SPDX-License-Identifier: GPL-3.0-or-later
"""What is allowed and still a mistake, as data."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
# An error, as nothing is said of postmaster, and a warning.
ROWS = (
    "INSERT INTO mail.aliases VALUES ('sales', 'nobody.here'), ('abuse', 'root');"
    "INSERT INTO mail.mailertable VALUES ('old.example', 'esmtp:mail.old.example')"
)


def findings(told: t.Any, rule: str) -> list[tuple[str, str]]:
    """Return severity and key of what a rule has found."""
    return [
        (finding["severity"], finding["key"])
        for finding in told.result["findings"]
        if finding["rule"] == rule
    ]


def test_findings(database: t.Any, ansible: t.Any) -> None:
    database.ask(ROWS)
    error, never, less, known = ansible.play(
        ansible.task("map_lint"),
        ansible.task("map_lint", fail_from="never"),
        ansible.task("map_lint", leave_out=["missing_mailboxes"]),
        ansible.task("map_lint", fail_from="never", mailboxes=["root"]),
    ).told
    assert error.result["failed"]
    assert "aliases postmaster" in error.result["msg"]
    assert findings(error, "routes_by_mx") == [("warning", "old.example")]
    assert not any(told.changed for told in (never, less, known))
    assert never.result["findings"] == error.result["findings"]
    assert never.result["counts"]["error"] > 0
    assert less.result["counts"]["error"] == 0
    assert findings(less, "missing_mailboxes") == []
    assert findings(never, "dangling_aliases") == []
    assert findings(known, "dangling_aliases") == [("warning", "sales")]


@pytest.mark.usefixtures("database")
def test_refusals(ansible: t.Any) -> None:
    said = ansible.fails("map_lint", leave_out=["catchall"])
    assert "no rule 'catchall'" in said
    assert "catch_all" in said
    assert "role map_database grants it" in ansible.fails("map_lint", login_user="sendmail")


@pytest.mark.usefixtures("empty_database")
def test_a_missing_schema(ansible: t.Any) -> None:
    assert "role map_database" in ansible.fails("map_lint")


@pytest.mark.parametrize(
    ("variables", "fails"),
    [
        ({}, True),
        ({"sqlmail_lint_fail": "never"}, False),
        ({"sqlmail_lint_leave_out": ["missing_mailboxes"]}, False),
        ({"sqlmail_lint_fail": "any"}, True),
    ],
)
def test_the_playbook(
    database: t.Any, ansible: t.Any, variables: dict[str, t.Any], fails: bool
) -> None:
    database.ask(ROWS)
    inventory = ansible.place / "inventory.ini"
    inventory.write_text("[sqlmail_mta]\nhere\n[sqlmail_database]\nhere\n")
    extra = {
        "ansible_connection": "local",
        "ansible_python_interpreter": sys.executable,
        "map_entries_login_unix_socket": os.environ["PGHOST"],
        "map_entries_login_port": int(os.environ["PGPORT"]),
        **variables,
    }
    run = subprocess.run(
        [
            *("ansible-playbook", "-i", inventory, "-e", json.dumps(extra)),
            TOP / "playbooks/lint.yml",
        ],
        check=False,
        env={
            **os.environ,
            "ANSIBLE_COLLECTIONS_PATH": str(ansible.place / "collections"),
            "ANSIBLE_CONFIG": str(ansible.place / "ansible.cfg"),
            "ANSIBLE_HOME": str(ansible.place / "home"),
        },
        capture_output=True,
        text=True,
    )
    assert bool(run.returncode) == fails, run.stdout
    if variables.get("sqlmail_lint_fail") == "any":
        assert "value of fail_from must be one of" in run.stdout
    else:
        # Those that do not count for the result are printed, too.
        assert "old.example the MX records of mail.old.example are asked" in run.stdout
