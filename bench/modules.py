# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module for many entries costs; in a cluster on this machine, without a host."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import typing as t
from pathlib import Path

import ansible_collections

from bench.hosts import FILES, TOP

DEPLOY = TOP / "tests/sql/deploy"


def measure(work: Path, turns: int) -> dict[str, t.Any]:
    """Time the module beside bare SQL and a loop; all in one cluster."""
    names = work / "collections/ansible_collections"
    (names / "sqlmail").mkdir(parents=True)
    (names / "sqlmail/sendmail").symlink_to(TOP)
    (names / "community").symlink_to(Path(ansible_collections.__path__[0]) / "community")
    program = [sys.executable, FILES / "modules.py", str(turns)]
    done = subprocess.run(
        ["pg_virtualenv", "-t", FILES / "modules.sh", DEPLOY, *program],
        env={**os.environ, "PYTHONPATH": str(names.parent)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(done.stdout + done.stderr)
    (figures,) = [line for line in done.stdout.splitlines() if line.startswith("{")]
    return json.loads(figures)
