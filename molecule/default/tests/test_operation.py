# SPDX-License-Identifier: GPL-3.0-or-later
"""Running it again changes nothing, and switching it off and on does no harm."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

from shared.machine import Machine
from shared.waiting import wait_until


def deploy(*options: str, fails: bool = False) -> str:
    """Run the playbook of the scenario once more and return what it printed."""
    playbook = Path(__file__).parents[2] / "shared" / "converge.yml"
    inventory = os.environ["MOLECULE_INVENTORY_FILE"]
    done = subprocess.run(
        ["ansible-playbook", "--inventory", inventory, *options, playbook],
        stdout=subprocess.PIPE,
        # Molecule has failures told there.
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        env={
            **os.environ,
            "ANSIBLE_FORCE_COLOR": "0",
            "ANSIBLE_DISPLAY_OK_HOSTS": "false",
            "ANSIBLE_DISPLAY_SKIPPED_HOSTS": "false",
        },
    )
    assert bool(done.returncode) == fails, done.stdout
    return done.stdout


def changes(output: str) -> set[str]:
    """How many changes the hosts report."""
    return set(re.findall(r"\bchanged=(\d+)", output))


def test_a_reload_that_an_earlier_run_missed_is_made_up_for(mta: Machine) -> None:
    before = mta.daemon()
    mta.run("touch", "/etc/mail/sendmail.cf")
    output = deploy("--tags", "mta_config_service")
    assert changes(output) == {"1"}, output
    after = wait_until(lambda: (now := mta.daemon()) != before and now)
    assert (after.pid, after.started) == (before.pid, before.started)


def test_a_map_that_gets_no_answer_fails_the_play(mta: Machine) -> None:
    # A76, B63
    def rename(old: str, new: str) -> None:
        mta.sql(
            f"ALTER FUNCTION mail.{old}(text) RENAME TO {new};",
            role="postgres",
            user="postgres",
            database="sendmail",
        )

    daemon = mta.daemon()
    rename("lookup_virtualusers", "kept_by_the_tests")
    try:
        output = deploy("--tags", "mta_config_configure", fails=True)
    finally:
        rename("kept_by_the_tests", "lookup_virtualusers")
    assert "virtuser: query: function mail.lookup_virtualusers(unknown) does not exist" in output
    assert "access: " not in output
    assert changes(output) == {"0"}, output
    assert mta.daemon() == daemon
    assert changes(deploy("--tags", "mta_config_configure")) == {"0"}


def test_check_mode_on_a_deployed_host_reports_no_change() -> None:
    output = deploy("--check", "--diff")
    assert changes(output) == {"0"}, output


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
