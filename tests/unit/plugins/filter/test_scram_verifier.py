# Copyright: (c) sqlmail contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The filter keeps what fits and replaces what does not."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.sqlmail.sendmail.plugins.filter.scram_verifier import scram_verifier
from ansible_collections.sqlmail.sendmail.plugins.module_utils._scram import verifies


def test_a_verifier_that_fits_is_kept():
    stored = scram_verifier("secret")
    assert scram_verifier("secret", stored) == stored


@pytest.mark.parametrize("stored", ["", "md5d41d8cd98f00b204e9800998ecf8427e", None])
def test_another_one_is_replaced(stored):
    assert verifies("secret", scram_verifier("secret", stored))


def test_a_new_password_makes_a_new_verifier():
    stored = scram_verifier("old")
    assert verifies("new", scram_verifier("new", stored))


@pytest.mark.parametrize("password", ["", None, 5, "\u0007"])
def test_what_is_no_password_is_refused(password):
    with pytest.raises(AnsibleFilterError, match="scram_verifier"):
        scram_verifier(password)
