# Copyright: (c) sqlmail contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at
# any time. Do not use it directly.

"""What has to change in the maps, decided once for a whole list of entries.

Imports neither Ansible nor psycopg2, so that its tests are tables.
"""

from __future__ import annotations

import re
import typing as t

from ansible_collections.sqlmail.sendmail.plugins.module_utils._errors import PlanError
from ansible_collections.sqlmail.sendmail.plugins.module_utils._plan import (
    CLASSES,
    SECRETS,
    Change,
    Entry,
    Found,
    as_diff,
    plan_entry,
)

__all__ = [
    "Listed",
    "Rows",
    "Work",
    "as_result",
    "check_deletions",
    "checked",
    "listed_entries",
    "plain_entries",
    "plan_map",
    "scopes",
]

# Keys that a message names before it says "and so many more".
_NAMED = 5


def named(position: int, key: str, name: str) -> str:
    """Name an entry for a message, and its place in the list if it has one."""
    place = f"entry {position}, " if position else ""
    return f"{place}key {key!r} of map {name!r}"


class Listed(t.NamedTuple):
    """An entry that was asked for, and where it stands in the list."""

    position: int
    map: str
    key: str
    value: str | None
    state: str

    def __str__(self) -> str:
        return named(self.position, self.key, self.map)


class Rows(t.NamedTuple):
    """What the database has for the entries of a map."""

    # The keys asked for as they are compared, in their order.
    folded: t.Sequence[str]
    # Rows by their key as it is compared.
    rows: t.Mapping[str, Entry]
    # What was planted, by the same key; seeds that differ in spelling share it.
    seeds: t.Mapping[str, t.Collection[Entry]]
    # The scope of exact, as it is compared; none if the map is not exact.
    patterns: t.Sequence[str] = ()


class Work(t.NamedTuple):
    """What is done to one row."""

    map: str
    folded: str
    change: Change
    plant: bool
    # Of the entry in the list; 0 if the list does not have it.
    position: int

    @property
    def key(self) -> str:
        """Key of the row, as it is spelled."""
        return (self.change.before or self.change.after or Entry("", None)).key

    @property
    def kind(self) -> str:
        """What becomes of the row."""
        if self.change.before and self.change.after:
            return "updated"
        return "removed" if self.change.before else "added"

    def __str__(self) -> str:
        return named(self.position, self.key, self.map)


class Plan(t.NamedTuple):
    """What is done to a map, and the planted rows that exact leaves there."""

    work: list[Work]
    kept: list[str]


def listed_entries(
    entries: t.Iterable[t.Mapping[str, t.Any]], name: str | None, state: str
) -> list[Listed]:
    """Return the entries with their maps and states; refuse what does not suit its map."""
    plain = "present" if state == "exact" else state
    return [
        checked(
            Listed(
                position,
                entry.get("map") or name or "",
                entry["key"],
                entry.get("value"),
                entry.get("state") or plain,
            ),
            entry.get("secret"),
        )
        for position, entry in enumerate(entries, 1)
    ]


def plain_entries(
    entries: t.Sequence[t.Mapping[str, t.Any]], name: str | None, state: str
) -> dict[str, dict[str, str | None]] | None:
    """Return the values by map and key; none if there is more to the list than keys and values."""
    if state not in ("present", "exact"):
        return None
    result: dict[str, dict[str, str | None]] = {name: {}} if name else {}
    own = result[name] if name else {}
    for entry in entries:
        given = entry.get
        if given("state") or given("secret") is not None:
            return None
        other = given("map")
        values = result.setdefault(other, {}) if other else own
        values[entry["key"]] = given("value")
    # The same key twice may be a contradiction, and an entry without a map is an error.
    return result if sum(map(len, result.values())) == len(entries) else None


def checked(listed: Listed, secret: str | None) -> Listed:
    """Return the entry with its secret as the value; refuse what the map cannot take."""
    _position, name, key, value, state = listed
    if not name:
        raise PlanError(f"entry {listed.position}, key {key!r}, has no map; set map for it")
    if name in SECRETS:
        value, secret = secret, value
        listed = listed._replace(value=value)
    if secret is not None:
        wanted = "secret instead of value" if name in SECRETS else "value instead of secret"
        raise PlanError(f"cannot manage {listed}: the map takes {wanted}")
    if value is None and state != "absent" and name not in CLASSES:
        raise PlanError(f"cannot manage {listed}: state {state} needs a value")
    text = f"{key}{value}"
    if not text.isprintable():
        _check_text(listed, text)
    return listed


def _check_text(listed: Listed, text: str) -> None:
    """Refuse what cannot even be sent to the database; what it makes of the rest it says."""
    if "\0" in text:
        raise PlanError(f"cannot manage {listed}: the text contains a NUL byte; take it out")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise PlanError(
            f"cannot manage {listed}: the text is not valid Unicode; write it in UTF-8"
        ) from None


def scopes(
    wanted: t.Iterable[Listed],
    scope: t.Iterable[t.Mapping[str, str | None]] | None,
    name: str | None,
    state: str,
) -> dict[str, list[str]]:
    """Return, for each map that exact is about, the patterns of the keys that it is about."""
    if state != "exact":
        if scope:
            raise PlanError(f"scope says what state exact may delete; state {state} has none")
        return {}
    result: dict[str, list[str]] = {}
    for part in scope or ():
        if not (part.get("map") or name):
            raise PlanError(f"scope {part.get('keys')!r} has no map; set map for it")
        result.setdefault(part.get("map") or name or "", []).append(part.get("keys") or "*")
    if not scope:
        result = {listed.map: ["*"] for listed in wanted}
        if name:
            result[name] = ["*"]
    if not result:
        raise PlanError(
            "state exact without entries does not say which map is to be empty; set map or scope"
        )
    return result


def _reaches(patterns: t.Collection[str]) -> t.Callable[[str], t.Any]:
    """Return what tells whether a scope reaches a key; both are as the database compares them."""
    if "*" in patterns:
        return lambda _key: True
    wholes = [".*".join(map(re.escape, pattern.split("*"))) for pattern in patterns]
    return re.compile("|".join(wholes), re.DOTALL).fullmatch


def plan_map(name: str, wanted: t.Sequence[Listed], found: Rows) -> Plan:
    """Decide what happens to the rows of a map."""
    work, kept = [], []
    reaches = _reaches(found.patterns)
    settled = _settled(wanted, found)
    remark = name in CLASSES
    for folded, listed in settled.items():
        # A seed, or what is not to be there, is not kept by exact.
        if found.patterns and listed.state == "present" and not reaches(folded):
            raise PlanError(
                f"{listed} is outside the scope {', '.join(found.patterns)}; widen the scope, or"
                " leave the entry to another call"
            )
        row = found.rows.get(folded)
        if row is not None and row.value == listed.value and listed.state != "absent":
            continue
        change = plan_entry(
            listed.state,
            listed.key,
            listed.value,
            Found(row, folded in found.seeds),
            remark=remark,
        )
        if change:
            plant = listed.state == "seeded"
            work.append(Work(name, folded, change, plant, listed.position))
    for folded, row in found.rows.items() if found.patterns else ():
        if folded in settled or not reaches(folded):
            continue
        if row in found.seeds.get(folded, ()):
            kept.append(row.key)
        else:
            work.append(Work(name, folded, Change(row, None), False, 0))
    return Plan(work, sorted(kept))


def _settled(wanted: t.Sequence[Listed], found: Rows) -> dict[str, Listed]:
    """Return one entry for each key; refuse entries that contradict each other."""
    result: dict[str, Listed] = {}
    for listed, folded in zip(wanted, found.folded):  # noqa: B905 - Python 3.7
        other = result.setdefault(folded, listed)
        if other is not listed:
            result[folded] = _one_of(other, listed)
    return result


def _one_of(first: Listed, second: Listed) -> Listed:
    """Choose between two entries with one key."""
    if first.state == second.state:
        # A remark that is not given is any remark.
        if second.value is None or second.value == first.value or first.state == "absent":
            return first
        if first.value is None:
            return second
    elif "seeded" in (first.state, second.state):
        # What is only to be there once gives way.
        return second if first.state == "seeded" else first
    raise PlanError(
        f"{first}, and entry {second.position}, key {second.key!r}, are the same key and want"
        " different things; take one of them out"
    )


def check_deletions(work: t.Iterable[Work], limit: int) -> None:
    """Refuse to delete more rows that no entry names than allowed; below zero is no limit."""
    keys = [
        f"{one.change.before.key} of {one.map}"
        for one in work
        if one.change.before and not one.position
    ]
    if limit < 0 or len(keys) <= limit:
        return
    more = f" and {len(keys) - _NAMED} more" if len(keys) > _NAMED else ""
    raise PlanError(
        f"state exact would delete {len(keys)} entries, max_deletions is {limit}:"
        f" {', '.join(sorted(keys)[:_NAMED])}{more}; if that is right, raise max_deletions"
    )


def as_result(work: t.Sequence[Work], database: str) -> dict[str, t.Any]:
    """Return the work in the form of return values and of Ansible's diff mode."""
    result: dict[str, t.Any] = {
        **{kind: [] for kind in ("added", "updated", "removed", "kept", "diff", "queries")},
        "change": None,
        "changed": bool(work),
        "database": database,
        "transaction": None,
    }
    lines: dict[str, tuple[list[str], list[str]]] = {}
    for one in sorted(work, key=lambda one: (one.map, one.folded)):
        before, after = one.change.shown(one.map)
        told = {"map": one.map, "key": one.key}
        sides = lines.setdefault(one.map, ([], []))
        if before:
            sides[0].append(before.as_line())
            told["previous"] = before.value
        if after:
            sides[1].append(after.as_line())
            told["value"] = after.value
        result[one.kind].append(told)
    for name, (before_lines, after_lines) in lines.items():
        title = f"map {name} in database {database}"
        result["diff"].append(as_diff(title, "".join(before_lines), "".join(after_lines)))
    result["counts"] = {kind: len(result[kind]) for kind in ("added", "updated", "removed")}
    return result
