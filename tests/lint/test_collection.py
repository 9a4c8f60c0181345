# SPDX-License-Identifier: GPL-3.0-or-later
"""House rules of the collection as a whole."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from house import TOP, known_files, load, shown

# A user of SASL is no row: the module does not open the database.
NOT_OF_THE_DATABASE = {"map_lookup", "sasl_user", "smtp_login_info"}
FILES = known_files()
SCENARIOS = sorted((TOP / "molecule").glob("*/molecule.yml"))
TESTS = sorted((TOP / "molecule").glob("*/tests/test_*.py"))
PATCHES = sorted((TOP / "roles").glob("*/files/**/*.patch"))

# Put together from pieces, so that this file does not find itself.
FORBIDDEN = {
    "a path of one machine": rf"(?<![\w.])/(?:{'|'.join(['work', 'farm'])})/",
    "a registry of container images": "|".join(
        re.escape(".".join(name))
        for name in [("docker", "io"), ("quay", "io"), ("ghcr", "io"), ("gcr", "io")]
    ),
    "a private key": "-----BEGIN " + r"(?:[A-Z]+ )?PRIVATE KEY-----",
    "a clear password": r"(?i)\b(?:pass(?:word|wd)?|secret)\s*[:=]\s*"
    r"(['\"])(?![{<!*])[^'\"\s]{6,}\1",
    "a token": r"\b(?:ghp_|glpat-|AKIA)[A-Za-z0-9_-]{12,}",
}


def text_of(path: Path) -> str:
    """Read a file; one that is not text has nothing to say here."""
    try:
        return path.read_text()
    except UnicodeDecodeError:
        return ""


@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_file_holds(what: str) -> None:
    pattern = re.compile(FORBIDDEN[what])
    # A unit test may make up a password; it opens nothing.
    made_up = TOP / "tests" / "unit"
    found = [
        f"{shown(path)}:{number}: {line.strip()}"
        for path in FILES
        if what != "a clear password" or made_up not in path.parents
        for number, line in enumerate(text_of(path).splitlines(), 1)
        if pattern.search(line)
    ]
    assert found == []


def test_the_action_group_holds_the_modules_of_the_database() -> None:
    modules = {path.stem for path in (TOP / "plugins" / "modules").glob("[!_]*.py")}
    group = load(TOP / "meta" / "runtime.yml")["action_groups"]["sendmail"]
    assert group == sorted(modules - NOT_OF_THE_DATABASE)


@pytest.mark.parametrize("suffix", [".py", ".c", ".h"])
def test_every_source_states_its_licence(suffix: str) -> None:
    licence = "GPL-3.0-or-later" if suffix == ".py" else "BSD-2-Clause"
    silent = [
        shown(path)
        for path in FILES
        if path.suffix == suffix
        and f"SPDX-License-Identifier: {licence}" not in "\n".join(text_of(path).splitlines()[:12])
    ]
    assert silent == []


@pytest.mark.parametrize("path", PATCHES, ids=shown)
def test_a_patch_explains_itself(path: Path) -> None:
    header = path.read_text().partition("\n--- ")[0]
    for field in ("Description", "Forwarded", "Last-Update"):
        assert re.search(rf"^{field}: \S", header, re.MULTILINE), field


@pytest.mark.parametrize("path", SCENARIOS, ids=shown)
def test_a_scenario_contains_only_its_difference(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 20
    content = load(path)
    # A scenario with other hosts may name them; how they are made is shared.
    assert not {"driver", "dependency", "verifier"} & set(content)
    assert "playbooks" not in content.get("provisioner", {})


@pytest.mark.parametrize("path", TESTS, ids=shown)
def test_verification_takes_a_second_road(path: Path) -> None:
    weak = {"exists", "is_file", "is_directory", "is_installed", "is_running", "is_enabled"}
    repeating = []
    for function in ast.walk(ast.parse(path.read_text())):
        if not isinstance(function, ast.FunctionDef) or not function.name.startswith("test_"):
            continue
        asserts = [node.test for node in ast.walk(function) if isinstance(node, ast.Assert)]
        if asserts and all(isinstance(a, ast.Attribute) and a.attr in weak for a in asserts):
            repeating.append(function.name)
    assert repeating == []


@pytest.mark.parametrize("path", TESTS, ids=shown)
def test_tests_wait_with_a_deadline(path: Path) -> None:
    assert "sleep(" not in path.read_text()
