# Copyright: (c) sqlmail contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module applies what is pending, once."""

from __future__ import annotations

import contextlib

import pytest
from ansible_collections.sqlmail.sendmail.plugins.module_utils._errors import PlanError
from ansible_collections.sqlmail.sendmail.plugins.module_utils._plan import Recorded
from ansible_collections.sqlmail.sendmail.plugins.modules import map_schema

ONE = {"name": "0001_one.sql", "sql": "SELECT 1;"}
TWO = {"name": "0002_two.sql", "sql": "SELECT 2;"}


class MemoryStore:
    """The ledger of a database."""

    database = "sendmail"

    def __init__(self):
        self.ledger = []
        self.locked = False

    def lock(self):
        self.locked = True

    def recorded(self):
        assert self.locked
        return list(self.ledger)

    def apply(self, steps, *, first):
        assert first is not bool(self.ledger)
        self.ledger += [Recorded(step.number, step.name, step.sha256) for step in steps]


@pytest.fixture
def call(monkeypatch):
    def run(store, *steps, check_mode=False):
        @contextlib.contextmanager
        def opened(_params, *, read_only):
            assert read_only is check_mode
            yield store

        monkeypatch.setattr(map_schema, "open_store", opened)
        monkeypatch.setattr(map_schema, "Schema", lambda store: store)
        return map_schema.run({"steps": list(steps)}, check_mode=check_mode)

    return run


def test_check_run_check_run(call):
    store = MemoryStore()
    results = [call(store, TWO, ONE, check_mode=check) for check in (True, False, True, False)]
    assert [result["changed"] for result in results] == [True, True, False, False]
    assert results[0]["applied"] == results[1]["applied"] == [ONE["name"], TWO["name"]]
    assert results[0]["diff"] == results[1]["diff"]
    assert {result["version"] for result in results} == {2}


def test_only_the_new_step_is_applied(call):
    store = MemoryStore()
    call(store, ONE)
    assert call(store, ONE, TWO)["applied"] == [TWO["name"]]


def test_an_edited_step_is_refused(call):
    store = MemoryStore()
    call(store, ONE)
    with pytest.raises(PlanError, match="was edited"):
        call(store, {**ONE, "sql": "SELECT 3;"})
