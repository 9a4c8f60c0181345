# Copyright: (c) sqlmail contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which findings are a failure, as tables."""

from __future__ import annotations

import pytest
from ansible_collections.sqlmail.sendmail.plugins.module_utils._errors import PlanError
from ansible_collections.sqlmail.sendmail.plugins.module_utils._lint import (
    Finding,
    failing,
    left_out,
)

FINDINGS = [
    Finding(severity, rule, "aliases", "a", "is odd", "Correct it.")
    for severity, rule in (("error", "one"), ("warning", "two"), ("info", "two"))
]


@pytest.mark.parametrize(
    ("least", "count"), [("info", 3), ("warning", 2), ("error", 1), ("never", 0)]
)
def test_severities(least, count):
    assert failing(FINDINGS, least) == FINDINGS[:count]


@pytest.mark.parametrize(
    ("rules", "expected"), [([], FINDINGS), (["two"], FINDINGS[:1]), (["two", "one"], [])]
)
def test_rules_are_left_out(rules, expected):
    assert left_out(FINDINGS, rules, ["one", "two"]) == expected


def test_an_unknown_rule_is_refused():
    with pytest.raises(PlanError, match="no rule 'three' to leave out; rules: one, two"):
        left_out(FINDINGS, ["three"], ["one", "two"])


def test_a_finding_is_one_sentence_and_advice():
    assert str(FINDINGS[0]) == "error: aliases a is odd (one). Correct it."
