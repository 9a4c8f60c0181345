# Copyright: (c) sqlmail contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at
# any time. Do not use it directly.

"""What has to change, decided once from what is and what is wanted.

Imports neither Ansible nor psycopg2, so that its tests are tables.
"""

from __future__ import annotations

import hashlib
import re
import typing as t

from ansible_collections.sqlmail.sendmail.plugins.module_utils._errors import PlanError

__all__ = [
    "CLASSES",
    "MAPS",
    "SECRETS",
    "STATES",
    "Change",
    "Entry",
    "Found",
    "Recorded",
    "SchemaChange",
    "Scope",
    "Step",
    "as_diff",
    "is_secret",
    "like",
    "numbered",
    "plan_entry",
    "plan_schema",
    "veiled",
]

# Sets of names; the value of a row is a remark.
CLASSES = (
    "local_domains",
    "relay_domains",
    "virtual_domains",
    "generics_domains",
    "masquerade_domains",
    "masquerade_exceptions",
    "trusted_users",
)

# The maps, as the tables of schema mail are called.
MAPS = (
    "access",
    "aliases",
    "virtualusers",
    "mailertable",
    "genericstable",
    "domaintable",
    "authinfo",
    *CLASSES,
)

# Maps whose values are shown to nobody.
SECRETS = ("authinfo",)

STATES = ("present", "absent", "seeded")


class Entry(t.NamedTuple):
    """A row of a map."""

    key: str
    value: str | None

    def as_line(self) -> str:
        return f"{self.key}\t{self.value}\n" if self.value is not None else f"{self.key}\n"


def as_diff(title: str, before: str, after: str) -> dict[str, str]:
    """Return two texts in the form of Ansible's diff mode."""
    return {
        "before_header": title,
        "after_header": title,
        "before": before,
        "after": after,
    }


def like(pattern: str) -> str:
    """Return a pattern in which * is any text in the form of SQL's LIKE."""
    return re.sub(r"([\\%_])", r"\\\1", pattern).replace("*", "%")


def is_secret(name: str, key: str) -> bool:
    """Tell whether the value of a row is shown to nobody.

    A login belongs into authinfo; access may have it from an ordinary sendmail.
    """
    return name in SECRETS or (name == "access" and key.lower().startswith("authinfo:"))


def veiled(
    name: str, key: str, before: str | None, after: str | None
) -> tuple[str | None, str | None]:
    """Return both values of a row as they may be shown; None means no row."""
    if not is_secret(name, key):
        return before, after
    new = before is None or before == after
    return (
        before if before is None else "(secret)",
        after if after is None else "(secret)" if new else "(another secret)",
    )


class Scope(t.NamedTuple):
    """Which rows of a map are meant; None means any."""

    key: str | None = None
    pattern: str | None = None
    domain: str | None = None

    @property
    def like(self) -> str | None:
        """The pattern of a shell as one of LIKE: * is any text, ? any character."""
        return None if self.pattern is None else like(self.pattern).replace("?", "_")

    @property
    def folded_domain(self) -> str | None:
        """The domain as it is compared; a dot or @ before it is not part of it."""
        return None if self.domain is None else self.domain.lower().lstrip("@.")


class Found(t.NamedTuple):
    """What the database has for a key."""

    row: Entry | None
    planted: bool = False


class Change(t.NamedTuple):
    """The step from one state of an entry to another; None means no row."""

    before: Entry | None
    after: Entry | None

    def __bool__(self) -> bool:
        return self.before != self.after

    def shown(self, name: str) -> Change:
        """Return the change as it may be shown: one of a secret without its values."""
        row = self.before or self.after
        if row is None:
            return self
        old, new = veiled(name, row.key, *(side and side.value for side in self))
        return Change(
            self.before and self.before._replace(value=old),
            self.after and self.after._replace(value=new),
        )

    def as_diff(self, title: str) -> dict[str, str]:
        """Return the change in the form of Ansible's diff mode."""
        return as_diff(title, *(side.as_line() if side else "" for side in self))


def plan_entry(
    state: str, key: str, value: str | None, found: Found, *, remark: bool = False
) -> Change:
    """Decide what happens to the row of a key.

    The database compares keys; a row that it found is the row of the key, in
    whatever spelling.  Its spelling stays: two spellings of one key would
    otherwise undo each other for ever.  A value that is only a remark stays,
    too, unless there is another one.
    """
    if state == "absent":
        return Change(found.row, None)
    if value is None and not remark:
        raise PlanError(f"state {state} needs a value")
    if value is None and found.row:
        value = found.row.value
    if state == "seeded" and (found.row or found.planted):
        return Change(found.row, found.row)
    return Change(found.row, Entry(found.row.key if found.row else key, value))


class Step(t.NamedTuple):
    """A numbered step of the schema."""

    number: int
    name: str
    sql: str

    @property
    def sha256(self) -> str:
        """Digest of the file, which ends with one line break."""
        return hashlib.sha256(f"{self.sql.rstrip()}\n".encode()).hexdigest()


class Recorded(t.NamedTuple):
    """A step that the database remembers."""

    number: int
    name: str
    sha256: str


class SchemaChange(t.NamedTuple):
    """The steps that were applied, and those that are to be."""

    before: tuple[str, ...]
    pending: tuple[Step, ...]

    def __bool__(self) -> bool:
        return bool(self.pending)

    @property
    def names(self) -> list[str]:
        return [step.name for step in self.pending]

    def as_diff(self, title: str) -> dict[str, str]:
        """Return the change in the form of Ansible's diff mode."""
        before = "".join(f"{name}\n" for name in self.before)
        return as_diff(title, before, before + "".join(f"{name}\n" for name in self.names))


_STEP_NAME = re.compile(r"(?P<number>[0-9]{4})_[a-z0-9_]+(\.sql)?")


def numbered(steps: t.Iterable[t.Mapping[str, str]]) -> list[Step]:
    """Return the steps in the order of their numbers."""
    result: dict[int, Step] = {}
    for step in steps:
        name = step["name"]
        match = _STEP_NAME.fullmatch(name)
        if match is None:
            raise PlanError(
                f"schema step {name!r} has no name like 0001_maps.sql: four digits, an underscore,"
                " lower-case letters, digits and underscores"
            )
        number = int(match["number"])
        if number in result:
            raise PlanError(
                f"schema steps {result[number].name!r} and {name!r} have the same number"
            )
        if not step["sql"].strip():
            raise PlanError(f"schema step {name!r} is empty")
        result[number] = Step(number, name, step["sql"])
    return [result[number] for number in sorted(result)]


def plan_schema(steps: t.Sequence[Step], recorded: t.Sequence[Recorded]) -> SchemaChange:
    """Decide which steps are to be applied; refuse a history that does not fit."""
    offered = {step.number: step for step in steps}
    for record in recorded:
        step = offered.get(record.number)
        if step is None:
            raise PlanError(
                f"the database has schema step {record.name!r}, which is not among the steps"
                " offered; use a collection that is at least as new as the database"
            )
        if step.sha256 != record.sha256:
            raise PlanError(
                f"schema step {step.name!r} was edited after it had been applied (SHA-256"
                f" {record.sha256[:12]}... then, {step.sha256[:12]}... now); restore the file and"
                " put the change into a new step"
            )
    done = {record.number for record in recorded}
    pending = tuple(step for step in steps if step.number not in done)
    late = [step.name for step in pending if done and step.number < max(done)]
    if late:
        raise PlanError(
            f"schema step {late[0]!r} comes before steps that were applied already;"
            " give it the next free number"
        )
    return SchemaChange(tuple(record.name for record in recorded), pending)
