# SPDX-License-Identifier: GPL-3.0-or-later
"""Guards, history and linter of a deployed host; tests/sql has all of them."""

from __future__ import annotations

import pytest

from shared.machine import Machine

REFUSED = "23514"


@pytest.mark.parametrize(
    "row",
    [
        "mailertable VALUES ('x.example', 'esmpt:[y.example]')",
        "access VALUES ('From:<>', 'REJECT')",
        "aliases VALUES ('runs', '\"|/bin/true\"')",
        "aliases VALUES ('round', 'about'), ('about', 'round')",
        "access VALUES ('Connect:192.0.2.1/25', 'RELAY')",
    ],
)
def test_a_bad_row_is_refused_and_the_table_is_as_it_was(database: Machine, row: str) -> None:
    table = row.split()[0]
    before = database.sql(f"SELECT key, value FROM {table} ORDER BY key;")
    assert (database.psql(f"INSERT INTO {row};").error or "").startswith(REFUSED)
    assert database.sql(f"SELECT key, value FROM {table} ORDER BY key;") == before


def test_a_change_is_known_and_taken_back(database: Machine) -> None:
    with database.kept("aliases"):
        database.sql("SET application_name = 'a test'; INSERT INTO aliases VALUES ('new', 'demo');")
        asked = "SELECT login, application, action, new FROM history WHERE key = 'new';"
        assert database.sql(asked).splitlines()[-1] == "mailadmin,a test,insert,demo"
        database.sql("SELECT * FROM undo((SELECT max(change) FROM history WHERE key = 'new'));")
        assert database.sql("SELECT count(*) FROM aliases WHERE key = 'new';").strip() == "0"
        assert database.sql(asked).splitlines()[-1] == "mailadmin,psql,delete,"


def test_what_a_deployment_plants_has_no_findings(database: Machine) -> None:
    planted = "(map, key) IN (SELECT map, key::text FROM seeds)"
    assert database.sql(f"SELECT * FROM lint WHERE {planted};") == ""
    assert database.sql("SELECT * FROM lint WHERE rule = 'missing_mailboxes';") == ""


def test_sendmail_sees_neither_history_nor_findings(database: Machine) -> None:
    for view in ("history", "lint", "changed_rows"):
        assert database.psql(f"TABLE {view};", role="sendmail").error == "42501"
