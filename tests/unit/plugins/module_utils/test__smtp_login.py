# Copyright: (c) sqlmail contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The client of SCRAM, judged by the example of RFC 7677, section 3."""

from __future__ import annotations

import pytest
from ansible_collections.sqlmail.sendmail.plugins.module_utils._smtp_login import (
    LoginError,
    Scram,
)

FIRST = b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
FINAL = (
    "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
    "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
)
SIGNATURE = b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="


@pytest.fixture
def client():
    return Scram("user", "pencil", "rOprNGfwEbeRWgbNEkqO")


def test_the_example_of_the_rfc(client):
    assert client() == "n,,n=user,r=rOprNGfwEbeRWgbNEkqO"
    assert client(FIRST) == FINAL
    assert client(SIGNATURE) == ""


def test_a_server_that_cannot_prove_itself_is_not_believed(client):
    client()
    client(FIRST)
    with pytest.raises(LoginError, match="verifier"):
        client(SIGNATURE.replace(b"6rri", b"7rri"))


def test_a_name_is_quoted():
    assert Scram("a=b,c", "x", "y")() == "n,,n=a=3Db=2Cc,r=y"
