# Copyright: (c) sqlmail contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at
# any time. Do not use it directly.

"""The rows of the maps: how they are read and changed."""

from __future__ import annotations

import collections
import typing as t

from ansible_collections.sqlmail.sendmail.plugins.module_utils._bulk import (
    Listed,
    Rows,
    Work,
    as_result,
    check_deletions,
    plan_map,
)
from ansible_collections.sqlmail.sendmail.plugins.module_utils._errors import (
    OvertakenError,
    StoreError,
)
from ansible_collections.sqlmail.sendmail.plugins.module_utils._plan import (
    CLASSES,
    Entry,
    like,
)
from ansible_collections.sqlmail.sendmail.plugins.module_utils._store import Store

try:
    from psycopg2 import sql
except ImportError:
    # open_store() says so.
    sql = None

__all__ = ["Entries", "again", "settle"]

# So many keys are asked for in one statement.
_PIECE = 1000
# A table this small beside a list, in bytes for each entry, is read as a whole:
# that is faster than to ask for each key.
_SMALL = 300

# What is to be done, row by row, and what was there when that was decided.
_STAGE = """
CREATE TEMPORARY TABLE staged (
    number int, map text, folded text, kind text, key text, old text, value text, plant boolean
) ON COMMIT DROP
"""

_WRITE = {
    "removed": """
DELETE FROM {table} AS entry USING pg_temp.staged
WHERE staged.map = %(map)s AND staged.kind = 'removed' AND entry.lookup_key = staged.folded
    AND entry.key = staged.key AND entry.value IS NOT DISTINCT FROM staged.old
""",
    "updated": """
UPDATE {table} AS entry SET value = staged.value FROM pg_temp.staged
WHERE staged.map = %(map)s AND staged.kind = 'updated' AND entry.lookup_key = staged.folded
    AND entry.key = staged.key AND entry.value IS NOT DISTINCT FROM staged.old
""",
    "added": """
INSERT INTO {table} (key, value) SELECT staged.key, staged.value FROM pg_temp.staged
WHERE staged.map = %(map)s AND staged.kind = 'added' ORDER BY staged.number
""",
    "planted": """
INSERT INTO mail.seeds (map, key, value) SELECT staged.map, staged.key, staged.value
FROM pg_temp.staged WHERE staged.map = %(map)s AND staged.plant ORDER BY staged.number
""",
}
# One fault of one row, as its table would find it; the first to be asked is refused.
_JUDGE = """
SELECT mail.refuse(map, key, fault) FROM (
    SELECT map, key, mail.fault_of(map, key, value) AS fault FROM (
        SELECT map, key::{domain} AS key, value::mail.map_value AS value FROM pg_temp.staged
        WHERE map = %(map)s AND kind <> 'removed' AND number >= %(low)s AND number < %(high)s
        OFFSET 0
    ) AS typed OFFSET 0
) AS judged WHERE NOT fault IS NULL
"""


class Entries:
    """The rows of the maps, in one transaction."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def lock(self, names: t.Iterable[str]) -> None:
        """Wait until no other module writes to these maps; always in the same order."""
        for name in sorted(names):
            self._store.lock(f"lock map {name!r}", name)

    def read(self, name: str, wanted: t.Sequence[Listed], patterns: t.Sequence[str] = ()) -> Rows:
        """Return the rows of a map that have the keys wanted, or fit one of the patterns.

        The keys are checked by the database here.
        """
        attempt = f"read map {name!r}"
        select = sql.SQL("SELECT lookup_key, key, value FROM {}").format(
            sql.Identifier("mail", name)
        )
        patterns = self._store.ask(
            attempt,
            "SELECT array_agg(mail.fold(%(map)s, pattern))"
            " FROM unnest(%(patterns)s::text[]) AS pattern",
            {"map": name, "patterns": list(patterns)},
        ).fetchone()[0]
        whole = "*" in (patterns or ()) or self._size(attempt, name) < _SMALL * len(wanted)
        rows: dict[str, Entry] = {}
        if whole:
            rows.update(self._rows(attempt, select))
        elif patterns:
            scoped = select + sql.SQL(" WHERE lookup_key LIKE ANY (%(patterns)s::text[])")
            rows.update(self._rows(attempt, scoped, {"patterns": list(map(like, patterns))}))
        # A key that a row has just so need not be folded again.
        folded = {row.key: key for key, row in rows.items()}
        folded.update(self._fold(name, [one for one in wanted if one.key not in folded]))
        if not whole:
            missing = sorted({folded[one.key] for one in wanted} - set(rows))
            chosen = select + sql.SQL(" WHERE lookup_key = ANY (%(keys)s::text[])")
            for at in range(0, len(missing), _PIECE):
                rows.update(self._rows(attempt, chosen, {"keys": missing[at : at + _PIECE]}))
        return Rows(
            [folded[one.key] for one in wanted], rows, self._seeds(attempt, name), patterns or ()
        )

    def hold(self, plain: t.Mapping[str, t.Mapping[str, str | None]], *, exact: bool) -> bool:
        """Tell whether the maps have these entries word for word, and no others if exact.

        This is for long lists that change little: reading the map is all that it costs.
        """
        for name, entries in plain.items():
            attempt, table = f"read map {name!r}", sql.Identifier("mail", name)
            if self._size(attempt, name) > _SMALL * len(entries):
                return False
            select = sql.SQL("SELECT key, value FROM {}").format(table)
            rows = dict(self._store.ask(attempt, select).fetchall())
            if not entries.items() <= rows.items() or (exact and len(rows) > len(entries)):
                return False
        return True

    def write(self, work: t.Sequence[Work]) -> None:
        """Do the work, all of it or none."""
        attempt = "write to the maps"
        self._store.ask(attempt, _STAGE)
        self._store.copy(attempt, "COPY pg_temp.staged FROM STDIN", _staged(work))
        if len(work) > _PIECE:
            self._store.ask(attempt, "ANALYZE pg_temp.staged")
        try:
            with self._store.savepoint():
                for name in sorted({one.map for one in work}):
                    self._write(name, [one for one in work if one.map == name])
        except OvertakenError:
            raise
        except StoreError as refusal:
            if _is_of_a_row(refusal):
                self._judge(work)
            raise

    def _size(self, attempt: str, name: str) -> int:
        statement = "SELECT pg_relation_size(%(table)s)"
        return self._store.ask(attempt, statement, {"table": f"mail.{name}"}).fetchone()[0]

    def _rows(
        self, attempt: str, statement: t.Any, values: t.Mapping[str, t.Any] | None = None
    ) -> t.Iterator[tuple[str, Entry]]:
        for folded, key, value in self._store.ask(attempt, statement, values).fetchall():
            # Most keys are spelled as they are compared; one copy is enough.
            yield (key if folded == key else folded), Entry(key, value)

    def _seeds(self, attempt: str, name: str) -> dict[str, list[Entry]]:
        seeds: dict[str, list[Entry]] = {}
        statement = "SELECT lookup_key, key, value FROM mail.seeds WHERE map = %(map)s"
        for folded, seed in self._rows(attempt, statement, {"map": name}):
            seeds.setdefault(folded, []).append(seed)
        return seeds

    def _fold(self, name: str, wanted: t.Sequence[Listed]) -> t.Iterator[tuple[str, str]]:
        """Yield the keys wanted, each with what it is compared as."""
        statement = sql.SQL(
            "SELECT mail.fold(%(map)s, asked.key::{domain})"
            " FROM unnest(%(keys)s::text[]) WITH ORDINALITY AS asked (key, number) ORDER BY number"
        ).format(domain=_domain(name))

        def ask(low: int, high: int) -> list[str]:
            attempt = f"manage {wanted[low]}" if high - low == 1 else f"read map {name!r}"
            keys = [one.key for one in wanted[low:high]]
            answer = self._store.ask(attempt, statement, {"map": name, "keys": keys})
            return [row[0] for row in answer.fetchall()]

        for low in range(0, len(wanted), _PIECE):
            high = min(low + _PIECE, len(wanted))
            for one, folded in zip(wanted[low:high], self._by_halves(ask, low, high)):  # noqa: B905
                yield one.key, folded

    def _by_halves(self, ask: t.Callable[[int, int], list[str]], low: int, high: int) -> list[str]:
        """Ask about some rows; if that is refused, about half of them, until one is left."""
        try:
            with self._store.savepoint():
                return ask(low, high)
        except StoreError as refusal:
            if high - low == 1 or not _is_of_a_row(refusal):
                raise
        middle = (low + high) // 2
        return self._by_halves(ask, low, middle) + self._by_halves(ask, middle, high)

    def _write(self, name: str, work: t.Sequence[Work]) -> None:
        """Do the work on one map; what is no longer as it was read stops it."""
        attempt = f"write to map {name!r}"
        counts = collections.Counter(one.kind for one in work)
        counts["planted"] = sum(one.plant for one in work)
        for kind, statement in _WRITE.items():
            expected = counts[kind]
            if not expected:
                continue
            written = self._store.change(
                attempt,
                sql.SQL(" ".join(statement.split())).format(table=sql.Identifier("mail", name)),
                {"map": name},
            ).rowcount
            if written != expected:
                raise OvertakenError(
                    f"cannot {attempt}: another client changed {expected - written} of its rows in"
                    " the meantime; run again"
                )

    def _judge(self, work: t.Sequence[Work]) -> None:
        """Find the row that is refused by itself, if there is one, and refuse it by name."""
        for name in sorted({one.map for one in work}):
            statement = sql.SQL(_JUDGE).format(domain=_domain(name))

            def ask(
                low: int, high: int, name: str = name, statement: t.Any = statement
            ) -> list[str]:
                values = {"map": name, "low": low, "high": high}
                self._store.ask(f"write {work[low]}", statement, values)
                return []

            self._by_halves(ask, 0, len(work))


def settle(
    store: Store,
    wanted: t.Sequence[Listed],
    exact: t.Mapping[str, t.Sequence[str]],
    *,
    max_deletions: int = -1,
    check_mode: bool,
) -> dict[str, t.Any]:
    """Read the maps, plan, and apply; check mode takes back what it tried.

    Maps in exact keep only what is wanted, as far as the patterns reach.
    """
    entries = Entries(store)
    names = sorted({one.map for one in wanted} | set(exact))
    entries.lock(names)
    work: list[Work] = []
    kept: list[dict[str, str]] = []
    for name in names:
        of_map = [one for one in wanted if one.map == name]
        found = entries.read(name, of_map, exact.get(name, ()))
        plan = plan_map(name, of_map, found)
        work += plan.work
        kept += [{"map": name, "key": key} for key in plan.kept]
    check_deletions(work, max_deletions)
    result = {**as_result(work, store.database), "kept": kept}
    if work:
        entries.write(work)
        result.update(store.conclude("write to the maps", check_mode=check_mode))
    return {**result, "queries": store.queries}


def again(call: t.Callable[[], dict[str, t.Any]]) -> dict[str, t.Any]:
    """Start over when another client was faster, and say so; once."""
    said: list[str] = []
    while True:
        try:
            return {**call(), **({"warnings": said} if said else {})}
        except OvertakenError as reason:
            if said:
                raise
            said.append(f"started over, as another client was faster: {reason}")


def _domain(name: str) -> t.Any:
    """Name the domain of the keys of a map."""
    return sql.Identifier("mail", "class_member" if name in CLASSES else "map_key")


def _is_of_a_row(refusal: StoreError) -> bool:
    """Tell whether the content of a row was refused: a data exception, or a constraint."""
    return (refusal.sqlstate or "")[:2] in ("22", "23")


def _staged(work: t.Iterable[Work]) -> t.Iterator[tuple[t.Any, ...]]:
    """Yield the rows of the table _STAGE."""
    for number, one in enumerate(work):
        before, after = one.change
        yield (
            number,
            one.map,
            one.folded,
            one.kind,
            one.key,
            before and before.value,
            after and after.value,
            one.plant,
        )
