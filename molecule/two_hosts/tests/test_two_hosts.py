# SPDX-License-Identifier: GPL-3.0-or-later
"""The maps are on another host, and only a certificate opens the way to them."""

from __future__ import annotations

import pytest

from shared.machine import Machine
from shared.waiting import wait_until

# As the reader of the maps, from the mail host, by the one way there is.
READER = {
    "host": "db.sqlmail.test",
    "dbname": "sendmail",
    "user": "sendmail",
    "sslmode": "verify-full",
    "sslrootcert": "{root}/etc/mail/tls/ca.crt",
    "sslcert": "{root}/etc/mail/tls/database.crt",
    "sslkey": "{root}/etc/mail/tls/database.key",
}


@pytest.fixture
def reader(database: Machine) -> dict[str, str]:
    """The parameters of a connection that is welcome."""
    return {**READER, "hostaddr": database.address}


def test_a_row_changed_on_the_database_host_counts_at_the_next_recipient(
    mta: Machine, database: Machine
) -> None:
    newcomer = f"newcomer@{mta.domain}"
    daemon = mta.daemon()
    with database.kept("aliases"), mta.smtp() as session:
        assert session.ask(newcomer).refused
        database.sql("INSERT INTO aliases VALUES ('newcomer', 'demo');")
        assert session.ask(newcomer).accepted
        database.sql("DELETE FROM aliases WHERE key = 'newcomer';")
        assert session.ask(newcomer).refused
    assert mta.daemon() == daemon


def test_mail_is_delivered(mta: Machine, letter: str, subject: str) -> None:
    with mta.smtp() as session:
        assert session.offer(f"demo@{mta.domain}", letter).accepted, session.heard
    mta.delivered("demo", subject)


def test_lookups_travel_by_tls_with_the_certificate_of_the_mail_host(
    mta: Machine, database: Machine
) -> None:
    with mta.smtp() as session:
        assert session.ask(f"demo@{mta.domain}").accepted
        assert database.comers() == [f"TLSv1.3,/CN=sendmail,{mta.address}"]


def test_the_certificate_opens_this_database_as_this_role(
    mta: Machine, reader: dict[str, str]
) -> None:
    assert mta.knock("SELECT current_user", **reader).output == "sendmail\n"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        pytest.param(
            {"sslcert": "", "sslkey": ""}, "requires a valid client certificate", id="none"
        ),
        pytest.param(
            {
                "sslcert": "{root}/etc/mail/tls/server.crt",
                "sslkey": "{root}/etc/mail/tls/server.key",
            },
            "certificate authentication failed",
            id="another certificate of the authority",
        ),
        pytest.param({"sslmode": "disable"}, "no encryption", id="plain text"),
        pytest.param({"user": "mailadmin"}, "pg_hba.conf rejects", id="the role for changes"),
        pytest.param({"dbname": "postgres"}, "pg_hba.conf rejects", id="another database"),
        pytest.param({"host": "mx.sqlmail.test"}, "does not match host name", id="another name"),
    ],
)
def test_nothing_else_does(
    mta: Machine, reader: dict[str, str], change: dict[str, str], reason: str
) -> None:
    answer = mta.knock("SELECT 1", **{**reader, **change})
    assert reason in (answer.error or ""), answer


def test_another_host_is_refused_even_with_the_certificate(
    mta: Machine, database: Machine, reader: dict[str, str]
) -> None:
    files = {key: value.format(root=mta.root) for key, value in reader.items()}
    answer = database.knock("SELECT 1", **files)
    assert "pg_hba.conf rejects" in (answer.error or ""), answer


def test_mail_waits_while_the_database_is_away_and_flows_when_it_is_back(
    mta: Machine, database: Machine, letter: str, subject: str
) -> None:
    daemon = mta.daemon()
    recipient = f"demo@{mta.domain}"
    with mta.smtp() as session:
        assert session.ask(recipient).accepted
        with database.stopped("postgresql"):
            assert session.ask(recipient).code == 451
            assert mta.answer(recipient).code == 451
            assert not mta.answer(f"nobody-of-that-name@{mta.domain}").refused
        wait_until(lambda: session.ask(recipient).accepted, deadline=60)
    wait_until(lambda: mta.answer(recipient).accepted, deadline=60)
    with mta.smtp() as session:
        assert session.offer(recipient, letter).accepted
    mta.delivered("demo", subject)
    assert mta.daemon() == daemon


def test_each_host_listens_only_where_it_should(mta: Machine, database: Machine) -> None:
    assert mta.listens() == {25, 465, 587}
    assert database.listens() == {5432}


def test_verifiers_come_by_a_role_and_a_certificate_of_their_own(
    mta: Machine, database: Machine
) -> None:
    password = database.person(f"far@{mta.fqdn}")
    for mechanism in ("SCRAM-SHA-256", "PLAIN", "LOGIN"):
        with mta.smtp(587, tls=True) as session:
            session.extensions()
            assert session.authenticate(mechanism, "far", "wrong").code == 535
            assert session.authenticate(mechanism, "far", password).code == 235
            (comer,) = database.comers("authenticator")
            assert "CN=authenticator" in comer
    mta.run("test", "!", "-e", "/etc/mail/pgpass")
