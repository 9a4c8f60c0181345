# SPDX-License-Identifier: GPL-3.0-or-later
"""Running it again changes nothing, and switching it off and on does no harm."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

from shared.machine import Machine
from shared.waiting import wait_until


def test_check_mode_on_a_deployed_host_reports_no_change() -> None:
    playbook = Path(__file__).parents[2] / "shared" / "converge.yml"
    inventory = os.environ["MOLECULE_INVENTORY_FILE"]
    done = subprocess.run(
        ["ansible-playbook", "--inventory", inventory, "--check", "--diff", playbook],
        capture_output=True,
        text=True,
        check=False,
        env={
            **os.environ,
            "ANSIBLE_FORCE_COLOR": "0",
            "ANSIBLE_DISPLAY_OK_HOSTS": "false",
            "ANSIBLE_DISPLAY_SKIPPED_HOSTS": "false",
        },
    )
    assert done.returncode == 0, done.stdout
    assert set(re.findall(r"\bchanged=(\d+)", done.stdout)) == {"0"}, done.stdout


def test_a_restart_of_the_host_brings_everything_back(
    mta: Machine, demo: tuple[str, str], letter: str, subject: str
) -> None:
    mta.restart()
    wait_until(lambda: mta.attempt("ss", "-Hltn", "sport = :25").stdout, deadline=60)
    wait_until(lambda: mta.answer(f"demo@{mta.domain}").accepted, deadline=60)
    with mta.smtp(587, tls=True, auth=demo) as session:
        assert session.offer(f"demo@{mta.domain}", letter).accepted
    mta.delivered("demo", subject)
    assert mta.run("systemctl", "--failed", "--no-legend", "--plain") == ""
