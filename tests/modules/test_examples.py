# SPDX-License-Identifier: GPL-3.0-or-later
"""The examples of every module are run (D16)."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest

from shared.modules import examples

MODULES = Path(__file__).resolve().parents[2] / "plugins/modules"
NAMES = sorted(path.stem for path in MODULES.glob("[!_]*.py"))
# What needs more than the database is run elsewhere.
ELSEWHERE = {
    "map_lookup": "asks sendmail; molecule/default runs its examples",
    "route_assert": "asks sendmail; molecule/default runs its examples",
    "map_export": "writes /etc; test_map_export.py calls it",
    "map_import": "reads /etc; test_map_import.py calls it",
    "sasl_user": "writes /etc/sasldb2; molecule/default calls it",
    "smtp_login_info": "needs a mail host; every scenario ends with it",
}
EMPTY = {"map_schema"}
VARIABLES = {
    "smart_host_password": "not-a-secret",
    "david_password": "not-a-secret",
    "printer_password": "not-a-secret",
}


def without_become(task: dict[str, t.Any]) -> dict[str, t.Any]:
    """Return a task as whoever runs the tests runs it."""
    return {key: value for key, value in task.items() if not key.startswith("become")}


@pytest.mark.parametrize("name", sorted(set(NAMES) - set(ELSEWHERE)))
def test_examples_run(name: str, ansible: t.Any, request: pytest.FixtureRequest) -> None:
    request.getfixturevalue("empty_database" if name in EMPTY else "database")
    tasks = [without_become(task) for task in examples(name)]
    assert any(f"sqlmail.sendmail.{name}" in task for task in tasks)
    play = ansible.play(*tasks, **VARIABLES)
    assert [told.result["msg"] for told in play.told if told.result["failed"]] == []


def test_what_is_run_elsewhere_exists() -> None:
    assert set(ELSEWHERE) | EMPTY <= set(NAMES)
