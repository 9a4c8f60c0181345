# Copyright: (c) sqlmail contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What has to change for a list of entries, as tables."""

from __future__ import annotations

import pytest
from ansible_collections.sqlmail.sendmail.plugins.module_utils._bulk import (
    Rows,
    as_result,
    check_deletions,
    listed_entries,
    plain_entries,
    plan_map,
    scopes,
)
from ansible_collections.sqlmail.sendmail.plugins.module_utils._errors import PlanError
from ansible_collections.sqlmail.sendmail.plugins.module_utils._plan import Entry


def plan(entries, rows=(), seeds=(), *, state="present", patterns=(), name="aliases"):
    """Plan for a map that is compared in lower case."""
    wanted = listed_entries(entries, name, state)
    found = Rows(
        [one.key.lower() for one in wanted],
        {key.lower(): Entry(key, value) for key, value in rows},
        {key.lower(): [Entry(key, value)] for key, value in seeds},
        patterns,
    )
    return plan_map(name, wanted, found)


def told(work):
    """Return the work in a short form."""
    return [(one.kind, one.key, one.change.after and one.change.after.value) for one in work]


def entry(key, value=None, state=None):
    return {"key": key, "value": value, "state": state}


JOE = ("Joe", "ann")
EXACT = {"state": "exact", "patterns": ["*"]}


@pytest.mark.parametrize(
    ("entries", "rows", "more", "expected"),
    [
        pytest.param([entry("joe", "bob")], [], {}, [("added", "joe", "bob")], id="added"),
        pytest.param([entry("JOE", "bob")], [JOE], {}, [("updated", "Joe", "bob")], id="updated"),
        pytest.param([entry("JOE", "ann")], [JOE], {}, [], id="the spelling stays"),
        pytest.param(
            [entry("joe")], [JOE], {"state": "absent"}, [("removed", "Joe", None)], id="removed"
        ),
        pytest.param(
            [entry("joe", state="absent"), entry("eve", "x")],
            [JOE],
            {},
            [("removed", "Joe", None), ("added", "eve", "x")],
            id="an entry has a state of its own",
        ),
        pytest.param([entry("joe", "x", "seeded")], [JOE], {}, [], id="seeded overwrites nothing"),
        pytest.param(
            [entry("joe", "x", "seeded")], [], {"seeds": [JOE]}, [], id="planted only once"
        ),
        pytest.param(
            [entry("eve", "x")],
            [JOE],
            EXACT,
            [("added", "eve", "x"), ("removed", "Joe", None)],
            id="exact",
        ),
        pytest.param([entry("eve", "x")], [JOE], {}, [("added", "eve", "x")], id="not exact"),
        pytest.param([], [JOE], {**EXACT, "seeds": [JOE]}, [], id="exact keeps a seed"),
        pytest.param(
            [],
            [JOE],
            {**EXACT, "seeds": [("joe", "bob")]},
            [("removed", "Joe", None)],
            id="but not what was made of it",
        ),
        pytest.param(
            [entry("joe", state="absent")],
            [JOE],
            {**EXACT, "seeds": [JOE]},
            [("removed", "Joe", None)],
            id="nor a seed that is to go",
        ),
        pytest.param(
            [entry("a@x.org", "a")],
            [("b@x.org", "b"), ("c@y.org", "c")],
            {"state": "exact", "patterns": ["*@x.org"]},
            [("added", "a@x.org", "a"), ("removed", "b@x.org", None)],
            id="exact in a scope",
        ),
        pytest.param(
            [],
            [("a.c", "1"), ("abc", "2"), ("[1]", "3")],
            {"state": "exact", "patterns": ["a.*", "[1]"]},
            [("removed", "a.c", None), ("removed", "[1]", None)],
            id="only the star is special",
        ),
        pytest.param(
            [entry("joe", "x"), entry("JOE", "x")], [], {}, [("added", "joe", "x")], id="twice"
        ),
        pytest.param(
            [entry("joe", "x", "seeded"), entry("JOE", "y")],
            [],
            {},
            [("added", "JOE", "y")],
            id="a seed gives way in the list, too",
        ),
        pytest.param(
            [entry("a.org"), entry("A.org", "the shop")],
            [],
            {"name": "local_domains"},
            [("added", "A.org", "the shop")],
            id="any remark and one",
        ),
        pytest.param(
            [entry("a.org")],
            [("a.org", "the shop")],
            {"name": "local_domains"},
            [],
            id="a remark stays",
        ),
    ],
)
def test_the_plan(entries, rows, more, expected):
    assert told(plan(entries, rows, **more).work) == expected


@pytest.mark.parametrize(
    ("entries", "state", "expected"),
    [
        ([entry("joe", "a"), {**entry("b.org"), "map": "local_domains"}], "present", True),
        ([], "exact", True),
        ([entry("joe", "a")], "absent", False),
        ([entry("joe", "a", "seeded")], "present", False),
        ([entry("joe", "a"), entry("joe", "b")], "exact", False),
        ([{"key": "AuthInfo:a", "secret": "hush"}], "present", False),
    ],
)
def test_a_list_is_plain_if_it_says_only_what_is(entries, state, expected):
    found = plain_entries(entries, "aliases", state)
    assert (found is not None) is expected
    if len(entries) == 2 and expected:
        assert found == {"aliases": {"joe": "a"}, "local_domains": {"b.org": None}}


def test_what_exact_keeps_is_told():
    assert plan([], [JOE], [JOE], **EXACT).kept == ["Joe"]


@pytest.mark.parametrize(
    ("entries", "more", "message"),
    [
        pytest.param(
            [entry("joe", "x"), entry("eve", "x"), entry("JOE", "y")],
            {},
            "entry 1, key 'joe' of map 'aliases', and entry 3, key 'JOE', are the same key",
            id="contradiction",
        ),
        pytest.param(
            [entry("joe", "x"), entry("joe", state="absent")], {}, "the same key", id="and absent"
        ),
        pytest.param(
            [entry("joe", "x", "seeded"), entry("JOE", "y", "seeded")],
            {},
            "the same key",
            id="two seeds",
        ),
        pytest.param(
            [entry("a@y.org", "x")],
            {"state": "exact", "patterns": ["*@x.org"]},
            "entry 1, key 'a@y.org' of map 'aliases' is outside the scope",
            id="outside",
        ),
        pytest.param([entry("a", "x"), entry("b")], {}, "entry 2, key 'b'.*needs a value", id="no"),
        pytest.param([entry("a", "x\0y")], {}, "entry 1, .*NUL", id="NUL"),
        pytest.param([entry("a\udcff", "x")], {}, "entry 1, .*Unicode", id="not Unicode"),
        pytest.param([entry("a", "x")], {"name": ""}, "entry 1, .*no map", id="no map"),
        pytest.param(
            [{"key": "a", "secret": "hush"}], {}, "value instead of secret", id="no secret"
        ),
        pytest.param(
            [entry("a", "x")], {"name": "authinfo"}, "secret instead of value", id="a secret"
        ),
    ],
)
def test_a_list_that_cannot_be_is_refused(entries, more, message):
    with pytest.raises(PlanError, match=message) as error:
        plan(entries, **more)
    assert "hush" not in str(error.value)


@pytest.mark.parametrize(
    ("scope", "name", "expected"),
    [
        (None, None, {"access": ["*"]}),
        (None, "aliases", {"access": ["*"], "aliases": ["*"]}),
        (
            [{"map": None, "keys": "a*"}, {"map": None, "keys": "b"}],
            "aliases",
            {"aliases": ["a*", "b"]},
        ),
        ([{"map": "access", "keys": "*"}], "aliases", {"access": ["*"]}),
    ],
)
def test_the_scope_of_exact(scope, name, expected):
    wanted = listed_entries([{"map": "access", "key": "a", "value": "OK"}], None, "exact")
    assert scopes(wanted, scope, name, "exact") == expected


def test_a_scope_that_says_nothing_is_refused():
    with pytest.raises(PlanError, match="which map is to be empty"):
        scopes([], None, None, "exact")
    with pytest.raises(PlanError, match="has no map"):
        scopes([], [{"keys": "*"}], None, "exact")
    with pytest.raises(PlanError, match="state present has none"):
        scopes([], [{"map": "access"}], None, "present")


def test_too_many_deletions_are_refused_by_number_and_name():
    rows = [(f"k{number}", "x") for number in range(9)]
    work = plan([], rows, **EXACT).work
    check_deletions(work, 9)
    check_deletions(work, -1)
    with pytest.raises(PlanError) as error:
        check_deletions(work, 8)
    assert "would delete 9 entries, max_deletions is 8: k0 of aliases, k1" in str(error.value)
    assert "k4 of aliases and 4 more; if that is right" in str(error.value)
    # What the list itself takes away is no surprise.
    check_deletions(plan([entry("k1", state="absent")], rows).work, 0)


def test_the_result_shows_sorted_lines_of_each_map():
    work = plan([entry("b", "2"), entry("a", "1"), entry("C", "3")], [("c", "0")]).work
    work += plan([entry("b.org")], name="local_domains").work
    result = as_result(work, "sendmail")
    assert [diff["before"] for diff in result["diff"]] == ["c\t0\n", ""]
    assert [diff["after"] for diff in result["diff"]] == ["a\t1\nb\t2\nc\t3\n", "b.org\n"]
    assert result["diff"][0]["before_header"] == "map aliases in database sendmail"
    assert result["counts"] == {"added": 3, "updated": 1, "removed": 0}
    assert result["updated"] == [{"map": "aliases", "key": "c", "previous": "0", "value": "3"}]


def test_a_secret_is_veiled():
    work = plan(
        [{"key": "AuthInfo:a", "secret": "hush"}, {"key": "AuthInfo:b", "secret": "hush"}],
        [("AuthInfo:b", "hush before")],
        name="authinfo",
    ).work
    assert work[0].change.after.value == "hush"
    result = as_result(work, "sendmail")
    assert "hush" not in str(result)
    assert result["updated"][0]["value"] != result["updated"][0]["previous"]
