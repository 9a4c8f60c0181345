# SPDX-License-Identifier: GPL-3.0-or-later
"""The steps of the schema."""

from __future__ import annotations

import typing as t
from pathlib import Path

SCHEMA = Path(__file__).resolve().parents[2] / "roles/map_database/files/schema"
STEPS = [{"name": path.name, "sql": path.read_text()} for path in sorted(SCHEMA.glob("[0-9]*.sql"))]
OWNER = {"login_user": "postgres", "session_role": "sqlmail_owner"}
LEDGER = "SELECT name FROM mail.schema_steps"


def test_four_times(empty_database: t.Any, ansible: t.Any) -> None:
    ansible.four_times("map_schema", steps=STEPS, **OWNER, lines=LEDGER)
    # D7: what was made belongs to the role that was acted as.
    owners = empty_database.ask("SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname='mail'")
    assert owners == "sqlmail_owner"


def test_a_step_that_cannot_be_applied_changes_nothing(
    empty_database: t.Any, ansible: t.Any
) -> None:
    broken = {"name": "9999_broken.sql", "sql": "SELECT 1;\nSELECT 1 / 0;"}
    (told,) = ansible.play(ansible.task("map_schema", steps=[*STEPS, broken], **OWNER)).told
    assert "9999_broken.sql" in told.result["msg"]
    assert empty_database.ask("SELECT to_regnamespace('mail')") == ""


def test_an_edited_step_is_refused(empty_database: t.Any, ansible: t.Any) -> None:
    first, second = (
        ansible.task("map_schema", steps=[{**STEPS[0], "sql": sql}], **OWNER)
        for sql in (STEPS[0]["sql"], STEPS[0]["sql"] + "SELECT 1;")
    )
    assert "was edited" in ansible.play(first, second).told[1].result["msg"]
    assert empty_database.ask("SELECT count(*) FROM mail.schema_steps") == "1"
