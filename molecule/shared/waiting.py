# SPDX-License-Identifier: GPL-3.0-or-later
"""Waiting with a deadline; the only place in the tests that sleeps."""

from __future__ import annotations

import time
import typing as t
from collections.abc import Callable

T = t.TypeVar("T")


def wait_until(ask: Callable[[], T], *, deadline: float = 20.0, pause: float = 0.2) -> T:
    """Ask until the answer is true and return it; fail with the last answer."""
    end = time.monotonic() + deadline
    while not (answer := ask()):
        if time.monotonic() > end:
            raise AssertionError(f"still {answer!r} after {deadline} seconds")
        time.sleep(pause)
    return answer
