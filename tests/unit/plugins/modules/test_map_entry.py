# Copyright: (c) sqlmail contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module reads, plans, applies; here against a store in memory."""

from __future__ import annotations

import contextlib

import pytest
from ansible_collections.sqlmail.sendmail.plugins.module_utils._bulk import Rows
from ansible_collections.sqlmail.sendmail.plugins.module_utils._errors import PlanError
from ansible_collections.sqlmail.sendmail.plugins.module_utils._plan import Entry
from ansible_collections.sqlmail.sendmail.plugins.modules import map_entry


class MemoryStore:
    """Rows of one map, compared in lower case, and what was planted."""

    database = "sendmail"

    def __init__(self, rows=(), planted=()):
        self.rows = {key.lower(): Entry(key, value) for key, value in rows}
        self.planted = {key.lower() for key in planted}
        self.before = (dict(self.rows), set(self.planted))
        self.queries = []

    def lock(self, names):
        assert names

    def read(self, _name, wanted):
        self.before = (dict(self.rows), set(self.planted))
        seeds = {key: [Entry(key, "planted")] for key in self.planted}
        return Rows([one.key.lower() for one in wanted], dict(self.rows), seeds)

    def write(self, work):
        for one in work:
            if one.change.after is None:
                del self.rows[one.folded]
            else:
                self.rows[one.folded] = one.change.after
            if one.plant:
                self.planted.add(one.folded)

    def conclude(self, _attempt, *, check_mode):
        if check_mode:
            self.rows, self.planted = self.before


@pytest.fixture
def call(monkeypatch):
    def run(store, *, check_mode=False, **params):
        @contextlib.contextmanager
        def opened(_params):
            yield store

        monkeypatch.setattr(map_entry, "open_store", opened)
        monkeypatch.setattr(map_entry, "Entries", lambda store: store)
        params = {"map": "aliases", "value": None, "state": "present", **params}
        return map_entry.run(params, check_mode=check_mode)

    return run


CASES = [
    pytest.param({}, {"key": "joe", "value": "a"}, id="insert"),
    pytest.param({"rows": [("Joe", "b")]}, {"key": "joe", "value": "a"}, id="update"),
    pytest.param({"rows": [("joe", "b")]}, {"key": "joe", "state": "absent"}, id="delete"),
    pytest.param({}, {"key": "joe", "value": "a", "state": "seeded"}, id="plant"),
    pytest.param({}, {"map": "local_domains", "key": "a.org"}, id="member"),
    pytest.param({}, {"map": "authinfo", "key": "AuthInfo:a.org", "secret": "P"}, id="secret"),
]


@pytest.mark.parametrize(("database", "params"), CASES)
def test_check_run_check_run(call, database, params):
    store = MemoryStore(**database)
    check = call(store, check_mode=True, **params)
    run = call(store, **params)
    check_again = call(store, check_mode=True, **params)
    again = call(store, **params)
    changes = [result["changed"] for result in (check, run, check_again, again)]
    assert changes == [True, True, False, False]
    assert check["diff"] == run["diff"]
    assert check["entry"] == run["entry"]


def test_a_deleted_seed_stays_deleted(call):
    store = MemoryStore()
    seed = {"key": "abuse", "value": "root", "state": "seeded"}
    assert call(store, **seed)["changed"]
    assert call(store, key="abuse", state="absent")["changed"]
    assert not call(store, **seed)["changed"]
    assert not store.rows


def test_the_answer_has_the_spelling_of_the_database(call):
    result = call(MemoryStore(rows=[("Joe", "a")]), key="JOE", value="b")
    assert result["previous"] == {"key": "Joe", "value": "a"}
    assert result["entry"] == {"key": "Joe", "value": "b"}


def test_the_remark_at_a_member_stays_unless_there_is_another(call):
    store = MemoryStore(rows=[("a.org", "the shop")])
    assert not call(store, map="local_domains", key="A.org")["changed"]
    assert call(store, map="local_domains", key="a.org", value="closed")["changed"]
    assert store.rows["a.org"].value == "closed"


def test_a_secret_is_stored_and_not_shown(call):
    store = MemoryStore(rows=[("AuthInfo:a.org", "before")])
    params = {"map": "authinfo", "key": "AuthInfo:a.org", "secret": "after"}
    result = call(store, **params)
    assert store.rows["authinfo:a.org"].value == "after"
    assert result["changed"]
    shown = [result["diff"]["before"], result["diff"]["after"]]
    assert shown == ["AuthInfo:a.org\t(secret)\n", "AuthInfo:a.org\t(another secret)\n"]
    assert result["previous"]["value"] == "(secret)"
    assert result["entry"]["value"] == "(another secret)"


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"map": "authinfo", "value": "P"}, "takes secret instead of value"),
        ({"map": "aliases", "secret": "P"}, "takes value instead of secret"),
        ({"map": "aliases"}, "needs a value"),
    ],
)
def test_what_does_not_suit_the_map_is_refused(call, params, message):
    with pytest.raises(PlanError, match=message):
        call(MemoryStore(), key="joe", **params)
