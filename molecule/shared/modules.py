# SPDX-License-Identifier: GPL-3.0-or-later
"""Modules of the collection, called on the host as an operator would."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import tempfile
import typing as t
from pathlib import Path

import yaml

MODULES = Path(__file__).resolve().parents[2] / "plugins/modules"


def task(module: str, **options: t.Any) -> dict[str, t.Any]:
    """Return a task that calls a module."""
    return {f"sqlmail.sendmail.{module}": options}


def examples(module: str) -> list[dict[str, t.Any]]:
    """Return the tasks of a module's EXAMPLES."""
    for node in ast.parse((MODULES / f"{module}.py").read_text()).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "EXAMPLES":
            return yaml.safe_load(ast.literal_eval(node.value))
    raise AssertionError(f"{module} has no EXAMPLES")


def play(*tasks: dict[str, t.Any], on: str = "sqlmail_mta[0]") -> list[dict[str, t.Any]]:
    """Run tasks, each whatever becomes of the one before, and return their results."""
    with tempfile.TemporaryDirectory() as place:
        playbook, answers = Path(place) / "play.yml", Path(place) / "answers"
        steps = [
            {"register": f"told_{number}", **one, "ignore_errors": True, "diff": True}
            for number, one in enumerate(tasks)
        ]
        told = ", ".join(one["register"] for one in steps)
        steps.append(
            {
                "ansible.builtin.copy": {
                    "content": f"{{{{ [{told}] | to_json }}}}",
                    "dest": str(answers),
                    "mode": "0600",
                },
                "delegate_to": "localhost",
                "check_mode": False,
            }
        )
        playbook.write_text(yaml.safe_dump([{"hosts": on, "gather_facts": False, "tasks": steps}]))
        done = subprocess.run(
            ["ansible-playbook", "-i", os.environ["MOLECULE_INVENTORY_FILE"], playbook],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "ANSIBLE_FORCE_COLOR": "0"},
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(answers.read_text())
