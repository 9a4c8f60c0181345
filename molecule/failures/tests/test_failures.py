# SPDX-License-Identifier: GPL-3.0-or-later
"""No mail is harmed while the database is away, whatever the reason and whoever asks.

Each fault of shared/faults.py meets each caller of shared/callers.py.  What they see
is the table docs/failures.md; SQLMAIL_REGENERATE=1 writes it instead of comparing.
"""

from __future__ import annotations

import os
import time
import typing as t
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from shared.callers import CALLERS, MAILER, PEOPLE, ROWS, Seen, receiver
from shared.faults import FAULTS
from shared.machine import Machine
from shared.table import render

TABLE = Path(__file__).parents[3] / "docs" / "failures.md"
MEETINGS = [
    (fault, caller) for fault in FAULTS for caller in FAULTS[fault].callers or tuple(CALLERS)
]
# Far above the limits of a lookup: who needs longer would wait for ever.
HANGS = 60.0

SEEN: dict[tuple[str, str], Seen] = {}


class Scene:
    """A caller on its way through its three acts."""

    def __init__(self, caller: str, host: Machine) -> None:
        """Begin before the first act."""
        self.caller = caller
        self._acts = CALLERS[caller](host)
        self.seen: Seen | None = None
        self.seconds: list[float] = []
        self.trouble: BaseException | None = None

    def play(self) -> None:
        """Play the next act; after trouble there is none."""
        if self.trouble:
            return
        begin = time.monotonic()
        try:
            self.seen = next(self._acts, self.seen)
        except (Exception, AssertionError) as trouble:
            self.trouble = trouble
        self.seconds.append(time.monotonic() - begin)


@pytest.fixture(scope="module")
def host(mta: Machine) -> Iterator[Machine]:
    """The mail host with the rows, the people and the receiver that the callers need."""
    for person in PEOPLE:
        mta.account(person)
    mta.sql(f"INSERT INTO mailers VALUES {MAILER} ON CONFLICT DO NOTHING;")
    for table, rows in ROWS.items():
        for key, value in rows.items():
            mta.sql(
                f"INSERT INTO {table} VALUES ('{key}', '{value}')"
                " ON CONFLICT (lookup_key) DO UPDATE SET value = excluded.value;"
            )
    mta.run("install", "--directory", "--owner=mail", "--mode=0755", "/var/spool/named")
    with receiver(mta):
        yield mta


@pytest.fixture(scope="module")
def played() -> dict[str, dict[str, Scene]]:
    """The scenes of each fault that was injected."""
    return {}


@pytest.fixture
def scene(host: Machine, played: dict[str, dict[str, Scene]], fault: str, caller: str) -> Scene:
    """The caller after it met the fault, side by side with all others that do."""
    if fault not in played:
        daemon = host.daemon()
        played[fault] = {name: Scene(name, host) for name in FAULTS[fault].callers or CALLERS}
        cast = played[fault].values()
        with ThreadPoolExecutor(len(cast)) as pool:
            list(pool.map(Scene.play, cast))
            with FAULTS[fault].inject(host):
                list(pool.map(Scene.play, cast))
            list(pool.map(Scene.play, cast))
        assert host.daemon() == daemon, "something restarted the daemon"
    return played[fault][caller]


@pytest.mark.parametrize(("fault", "caller"), MEETINGS)
def test_no_mail_is_harmed(scene: Scene, fault: str, caller: str) -> None:
    if scene.trouble:
        raise scene.trouble
    assert scene.seen
    assert scene.seconds[1] < HANGS
    SEEN[fault, caller] = scene.seen


def test_the_documentation_says_what_was_seen() -> None:
    if set(SEEN) != set(MEETINGS):
        pytest.skip("not everything was seen")
    text = render(t.cast(dict[tuple[str, str], tuple[str, str]], SEEN))
    if os.environ.get("SQLMAIL_REGENERATE"):
        TABLE.write_text(text)
    assert TABLE.read_text() == text
