# SPDX-License-Identifier: GPL-3.0-or-later
"""One entry."""

from __future__ import annotations

import typing as t

import pytest

CALLS = {
    "insert": {"key": "Joe", "value": "ann"},
    "change": {"key": "DAVID@example.ORG", "value": "carl", "map": "virtualusers"},
    "take away": {"key": "david@example.org", "map": "virtualusers", "state": "absent"},
    "plant": {"key": "abuse", "value": "root", "state": "seeded"},
    "member": {"key": "example.org", "map": "local_domains"},
}


@pytest.mark.parametrize("options", CALLS.values(), ids=CALLS)
def test_four_times(database: t.Any, ansible: t.Any, options: dict[str, str]) -> None:
    database.ask("INSERT INTO mail.virtualusers VALUES ('david@example.org', 'bob')")
    ansible.four_times("map_entry", **{"map": "aliases", **options})


def test_a_secret_is_changed_four_times(database: t.Any, ansible: t.Any) -> None:
    options = {"map": "authinfo", "key": "AuthInfo:a.example"}
    lines = (
        "SELECT key || E'\\t' || CASE WHEN value ~ 'second' THEN '(another secret)'"
        " ELSE '(secret)' END FROM mail.authinfo"
    )
    ansible.four_times("map_entry", **options, secret='"U:us" "P:first"', lines=lines)
    ansible.four_times("map_entry", **options, secret='"U:us" "P:second"', lines=lines)
    assert database.rows("authinfo") == {"AuthInfo:a.example": '"U:us" "P:second"'}
