# SPDX-License-Identifier: GPL-3.0-or-later
"""One user who logs in (A59)."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.sqlmail.sendmail.plugins.module_utils._scram import verifies

USER = {"name": "david", "realm": "mx.example.org"}
# One word, its letters typed as one character each, and as two.
ACCENTED = ("\u00e9t\u00e9", "e\u0301te\u0301")
LOGIN = "david@mx.example.org"
# The lines of a diff; a verifier that is not the first one is another password.
LINES = """
SELECT concat_ws(
    E'\\t',
    login,
    CASE WHEN enabled THEN 'enabled' ELSE 'disabled' END,
    CASE WHEN verifier IS NULL THEN 'without a password' END,
    comment,
    CASE WHEN created < password_set THEN '(another password)' END
)
FROM mail.sasl_users
"""


def verifier(database: t.Any, login: str = LOGIN) -> str:
    return database.ask(f"SELECT verifier FROM mail.sasl_users WHERE login = '{login}'")


@pytest.fixture
def david(database: t.Any, ansible: t.Any) -> t.Any:
    """The database with a user."""
    told = ansible.play(ansible.task("sasl_sql_user", **USER, password="first")).told[0]
    assert told.changed
    return database


def test_a_new_user_four_times(database: t.Any, ansible: t.Any) -> None:
    told = ansible.four_times(
        "sasl_sql_user", **USER, password=ACCENTED[0], comment="accounts", lines=LINES
    )
    assert told[1].result["action"] == "add"
    assert told[1].result["user"] == {
        "login": LOGIN,
        "enabled": True,
        "comment": "accounts",
        "has_password": True,
    }
    stored = verifier(database)
    # Typed as two characters it is the same password.
    assert verifies(ACCENTED[1], stored)
    assert stored.startswith("SCRAM-SHA-256$15000:")


@pytest.mark.parametrize(
    "options",
    [
        {"password": "second"},
        {"enabled": False},
        {"comment": "accounts"},
        {"password": "second", "enabled": False, "comment": "left"},
        {"state": "absent"},
    ],
    ids=" ".join,
)
def test_a_change_four_times(david: t.Any, ansible: t.Any, options: dict[str, t.Any]) -> None:
    before = verifier(david)
    ansible.four_times("sasl_sql_user", **USER, **options, lines=LINES)
    if options.get("state") != "absent":
        assert (verifier(david) == before) == ("password" not in options)


def test_the_salt_stays_while_the_password_does(david: t.Any, ansible: t.Any) -> None:
    before = verifier(david)
    play = ansible.play(
        ansible.task("sasl_sql_user", **USER, password="first"),
        ansible.task("sasl_sql_user", name="david", realm="MX.example.ORG", password="first"),
        ansible.task("sasl_sql_user", **USER),
        ansible.task("sasl_sql_user", **USER, password="other", update_password="on_create"),
    )
    assert [told.changed for told in play.told] == [False] * 4
    assert verifier(david) == before


def test_a_password_that_is_hashed_too_seldom_is_hashed_again(david: t.Any, ansible: t.Any) -> None:
    more = {**USER, "password": "first", "iterations": 20000}
    play = ansible.play(
        *[ansible.task("sasl_sql_user", **more)] * 2,
        ansible.task("sasl_sql_user", **USER, password="first"),
    )
    assert [told.changed for told in play.told] == [True, False, False]
    assert "(another password)" in play.told[0].diff["after"]
    assert verifier(david).startswith("SCRAM-SHA-256$20000:")
    assert verifies("first", verifier(david))


def test_a_user_without_a_password_gets_one(david: t.Any, ansible: t.Any) -> None:
    david.ask("UPDATE mail.sasl_users SET verifier = NULL")
    play = ansible.play(
        ansible.task("sasl_sql_user", **USER),
        ansible.task("sasl_sql_user", **USER, password="x", update_password="on_create"),
    )
    assert [told.changed for told in play.told] == [False, True]
    assert "without a password" in play.told[1].diff["before"]
    assert verifies("x", verifier(david))


def test_a_remark_is_taken_away(david: t.Any, ansible: t.Any) -> None:
    david.ask("UPDATE mail.sasl_users SET comment = 'old'")
    ansible.four_times("sasl_sql_user", **USER, comment="", lines=LINES)
    assert david.ask("SELECT comment IS NULL FROM mail.sasl_users") == "t"


@pytest.mark.usefixtures("database")
@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "there is no user 'david@mx.example.org'; a new user needs a password"),
        ({"password": ""}, "the password is empty"),
        ({"password": "hush\0hush"}, "control character"),
        ({"password": "x", "name": "a@b"}, "is not a user, an @ and a realm"),
        ({"password": "x", "name": ""}, "is not a user, an @ and a realm"),
        ({"password": "x", "realm": "mx example"}, "contains a blank"),
        ({"password": "x", "iterations": 4095}, "must be from 4096"),
        ({"password": "x", "iterations": 65537}, "to 65536"),
    ],
)
def test_what_cannot_be_is_refused(ansible: t.Any, options: dict[str, t.Any], said: str) -> None:
    refusal = ansible.fails("sasl_sql_user", **{**USER, **options})
    assert said in refusal
    assert "hush" not in refusal
