# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the processor time of a message goes, sampled by perf."""

from __future__ import annotations

import collections
import shutil
import subprocess
import typing as t
from pathlib import Path

from bench import messages
from bench.hosts import Host
from bench.servers import Postfix, Sendmail, Server

MESSAGES = 200
# Processes of the servers by their names; all else on the machine is not counted.
PROCESSES = {
    "sendmail": {"sendmail", "procmail", "postgres", "pgbouncer", "systemd-journal"},
    "postfix": {
        *("smtpd", "cleanup", "qmgr", "local", "trivial-rewrite", "master", "anvil", "proxymap"),
        *("postgres", "systemd-journal"),
    },
}


def measure(client: Host, sendmail: Sendmail, postfix: Postfix, work: Path) -> dict[str, t.Any]:
    """Sample each variant; without perf there is nothing to tell."""
    if not shutil.which("perf"):
        return {}
    variants: list[tuple[Server, str]] = [
        (sendmail, "hash"),
        (sendmail, "direct"),
        (sendmail, "pooled"),
        (postfix, "direct"),
    ]
    return {
        f"{server.name} {maps}": sample(client, server, maps, work) for server, maps in variants
    }


def sample(client: Host, server: Server, maps: str, work: Path) -> dict[str, float]:
    """Return the share of each kind of process, in the kernel and outside of it."""
    server.use(maps)
    messages.send(client, server, messages=20, sessions=10)
    data = str(work / "perf.data")
    recorder = subprocess.Popen(
        ["perf", "record", "-a", "--event", "cpu-clock", "--freq", "499", "--output", data],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        messages.send(client, server, messages=MESSAGES, sessions=10)
    finally:
        # Interrupted, perf completes its file.
        recorder.terminate()
        recorder.wait()
    printed = subprocess.run(
        ["perf", "script", "--input", data, "--fields", "comm,ip,sym,dso"],
        check=True,
        capture_output=True,
        text=True,
        errors="replace",
    ).stdout
    counted: collections.Counter[str] = collections.Counter()
    for line in printed.splitlines():
        process = next((p for p in PROCESSES[server.name] if line.strip().startswith(p)), None)
        if process:
            where = "kernel" if "[kernel" in line else "user"
            counted[f"{process}, {where}"] += 1
    total = counted.total() or 1
    return {name: count / total for name, count in counted.most_common()}
