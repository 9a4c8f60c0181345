# Copyright: (c) sqlmail contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at
# any time. Do not use it directly.

"""The steps of the schema: which were applied, and how one is."""

from __future__ import annotations

import typing as t

from ansible_collections.sqlmail.sendmail.plugins.module_utils._plan import (
    Recorded,
    Step,
)
from ansible_collections.sqlmail.sendmail.plugins.module_utils._store import (
    LOCK_CLASS,
    Store,
)

__all__ = ["Schema"]

# Beside the locks of the maps, which have the hash of a name.
_SCHEMA_LOCK = 0

_LEDGER = """
CREATE SCHEMA IF NOT EXISTS mail;
CREATE TABLE IF NOT EXISTS mail.schema_steps (
    number      integer NOT NULL,
    name        text NOT NULL,
    sha256      text NOT NULL,
    applied_at  timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT schema_step_is_applied_once PRIMARY KEY (number)
);
COMMENT ON TABLE mail.schema_steps IS 'Steps of the schema that were applied.';
COMMENT ON COLUMN mail.schema_steps.number IS 'Number of the step; steps are applied in order.';
COMMENT ON COLUMN mail.schema_steps.name IS 'File of the step.';
COMMENT ON COLUMN mail.schema_steps.sha256 IS 'Digest of the file; it is never edited later.';
COMMENT ON COLUMN mail.schema_steps.applied_at IS 'When the step was applied.';
"""


class Schema:
    """The ledger of the steps."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def lock(self) -> None:
        """Wait until nobody else changes the schema."""
        self._store.ask(
            "lock the schema",
            "SELECT pg_advisory_xact_lock(%(class)s, %(lock)s)",
            {"class": LOCK_CLASS, "lock": _SCHEMA_LOCK},
        )

    def recorded(self) -> list[Recorded]:
        """Return the steps that were applied, in their order."""
        attempt = "read the steps of the schema"
        ledger = self._store.ask(attempt, "SELECT to_regclass('mail.schema_steps')").fetchone()[0]
        if ledger is None:
            return []
        rows = self._store.ask(
            attempt, "SELECT number, name, sha256 FROM mail.schema_steps ORDER BY number"
        ).fetchall()
        return [Recorded(*row) for row in rows]

    def apply(self, steps: t.Sequence[Step], *, first: bool) -> None:
        """Apply and record the steps; the ledger comes before the first one."""
        if first:
            self._store.ask("create the table mail.schema_steps", _LEDGER)
        for step in steps:
            self._store.ask(f"apply schema step {step.name!r}", step.sql, script=True)
            self._store.ask(
                f"record schema step {step.name!r}",
                "INSERT INTO mail.schema_steps (number, name, sha256)"
                " VALUES (%(number)s, %(name)s, %(sha256)s)",
                {"number": step.number, "name": step.name, "sha256": step.sha256},
            )
