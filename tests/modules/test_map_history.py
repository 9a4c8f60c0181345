# SPDX-License-Identifier: GPL-3.0-or-later
"""Who changed what, what was there, and taking it back."""

from __future__ import annotations

import typing as t

import pytest

SECRET = '"U:us" "P:hush"'
# One text is one transaction.
PAST = (
    "INSERT INTO mail.aliases VALUES ('sales', 'alice'), ('Support', 'alice')",
    "UPDATE mail.aliases SET value = 'bob' WHERE key = 'sales';"
    "DELETE FROM mail.aliases WHERE key = 'Support';"
    "INSERT INTO mail.local_domains VALUES ('a.example', NULL), ('b.example', 'ours')",
)
BEFORE = {"sales": "alice", "Support": "alice"}
AFTER = {"sales": "bob"}


@pytest.fixture
def past(database: t.Any) -> list[str]:
    """The moments before two changes, and their numbers."""
    moments = []
    for statements in PAST:
        moments.append(database.ask("SELECT clock_timestamp()"))
        database.ask(f"BEGIN; {statements}; COMMIT")
    return [*moments, *database.ask("SELECT DISTINCT change FROM mail.history ORDER BY 1").split()]


def four_times(ansible: t.Any, **options: t.Any) -> t.Any:
    """Undo four times; the diff of an undo says which map, too."""
    lines = ansible.LINES.replace("SELECT line", "SELECT map.relname || E'\\t' || line", 1)
    return ansible.four_times("map_history", action="undo", lines=lines, **options)


def one(ansible: t.Any, **options: t.Any) -> dict[str, t.Any]:
    """Call the module once; it must not fail."""
    result = ansible.play(ansible.task("map_history", **options)).told[0].result
    assert not result["failed"], result["msg"]
    return result


def test_a_change_is_undone_four_times(database: t.Any, ansible: t.Any, past: list[str]) -> None:
    told = four_times(ansible, change=int(past[3]))
    assert database.rows("aliases") == BEFORE
    assert database.rows("local_domains") == {}
    check, run, *repeats = (one.result for one in told)
    assert check["change"] is None
    assert run["change"] > int(past[3])
    assert sorted(map(str, check["undone"])) == sorted(map(str, run["undone"]))
    assert len(run["undone"]) == 4
    assert [(one["change"], one["undone"]) for one in repeats] == [(None, [])] * 2


@pytest.mark.parametrize("first", [0, 1])
def test_a_span_is_undone_four_times(
    database: t.Any, ansible: t.Any, past: list[str], first: int
) -> None:
    four_times(ansible, since=past[first])
    assert database.rows("aliases") == [{}, BEFORE][first]


def test_an_undo_is_undone(database: t.Any, ansible: t.Any, past: list[str]) -> None:
    number = one(ansible, action="undo", change=int(past[3]))["change"]
    four_times(ansible, change=number)
    assert database.rows("aliases") == AFTER
    assert database.rows("local_domains") == {"a.example": None, "b.example": "ours"}


@pytest.mark.usefixtures("past")
def test_a_span_without_a_change_is_as_it_was(ansible: t.Any) -> None:
    assert not one(ansible, action="undo", since="now")["changed"]


def test_what_was_changed_again_is_not_overwritten(
    database: t.Any, ansible: t.Any, past: list[str]
) -> None:
    database.ask("UPDATE mail.aliases SET value = 'carol' WHERE key = 'sales'")
    said = ansible.fails("map_history", action="undo", change=int(past[3]))
    assert "rows of aliases were changed again since: sales" in said
    assert "Undo the later changes too, or first" in said
    assert database.rows("aliases") == {"sales": "carol"}


def test_an_undo_meets_the_guards_of_the_whole(database: t.Any, ansible: t.Any) -> None:
    database.ask("INSERT INTO mail.aliases VALUES ('here', 'there')")
    database.ask("DELETE FROM mail.aliases WHERE key = 'here'")
    last = int(database.ask("SELECT max(change) FROM mail.history"))
    database.ask("INSERT INTO mail.aliases VALUES ('there', 'here')")
    undo = ansible.task("map_history", action="undo", change=last)
    for told in ansible.play({**undo, "check_mode": True}, undo).told:
        assert "aliases lead in a circle" in told.result["msg"]
    assert database.rows("aliases") == {"there": "here"}


BAD = [
    ({"action": "undo"}, "either change or since"),
    ({"action": "undo", "change": 1, "map": "aliases"}, "has no option 'map'"),
    ({"action": "undo", "change": 999999}, "there is nothing to undo"),
    ({"action": "undo", "since": "2002-06-28"}, "history does not reach back"),
    ({"action": "as_of"}, "needs at"),
    ({"action": "as_of", "at": "2002-06-28"}, "history does not reach back"),
    ({"since": "some day"}, "write a time as"),
    # Who may only look up.
    ({"login_user": "sendmail"}, "role map_database grants it"),
    ({"login_user": "sendmail", "action": "as_of", "at": "now"}, "role map_database grants it"),
    ({"login_user": "sendmail", "action": "undo", "change": 1}, "role map_database grants it"),
]


@pytest.mark.usefixtures("database")
def test_refusals(ansible: t.Any) -> None:
    tasks = [
        {**ansible.task("map_history", **options), "check_mode": check_mode}
        for options, _said in BAD
        for check_mode in (True, False)
    ]
    told = ansible.play(*tasks).told
    for (options, said), check, run in zip(BAD, told[::2], told[1::2], strict=True):
        assert said in check.result["msg"], options
        assert check.result["msg"] == run.result["msg"]
        assert check.everything == run.everything == told[0].everything


def test_filters(ansible: t.Any, past: list[str]) -> None:
    everything = ["sales", "Support", "sales", "Support", "a.example", "b.example"]
    wanted: list[tuple[dict[str, t.Any], list[str]]] = [
        ({}, everything),
        ({"limit": 2}, everything[-2:]),
        ({"map": "local_domains"}, everything[-2:]),
        ({"map": "local_domains", "key": "A.example"}, ["a.example"]),
        ({"key": "SUPPORT"}, []),
        ({"change": int(past[2])}, everything[:2]),
        ({"since": past[1]}, everything[2:]),
        ({"until": past[1]}, everything[:2]),
        ({"login": "postgres"}, everything),
        ({"login": "mailadmin"}, []),
    ]
    play = ansible.play(*(ansible.task("map_history", **options) for options, _keys in wanted))
    for (options, keys), told in zip(wanted, play.told, strict=True):
        assert not told.changed
        found = [event["key"] for event in told.result["history"]]
        assert sorted(found) == sorted(keys), options
    event = next(one for one in play.told[6].result["history"] if one["key"] == "sales")
    assert (event["action"], event["old"], event["new"]) == ("update", "alice", "bob")
    assert (event["login"], event["application"]) == ("postgres", "psql")


def test_rows_as_of_a_moment(ansible: t.Any, past: list[str]) -> None:
    entries = one(ansible, action="as_of", at=past[1], map="aliases")["entries"]
    assert {entry["key"]: entry["value"] for entry in entries} == BEFORE
    entries = one(ansible, action="as_of", at="now", key="sales")["entries"]
    assert entries == [{"map": "aliases", "key": "sales", "value": "bob"}]
    maps = {entry["map"] for entry in one(ansible, action="as_of", at="now")["entries"]}
    assert {"aliases", "local_domains", "mailers"} <= maps


def test_secrets_are_shown_nowhere(database: t.Any, ansible: t.Any) -> None:
    for name in ("authinfo", "access"):
        database.ask(f"INSERT INTO mail.{name} VALUES ('AuthInfo:a.example', '{SECRET}')")
    database.ask(f"UPDATE mail.authinfo SET value = '{SECRET} \"M:PLAIN\"'")
    last = int(database.ask("SELECT max(change) FROM mail.history"))
    play = ansible.play(
        ansible.task("map_history"),
        ansible.task("map_history", action="as_of", at="now"),
        ansible.task("map_history", action="undo", change=last),
        ansible.task("map_history", action="undo", change=last - 2),
    )
    assert [told.changed for told in play.told[:3]] == [False, False, True]
    # The second row of authinfo is there again, which the first change left.
    assert play.told[3].changed
    assert "hush" not in play.output
    assert "hush" not in str([told.result for told in play.told])
    assert "(another secret)" in str(play.told[2].diff)
    assert database.rows("authinfo") == {}
