# SPDX-License-Identifier: GPL-3.0-or-later
"""A map as a text file (C19)."""

from __future__ import annotations

import subprocess
import typing as t
from pathlib import Path

ROWS = """
INSERT INTO mail.aliases VALUES ('root', 'alice'), ('Sales', 'alice, bob@example.net'),
    ('"john doe"', '\\john');
INSERT INTO mail.access VALUES ('Connect:192.0.2', 'RELAY'), ('From:a@junk.example', 'REJECT');
INSERT INTO mail.relay_domains VALUES ('example.org', 'we are its second MX');
INSERT INTO mail.relay_domains VALUES ('example.net');
INSERT INTO mail.authinfo VALUES ('AuthInfo:a.example', '"U:us" "P:planted"');
"""
HEAD = "# Written by sqlmail.sendmail.map_export from the table {}.\n"


def four_times(ansible: t.Any, dest: Path, **options: t.Any) -> list[t.Any]:
    """Check, run, check, run; the file is what the diff says."""
    task = ansible.task("map_export", dest=str(dest), **options)
    before = dest.read_bytes() if dest.exists() else None
    check = ansible.play({**task, "check_mode": True}).told[0]
    assert (dest.read_bytes() if dest.exists() else None) == before
    run, again, last = ansible.play(task, {**task, "check_mode": True}, task).told
    assert [one.changed for one in (check, run, again, last)] == [True, True, False, False]
    assert check.diff == run.diff
    assert again.diff["before"] == again.diff["after"]
    return [check, run, again, last]


def test_four_times(database: t.Any, ansible: t.Any, tmp_path: Path) -> None:
    database.ask(ROWS)
    dest = tmp_path / "aliases"
    dest.write_text("# of the operator\nold: x\n")
    dest.chmod(0o640)
    _check, run, *_repeats = four_times(ansible, dest, map="aliases", backup=True)
    assert dest.read_text() == (
        HEAD.format("aliases") + '"john doe": \\john\nSales: alice, bob@example.net\nroot: alice\n'
    )
    assert run.diff["before"] == "# of the operator\nold: x\n"
    assert run.diff["after"] == dest.read_text()
    assert Path(run.result["backup_file"]).read_text() == "# of the operator\nold: x\n"
    assert dest.stat().st_mode & 0o7777 == 0o640


def test_a_class_keeps_its_remarks(database: t.Any, ansible: t.Any, tmp_path: Path) -> None:
    database.ask(ROWS)
    four_times(ansible, tmp_path / "relay-domains", map="relay_domains", mode="0604")
    text = (tmp_path / "relay-domains").read_text()
    assert (
        text == HEAD.format("relay_domains") + "example.net\nexample.org # we are its second MX\n"
    )
    assert (tmp_path / "relay-domains").stat().st_mode & 0o7777 == 0o604


def test_a_secret_is_shown_to_nobody(database: t.Any, ansible: t.Any, tmp_path: Path) -> None:
    database.ask(ROWS)
    dest = tmp_path / "authinfo"
    four_times(ansible, dest, map="authinfo")
    assert dest.stat().st_mode & 0o7777 == 0o600
    assert dest.read_text().endswith('AuthInfo:a.example\t"U:us" "P:planted"\n')
    dest.unlink()
    output = ansible.play(ansible.task("map_export", map="authinfo", dest=str(dest))).output
    assert "planted" not in output


def test_what_a_file_cannot_hold(database: t.Any, ansible: t.Any, tmp_path: Path) -> None:
    database.ask("INSERT INTO mail.aliases VALUES ('Joe', 'a'), ('joe', 'b'), ('ann', 'c')")
    dest = tmp_path / "aliases"
    said = ansible.fails("map_export", map="aliases", dest=str(dest))
    assert "cannot hold 1 of the rows: 'joe': key 'Joe' differs only in case" in said
    assert not dest.exists()
    options = {"map": "aliases", "dest": str(dest)}
    told = ansible.play(
        ansible.task("map_export", **options, leave_out=True),
        ansible.task("map_export", **options, keep_case=True),
    ).told
    assert [row["key"] for row in told[0].result["left_out"]] == ["joe"]
    assert told[0].result["entries"] == 2
    assert told[1].changed
    assert dest.read_text().endswith("Joe: a\nann: c\njoe: b\n")


def test_refusals(database: t.Any, ansible: t.Any, tmp_path: Path) -> None:
    assert database
    said = ansible.fails("map_export", map="access", dest=str(tmp_path / "no" / "access"))
    assert said == f"directory {tmp_path / 'no'} is missing; make it first"
    said = ansible.fails("map_export", map="access", dest=str(tmp_path))
    assert "dest must be a file" in said
    said = ansible.fails(
        "map_export", map="access", dest=str(tmp_path / "access"), login_user="nobody"
    )
    assert "permission denied" in said


def test_examples_run(
    database: t.Any, ansible: t.Any, tmp_path: Path, examples: t.Callable[[str], t.Any]
) -> None:
    database.ask(ROWS)
    (tmp_path / "etc/mail").mkdir(parents=True)
    told = ansible.play(*examples("map_export")).told
    assert [one.result["msg"] for one in told if one.result["failed"]] == []


def test_a_link_is_followed_and_sendmail_reads_the_file(
    database: t.Any, ansible: t.Any, tmp_path: Path, makemap: Path
) -> None:
    database.ask(ROWS)
    (tmp_path / "access").symlink_to(tmp_path / "file")
    (tmp_path / "file").touch()
    ansible.play(ansible.task("map_export", map="access", dest=str(tmp_path / "access")))
    assert (tmp_path / "access").is_symlink()
    made = f"{tmp_path}/made.db"
    subprocess.run([makemap, "hash", made], stdin=(tmp_path / "file").open(), check=True)
    dump = subprocess.run(
        [makemap, "-u", "hash", made], check=True, capture_output=True, text=True
    ).stdout
    assert sorted(dump.splitlines()) == ["connect:192.0.2\tRELAY", "from:a@junk.example\tREJECT"]
