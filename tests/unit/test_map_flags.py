# SPDX-License-Identifier: GPL-3.0-or-later
"""The manual page and the chapter name exactly the flags that the class reads."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CLASS = ROOT / "roles/mta_build/files/pgsqlmap"


@pytest.fixture(scope="module")
def source() -> str:
    """The function that reads the flags."""
    text = (CLASS / "pgsqlmap.c").read_text()
    begin = text.index("\npgsqlmap_flags(")
    return text[begin : text.index("\n}\n", begin)]


def test_manual_page(source: str) -> None:
    """Every flag has an entry, and no entry a flag that is not read."""
    page = (CLASS / "sendmail-pgsql.5").read_text()
    entries = re.findall(r"^\.TP\n\.B[IR]? (.*)$", page, re.MULTILINE)
    documented = {flag for entry in entries for flag in re.findall(r"\\-(\w)", entry)}
    assert documented == set(re.findall(r"case '(\w)':", source))


def test_chapter(source: str) -> None:
    """The table of the chapter has a row for every flag."""
    chapter = (ROOT / "docs/pgsql-map.md").read_text()
    rows = re.findall(r"^\| (`-.*?) \|", chapter, re.MULTILINE)
    documented = {flag for row in rows for flag in re.findall(r"`-(\w)", row)}
    assert documented == set(re.findall(r"case '(\w)':", source))


@pytest.mark.parametrize("document", ["docs/pgsql-map.md", CLASS / "sendmail-pgsql.5"])
def test_defaults(document: str | Path) -> None:
    """Time limits are those of the code."""
    code = (CLASS / "pgsqlmap.c").read_text()
    text = (ROOT / document).read_text()
    for flag, name in {"c": "CONNECT", "l": "QUERY", "i": "IDLE"}.items():
        limit = re.search(rf"PGSQLMAP_{name}_LIMIT\t(\d+)", code)
        assert limit
        entry = re.search(rf"^(?:\| `|\.BI \\)-{flag} .*(?:\n[^.\n].*)*", text, re.MULTILINE)
        assert entry
        assert limit[1] in re.findall(r"\d+", entry[0])
