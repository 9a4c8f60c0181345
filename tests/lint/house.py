# SPDX-License-Identifier: GPL-3.0-or-later
"""What the house rules are checked on, and how it is read."""

from __future__ import annotations

import re
import subprocess
import typing as t
from collections.abc import Iterator
from pathlib import Path

import yaml

TOP = Path(__file__).parents[2]
ROLES = sorted(path for path in (TOP / "roles").glob("*") if path.is_dir())

# Keys of a task whose value is an expression without braces.
CONDITIONS = {"when", "that", "until", "changed_when", "failed_when", "var"}
BLOCKS = {"block", "rescue", "always"}


def shown(path: Path) -> str:
    """Name a path as a reader of the test's output knows it."""
    return str(path.relative_to(TOP))


def load(path: Path) -> t.Any:
    """Read a YAML file; an absent or empty one is an empty mapping."""
    return (yaml.safe_load(path.read_text()) if path.exists() else None) or {}


def known_files() -> list[Path]:
    """List the files that are, or are about to be, under version control."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--deduplicate"]
    listed = subprocess.run(command, cwd=TOP, check=True, capture_output=True, text=True).stdout
    return [TOP / name for name in listed.splitlines() if (TOP / name).is_file()]


def task_files(role: Path) -> list[Path]:
    """List the task and handler files of a role."""
    return sorted([*role.glob("tasks/**/*.yml"), *role.glob("handlers/**/*.yml")])


def tasks(content: t.Any) -> Iterator[dict[str, t.Any]]:
    """Yield every task of a task file, those in blocks too."""
    for task in content or []:
        yield task
        for key in BLOCKS & set(task):
            yield from tasks(task[key])


def conditions(node: t.Any) -> Iterator[str]:
    """Yield what decides whether something happens."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key in CONDITIONS:
                yield from map(str, value if isinstance(value, list) else [value])
            else:
                yield from conditions(value)
    elif isinstance(node, list):
        for value in node:
            yield from conditions(value)


def expressions(node: t.Any, *, bare: bool = False) -> Iterator[str]:
    """Yield the Jinja expressions in a piece of YAML, without their literals."""
    if isinstance(node, dict):
        for key, value in node.items():
            yield from expressions(value, bare=key in CONDITIONS)
    elif isinstance(node, list):
        for value in node:
            yield from expressions(value, bare=bare)
    elif isinstance(node, str):
        yield from jinja(node, bare=bare)


def jinja(text: str, *, bare: bool = False) -> Iterator[str]:
    """Yield the Jinja expressions in a text, without their literals."""
    found = [text] if bare else re.findall(r"\{\{(.*?)\}\}|\{%(.*?)%\}", text, re.DOTALL)
    for item in found:
        expression = item if isinstance(item, str) else "".join(item)
        yield re.sub(r"'[^']*'|\"[^\"]*\"", "''", expression)
