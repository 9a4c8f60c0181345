# SPDX-License-Identifier: GPL-3.0-or-later
"""Every capability that the map class is held to has a test that exists, or a reason."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CHAPTER = (ROOT / "docs/pgsql-map.md").read_text()
ROWS = [
    (int(number), shown)
    for number, shown in re.findall(r"^\| B(\d+) \|.*\| (.*) \|$", CHAPTER, re.MULTILINE)
]
# The others are not asked of the class.
WANTED = [*range(1, 32), *range(35, 59), *range(61, 67)]
FILES = {"t-pgsqlmap": "tests/c/t-pgsqlmap.c", "soak": "tests/c/soak.py"}


def test_every_row_is_there_once() -> None:
    assert [number for number, _shown in ROWS] == WANTED


@pytest.mark.parametrize(("number", "shown"), ROWS, ids=[f"B{number}" for number, _shown in ROWS])
def test_a_row_names_tests_that_exist(number: int, shown: str) -> None:
    names = re.findall(r"`([^`]+)`", re.sub(r"\([^)]*\)", "", shown))
    tests = [name for name in names if "::" in name or name.startswith("tests/")]
    assert tests or re.match(r"none: \w+", shown), f"B{number} has neither a test nor a reason"
    for name in tests:
        path, _colons, function = name.partition("::")
        file = ROOT / FILES.get(path, path)
        assert file.is_file(), name
        declared = rf"(?m)^({function}\(|def {function}\()"
        assert re.search(declared, file.read_text()) or not function, name
