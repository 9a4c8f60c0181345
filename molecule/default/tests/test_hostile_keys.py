# SPDX-License-Identifier: GPL-3.0-or-later
"""A key is data: whatever a stranger writes, the database sees a value."""

from __future__ import annotations

import pytest

from shared.machine import Machine

HOSTILE = [
    pytest.param(b"o'brien", id="quote"),
    pytest.param(b"';drop-table--", id="quote and comment"),
    pytest.param(b'"\'; DROP TABLE mail.aliases; --"', id="statement"),
    pytest.param(b'"back\\\\slash"', id="backslash"),
    pytest.param(b'"double\\"quote"', id="double quote"),
    pytest.param(b"per%cent", id="percent"),
    pytest.param(b"%s%n%x%1", id="formats"),
    pytest.param(b"$1$$x$$", id="dollars"),
    pytest.param(b"*?{}|~#`^", id="signs"),
    pytest.param(b"x" * 200, id="200 bytes"),
    pytest.param(b"x" * 1024, id="1 kB"),
    pytest.param(b"\xff", id="0xff"),
    pytest.param(b"a\xc3\x28b", id="broken UTF-8"),
    pytest.param(b"caf\xc3\xa9", id="UTF-8"),
    pytest.param(b"\xed\xa0\x80", id="surrogate"),
]


def complaints(database: Machine) -> int:
    """Count the errors in PostgreSQL's log."""
    log = database.run("find", "/var/log/postgresql", "-name", "*.log", "-exec", "cat", "{}", "+")
    assert log, "PostgreSQL logs elsewhere; this test would see nothing"
    return sum(word in line for line in log.splitlines() for word in ("ERROR:", "FATAL:"))


@pytest.mark.parametrize("local_part", HOSTILE)
@pytest.mark.parametrize("domain", ["{domain}", "elsewhere.example"])
def test_a_hostile_key_is_only_an_unknown_key(
    mta: Machine, database: Machine, local_part: bytes, domain: str
) -> None:
    address = local_part + b"@" + domain.format(domain=mta.domain).encode()
    before = complaints(database)
    with mta.smtp() as session:
        assert session.mail_from().accepted
        assert session.rcpt_to(address).refused, session.heard
        # The session, and its connection to the database, are still good.
        assert session.rcpt_to(f"postmaster@{mta.domain}").accepted, session.heard
    assert complaints(database) == before


@pytest.mark.parametrize("local_part", HOSTILE)
def test_a_hostile_sender_is_no_trouble(mta: Machine, database: Machine, local_part: bytes) -> None:
    before = complaints(database)
    with mta.smtp() as session:
        reply = session.say(b"MAIL FROM:<" + local_part + b"@" + mta.domain.encode() + b">")
        assert not reply.deferred
    assert complaints(database) == before


@pytest.mark.parametrize("local_part", ["o'brien", "$1", "{braces}", "tick`"])
def test_a_strange_but_lawful_key_is_found(
    mta: Machine, database: Machine, local_part: str
) -> None:
    with database.kept("aliases"):
        assert mta.answer(f"{local_part}@{mta.domain}").refused
        database.sql(f"INSERT INTO aliases VALUES ($key${local_part}$key$, 'postmaster');")
        assert mta.answer(f"{local_part}@{mta.domain}").accepted
