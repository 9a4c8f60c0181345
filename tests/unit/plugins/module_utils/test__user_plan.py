# Copyright: (c) sqlmail contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is to be done to a user."""

from __future__ import annotations

import pytest
from ansible_collections.sqlmail.sendmail.plugins.module_utils._errors import PlanError
from ansible_collections.sqlmail.sendmail.plugins.module_utils._user_plan import User, plan_user

LOGIN = "david@mx.example.org"
THERE = User(LOGIN, True, "accounts", True, fits=True)
OTHER = THERE._replace(fits=False)
BARE = User(LOGIN, True, None, False)


@pytest.mark.parametrize(
    ("found", "wanted", "action", "columns", "new_password"),
    [
        pytest.param(
            None, {"password": True}, "add", {"enabled": True, "comment": None}, True, id="new"
        ),
        pytest.param(
            None,
            {"password": True, "enabled": False, "comment": "x"},
            "add",
            {"enabled": False, "comment": "x"},
            True,
            id="new and disabled",
        ),
        pytest.param(THERE, {"password": True}, "none", {}, False, id="the same password"),
        pytest.param(THERE, {}, "none", {}, False, id="nothing asked"),
        pytest.param(OTHER, {}, "none", {}, False, id="no password given"),
        pytest.param(OTHER, {"password": True}, "change", {}, True, id="another password"),
        pytest.param(
            OTHER,
            {"password": True, "only_first": True},
            "none",
            {},
            False,
            id="he has one",
        ),
        pytest.param(
            BARE,
            {"password": True, "only_first": True},
            "change",
            {},
            True,
            id="he has none",
        ),
        pytest.param(THERE, {"enabled": True}, "none", {}, False, id="enabled already"),
        pytest.param(THERE, {"enabled": False}, "change", {"enabled": False}, False, id="disable"),
        pytest.param(THERE, {"comment": "accounts"}, "none", {}, False, id="the same remark"),
        pytest.param(THERE, {"comment": ""}, "change", {"comment": None}, False, id="no remark"),
        pytest.param(BARE, {"comment": ""}, "none", {}, False, id="no remark already"),
        pytest.param(THERE, {"state": "absent"}, "delete", {}, False, id="delete"),
        pytest.param(None, {"state": "absent"}, "none", {}, False, id="deleted already"),
    ],
)
def test_a_plan(found, wanted, action, columns, new_password):
    change = plan_user(LOGIN, found, **{"state": "present", "password": False, **wanted})
    assert (change.action, change.columns, change.new_password) == (action, columns, new_password)
    assert bool(change) == (action != "none")
    assert (change.as_diff("x")["before"] == change.as_diff("x")["after"]) == (action == "none")


def test_a_new_user_needs_a_password():
    with pytest.raises(PlanError, match="needs a password"):
        plan_user(LOGIN, None, state="present", password=False)


def test_a_diff_says_what_may_be_said():
    change = plan_user(LOGIN, OTHER, state="present", password=True, enabled=False)
    assert change.as_diff("users")["before"] == f"{LOGIN}\tenabled\taccounts\n"
    assert change.as_diff("users")["after"] == f"{LOGIN}\tdisabled\taccounts\t(another password)\n"
    change = plan_user(LOGIN, BARE, state="present", password=True)
    assert change.as_diff("users")["before"] == f"{LOGIN}\tenabled\twithout a password\n"
