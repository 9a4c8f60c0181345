# Copyright: (c) sqlmail contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at
# any time. Do not use it directly.

"""The linter: its findings, and which of them are a failure."""

from __future__ import annotations

import typing as t

from ansible_collections.sqlmail.sendmail.plugins.module_utils._errors import PlanError
from ansible_collections.sqlmail.sendmail.plugins.module_utils._store import Store

__all__ = ["SEVERITIES", "Finding", "Linter", "failing", "left_out"]

# From the least on.
SEVERITIES = ("info", "warning", "error")

# The worst first, as in the view; it knows the mailboxes of its table only.
_FINDINGS = """
SELECT finding.severity::text, finding.rule, finding.map, finding.key, finding.problem,
    finding.advice
FROM (
    SELECT * FROM mail.lint WHERE rule <> 'dangling_aliases'
    UNION ALL
    SELECT severity, 'dangling_aliases', map, key, problem, advice
    FROM mail.dangling_aliases(%(mailboxes)s::text[])
) AS finding
ORDER BY finding.severity DESC, finding.rule, finding.map, finding.key COLLATE "C"
"""

_RULES = """
SELECT substr(relname::text, 6)
FROM pg_class
WHERE relnamespace = 'mail'::regnamespace AND relkind = 'v' AND relname LIKE 'lint\\_%'
ORDER BY 1
"""


class Finding(t.NamedTuple):
    """What is allowed in the maps and still a mistake."""

    severity: str
    rule: str
    map: str
    key: str
    problem: str
    advice: str

    def __str__(self) -> str:
        return f"{self.severity}: {self.map} {self.key} {self.problem} ({self.rule}). {self.advice}"


def left_out(
    findings: t.Iterable[Finding], rules: t.Sequence[str], known: t.Sequence[str]
) -> list[Finding]:
    """Return the findings of all rules but these."""
    for rule in rules:
        if rule not in known:
            raise PlanError(f"there is no rule {rule!r} to leave out; rules: {', '.join(known)}")
    return [finding for finding in findings if finding.rule not in rules]


def failing(findings: t.Iterable[Finding], least: str) -> list[Finding]:
    """Return the findings of at least this severity; C(never) is above all."""
    severe = SEVERITIES[SEVERITIES.index(least) :] if least in SEVERITIES else ()
    return [finding for finding in findings if finding.severity in severe]


class Linter:
    """The views of the rules."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def rules(self) -> list[str]:
        """Return the names of the rules."""
        return [row[0] for row in self._store.ask("list the rules of the linter", _RULES)]

    def findings(self, mailboxes: t.Sequence[str]) -> list[Finding]:
        """Return all findings, the worst first, given mailboxes beside those of the table."""
        cursor = self._store.ask("ask the linter", _FINDINGS, {"mailboxes": list(mailboxes)})
        return [Finding(*row) for row in cursor.fetchall()]
