# Copyright: (c) sqlmail contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""SCRAM verifiers, judged by a vector made by PostgreSQL 17."""

from __future__ import annotations

import base64

import pytest
from ansible_collections.sqlmail.sendmail.plugins.module_utils._scram import (
    make_verifier,
    prepare,
    verifies,
)

VECTOR = (
    "SCRAM-SHA-256$4096:lYvjP8zhmWMc3o+ncK72pQ==$1oRQfsihz/UthtRy"
    "mbBJICqqo1VhhJ0s7XjEg5P3ETo=:RcWcxPfu4lMjVkjCMUSMS/sAoQP+pO+/ukcv+lrh0q0="
)


def test_a_verifier_of_postgresql_is_recognised():
    assert verifies("correct horse", VECTOR)
    assert not verifies("Correct horse", VECTOR)


def test_the_same_salt_gives_the_verifier_of_postgresql():
    salt = base64.b64decode(VECTOR.split(":")[1].split("$")[0])
    assert make_verifier("correct horse", salt) == VECTOR


def test_every_verifier_has_its_own_salt():
    one, two = make_verifier("x"), make_verifier("x")
    assert one != two
    assert verifies("x", one)
    assert verifies("x", two)


@pytest.mark.parametrize(
    "verifier",
    [
        pytest.param("", id="empty"),
        pytest.param("md5d41d8cd98f00b204e9800998ecf8427e", id="md5"),
        pytest.param("x", id="clear"),
        pytest.param(make_verifier("x", iterations=100), id="too few iterations"),
    ],
)
def test_anything_else_does_not_verify(verifier):
    assert not verifies("x", verifier)


# The examples of RFC 4013, section 3, and what clients do with a password.
@pytest.mark.parametrize(
    ("password", "prepared"),
    [
        pytest.param("I\u00adX", "IX", id="a soft hyphen is nothing"),
        pytest.param("user", "user", id="ASCII stays"),
        pytest.param("USER", "USER", id="case stays"),
        pytest.param("\u00aa", "a", id="a letter in another form"),
        pytest.param("\u2168", "IX", id="a number in another form"),
        pytest.param("cafe\u0301", "caf\u00e9", id="two characters are one letter"),
        pytest.param("a\u00a0b", "a b", id="a blank is a blank"),
        pytest.param("\u05d0\u05d1", "\u05d0\u05d1", id="right to left"),
    ],
)
def test_a_password_is_prepared(password, prepared):
    assert prepare(password) == prepared
    assert verifies(prepared, make_verifier(password))


@pytest.mark.parametrize(
    "password", ["a\nb", "a\0b", "\u0007", "\u0627\u0031", "\ue000", "", "\u00ad"]
)
def test_a_password_that_saslprep_prohibits_is_refused(password):
    with pytest.raises(ValueError, match="the password"):
        make_verifier(password)
