# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole messages, from the first connection to the last mailbox."""

from __future__ import annotations

import statistics
import time
import typing as t

from bench import rows
from bench.hosts import Host, wait_until
from bench.servers import TUNINGS, Postfix, Sendmail, Server

# Without a delivery for so long nothing more is expected.
PATIENCE = 10.0


class Outcome(t.NamedTuple):
    """What became of the messages."""

    wall: float
    cpu_ms: float
    delivered: int
    troubles: int

    @property
    def rate(self) -> float:
        """Messages a second."""
        return self.delivered / self.wall


def send(
    client: Host, server: Server, *, messages: int, sessions: int, one_session: bool = False
) -> Outcome:
    """Send messages, wait for them, and say what that took."""
    rows.forget(server.host)
    cursor = server.cursor()
    cpu, begin = server.host.cpu(), time.perf_counter()
    # -A: a refusal is a finding, not the end.  -C: come again while ports are full.
    client.run(
        *("smtp-source", "-A", "-C", "100", "-N", *(["-d"] if one_session else [])),
        *("-s", str(sessions), "-m", str(messages), "-l", "1000", "-M", client.fqdn),
        *("-f", rows.SENDER, "-t", rows.RECIPIENT, f"{server.host.fqdn}:25"),
        check=False,
    )
    delivered, last = 0, time.perf_counter()

    def complete() -> bool:
        nonlocal delivered, last
        found = rows.delivered(server.host)
        if found > delivered:
            delivered, last = found, time.perf_counter()
        return delivered >= messages or time.perf_counter() - last > PATIENCE

    wait_until(complete, deadline=600)
    spent = server.host.cpu() - cpu
    return Outcome(last - begin, spent / messages * 1000, delivered, server.troubles(cursor))


def median(outcomes: list[Outcome], messages: int) -> dict[str, t.Any]:
    """Sum repetitions up."""
    return {
        "rate": statistics.median(one.rate for one in outcomes),
        "cpu_ms": statistics.median(one.cpu_ms for one in outcomes),
        "undelivered": max(messages - one.delivered for one in outcomes),
        "troubles": max(one.troubles for one in outcomes),
    }


def take_turns(
    client: Host,
    variants: list[tuple[Server, str]],
    *,
    messages: int,
    sessions: int,
    turns: int,
) -> dict[str, dict[str, t.Any]]:
    """Measure each variant once in each turn; ratios are formed within a turn."""
    taken: list[dict[str, Outcome]] = []
    for number in range(turns):
        turn = {}
        # To and fro: none is always the first, or always after the same.
        for server, maps in reversed(variants) if number % 2 else variants:
            server.use(maps)
            # Processes, connections and caches are there before it counts.
            send(client, server, messages=20, sessions=10)
            name = f"{server.name} {maps}"
            turn[name] = send(client, server, messages=messages, sessions=sessions)
        taken.append(turn)
    return {
        name: {
            **median([turn[name] for turn in taken], messages),
            "cpu_to_files": statistics.median(
                turn[name].cpu_ms / turn[files_of(name)].cpu_ms for turn in taken
            ),
            "rate_to_files": statistics.median(
                over(turn[name].rate, turn[files_of(name)].rate) for turn in taken
            ),
            "rate_to_postfix": statistics.median(
                over(turn[name].rate, turn["postfix direct"].rate) for turn in taken
            ),
        }
        for name in (f"{server.name} {maps}" for server, maps in variants)
    }


def over(one: float, other: float) -> float:
    """Divide; a server that delivered nothing is beaten by any other."""
    return one / other if other else float("inf")


def files_of(variant: str) -> str:
    """Name the same server with its maps in files."""
    return "postfix lmdb" if variant.startswith("postfix") else "sendmail hash"


def measure(client: Host, sendmail: Sendmail, postfix: Postfix, turns: int) -> dict[str, t.Any]:
    """One message for each session, ten sessions at once."""
    variants: list[tuple[Server, str]] = [
        *((sendmail, maps) for maps in ("hash", "direct", "pooled", "tls", "pooled-tls", "socket")),
        *((postfix, maps) for maps in ("lmdb", "direct", "proxy", "tls")),
    ]
    return take_turns(client, variants, messages=400, sessions=10, turns=turns)


def measure_tuning(
    client: Host, sendmail: Sendmail, postfix: Postfix, turns: int
) -> dict[str, t.Any]:
    """The same, one setting after the other added."""
    tuned = [", ".join(["pooled", *list(TUNINGS)[:count]]) for count in range(len(TUNINGS) + 1)]
    variants: list[tuple[Server, str]] = [
        *((sendmail, maps) for maps in ("hash", *tuned)),
        *((postfix, maps) for maps in ("lmdb", "direct")),
    ]
    return take_turns(client, variants, messages=400, sessions=10, turns=turns)


def measure_crowds(
    client: Host, sendmail: Sendmail, postfix: Postfix, turns: int
) -> dict[str, t.Any]:
    """60 and 200 sessions at once."""
    variants: list[tuple[Server, str]] = [
        *((sendmail, maps) for maps in ("hash", "direct", "pooled")),
        *((postfix, maps) for maps in ("lmdb", "direct")),
    ]
    return {
        str(sessions): take_turns(client, variants, messages=300, sessions=sessions, turns=turns)
        for sessions in (60, 200)
    }
