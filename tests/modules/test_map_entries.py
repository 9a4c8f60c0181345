# SPDX-License-Identifier: GPL-3.0-or-later
"""Many entries at once."""

from __future__ import annotations

import typing as t

import psycopg2
import pytest

ROWS = """
INSERT INTO mail.virtualusers VALUES ('joe@a.example', 'joe'), ('eve@a.example', 'eve'),
    ('Ann@B.example', 'ann');
INSERT INTO mail.local_domains VALUES ('a.example', 'the shop'), ('b.example', NULL);
INSERT INTO mail.aliases VALUES ('postmaster', 'root'), ('abuse', 'ann');
INSERT INTO mail.seeds VALUES ('aliases', 'postmaster', 'root'), ('aliases', 'abuse', 'root');
"""
# Whether a module waits for a lock.
WAITS = "1 <= (SELECT count(*) FROM pg_locks WHERE locktype = '{kind}' AND NOT granted)"
CALLS = {
    "present in several maps": {
        "entries": [
            {"map": "virtualusers", "key": "JOE@A.example", "value": "carl"},
            {"map": "virtualusers", "key": "Bob@c.example", "value": "bob"},
            {"map": "aliases", "key": "joe", "value": "ann"},
            {"map": "local_domains", "key": "A.example"},
            {"map": "local_domains", "key": "c.example", "value": "new"},
        ]
    },
    "absent": {
        "map": "virtualusers",
        "state": "absent",
        "entries": [{"key": "joe@a.example"}, {"key": "nobody@a.example"}],
    },
    "seeded": {
        "map": "aliases",
        "state": "seeded",
        "entries": [{"key": key, "value": "root"} for key in ("abuse", "noc", "postmaster")],
    },
    "exact": {
        "map": "virtualusers",
        "state": "exact",
        "entries": [{"key": "joe@a.example", "value": "joe"}, {"key": "x@a.example", "value": "y"}],
    },
    "exact in a scope": {
        "map": "virtualusers",
        "state": "exact",
        "scope": [{"keys": "*@A.example"}],
        "entries": [{"key": "new@a.example", "value": "joe"}],
    },
    "empty": {"map": "local_domains", "state": "exact"},
    "from local to relayed": {
        "entries": [
            {"map": "local_domains", "key": "a.example", "state": "absent"},
            {"map": "relay_domains", "key": "a.example"},
        ]
    },
}


@pytest.mark.parametrize("options", CALLS.values(), ids=CALLS)
def test_four_times(database: t.Any, ansible: t.Any, options: dict[str, t.Any]) -> None:
    database.ask(ROWS)
    _check, run, _again, last = ansible.four_times("map_entries", **options)
    # What was done is in the history as one change, and can be taken back by it.
    number = run.result["change"]
    recorded = database.ask(f"SELECT count(*) FROM mail.history WHERE change = {number}")
    assert int(recorded) == sum(run.result["counts"].values())
    assert last.result["counts"] == {"added": 0, "updated": 0, "removed": 0}
    database.ask(f"SELECT mail.undo({number})")


def test_exact_keeps_what_was_planted_and_never_touched(database: t.Any, ansible: t.Any) -> None:
    database.ask(ROWS)
    options = {"map": "aliases", "state": "exact", "entries": [{"key": "joe", "value": "ann"}]}
    run = ansible.four_times("map_entries", **options)[1]
    assert run.result["kept"] == [{"map": "aliases", "key": "postmaster"}]
    assert run.result["removed"] == [{"map": "aliases", "key": "abuse", "previous": "ann"}]
    options["entries"] += [{"key": "postmaster", "state": "absent"}]
    ansible.four_times("map_entries", **options)
    assert database.rows("aliases") == {"joe": "ann"}


REFUSED = {
    "a contradiction": (
        {"entries": [{"key": "joe", "value": "a"}, {"key": "joe", "value": "b"}]},
        "entry 1, key 'joe' of map 'aliases', and entry 2, key 'joe', are the same key",
    ),
    "a bad key": (
        {"entries": [{"key": "joe", "value": "ann"}, {"key": " eve", "value": "ann"}]},
        "cannot manage entry 2, key ' eve' of map 'aliases'",
    ),
    "a bad value": (
        {"entries": [{"key": "joe", "value": "ann"}, {"key": "eve", "value": "a\nb"}]},
        "cannot write entry 2, key 'eve' of map 'aliases'",
    ),
    "a program": (
        {"entries": [{"key": "joe", "value": "ann"}, {"key": "eve", "value": '"|cat"'}]},
        "cannot write entry 2, key 'eve' of map 'aliases'",
    ),
    "a circle in the list": (
        {"entries": [{"key": "a", "value": "b"}, {"key": "b", "value": "a"}]},
        "aliases lead in a circle",
    ),
    "more deletions than allowed": (
        {"state": "exact", "max_deletions": 0},
        "state exact would delete 1 entries, max_deletions is 0: abuse of aliases; if that",
    ),
    "no map": ({"map": None, "entries": [{"key": "a", "value": "b"}]}, "has no map; set map"),
}


@pytest.mark.parametrize(("options", "message"), REFUSED.values(), ids=REFUSED)
def test_refused(database: t.Any, ansible: t.Any, options: dict[str, t.Any], message: str) -> None:
    database.ask(ROWS)
    before = database.rows("aliases")
    given = {"map": "aliases", **options}
    assert message in ansible.fails(
        "map_entries", **{key: value for key, value in given.items() if value is not None}
    )
    assert database.rows("aliases") == before


def test_one_bad_row_of_many_is_named(database: t.Any, ansible: t.Any) -> None:
    entries = [{"key": f"user{number}", "value": "ann"} for number in range(1, 20001)]
    entries[12344]["value"] = "x" * 9000
    result = ansible.start("map_entries", map="aliases", entries=entries).result()
    assert "cannot write entry 12345, key 'user12345' of map 'aliases'" in result["msg"]
    assert "the value is longer than 8192 bytes" in result["msg"]
    entries[12344] = {"key": "user\t5", "value": "ann"}
    result = ansible.start("map_entries", map="aliases", entries=entries).result()
    assert "cannot manage entry 12345, key 'user\\t5' of map 'aliases'" in result["msg"]
    assert database.rows("aliases") == {}


def test_what_another_client_changed_is_not_overwritten_unseen(
    database: t.Any, ansible: t.Any
) -> None:
    database.ask(ROWS)
    with psycopg2.connect(dbname="sendmail") as other, other.cursor() as cursor:
        cursor.execute("UPDATE mail.virtualusers SET value = 'theirs' WHERE key = 'joe@a.example'")
        cursor.execute("INSERT INTO mail.virtualusers VALUES ('new@a.example', 'theirs')")
        call = ansible.start(
            "map_entries",
            map="virtualusers",
            entries=[
                {"key": "joe@a.example", "value": "ours"},
                {"key": "new@a.example", "value": "ours", "state": "seeded"},
            ],
        )
        database.wait_for(WAITS.format(kind="transactionid"))
    result = call.result()
    assert result["updated"] == [
        {"map": "virtualusers", "key": "joe@a.example", "previous": "theirs", "value": "ours"}
    ]
    assert result["added"] == []
    assert database.rows("virtualusers")["new@a.example"] == "theirs"


def test_killed_in_the_middle_all_is_as_before(database: t.Any, ansible: t.Any) -> None:
    database.ask(ROWS)
    before = database.rows("virtualusers"), database.rows("aliases")
    with psycopg2.connect(dbname="sendmail") as other, other.cursor() as cursor:
        # The last row of the list meets one that is not committed.
        cursor.execute("INSERT INTO mail.virtualusers VALUES ('zoe@a.example', 'x')")
        call = ansible.start(
            "map_entries",
            map="virtualusers",
            state="exact",
            entries=[
                {"map": "aliases", "key": "joe", "value": "ann"},
                *({"key": f"user{number}@a.example", "value": "x"} for number in range(2000)),
                {"key": "zoe@a.example", "value": "y"},
            ],
        )
        database.wait_for(WAITS.format(kind="transactionid"))
        call.kill()
        other.rollback()
    database.wait_for(
        "NOT EXISTS (SELECT FROM pg_stat_activity WHERE application_name = 'sqlmail.sendmail')"
    )
    assert (database.rows("virtualusers"), database.rows("aliases")) == before


def test_of_two_calls_at_once_one_waits(database: t.Any, ansible: t.Any) -> None:
    # The maps are named in another order, which must not let each wait for the other.
    def entries(who: str) -> list[dict[str, str]]:
        at = {"aliases": "", "virtualusers": "@a.example"}
        maps = list(at) if who == "first" else list(reversed(at))
        return [
            {"map": name, "key": f"{who}{number}{at[name]}", "value": "x"}
            for name in maps
            for number in range(500)
        ]

    with psycopg2.connect(dbname="sendmail") as other, other.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(21329, hashtext('aliases'))")
        calls = [ansible.start("map_entries", entries=entries(who)) for who in ("first", "second")]
        database.wait_for(WAITS.format(kind="advisory").replace("1 <=", "2 <="))
    assert [call.result()["counts"]["added"] for call in calls] == [1000, 1000]
    for name in ("aliases", "virtualusers"):
        assert len(database.rows(name)) == 1000


def test_a_long_list(database: t.Any, ansible: t.Any) -> None:
    entries = [{"key": f"user{number}@a.example", "value": "x"} for number in range(100_000)]
    options = {"map": "virtualusers", "state": "exact", "entries": entries}
    for changed in (True, False):
        result = ansible.start("map_entries", **options).result()
        assert result["changed"] is changed
        assert result["counts"]["added"] == (100_000 if changed else 0)
    assert database.ask("SELECT count(*) FROM mail.virtualusers") == "100000"
