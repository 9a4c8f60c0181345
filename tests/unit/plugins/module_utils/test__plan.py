# Copyright: (c) sqlmail contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The plan: what changes, as tables."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.sqlmail.sendmail.plugins.module_utils import _plan
from ansible_collections.sqlmail.sendmail.plugins.module_utils._errors import PlanError
from ansible_collections.sqlmail.sendmail.plugins.module_utils._plan import (
    Change,
    Entry,
    Found,
    Recorded,
    Scope,
    Step,
    is_secret,
    like,
    numbered,
    plan_entry,
    plan_schema,
    veiled,
)

OLD = Entry("joe@Example.org", "old")
NEW = Entry("joe@Example.org", "new")
NOTHING = Found(None)


@pytest.mark.parametrize(
    ("state", "key", "value", "found", "expected"),
    [
        pytest.param("present", NEW.key, "new", NOTHING, Change(None, NEW), id="absent to present"),
        pytest.param("present", NEW.key, "new", Found(NEW), Change(NEW, NEW), id="present stays"),
        pytest.param("present", NEW.key, "new", Found(OLD), Change(OLD, NEW), id="value changes"),
        pytest.param(
            "present",
            "joe@EXAMPLE.ORG",
            "old",
            Found(OLD),
            Change(OLD, OLD),
            id="spelling alone is no change",
        ),
        pytest.param(
            "present",
            "joe@EXAMPLE.ORG",
            "new",
            Found(OLD),
            Change(OLD, NEW),
            id="spelling stays when the value changes",
        ),
        pytest.param("absent", NEW.key, None, NOTHING, Change(None, None), id="absent stays"),
        pytest.param("absent", NEW.key, None, Found(OLD), Change(OLD, None), id="row is deleted"),
        pytest.param(
            "absent", NEW.key, "new", Found(OLD), Change(OLD, None), id="any value is deleted"
        ),
        pytest.param("seeded", NEW.key, "new", NOTHING, Change(None, NEW), id="seed is planted"),
        pytest.param(
            "seeded", NEW.key, "new", Found(OLD), Change(OLD, OLD), id="seed never overwrites"
        ),
        pytest.param(
            "seeded",
            NEW.key,
            "new",
            Found(None, planted=True),
            Change(None, None),
            id="seed is never planted twice",
        ),
        pytest.param(
            "seeded",
            NEW.key,
            "new",
            Found(OLD, planted=True),
            Change(OLD, OLD),
            id="changed seed belongs to the operator",
        ),
    ],
)
def test_plan_of_an_entry(state, key, value, found, expected):
    assert plan_entry(state, key, value, found) == expected


@pytest.mark.parametrize("state", ["present", "seeded"])
def test_a_value_is_needed_to_be_there(state):
    with pytest.raises(PlanError, match="needs a value"):
        plan_entry(state, "joe", None, NOTHING)


@pytest.mark.parametrize(
    ("change", "truth", "before", "after"),
    [
        pytest.param(Change(None, None), False, "", "", id="nothing"),
        pytest.param(Change(OLD, OLD), False, *["joe@Example.org\told\n"] * 2, id="the same"),
        pytest.param(Change(None, NEW), True, "", "joe@Example.org\tnew\n", id="insert"),
        pytest.param(Change(OLD, None), True, "joe@Example.org\told\n", "", id="delete"),
        pytest.param(
            Change(OLD, NEW), True, "joe@Example.org\told\n", "joe@Example.org\tnew\n", id="update"
        ),
    ],
)
def test_the_diff_is_the_plan(change, truth, before, after):
    diff = change.as_diff("map aliases")
    assert bool(change) is truth
    assert (diff["before"], diff["after"]) == (before, after)
    assert diff["before_header"] == diff["after_header"] == "map aliases"


def step(number, sql="SELECT 1;"):
    return Step(number, f"{number:04}_step.sql", sql)


def record(number, sql="SELECT 1;"):
    return Recorded(number, f"{number:04}_step.sql", step(number, sql).sha256)


@pytest.mark.parametrize(
    ("steps", "recorded", "pending"),
    [
        pytest.param([], [], [], id="nothing"),
        pytest.param([step(1), step(2)], [], [1, 2], id="fresh database"),
        pytest.param([step(1), step(2)], [record(1)], [2], id="one is new"),
        pytest.param([step(1), step(2)], [record(1), record(2)], [], id="up to date"),
        pytest.param(
            [step(1, "SELECT 1;\n\n")], [record(1)], [], id="line breaks at the end do not count"
        ),
    ],
)
def test_pending_steps(steps, recorded, pending):
    change = plan_schema(steps, recorded)
    assert [step.number for step in change.pending] == pending
    assert bool(change) is bool(pending)
    assert change.as_diff("x")["after"].count("\n") == len(recorded) + len(pending)


@pytest.mark.parametrize(
    ("steps", "recorded", "message"),
    [
        pytest.param([step(1, "SELECT 2;")], [record(1)], "0001_step.sql' was edited", id="edited"),
        pytest.param([step(1)], [record(1), record(2)], "at least as new", id="newer database"),
        pytest.param(
            [step(1), step(2), step(3)],
            [record(1), record(3)],
            "0002_step.sql' comes before",
            id="late",
        ),
    ],
)
def test_a_history_that_does_not_fit_is_refused(steps, recorded, message):
    with pytest.raises(PlanError, match=message):
        plan_schema(steps, recorded)


def test_steps_are_applied_in_the_order_of_their_numbers():
    names = ["0010_c.sql", "0002_b.sql", "0001_a.sql"]
    steps = numbered({"name": name, "sql": "SELECT 1"} for name in names)
    assert [step.name for step in steps] == sorted(names)


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        pytest.param([("1_a.sql", "x")], "no name like", id="short number"),
        pytest.param([("0001_A.sql", "x")], "no name like", id="upper case"),
        pytest.param([("0001_a.sql\n", "x")], "no name like", id="line break"),
        pytest.param([("0001_a.sql", " \n")], "is empty", id="empty"),
        pytest.param([("0001_a.sql", "x"), ("0001_b.sql", "x")], "same number", id="twice"),
    ],
)
def test_a_malformed_step_is_refused(steps, message):
    with pytest.raises(PlanError, match=message):
        numbered({"name": name, "sql": sql} for name, sql in steps)


def test_the_digest_is_that_of_the_file(tmp_path):
    file = tmp_path / "0001_maps.sql"
    file.write_text("SELECT 1;\n")
    digest = subprocess.run(["sha256sum", file], capture_output=True, text=True, check=True)
    assert Step(1, file.name, "SELECT 1;").sha256 == digest.stdout.split()[0]


def test_the_plan_imports_neither_ansible_nor_psycopg2():
    code = (
        "import sys, types\n"
        "names = 'ansible_collections.sqlmail.sendmail.plugins.module_utils'.split('.')\n"
        "for depth in range(len(names)):\n"
        "    package = types.ModuleType('.'.join(names[:depth + 1]))\n"
        "    package.__path__ = [sys.argv[1]]\n"
        "    sys.modules[package.__name__] = package\n"
        "import ansible_collections.sqlmail.sendmail.plugins.module_utils._plan\n"
        "assert not {'ansible', 'psycopg2'} & set(sys.modules)\n"
    )
    directory = Path(_plan.__file__).parent
    subprocess.run([sys.executable, "-I", "-c", code, directory], check=True)


@pytest.mark.parametrize(
    ("pattern", "expected"), [("*@a.org", "%@a.org"), ("a_b%c\\*", r"a\_b\%c\\%")]
)
def test_a_pattern_in_the_form_of_like(pattern, expected):
    assert like(pattern) == expected


@pytest.mark.parametrize(
    ("pattern", "sql"),
    [("*@a.b", "%@a.b"), ("?x", "_x"), ("50%_\\", "50\\%\\_\\\\"), (None, None)],
)
def test_a_pattern_of_a_shell_is_one_of_sql(pattern, sql):
    assert Scope(pattern=pattern).like == sql


def test_a_domain_is_compared_without_what_comes_before_it():
    assert [Scope(domain=one).folded_domain for one in ("A.b", "@a.B", ".a.b", None)] == [
        *["a.b"] * 3,
        None,
    ]


def test_what_is_secret():
    assert is_secret("authinfo", "x")
    assert is_secret("access", "AUTHINFO:x")
    assert not is_secret("access", "To:x")


@pytest.mark.parametrize(
    ("name", "key", "before", "after", "shown"),
    [
        ("aliases", "a", "b", "c", ("b", "c")),
        ("aliases", "AuthInfo:a", "b", None, ("b", None)),
        ("authinfo", "AuthInfo:a", "b", "c", ("(secret)", "(another secret)")),
        ("authinfo", "AuthInfo:a", "b", "b", ("(secret)", "(secret)")),
        ("authinfo", "AuthInfo:a", None, "c", (None, "(secret)")),
        ("authinfo", "AuthInfo:a", "b", None, ("(secret)", None)),
        ("access", "authinfo:a", "b", None, ("(secret)", None)),
        ("access", "Connect:a", "RELAY", "OK", ("RELAY", "OK")),
    ],
)
def test_secrets_are_veiled(name, key, before, after, shown):
    assert veiled(name, key, before, after) == shown
