# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows as data."""

from __future__ import annotations

import typing as t

import pytest

ROWS = """
INSERT INTO mail.aliases VALUES ('postmaster', 'root'), ('a_c', 'x'), ('abc', 'y'), ('Joe', 'z');
INSERT INTO mail.virtualusers VALUES ('joe@Example.org', 'joe'), ('@below.example.org', 'joe');
INSERT INTO mail.mailertable VALUES ('example.org', 'esmtp:[a.b]'), ('.example.org', 'relay:[c]');
INSERT INTO mail.access VALUES
    ('To:example.org', 'RELAY'), ('To:ann@example.org', 'REJECT'), ('To:notexample.org', 'RELAY'),
    ('AuthInfo:old.example', '"U:us" "P:hush"');
INSERT INTO mail.authinfo VALUES ('AuthInfo:smart.example', '"U:us" "P:hush"');
INSERT INTO mail.relay_domains VALUES ('partner.example', NULL);
"""
SELECTED = [
    ({"maps": ["relay_domains"]}, ["partner.example"]),
    ({"maps": ["aliases"], "key": "POSTMASTER"}, ["postmaster"]),
    ({"maps": ["aliases"], "key": "joe"}, []),
    ({"key": "JOE@example.ORG"}, []),
    ({"key": "joe@EXAMPLE.org"}, ["joe@Example.org"]),
    ({"maps": ["aliases"], "pattern": "A_?"}, ["a_c"]),
    ({"pattern": "*below*"}, ["@below.example.org"]),
    (
        {"domain": "Example.org"},
        [
            "To:ann@example.org",
            "To:example.org",
            "joe@Example.org",
            ".example.org",
            "example.org",
        ],
    ),
    ({"maps": ["access"], "domain": "example.org", "pattern": "*@*"}, ["To:ann@example.org"]),
    ({"key": "'; DROP SCHEMA mail; --"}, []),
    ({"maps": []}, []),
]


@pytest.mark.parametrize(("options", "keys"), SELECTED, ids=lambda value: str(value)[:40])
def test_what_is_asked_for_is_returned(
    database: t.Any, ansible: t.Any, options: dict[str, t.Any], keys: list[str]
) -> None:
    database.ask(ROWS)
    task = ansible.task("map_entry_info", **options)
    play = ansible.play({**task, "check_mode": True}, task)
    for told in play.told:
        assert not told.changed
        assert [entry["key"] for entry in told.result["entries"]] == keys
    assert play.told[0].everything == play.told[1].everything


def test_all_rows_are_returned_without_secrets_and_without_facts(
    database: t.Any, ansible: t.Any
) -> None:
    database.ask(ROWS)
    (told,) = ansible.play(ansible.task("map_entry_info")).told
    assert len(told.result["entries"]) == sum(told.lines.values()) == 14
    secrets = [one["value"] for one in told.result["entries"] if "AuthInfo" in one["key"]]
    assert secrets == ["(secret)", "(secret)"]
    assert "hush" not in str(told.result)
    assert "ansible_facts" not in told.result
    assert {"map": "relay_domains", "key": "partner.example", "value": None} in told.result[
        "entries"
    ]


@pytest.mark.usefixtures("database")
def test_a_missing_grant_is_told(ansible: t.Any) -> None:
    said = ansible.fails("map_entry_info", login_user="nobody")
    assert "role map_database grants it" in said
