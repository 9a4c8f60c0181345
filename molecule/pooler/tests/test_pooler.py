# SPDX-License-Identifier: GPL-3.0-or-later
"""Sessions come and go, the connections to PostgreSQL stay."""

from __future__ import annotations

import contextlib

import pytest

from shared.machine import Machine
from shared.waiting import wait_until

# As the daemon, by the pooler's socket.
DAEMON = {"host": "{root}/run/pgbouncer", "port": "6432", "user": "root", "dbname": "sendmail"}

# Runs on the host, which has no psql: begins a connection as the daemon and
# prints what the pooler says first, R for a welcome and E for a refusal.
BEGIN = r"""
import socket, struct
body = struct.pack("!i", 3 << 16) + b"user\0root\0database\0sendmail\0\0"
with socket.socket(socket.AF_UNIX) as peer:
    peer.connect("/run/pgbouncer/.s.PGSQL.6432")
    peer.sendall(struct.pack("!i", len(body) + 4) + body)
    print(peer.recv(1).decode())
"""


@pytest.fixture
def recipient(mta: Machine) -> str:
    """Somebody who is welcome; asking has made the pooler connect."""
    name = f"demo@{mta.domain}"
    wait_until(lambda: mta.answer(name).accepted, deadline=60)
    return name


def test_mail_is_delivered(mta: Machine, recipient: str, letter: str, subject: str) -> None:
    with mta.smtp() as session:
        assert session.offer(recipient, letter).accepted, session.heard
    mta.delivered("demo", subject)


def test_sessions_make_no_connections_of_their_own(
    mta: Machine, database: Machine, recipient: str
) -> None:
    before = database.backends()
    assert before
    with contextlib.ExitStack() as stack:
        for _session in range(8):
            assert stack.enter_context(mta.smtp()).ask(recipient).accepted
        assert database.backends() == before
    assert database.backends() == before


def test_the_pooler_comes_by_tls_with_the_certificate_of_the_mail_host(
    mta: Machine, database: Machine, recipient: str
) -> None:
    assert mta.answer(recipient).accepted
    assert database.comers() == [f"TLSv1.3,/CN=sendmail,{mta.address}"]


def test_a_row_counts_at_the_next_recipient(mta: Machine, database: Machine) -> None:
    newcomer = f"newcomer@{mta.domain}"
    with database.kept("aliases"), mta.smtp() as session:
        assert session.ask(newcomer).refused
        database.sql("INSERT INTO aliases VALUES ('newcomer', 'demo');")
        assert session.ask(newcomer).accepted
        database.sql("DELETE FROM aliases WHERE key = 'newcomer';")
        assert session.ask(newcomer).refused


@pytest.mark.parametrize(("place", "unit"), [("database", "postgresql"), ("mta", "pgbouncer")])
def test_mail_waits_for_what_is_away_and_flows_when_it_is_back(
    request: pytest.FixtureRequest, mta: Machine, recipient: str, place: str, unit: str
) -> None:
    daemon = mta.daemon()
    with mta.smtp() as session:
        assert session.ask(recipient).accepted
        with request.getfixturevalue(place).stopped(unit):
            assert session.ask(recipient).code == 451
            assert mta.answer(recipient).code == 451
            assert not mta.answer(f"nobody-of-that-name@{mta.domain}").refused
        wait_until(lambda: session.ask(recipient).accepted, deadline=60)
    wait_until(lambda: mta.answer(recipient).accepted, deadline=60)
    assert mta.daemon() == daemon


def test_a_restart_of_the_pooler_costs_an_open_session_nothing(
    mta: Machine, recipient: str
) -> None:
    with mta.smtp() as session:
        assert session.ask(recipient).accepted
        mta.run("systemctl", "restart", "pgbouncer")
        assert session.ask(recipient).accepted


def test_root_becomes_the_reader_of_the_maps(mta: Machine) -> None:
    assert mta.knock("SELECT current_user", **DAEMON).output == "sendmail\n"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        pytest.param({"user": "sendmail"}, "FATAL", id="as the role itself"),
        pytest.param({"user": "postgres"}, "FATAL", id="as the superuser"),
        pytest.param({"dbname": "postgres"}, "FATAL", id="another database"),
        pytest.param({"host": "127.0.0.1"}, "refused", id="by the network"),
    ],
)
def test_there_is_no_other_way_through(mta: Machine, change: dict[str, str], reason: str) -> None:
    answer = mta.knock("SELECT 1", **{**DAEMON, **change})
    assert reason in (answer.error or ""), answer


@pytest.mark.parametrize(("user", "answer"), [("root", "R"), ("demo", "E"), ("smmsp", "E")])
def test_only_the_daemons_user_may_use_it(mta: Machine, user: str, answer: str) -> None:
    assert mta.run("python3", "-c", BEGIN, user=user).strip() == answer


def test_each_host_listens_only_where_it_should(mta: Machine, database: Machine) -> None:
    assert mta.listens() == {25, 465, 587}
    assert database.listens() == {5432}


# Other back ends than the database (A58) -----------------------------------


def log_in(mta: Machine, user: str, password: str, mechanism: str = "PLAIN") -> int:
    with mta.smtp(587, tls=True) as session:
        assert sorted(session.extensions()["auth"].split()) == ["LOGIN", "PLAIN"]
        return session.authenticate(mechanism, user, password).code


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
def test_a_system_account_logs_in_by_saslauthd(mta: Machine, mechanism: str) -> None:
    user, old = mta.account("clerk")
    assert log_in(mta, user, old, mechanism) == 235
    assert log_in(mta, user, old + "x", mechanism) == 535
    # Nothing keeps a password that was right: saslauthd -c would.
    _user, new = mta.account("clerk")
    assert log_in(mta, user, old, mechanism) == 535
    assert log_in(mta, user, new, mechanism) == 235


def test_system_accounts_without_a_person_do_not_log_in(mta: Machine) -> None:
    mta.run("chpasswd", text="root:of-root-itself\n")
    try:
        assert log_in(mta, "root", "of-root-itself") == 535
        assert log_in(mta, "nobody", "") != 235
    finally:
        mta.run("passwd", "--lock", "root")


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
def test_a_user_of_the_sasldb_logs_in(mta: Machine, mechanism: str) -> None:
    assert log_in(mta, "printer", "of-the-printer", mechanism) == 235
    assert log_in(mta, f"printer@{mta.fqdn}", "of-the-printer", mechanism) == 235
    assert log_in(mta, "printer@elsewhere.example", "of-the-printer", mechanism) == 535
    assert log_in(mta, "printer", "of-the-printer ", mechanism) == 535
    assert mta.run("stat", "--format=%a %G", "/etc/sasldb2").split() == ["640", "sasl"]


def test_rows_are_not_asked(mta: Machine, database: Machine) -> None:
    password = database.person(f"row@{mta.fqdn}")
    assert log_in(mta, "row", password) == 535
    database.sql("ALTER ROLE authenticator NOLOGIN;", role="postgres", user="postgres")
    try:
        assert log_in(mta, "row", password) == 535
        assert log_in(mta, "printer", "of-the-printer") == 235
    finally:
        database.sql("ALTER ROLE authenticator LOGIN;", role="postgres", user="postgres")
