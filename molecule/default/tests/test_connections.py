# SPDX-License-Identifier: GPL-3.0-or-later
"""Few connections to PostgreSQL, and mail that waits when there are none."""

from __future__ import annotations

from shared.machine import Machine
from shared.smtp import Smtp
from shared.waiting import wait_until


def touch_all_maps(session: Smtp, domain: str) -> None:
    """Make the child look into access, aliases, virtual users, routes and domains."""
    assert session.mail_from(f"demo@{domain}").accepted
    assert session.rcpt_to(f"demo@{domain}").accepted
    assert session.rcpt_to(f"postmaster@{domain}").accepted
    assert session.rcpt_to("somebody@elsewhere.example").refused


def test_a_session_has_one_backend_and_an_idle_daemon_none(mta: Machine, database: Machine) -> None:
    wait_until(lambda: not database.backends(), deadline=60)
    with mta.smtp() as first:
        touch_all_maps(first, mta.domain)
        assert len(database.backends()) == 1
        with mta.smtp() as second:
            touch_all_maps(second, mta.domain)
            assert len(database.backends()) == 2
    wait_until(lambda: not database.backends())


def test_a_message_asks_little_and_the_counters_tell(
    mta: Machine, demo: tuple[str, str], letter: str, subject: str
) -> None:
    before = mta.counted()
    with mta.smtp(587, tls=True, auth=demo) as session:
        me = f"demo@{mta.domain}"
        assert session.offer(me, letter, sender=me).accepted, session.heard
    mta.delivered("demo", subject)
    # One for the maps of the session, one for the verifier, one for the delivery, whose process
    # counts before it is gone.
    after = wait_until(lambda: (now := mta.counted())["connects"] >= before["connects"] + 3 and now)
    assert after["lookups"] - before["lookups"] > 40
    assert after["asked"] - before["asked"] <= 12
    assert after["connects"] - before["connects"] <= 3
    assert after["failed"] == before["failed"]


def test_nothing_is_remembered_from_one_command_to_the_next(mta: Machine) -> None:
    recipient = f"remembered@{mta.domain}"
    with mta.kept("aliases"), mta.smtp() as session:
        for _turn in range(3):
            assert session.ask(recipient).refused
            mta.sql("INSERT INTO aliases VALUES ('remembered', 'demo');")
            assert session.rcpt_to(recipient).accepted
            mta.sql("DELETE FROM aliases WHERE key = 'remembered';")
        assert session.ask(recipient).refused


def test_mail_waits_while_postgresql_is_away_and_flows_when_it_is_back(
    mta: Machine, database: Machine, letter: str, subject: str
) -> None:
    daemon = mta.daemon()
    with database.stopped("postgresql"):
        for recipient in (f"demo@{mta.domain}", f"postmaster@{mta.domain}"):
            assert mta.answer(recipient).deferred, recipient
        # Nobody can know now that these are not welcome.
        for recipient in (f"nobody-of-that-name@{mta.domain}", "somebody@elsewhere.example"):
            assert not mta.answer(recipient).accepted, recipient

    wait_until(lambda: mta.answer(f"demo@{mta.domain}").accepted, deadline=60)
    with mta.smtp() as session:
        assert session.offer(f"demo@{mta.domain}", letter).accepted
    mta.delivered("demo", subject)
    assert mta.daemon() == daemon


def test_an_open_session_survives_a_restart_of_postgresql(mta: Machine, database: Machine) -> None:
    with mta.smtp() as session:
        assert session.mail_from().accepted
        assert session.rcpt_to(f"demo@{mta.domain}").accepted
        with database.stopped("postgresql"):
            assert session.rcpt_to(f"demo@{mta.domain}").deferred
        wait_until(lambda: session.rcpt_to(f"demo@{mta.domain}").accepted, deadline=60)


def test_local_submission_waits_while_postgresql_is_away(
    mta: Machine, database: Machine, letter: str, subject: str
) -> None:
    with database.stopped("postgresql"):
        mta.run("/usr/sbin/sendmail", "-t", text=f"To: demo@{mta.domain}\n{letter}", user="demo")
    wait_until(lambda: mta.answer(f"demo@{mta.domain}").accepted, deadline=60)
    # The submission queue is asked to hurry; its timer would come by itself.
    mta.run("/usr/sbin/sendmail", "-Ac", "-q")
    mta.delivered("demo", subject)
