# Copyright: (c) sqlmail contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at
# any time. Do not use it directly.

"""The history of the maps: who changed what, what was there, and how to take it back."""

from __future__ import annotations

import typing as t

from ansible_collections.sqlmail.sendmail.plugins.module_utils._errors import PlanError
from ansible_collections.sqlmail.sendmail.plugins.module_utils._past import Event, Undone
from ansible_collections.sqlmail.sendmail.plugins.module_utils._plan import MAPS
from ansible_collections.sqlmail.sendmail.plugins.module_utils._store import Store

try:
    from psycopg2 import sql
except ImportError:
    # open_store() says so.
    sql = None

__all__ = ["History"]

# Keys are compared as lookups compare them; other tables have exact keys.
_SAME_KEY = """
(%(key)s IS NULL OR CASE
    WHEN entry.map = ANY (%(maps)s::text[])
    THEN mail.fold(entry.map, entry.key) = mail.fold(entry.map, %(key)s)
    ELSE entry.key = %(key)s
END)
"""

_LIST = f"""
SELECT
    entry.change, entry.at, entry.login, entry.role, host(entry.client), entry.application,
    entry.undoes, entry.map, entry.action, entry.key, entry.old, entry.new
FROM mail.history AS entry
WHERE (%(map)s IS NULL OR entry.map = %(map)s)
    AND (%(change)s IS NULL OR entry.change = %(change)s)
    AND (%(since)s IS NULL OR entry.at > %(since)s::timestamptz)
    AND (%(until)s IS NULL OR entry.at <= %(until)s::timestamptz)
    AND (%(login)s IS NULL OR entry.login = %(login)s)
    AND {_SAME_KEY}
ORDER BY entry.change DESC, entry.number DESC
LIMIT %(limit)s
"""  # noqa: S608 - all of it stands here

_AS_OF = f"""
SELECT entry.map, entry.key, entry.value
FROM mail.entries_as_of(%(at)s::timestamptz) AS entry
WHERE (%(map)s IS NULL OR entry.map = %(map)s) AND {_SAME_KEY}
ORDER BY entry.map COLLATE "C", entry.key COLLATE "C"
"""  # noqa: S608 - all of it stands here

_SPAN = """
SELECT
    %(since)s::timestamptz < mail.history_begins(),
    mail.history_begins(),
    ARRAY(
        SELECT change.number
        FROM mail.changes AS change
        WHERE change.at > %(since)s::timestamptz
            AND change.at <= coalesce(%(until)s::timestamptz, 'infinity')
        ORDER BY change.number
    )
"""


class History:
    """What was written down about the rows of the maps."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def listed(self, filters: t.Mapping[str, t.Any], limit: int) -> list[Event]:
        """Return the newest rows that changed, the oldest of them first."""
        names = ("map", "key", "change", "since", "until", "login")
        wanted = {name: filters.get(name) for name in names}
        cursor = self._store.ask(
            "read the history", _LIST, {**wanted, "limit": limit, "maps": list(MAPS)}
        )
        return [Event(*row) for row in cursor.fetchall()][::-1]

    def as_of(self, at: str, name: str | None, key: str | None) -> list[tuple[str, str, str]]:
        """Return map, key and value of the rows that were there at a moment."""
        return self._store.ask(
            f"read the rows as of {at!r}",
            _AS_OF,
            {"at": at, "map": name, "key": key, "maps": list(MAPS)},
        ).fetchall()

    def changes(self, since: str, until: str | None) -> list[int]:
        """Return the numbers of the changes of a time span, its beginning excluded."""
        too_early, begins, numbers = self._store.ask(
            f"find the changes since {since!r}", _SPAN, {"since": since, "until": until}
        ).fetchone()
        if too_early:
            raise PlanError(
                f"history does not reach back to {since!r}; it begins at {begins.isoformat()},"
                " and what was before was pruned, or not recorded yet"
            )
        return numbers

    def try_undo(self, numbers: t.Sequence[int]) -> list[Undone]:
        """Return what an undo would take back; refuse as it would."""
        cursor = self._store.ask(
            _attempt(numbers),
            "SELECT map, key, undone, restored FROM mail.try_undo(%(numbers)s::bigint[])",
            {"numbers": list(numbers)},
        )
        return [Undone(*row) for row in cursor.fetchall()]

    def undo(self, numbers: t.Sequence[int], *, check_mode: bool) -> int | None:
        """Take changes back; return the number that has now, None in check mode."""
        attempt = _attempt(numbers)
        statement = sql.SQL("SELECT FROM mail.undo_changes(%(numbers)s::bigint[])")
        self._store.change(attempt, statement, {"numbers": list(numbers)})
        return self._store.conclude(attempt, check_mode=check_mode)["change"]


def _attempt(numbers: t.Sequence[int]) -> str:
    if len(numbers) == 1:
        return f"take change {numbers[0]} back"
    return f"take {len(numbers)} changes back"
