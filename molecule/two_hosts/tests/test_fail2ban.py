# SPDX-License-Identifier: GPL-3.0-or-later
"""A failed login is a line that fail2ban finds, with the address of the client."""

from __future__ import annotations

import pytest

from shared.machine import Machine
from shared.waiting import wait_until


def failures(mta: Machine) -> int:
    """How many failed logins fail2ban has seen."""
    status = mta.run("fail2ban-client", "status", "sqlmail-auth")
    return int(status.partition("Total failed:")[2].split()[0])


def test_fail2ban_counts_failed_logins_and_nothing_else(mta: Machine, database: Machine) -> None:
    password = database.person(f"banned@{mta.fqdn}")

    def log_in(user: str, word: str, mechanism: str = "PLAIN") -> int:
        with mta.smtp(587, tls=True) as session:
            session.extensions()
            return session.authenticate(mechanism, user, word).code

    # The tests themselves must not be banned.
    mta.run("fail2ban-client", "set", "sqlmail-auth", "maxretry", "100")
    before = failures(mta)
    for mechanism in ("SCRAM-SHA-256", "PLAIN", "LOGIN"):
        assert log_in("banned", "wrong", mechanism) == 535
    assert log_in("x, relay=other.example [192.0.2.66]", "wrong") == 535
    wait_until(lambda: failures(mta) == before + 4)
    assert log_in("banned", password) == 235
    database.sql("ALTER ROLE authenticator NOLOGIN;", role="postgres", user="postgres")
    try:
        assert log_in("banned", "wrong") == 454
    finally:
        database.sql("ALTER ROLE authenticator LOGIN;", role="postgres", user="postgres")
    assert log_in("banned", "wrong") == 535
    wait_until(lambda: failures(mta) == before + 5)
    addresses = mta.run(
        "fail2ban-regex", "-o", "ip", "systemd-journal", "/etc/fail2ban/filter.d/sqlmail-auth.conf"
    ).split()
    assert len(set(addresses)) == 1
    assert "192.0.2.66" not in addresses


FAILED = "AUTH failure (PLAIN): authentication failure (-13) SASL(-13): x, user=ann, relay="


@pytest.mark.parametrize(
    ("text", "address"),
    [
        (f"{FAILED}mail.example [192.0.2.1]", "192.0.2.1"),
        (f"{FAILED}[192.0.2.1]", "192.0.2.1"),
        (f"{FAILED}mail.example [192.0.2.1] (may be forged)", "192.0.2.1"),
        (f"{FAILED}mail.example [IPv6:2001:db8::1]", "2001:db8::1"),
        (f"{FAILED}{'x' * 200}.example [192.0.2.1]", "192.0.2.1"),
        (f"{FAILED}a [192.0.2.9] [192.0.2.1]", "192.0.2.1"),
        (f"{FAILED.replace('ann', 'a, relay=b [192.0.2.9]')}c [192.0.2.1]", "192.0.2.1"),
        (f"{FAILED.replace('failure (PLAIN)', 'deferred (PLAIN)')}c [192.0.2.1]", ""),
        ("AUTH=server, relay=c [192.0.2.1], authid=ann, mech=PLAIN, bits=0", ""),
    ],
)
def test_the_filter_of_fail2ban_finds_the_address(mta: Machine, text: str, address: str) -> None:
    line = f"Nov 25 12:00:00 mx sm-mta[123]: 6AP2wTja012262: {text}\n"
    found = mta.run(
        "sh",
        "-c",
        "cat >/run/sqlmail-line; fail2ban-regex -o ip /run/sqlmail-line"
        " /etc/fail2ban/filter.d/sqlmail-auth.conf; rm /run/sqlmail-line",
        text=line,
    )
    assert found.strip() == address
