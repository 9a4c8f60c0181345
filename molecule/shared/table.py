# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of what clients and the queue see while the database is away."""

from __future__ import annotations

from collections.abc import Iterable

from shared.callers import CALLERS
from shared.faults import FAULTS

HEAD = """# While the database is away

What SMTP clients and the queue see when lookups get no answer. Written by the Molecule
scenario `failures`, which does each of these faults to a real server and lets each caller
meet it (`SQLMAIL_REGENERATE=1 make molecule SCENARIOS=failures`); it fails if this page
says anything else.

The rules behind it:

- A valid recipient never gets 5xx; at worst the client comes again.
- Nothing is delivered past its alias, unauthenticated, unchecked, or with an address that
  was to be rewritten: what cannot be looked up waits in the queue.
- Nothing hangs: a lookup ends at its limit (`mta_config_map_connect_timeout`,
  `mta_config_map_query_timeout`; both are 2 s in the scenario), and those that follow fail at
  once for a while, so that a session waits about once.
- When the database is back, the next attempt delivers exactly what the rows say, each
  message once; nothing is restarted, and no host is remembered as one that failed.

A cell holds the last reply to the client, then whom the queue keeps the message for;
`.` stands for the local domain, an empty cell for a caller that does not meet this fault.
"""


def render(seen: dict[tuple[str, str], tuple[str, str]]) -> str:
    """Return the page."""
    whole = [name for name, fault in FAULTS.items() if not fault.callers]
    some = [name for name, fault in FAULTS.items() if fault.callers]
    session = [name for name in CALLERS if not any(queue != "-" for queue in _queue(seen, name))]
    message = [name for name in CALLERS if name not in session]
    return "\n".join(
        [
            HEAD,
            "## All lookups fail: the session\n",
            *_table(seen, whole, session),
            "\n## All lookups fail: mail that was accepted before\n",
            *_table(seen, whole, message),
            "\n## Some lookups fail: the session\n",
            *_table(seen, some, session),
            "\n## Some lookups fail: mail that was accepted before\n",
            *_table(seen, some, message),
            "\n## Faults\n",
            *(f"- **{name}**: {_told(FAULTS[name].inject)}" for name in FAULTS),
            "\n## Callers\n",
            *(f"- **{name}**: {_told(CALLERS[name])}" for name in CALLERS),
            "",
        ]
    )


def _told(thing: object) -> str:
    """Return the first sentence of a documentation string."""
    text = (thing.__doc__ or "").partition("\n\n")[0]
    return " ".join(text.split())


def _queue(seen: dict[tuple[str, str], tuple[str, str]], caller: str) -> list[str]:
    return [queue for (_fault, who), (_client, queue) in seen.items() if who == caller]


def _cell(client: str, queue: str) -> str:
    return "; ".join(part for part in (client, queue) if part != "-") or "-"


def _table(
    seen: dict[tuple[str, str], tuple[str, str]], faults: list[str], callers: list[str]
) -> Iterable[str]:
    met = [who for who in callers if any((fault, who) in seen for fault in faults)]
    yield "| | " + " | ".join(met) + " |"
    yield "| --- |" + " --- |" * len(met)
    for fault in faults:
        cells = [_cell(*seen[fault, who]) if (fault, who) in seen else "" for who in met]
        if any(cells):
            yield f"| {fault} | " + " | ".join(cells) + " |"
