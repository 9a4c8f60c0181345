# SPDX-License-Identifier: GPL-3.0-or-later
"""The page of maps and classes says what schema and configuration have.

SQLMAIL_REGENERATE=1 writes its table.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from ansible_collections.sqlmail.sendmail.plugins.module_utils._plan import CLASSES, MAPS

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/maps.md"
BEGIN, END = "<!-- table: begin -->\n", "<!-- table: end -->\n"
BUILD = ROOT / "roles/mta_build/files"


def functions_of_features() -> dict[str, str]:
    """Return what a feature asks that is told PGSQL, by the name of the feature."""
    patch = (BUILD / "debian/patches/0006-let-features-name-pgsql.patch").read_text()
    return dict(
        re.findall(r"^\+\+\+ b/cf/feature/(\w+)\.m4\n(?:.*\n)*?\+.*-F mail\.(\w+)'", patch, re.M)
    )


def asked() -> dict[str, str]:
    """Return who asks each function of the schema, as sendmail calls it."""
    mc = (ROOT / "roles/mta_config/templates/etc/mail/sendmail.mc.j2").read_text()
    code = (BUILD / "pgsqlmap/pgsqlmap.c").read_text()
    result = {
        functions_of_features()[feature]: f"`FEATURE({feature})`"
        for feature in re.findall(r"^FEATURE\(`(\w+)', `PGSQL'", mc, re.M)
    }
    assert "define(`ALIAS_FILE', `pgsql:')" in mc
    result |= dict.fromkeys(re.findall(r'PGSQLMAP_ALIASES\t"mail\.(\w+)"', code), "`ALIAS_FILE`")
    # -K: the verifiers of users are no map of entries.
    for name, function in re.findall(r"^K(\w+) pgsql (?!.* -K).*-F mail\.(\w+)", mc, re.M):
        result[function] = f"map `{name}`"
    for name, function in re.findall(r"^A\{(\w+)\}@pgsql:-F mail\.(\w+)", mc, re.M):
        result[function] = f"class `{name}`"
    return result


@pytest.fixture(scope="module")
def schema() -> str:
    """All steps of the schema."""
    steps = sorted((ROOT / "roles/map_database/files/schema").glob("[0-9]*.sql"))
    return "".join(step.read_text() for step in steps)


@pytest.fixture(scope="module")
def tables(schema: str) -> dict[str, tuple[str, str]]:
    """What each table holds that sendmail asks, and its first column, in the words of SQL."""
    comments = dict(
        re.findall(r"^COMMENT ON (?:TABLE|COLUMN) mail\.([\w.]+) IS\s+'(.*)';", schema, re.M)
    )
    lookups = re.findall(r"^CREATE FUNCTION mail\.lookup_(\w+)\(asked text\)", schema, re.M)
    created = re.findall(r"^CREATE TABLE mail\.(\w+)", schema, re.M)
    return {name: (comments[name], comments[f"{name}.key"]) for name in created if name in lookups}


def test_the_page_has_a_row_for_each_table(tables: dict[str, tuple[str, str]]) -> None:
    callers = asked()
    assert set(callers) == {f"lookup_{name}" for name in tables}
    rows = [
        f"| `{name}` | {callers[f'lookup_{name}']} | {what} | {key} |\n"
        for name, (what, key) in tables.items()
    ]
    head = "| Table | In sendmail | What it holds | First column |\n| --- | --- | --- | --- |\n"
    before, _begin, rest = PAGE.read_text().partition(BEGIN)
    _table, _end, after = rest.partition(END)
    page = "".join([before, BEGIN, head, *rows, END, after])
    if os.environ.get("SQLMAIL_REGENERATE"):
        PAGE.write_text(page)
    assert PAGE.read_text() == page


def test_the_module_knows_each_table(tables: dict[str, tuple[str, str]]) -> None:
    assert set(MAPS) == set(tables)
    callers = asked()
    assert set(CLASSES) == {
        name for name in tables if callers[f"lookup_{name}"].startswith("class")
    }


def test_what_is_not_offered_has_a_reason() -> None:
    """A feature that could ask PostgreSQL is offered, or the page says why not."""
    _offered, _heading, rest = PAGE.read_text().partition("\n## Not offered\n")
    for feature, function in functions_of_features().items():
        assert function in asked() or f"`{feature}`" in rest, feature
