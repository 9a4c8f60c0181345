# Copyright: (c) sqlmail contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The decisions of sasl_user, as tables."""

from __future__ import annotations

import pytest
from ansible_collections.sqlmail.sendmail.plugins.modules import sasl_user

USER = "david@mx.example.org"
SECRET = "wonder-land-7"  # noqa: S105


@pytest.mark.parametrize(
    ("state", "listed", "same_password", "action"),
    [
        pytest.param("present", False, False, "add", id="absent becomes present"),
        pytest.param("present", True, False, "change", id="another password is a change"),
        pytest.param("present", True, True, "none", id="the same password is none"),
        pytest.param("absent", True, False, "delete", id="present becomes absent"),
        pytest.param("absent", False, True, "none", id="absent stays absent"),
    ],
)
def test_the_plan_says_what_is_done(state, listed, same_password, action):
    change = sasl_user.plan(USER, state, listed, same_password)
    assert change.action == action
    assert bool(change) == (action != "none")
    assert (change.before != change.after) == bool(change)


def test_a_diff_shows_only_the_user():
    assert sasl_user.plan(USER, "present", False, False).after == f"{USER}\n"
    assert sasl_user.plan(USER, "absent", True, False).before == f"{USER}\n"
    changed = sasl_user.plan(USER, "present", True, False)
    assert changed.before == f"{USER}\n"
    assert changed.after == f"{USER} (new password)\n"


@pytest.mark.parametrize(
    ("name", "realm", "password", "fault"),
    [
        pytest.param("", "r.test", SECRET, "name is empty", id="empty name"),
        pytest.param("a", "", SECRET, "realm is empty", id="empty realm"),
        pytest.param("a@b", "r.test", SECRET, "has an @", id="realm in the name"),
        pytest.param("a", "r@s", SECRET, "has an @", id="at sign in the realm"),
        pytest.param("a\n", "r.test", SECRET, "line break", id="newline in the name"),
        pytest.param("a", "r\0.test", SECRET, "NUL", id="NUL in the realm"),
        pytest.param("a", "r.test", "", "password is empty", id="empty password"),
        pytest.param("a", "r.test", None, "password is empty", id="no password"),
        pytest.param("a", "r.test", SECRET + "\n", "line break", id="newline at the end"),
        pytest.param("a", "r.test", SECRET + "\0x", "NUL", id="NUL in the password"),
        pytest.param("a", "r.test", SECRET * 200, "longer than 2048", id="too long"),
        pytest.param("a", "r.test", "ü" * 1025, "longer than 2048", id="too long in bytes"),
    ],
)
def test_what_saslpasswd2_would_cut_is_refused_without_quoting_it(name, realm, password, fault):
    found = sasl_user.faults(name, realm, password, "present")
    assert len(found) == 1
    assert fault in found[0]
    assert SECRET not in found[0]


@pytest.mark.parametrize("password", ["x", "p w", " ", "ü" * 1024, "x" * 2048, "'; --\\\""])
def test_any_other_password_is_accepted(password):
    assert sasl_user.faults("a", "r.test", password, "present") == []


def test_a_deletion_needs_no_password():
    assert sasl_user.faults("a", "r.test", None, "absent") == []


def test_the_listing_is_read_by_its_last_colon():
    listing = "a@r.test: userPassword\nb: c@r.test: userPassword\nb@r.test: cmusaslsecretOTP\n\n"
    assert sasl_user.listed_users(listing) == {"a@r.test", "b: c@r.test", "b@r.test"}
