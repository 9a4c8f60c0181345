# Copyright: (c) sqlmail contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at
# any time. Do not use it directly.

"""What is asked of the history, and how it is shown.

Imports neither Ansible nor psycopg2, so that its tests are tables.
"""

from __future__ import annotations

import datetime
import typing as t

from ansible_collections.sqlmail.sendmail.plugins.module_utils._errors import PlanError
from ansible_collections.sqlmail.sendmail.plugins.module_utils._plan import as_diff, veiled

__all__ = [
    "ACTIONS",
    "Event",
    "Undone",
    "check_request",
    "diff_of",
]

ACTIONS = ("list", "as_of", "undo")

# Which options an action has; those of the connection are for all.
_OPTIONS = {
    "list": ("map", "key", "change", "since", "until", "login", "limit"),
    "as_of": ("at", "map", "key"),
    "undo": ("change", "since", "until"),
}


class Event(t.NamedTuple):
    """A row that somebody changed; a value of None means no row."""

    change: int
    at: datetime.datetime
    login: str
    role: str
    client: str | None
    application: str
    undoes: list[int] | None
    map: str
    action: str
    key: str
    old: str | None
    new: str | None

    def as_result(self) -> dict[str, t.Any]:
        """Return the event in the form of a return value, as it may be shown."""
        old, new = veiled(self.map, self.key, self.old, self.new)
        return {**self._replace(old=old, new=new)._asdict(), "at": self.at.isoformat()}


class Undone(t.NamedTuple):
    """A row that an undo takes back; None means no row."""

    map: str
    key: str
    undone: str | None
    restored: str | None

    def veiled(self) -> Undone:
        """Return the row as it may be shown."""
        undone, restored = veiled(self.map, self.key, self.undone, self.restored)
        return self._replace(undone=undone, restored=restored)


def check_request(action: str, params: t.Mapping[str, t.Any]) -> None:
    """Refuse options that mean nothing together."""
    names = {name for options in _OPTIONS.values() for name in options}
    for name in sorted(names - set(_OPTIONS[action])):
        if params.get(name) is not None:
            raise PlanError(
                f"action {action} has no option {name!r}; it has {', '.join(_OPTIONS[action])}"
            )
    if action == "as_of" and params.get("at") is None:
        raise PlanError("action as_of needs at, the moment to look at")
    if action == "undo":
        if (params.get("change") is None) == (params.get("since") is None):
            raise PlanError("action undo needs either change or since, to know what to take back")
        if params.get("until") is not None and params.get("since") is None:
            raise PlanError("option until needs since, where the span begins")
    if params.get("limit") is not None and params["limit"] < 1:
        raise PlanError("option limit must be at least 1")


def diff_of(title: str, rows: t.Iterable[Undone]) -> dict[str, str]:
    """Return rows in the form of Ansible's diff mode: map, key and value of each."""
    before, after = [], []
    for row in rows:
        shown = row.veiled()
        for lines, value in ((before, shown.undone), (after, shown.restored)):
            if value is not None:
                # A member of a class need not have a remark.
                lines.append("\t".join([row.map, row.key] + [value] * bool(value)) + "\n")
    return as_diff(title, "".join(sorted(before)), "".join(sorted(after)))
