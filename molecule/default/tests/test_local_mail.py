# SPDX-License-Identifier: GPL-3.0-or-later
"""Mail that starts on the host, and where it waits."""

from __future__ import annotations

import pytest

from shared.machine import Machine

SPOOL = "/var/spool/mqueue"
GROUPS = ["expensive", "lmtp", "local", "smtp", "relay"]


@pytest.mark.parametrize("recipient", ["demo", "demo@{domain}", "demo@{fqdn}"])
def test_a_plain_user_submits_mail(mta: Machine, letter: str, subject: str, recipient: str) -> None:
    to = recipient.format(domain=mta.domain, fqdn=mta.fqdn)
    mta.run("/usr/sbin/sendmail", "-t", text=f"To: {to}\n{letter}", user="demo")
    mta.delivered("demo", subject)


def test_mail_from_outside_is_delivered(mta: Machine, letter: str, subject: str) -> None:
    with mta.smtp() as session:
        assert session.offer(f"demo@{mta.domain}", letter).accepted, session.heard
    mta.delivered("demo", subject)


def test_an_unknown_recipient_is_refused(mta: Machine) -> None:
    assert mta.answer(f"nobody-of-that-name@{mta.domain}").code == 550


@pytest.mark.parametrize(
    "name", ["postmaster", "Postmaster", "POSTMASTER", "abuse", "mailer-daemon", "MAILER-DAEMON"]
)
def test_the_mailboxes_that_every_host_must_have_are_there(mta: Machine, name: str) -> None:
    assert mta.answer(f"{name}@{mta.domain}").accepted


@pytest.mark.parametrize("group", GROUPS)
def test_a_queue_group_is_there_and_closed(mta: Machine, group: str) -> None:
    parts = [f"{SPOOL}/{group}/{part}" for part in ("df", "qf", "xf")]
    seen = mta.run("stat", "--format=%F, %U, %a", *parts).splitlines()
    assert seen == ["directory, root, 700"] * 3


@pytest.mark.parametrize("user", ["smmsp", "demo", "nobody"])
def test_nobody_else_writes_into_the_queue(mta: Machine, user: str) -> None:
    tried = [f"{SPOOL}/{group}/{part}/forged" for group in GROUPS for part in ("qf", "df")]
    for path in tried:
        assert mta.attempt("touch", path, user=user).returncode != 0, path
    assert mta.attempt("ls", SPOOL, user="demo").returncode != 0


@pytest.mark.parametrize(
    ("recipient", "group"),
    [
        ("demo@{domain}", "local"),
        ("user@elsewhere.example", "smtp"),
        ("user@relayed.example", "relay"),
    ],
)
def test_waiting_mail_lies_in_the_group_of_its_mailer(
    mta: Machine, database: Machine, subject: str, letter: str, recipient: str, group: str
) -> None:
    to = recipient.format(domain=mta.domain)
    with database.kept("mailertable"):
        database.sql("INSERT INTO mailertable VALUES ('relayed.example', 'relay:[192.0.2.25]');")
        mta.run("/usr/sbin/sendmail", "-Am", "-odq", to, text=letter)
    found = mta.run("grep", "--recursive", "--files-with-matches", subject, SPOOL).split()
    try:
        assert [path for path in found if path.startswith(f"{SPOOL}/{group}/qf/")], found
        assert to in mta.run("mailq")
    finally:
        for path in found:
            mta.run("rm", path, path.replace("/qf/qf", "/df/df"))
