# SPDX-License-Identifier: GPL-3.0-or-later
"""House rules of roles that no linter knows."""

from __future__ import annotations

import re
import typing as t
from pathlib import Path

import pytest
import yaml

from house import ROLES, TOP, conditions, expressions, jinja, load, shown, task_files, tasks

PHASES = ["platform", "preflight", "install", "configure", "service"]
COMMAND = "ansible.builtin.command"
TEMPLATE = "ansible.builtin.template"

each_role = pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
each_task_file = pytest.mark.parametrize(
    "path", [path for role in ROLES for path in task_files(role)], ids=shown
)
each_template = pytest.mark.parametrize(
    "path", [path for role in ROLES for path in role.glob("templates/**/*.j2")], ids=shown
)


def words(role: Path) -> set[str]:
    """Collect the names that the expressions of a role use."""
    found: set[str] = set()
    for path in role.rglob("*.yml"):
        for expression in expressions(load(path)):
            found.update(re.findall(r"(?<![\w.])[a-z_]\w*", expression))
    for path in role.glob("templates/**/*.j2"):
        for expression in jinja(path.read_text()):
            found.update(re.findall(r"(?<![\w.])[a-z_]\w*", expression))
    return found


@each_role
def test_a_role_knows_only_its_own_variables(role: Path) -> None:
    others = [other.name for other in ROLES if other != role]
    foreign = re.compile(rf"(?:_*(?:{'|'.join(others)})|sqlmail)_\w+")
    assert sorted(name for name in words(role) if foreign.fullmatch(name)) == []


@each_role
def test_a_role_calls_no_role_and_sets_only_private_facts(role: Path) -> None:
    for path in task_files(role):
        for task in tasks(load(path)):
            assert not {"ansible.builtin.include_role", "ansible.builtin.import_role"} & set(task)
            for name in task.get("ansible.builtin.set_fact", {}):
                assert name.startswith(f"__{role.name}_") or name == "cacheable", (path, name)


@each_role
def test_main_is_a_table_of_contents(role: Path) -> None:
    path = role / "tasks" / "main.yml"
    assert len(list(filter(None, path.read_text().splitlines()))) <= 30
    imported = []
    for task in load(path):
        assert set(task) <= {"name", "ansible.builtin.import_tasks", "when", "tags"}, task
        imported.append(Path(task["ansible.builtin.import_tasks"]).stem)
    agreed = [phase for phase in imported if phase in PHASES]
    assert agreed == sorted(agreed, key=PHASES.index)
    assert imported[: len(agreed[:2])] == agreed[:2], "platform and preflight come first"


@each_role
def test_documented_defaults_are_the_real_defaults(role: Path) -> None:
    spec = load(role / "meta" / "argument_specs.yml")["argument_specs"]["main"]
    options: dict[str, t.Any] = spec.get("options", {})
    documented = {
        name: option["default"] for name, option in options.items() if "default" in option
    }
    assert documented == load(role / "defaults" / "main.yml")
    undecided = [
        name
        for name, option in options.items()
        if ("default" in option) == bool(option.get("required"))
    ]
    assert undecided == [], "an option has a default or is required, not both, not neither"


@each_role
def test_the_interface_is_typed(role: Path) -> None:
    def untyped(options: dict[str, t.Any], where: str) -> list[str]:
        found = []
        for name, option in options.items():
            if "type" not in option or (option["type"] == "list" and "elements" not in option):
                found.append(f"{where}{name}")
            found += untyped(option.get("options", {}), f"{where}{name}.")
        return found

    spec = load(role / "meta" / "argument_specs.yml")["argument_specs"]["main"]
    assert untyped(spec.get("options", {}), "") == []


def test_the_platform_files_are_equal_but_for_the_name_of_the_role() -> None:
    texts = {
        path.read_text().replace(role.name, "ROLE")
        for role in ROLES
        if (path := role / "tasks" / "platform.yml").exists()
    }
    assert len(texts) <= 1


def test_every_role_takes_the_same_care_for_the_index_of_the_packages() -> None:
    cares = set()
    for role in ROLES:
        install = load(role / "tasks" / "install.yml") or []
        care = [task for task in install if re.search("the index|an index", task["name"])]
        alike = yaml.safe_dump([{**task, "when": None} for task in care])
        if any("ansible.builtin.apt" in task for task in install):
            cares.add(re.sub(rf"__{role.name}_\w+", "__ROLE", alike))
    assert len(cares) == 1, cares


@each_task_file
def test_no_task_depends_on_the_name_of_the_distribution(path: Path) -> None:
    for condition in conditions(load(path)):
        assert not re.search(r"ansible_(facts\W*)?(distribution|os_family)", condition)


@each_task_file
def test_a_task_says_its_phase(path: Path) -> None:
    if path.stem == "main":
        return
    phase = path.stem.replace("_", " ").capitalize()
    strangers = [
        task["name"]
        for task in tasks(load(path))
        if not re.match(rf"{re.escape(phase)} \| [A-Z]", task["name"])
    ]
    assert strangers == []


@each_task_file
def test_a_command_has_argv_and_a_reason(path: Path) -> None:
    lines = path.read_text().splitlines()
    for number, line in enumerate(lines):
        if not line.strip().startswith(f"{COMMAND}:"):
            continue
        start = next(n for n in range(number, -1, -1) if lines[n].lstrip().startswith("- "))
        assert lines[start - 1].lstrip().startswith("#"), f"no reason above line {start + 1}"
    for task in tasks(load(path)):
        assert not {"ansible.builtin.shell", "ansible.builtin.raw"} & set(task), task["name"]
        assert "ignore_errors" not in task, task["name"]
        if COMMAND in task:
            assert "argv" in task[COMMAND], task["name"]


@each_task_file
def test_a_template_mirrors_its_path(path: Path) -> None:
    for task in tasks(load(path)):
        if TEMPLATE not in task:
            continue
        src, dest = task[TEMPLATE]["src"], task[TEMPLATE]["dest"]
        if "{{" not in dest + src:
            assert src == dest.lstrip("/") + ".j2", task["name"]
        elif dest.startswith("/"):
            known = dest.split("{{")[0].rpartition("/")[0]
            assert src.startswith(known.lstrip("/")), task["name"]


@each_template
def test_a_template_holds_no_decisions(path: Path) -> None:
    for expression in jinja(path.read_text()):
        assert not re.search(r"^[-+\s]*set\b|\|\s*(d|default)\b\s*\(", expression), expression


@each_template
def test_a_template_says_who_owns_the_file(path: Path) -> None:
    role, templates, root = path.relative_to(TOP / "roles").parts[:3]
    if (templates, root) != ("templates", "etc"):
        return
    head = "\n".join(path.read_text().splitlines()[:8])
    assert "ansible_managed" in head or role in head
