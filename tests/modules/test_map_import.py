# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of an ordinary sendmail (C18, E11)."""

from __future__ import annotations

import os
import subprocess
import typing as t
from pathlib import Path

import pytest

ACCESS = "Connect:192.0.2\tRELAY\nFrom:Spam@junk.example\tREJECT\nFrom:spam@JUNK.example\tOK\n"
ALIASES = "postmaster: root\nroot: Alice,\n  bob@example.net (Bob)\nold\n"
VIRTUSERS = (
    "info@foo.example\talice\n@foo.example\t%1@example.net\ngen+*@foo.example\t%1%3@x.example\n"
)


@pytest.fixture
def insensitive(database: t.Any) -> t.Any:
    """The database of a site that comes from an ordinary sendmail."""
    database.ask("SET ROLE sqlmail_owner; CALL mail.set_case_sensitive(false)")
    return database


@pytest.fixture
def mail(tmp_path: Path, makemap: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory like /etc/mail, and makemap in the path of the module."""
    monkeypatch.setenv("PATH", f"{makemap.parent}:{os.environ['PATH']}")
    place = tmp_path / "etc/mail"
    place.mkdir(parents=True)
    place.chmod(0o755)
    (place / "access").write_text(ACCESS)
    (place / "virtusertable").write_text(VIRTUSERS)
    (place / "local-host-names").write_text("foo.example # a customer\nmx.example.test\n")
    (tmp_path / "etc/aliases").write_text(ALIASES)
    (place / "sendmail.cf").write_text(
        f"Fw{place}/local-host-names %[^\\#]\n"
        f"FR-o {place}/relay-domains %[^\\#]\n"
        "Cwlocalhost\nC{VirtHost}bar.example\n"
        f"Kaccess hash -T<TMPF> {place}/access\n"
        f"Kvirtuser hash -o {place}/virtusertable\n"
        f"Kmailertable hash -o {place}/mailertable\n"
        f"O AliasFile={tmp_path}/etc/aliases\n"
    )
    return place


def compiled(place: Path, name: str) -> None:
    """Compile a map, as the operator did."""
    subprocess.run(
        ["makemap", "hash", f"{place / name}.db"], stdin=(place / name).open(), check=False
    )


def test_a_whole_host_four_times(insensitive: t.Any, ansible: t.Any, mail: Path) -> None:
    compiled(mail, "access")
    told = ansible.four_times("map_import", config=str(mail / "sendmail.cf"))
    assert insensitive.rows("access") == {
        "Connect:192.0.2": "RELAY",
        "From:Spam@junk.example": "REJECT",
    }
    assert insensitive.rows("aliases") == {"postmaster": "root", "root": "Alice, bob@example.net"}
    assert insensitive.rows("local_domains") == {
        "foo.example": "a customer",
        "mx.example.test": None,
    }
    assert insensitive.rows("virtual_domains") == {"bar.example": None}
    assert len(insensitive.rows("virtualusers")) == 3
    result = told[1].result
    assert result["differences"] == []
    assert result["maps"]["access"]["compared"] == 4
    assert [(Path(one["path"]).name, one["line"], one["used"]) for one in result["remarks"]] == [
        ("access", 3, False),
        ("aliases", 4, False),
        ("mailertable", 0, False),
        ("relay-domains", 0, False),
    ]


def test_another_client_is_put_right(insensitive: t.Any, ansible: t.Any, mail: Path) -> None:
    task = ansible.task("map_import", config=str(mail / "sendmail.cf"))
    ansible.play(task)
    insensitive.ask("UPDATE mail.access SET value = 'OK' WHERE key = 'Connect:192.0.2'")
    insensitive.ask("INSERT INTO mail.access VALUES ('Connect:198.51.100.1', 'REJECT')")
    assert ansible.play(task).told[0].changed
    assert insensitive.rows("access")["Connect:192.0.2"] == "RELAY"
    assert len(insensitive.rows("access")) == 3
    exact = {"config": str(mail / "sendmail.cf"), "state": "exact"}
    assert "max_deletions" in ansible.fails("map_import", **exact, max_deletions=0)
    ansible.four_times("map_import", **exact, max_deletions=1)
    assert len(insensitive.rows("access")) == 2


def test_all_that_cannot_be_taken_is_told_at_once(
    insensitive: t.Any, ansible: t.Any, mail: Path
) -> None:
    (mail / "access").write_text("Connect:192.0.2.\tRELAY\nFoo:bar\tOK\nFrom:x@y.example\tOK\n")
    (mail / "virtusertable").write_bytes(b"j\xf6rg@foo.example\tjoerg\n@foo.example\t@x.example\n")
    options = {"config": str(mail / "sendmail.cf")}
    said = ansible.fails("map_import", **options)
    assert said.startswith("4 entries that sendmail uses cannot be taken, so nothing was changed.")
    for words in (
        f"{mail}/access:1: 'Connect:192.0.2.' network \"192.0.2.\" ends with a dot; Write ",
        f"{mail}/access:2: 'Foo:bar' tag \"Foo:\" is not known; Known are",
        f"{mail}/virtusertable:1: 'j\\\\xf6rg@foo.example' byte 0xf6 is not UTF-8",
        f"{mail}/virtusertable:2: '@foo.example' \"@x.example\" has no local part",
    ):
        assert words in said, said
    told = ansible.play(ansible.task("map_import", **options, leave_out=True)).told[0]
    assert insensitive.rows("access") == {"From:x@y.example": "OK"}
    assert sum(one["used"] for one in told.result["remarks"]) == 4


def test_secrets_are_shown_to_nobody(insensitive: t.Any, ansible: t.Any, mail: Path) -> None:
    (mail / "authinfo").write_text('AuthInfo:a.example\t"U:us" "P:planted"\n')
    options = {"files": [{"map": "authinfo", "path": f"{mail}/authinfo"}]}
    assert "planted" not in ansible.play(ansible.task("map_import", **options)).output
    assert insensitive.rows("authinfo") == {"AuthInfo:a.example": '"U:us" "P:planted"'}
    (mail / "authinfo").write_text('AuthInfo:a.example\t"U:us" planted\n')
    assert "planted" not in ansible.play(ansible.task("map_import", **options)).output


def test_refusals(insensitive: t.Any, ansible: t.Any, mail: Path) -> None:
    assert insensitive
    said = ansible.fails("map_import", config="/nowhere/sendmail.cf")
    assert said == "cannot read /nowhere/sendmail.cf: No such file or directory"
    said = ansible.fails(
        "map_import", files=[{"map": "access", "path": f"{mail}/access", "format": "hash"}]
    )
    assert f"makemap -u hash {mail}/access failed: " in said
    (mail / "sendmail.cf").write_text("Kvirtuser ldap -k uid=%0\n")
    said = ansible.fails("map_import", config=f"{mail}/sendmail.cf")
    assert "of class ldap, which is not read; give its entries with the option files" in said
    said = ansible.fails(
        "map_import", files=[{"map": "access", "path": f"{mail}/access"}], login_user="sendmail"
    )
    assert "may not INSERT" in said or "permission denied" in said


def test_examples_run(
    insensitive: t.Any, ansible: t.Any, mail: Path, examples: t.Callable[[str], t.Any]
) -> None:
    assert insensitive
    (mail / "mailertable").write_text("far.example\tesmtp:[mail.far.example]\n")
    compiled(mail, "mailertable")
    told = ansible.play(*examples("map_import")).told
    assert [one.result["msg"] for one in told if one.result["failed"]] == []
