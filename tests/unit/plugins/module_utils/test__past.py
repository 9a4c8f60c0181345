# Copyright: (c) sqlmail contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is asked of the history, and how it is shown, as tables."""

from __future__ import annotations

import datetime

import pytest
from ansible_collections.sqlmail.sendmail.plugins.module_utils._errors import PlanError
from ansible_collections.sqlmail.sendmail.plugins.module_utils._past import (
    Event,
    Undone,
    check_request,
    diff_of,
)


@pytest.mark.parametrize(
    ("action", "params"),
    [
        ("list", {}),
        ("list", {"map": "aliases", "key": "a", "change": 1, "since": "now", "limit": 1}),
        ("as_of", {"at": "now", "map": "aliases", "key": "a"}),
        ("undo", {"change": 1}),
        ("undo", {"since": "now"}),
        ("undo", {"since": "yesterday", "until": "now"}),
    ],
)
def test_good_requests(action, params):
    check_request(action, params)


@pytest.mark.parametrize(
    ("action", "params", "said"),
    [
        ("list", {"at": "now"}, "action list has no option 'at'"),
        ("list", {"limit": 0}, "at least 1"),
        ("as_of", {}, "needs at"),
        ("as_of", {"at": "now", "login": "me"}, "has no option 'login'"),
        ("undo", {}, "either change or since"),
        ("undo", {"change": 1, "since": "now"}, "either change or since"),
        ("undo", {"change": 1, "until": "now"}, "until needs since"),
        ("undo", {"change": 1, "key": "a"}, "has no option 'key'"),
    ],
)
def test_bad_requests(action, params, said):
    with pytest.raises(PlanError, match=said):
        check_request(action, params)


ROWS = [
    Undone("local_domains", "a.example", None, ""),
    Undone("aliases", "b", "new", "old"),
    Undone("authinfo", "AuthInfo:a", "P:new", "P:old"),
    Undone("aliases", "a", "new", None),
]


def test_the_diff_has_sorted_lines_of_all_maps():
    diff = diff_of("maps", ROWS)
    assert (diff["before_header"], diff["after_header"]) == ("maps", "maps")
    assert diff["before"].splitlines() == [
        "aliases\ta\tnew",
        "aliases\tb\tnew",
        "authinfo\tAuthInfo:a\t(secret)",
    ]
    assert diff["after"].splitlines() == [
        "aliases\tb\told",
        "authinfo\tAuthInfo:a\t(another secret)",
        "local_domains\ta.example",
    ]


def test_an_event_is_shown_without_its_secret():
    at = datetime.datetime(2026, 11, 20, 12, tzinfo=datetime.UTC)
    event = Event(1, at, "a", "b", None, "psql", None, "authinfo", "insert", "k", None, "P:x")
    shown = event.as_result()
    assert shown["at"] == "2026-11-20T12:00:00+00:00"
    assert (shown["old"], shown["new"]) == (None, "(secret)")
