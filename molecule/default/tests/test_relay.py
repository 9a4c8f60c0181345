# SPDX-License-Identifier: GPL-3.0-or-later
"""The host relays for those who may, and for nobody else."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest

from shared.machine import Machine

THERE = "elsewhere.example"
SENDERS = ["", "somebody@" + THERE, "demo@{domain}", "root@{fqdn}"]
RECIPIENTS = [
    "user@" + THERE,
    "user%" + THERE + "@{fqdn}",
    "user%" + THERE + "@[{address}]",
    "user%" + THERE + "@localhost",
    "user%" + THERE + "@[127.0.0.1]",
    "user%" + THERE + "@[IPv6:::1]",
    "user%" + THERE,
    "@{fqdn}:user@" + THERE,
    "@[127.0.0.1]:user@" + THERE,
    "@[IPv6:::1]:user@" + THERE,
    '"user@' + THERE + '"',
    '"user@' + THERE + '"@{fqdn}',
    '"user%' + THERE + '"',
    "user@" + THERE + "@{fqdn}",
    THERE + "!user",
    THERE + "!user@{fqdn}",
    "user@[192.0.2.25]",
]


@pytest.fixture(autouse=True)
def _sender_is_welcome(database: Machine) -> Iterator[None]:
    """Let the sender pass, so that it is the recipient that is refused."""
    with database.kept("access"):
        database.sql(f"INSERT INTO access VALUES ('From:{THERE}', 'OK');")
        yield


def scan(mta: Machine) -> str:
    """Let nmap look for an open relay."""
    return subprocess.run(
        [
            *("nmap", "-Pn", "-n", "-p", "25", "--script", "smtp-open-relay"),
            *("--script-args", f"smtp-open-relay.domain={THERE}", mta.address),
        ],
        check=True,
        capture_output=True,
        text=True,
        timeout=300,
    ).stdout


@pytest.mark.parametrize("sender", SENDERS)
@pytest.mark.parametrize("client", ["outside", "IPv6"])
def test_a_stranger_cannot_relay(mta: Machine, client: str, sender: str) -> None:
    names = {"fqdn": mta.fqdn, "domain": mta.domain, "address": mta.address}
    local = mta.link_local() if client == "IPv6" else None
    with mta.smtp(local=local) as session:
        assert session.mail_from(sender.format(**names)).accepted
        answers = {
            recipient: session.rcpt_to(recipient.format(**names)) for recipient in RECIPIENTS
        }
    assert {recipient: reply for recipient, reply in answers.items() if not reply.refused} == {}


@pytest.mark.parametrize("sender", ["root@localhost", "root@[127.0.0.1]", "root@[IPv6:::1]"])
def test_a_stranger_cannot_pretend_to_be_the_host(mta: Machine, sender: str) -> None:
    with mta.smtp() as session:
        session.say("EHLO [127.0.0.1]")
        if session.mail_from(sender).accepted:
            assert session.rcpt_to("user@" + THERE).refused, session.heard


def test_nmap_finds_no_open_relay(mta: Machine) -> None:
    assert "all tests failed" in scan(mta)


def test_nmap_would_find_an_open_relay(mta: Machine, database: Machine) -> None:
    database.sql(f"INSERT INTO access VALUES ('To:{THERE}', 'RELAY');")
    assert "Server is an open relay" in scan(mta)


@pytest.mark.parametrize("loopback", ["127.0.0.1", "::1"])
def test_the_host_itself_may_relay(mta: Machine, loopback: str) -> None:
    assert mta.answer("user@" + THERE, local=loopback).accepted


def test_an_authenticated_user_may_relay(mta: Machine, demo: tuple[str, str]) -> None:
    with mta.smtp(587, tls=True, auth=demo) as session:
        assert session.mail_from(f"demo@{mta.domain}").accepted
        assert session.rcpt_to("user@" + THERE).accepted, session.heard


@pytest.mark.parametrize("port", [465, 587])
def test_who_did_not_log_in_may_not_relay_by_submission(mta: Machine, port: int) -> None:
    with mta.smtp(port, tls=True) as session:
        session.mail_from(f"demo@{mta.domain}")
        assert session.rcpt_to("user@" + THERE).code >= 500, session.heard
