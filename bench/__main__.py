# SPDX-License-Identifier: GPL-3.0-or-later
"""Measures, prints a table and writes docs/performance.md; judges nothing.

Selected measures replace their own figures only: each is a whole of its own,
and ratios are formed within it.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
import typing as t
from collections.abc import Callable
from pathlib import Path

from bench import hosts, lookups, messages, modules, plot, profile, questions, report
from bench.stage import Stage

RESULTS = Path(__file__).parent / "results.json"

MEASURES: dict[str, Callable[[Stage], t.Any]] = {
    "lookups": lambda on: lookups.measure(on.sendmail, on.postfix, on.exim, on.work, on.turns),
    "networks": lambda on: lookups.measure_networks(on.sendmail, on.turns),
    "messages": lambda on: messages.measure(on.client, on.sendmail, on.postfix, on.turns),
    "tuning": lambda on: messages.measure_tuning(on.client, on.sendmail, on.postfix, on.turns),
    "crowds": lambda on: messages.measure_crowds(on.client, on.sendmail, on.postfix, on.turns),
    "trips": lambda on: questions.measure_trips((on.sendmail, on.postfix)),
    "commands": lambda on: questions.measure_commands(on.sendmail, on.turns),
    "connections": lambda on: questions.measure_connections(on.sendmail, on.postfix),
    "profile": lambda on: profile.measure(on.client, on.sendmail, on.postfix, on.work),
    "modules": lambda on: modules.measure(on.work, on.turns),
}
# Measures that need no host.
ALONE = {"modules"}


def say(text: str) -> None:
    """Tell how far it is."""
    print(text, file=sys.stderr, flush=True)


def busy() -> float:
    """Seconds of processor time that this machine has spent on anything."""
    user, nice, system, _idle, _wait, *others = map(
        int, Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    )
    # The last two, for guests, are part of the first two.
    return (user + nice + system + sum(others[:-2])) / os.sysconf("SC_CLK_TCK")


def ours(stage: Stage) -> float:
    """Seconds of processor time that the benchmark and its hosts have spent."""
    return sum(os.times()[:4]) + sum(host.cpu() for host in stage.hosts)


def take(name: str, stage: Stage) -> dict[str, t.Any]:
    """Run one measure; tell how much of the machine others used meanwhile."""
    say(f"{name} ...")
    if name in ALONE:
        return {"figures": MEASURES[name](stage), "turns": stage.turns, **circumstances()}
    begin, before = time.perf_counter(), busy() - ours(stage)
    figures = MEASURES[name](stage)
    elapsed = time.perf_counter() - begin
    foreign = (busy() - ours(stage) - before) / elapsed / (os.cpu_count() or 1)
    say(f"{name}: {elapsed:.0f} s, others used {foreign:.0%} of the machine")
    return {
        "figures": figures,
        "turns": stage.turns,
        "seconds": round(elapsed),
        "foreign": max(foreign, 0),
        **circumstances(),
    }


def circumstances() -> dict[str, t.Any]:
    """Say what was measured, and on what."""
    model = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    command = ["git", "describe", "--always", "--dirty"]
    return {
        "commit": subprocess.run(
            command, cwd=hosts.TOP, capture_output=True, text=True, check=False
        ).stdout.strip(),
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "machine": f"{os.cpu_count()} processors, {(model or [platform.machine()])[0]}",
    }


def arguments() -> argparse.Namespace:
    """Read the command line."""
    everything = ["deployment", *MEASURES]
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument(
        "measures", nargs="*", metavar="MEASURE", help=f"of {', '.join(everything)}; default: all"
    )
    parser.add_argument(
        "--keep", action="store_true", help="leave the hosts for the next run, which deploys again"
    )
    parser.add_argument(
        "--turns", type=int, default=3, help="how often to repeat what is timed; default: 3"
    )
    chosen = parser.parse_args()
    if unknown := set(chosen.measures) - set(everything):
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    chosen.measures = [name for name in everything if name in (chosen.measures or everything)]
    return chosen


def keep(results: dict[str, t.Any], name: str, result: dict[str, t.Any]) -> None:
    """Store a result at once: it stays found if a later measure fails."""
    # Nobody wants to read all digits of a float, nor their differences.
    results[name] = json.loads(json.dumps(result), parse_float=lambda text: round(float(text), 3))
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")


def run(chosen: argparse.Namespace, work: Path) -> None:
    """Bring the hosts up, measure, and write what was found."""
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    stage = Stage(work, chosen.turns)
    if set(chosen.measures) <= ALONE:
        say("no host is needed")
    elif stage.is_ready() and "deployment" not in chosen.measures:
        say("deploying to the hosts of the last run ...")
        stage.deploy_again()
    else:
        say("deploying to a bare host ...")
        if "deployment" in chosen.measures:
            keep(results, "deployment", {"figures": stage.deploy_twice(), **circumstances()})
        else:
            stage.deploy()
        say("installing the peers ...")
        stage.prepare()
    for name in chosen.measures:
        if name in MEASURES:
            keep(results, name, take(name, stage))
    report.write(results)
    plot.draw(results)
    print(report.summary(results, chosen.measures))


def main() -> None:
    """Run what was asked for and leave nothing behind."""
    chosen = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))
    try:
        with tempfile.TemporaryDirectory(prefix="sqlmail-bench-") as work:
            run(chosen, Path(work))
    finally:
        if not chosen.keep:
            hosts.remove()


if __name__ == "__main__":
    main()
