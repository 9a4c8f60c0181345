# SPDX-License-Identifier: GPL-3.0-or-later
"""The statements of the HOWTO, entered as they stand there, count at once."""

from __future__ import annotations

import contextlib
import typing as t
from collections.abc import Iterator

import pytest

from shared.machine import Machine

STRANGER = "somebody@elsewhere.example"


class Statement(t.NamedTuple):
    """A statement, what it makes welcome, and how to take it back."""

    insert: str
    delete: str
    recipient: str
    # What would have the same effect, or hides it, is put right first.
    first: str = "SELECT;"

    @property
    def table(self) -> str:
        """The table that changes."""
        return self.insert.split()[2]


MAILER_DAEMON = Statement(
    insert="insert into aliases values ('MAILER-DAEMON','david');",
    delete="delete from aliases where key = 'MAILER-DAEMON';",
    recipient="MAILER-DAEMON@{domain}",
    first="delete from aliases where key = 'MAILER-DAEMON';",
)
STATEMENTS = [
    pytest.param(
        # The HOWTO's other example of this kind; {client} is whoever asks.
        Statement(
            insert="insert into access values ('{client}','RELAY');",
            delete="delete from access where key = '{client}';",
            recipient=STRANGER,
        ),
        id="access",
    ),
    pytest.param(MAILER_DAEMON, id="aliases"),
    pytest.param(
        Statement(
            insert="insert into virtualusers values ('david@hostA.com','david@hostB.com');",
            delete="delete from virtualusers where key = 'david@hostA.com';",
            recipient="david@hostA.com",
        ),
        id="virtual user",
    ),
    pytest.param(
        Statement(
            insert="insert into virtualusers values ('@domainC.com','joe@target.com');",
            delete="delete from virtualusers where key = '@domainC.com';",
            recipient="whoever@domainC.com",
        ),
        id="virtual domain",
    ),
]
LOOPBACK = "insert into access values ('127.0.0.1','RELAY');"
NO_LOOPBACK = "delete from access where key = '127.0.0.1';"
ROUTE = "insert into mailertable values ('mail.domain.com','esmtp:mail.primaryrelay.com');"
NO_ROUTE = "delete from mailertable where key = 'mail.domain.com';"


@pytest.fixture(autouse=True, scope="module")
def david(mta: Machine) -> None:
    """The HOWTO's reader of administrative mail."""
    mta.account("david")


@pytest.fixture(autouse=True)
def _daemon_is_left_alone(mta: Machine) -> Iterator[None]:
    before = mta.daemon()
    yield
    assert mta.daemon() == before


@contextlib.contextmanager
def prepared(database: Machine, statement: Statement) -> Iterator[None]:
    """Bring the table into a known state; afterwards it is as it was."""
    with database.kept(statement.table):
        database.sql(statement.first)
        yield


@pytest.mark.parametrize("statement", STATEMENTS)
def test_a_row_counts_at_the_next_command_of_an_open_session(
    mta: Machine, database: Machine, statement: Statement
) -> None:
    with prepared(database, statement), mta.smtp() as session:
        names = {"domain": mta.domain, "client": session.sock.getsockname()[0]}
        recipient = statement.recipient.format(**names)
        assert session.ask(recipient).refused, session.heard

        database.sql(statement.insert.format(**names))
        assert session.ask(recipient).accepted, session.heard

        database.sql(statement.delete.format(**names))
        assert session.ask(recipient).refused, session.heard


def test_the_row_for_loopback_counts_at_the_next_connection(
    mta: Machine, database: Machine
) -> None:
    # sendmail lets 127.0.0.1 relay without asking the map, so the row is seen
    # only where it speaks against a more general one.
    def welcome() -> bool:
        return mta.answer(STRANGER, local="127.0.0.1").accepted

    with database.kept("access"):
        database.sql("delete from access where key ~* '127|localhost';")
        database.sql("insert into access values ('127','REJECT');")
        assert not welcome()
        database.sql(LOOPBACK)
        assert welcome()
        database.sql(NO_LOOPBACK)
        assert not welcome()


def test_an_alias_row_leads_the_next_delivery(
    mta: Machine, database: Machine, letter: str, subject: str
) -> None:
    with prepared(database, MAILER_DAEMON):
        database.sql(MAILER_DAEMON.insert)
        with mta.smtp() as session:
            reply = session.offer(MAILER_DAEMON.recipient.format(domain=mta.domain), letter)
        assert reply.accepted, reply
        mta.delivered("david", subject)


def test_a_mailertable_row_leads_the_next_delivery(mta: Machine, database: Machine) -> None:
    def route() -> str:
        return mta.run("/usr/sbin/sendmail", "-bv", "user@mail.domain.com")

    with database.kept("mailertable"):
        assert "mail.primaryrelay.com" not in route()
        database.sql(ROUTE)
        assert "mailer esmtp, host mail.primaryrelay.com" in route()
        database.sql(NO_ROUTE)
        assert "mail.primaryrelay.com" not in route()


def test_a_mailertable_row_counts_at_the_next_command_of_an_open_session(
    mta: Machine, database: Machine, demo: tuple[str, str]
) -> None:
    with database.kept("mailertable"), mta.smtp(587, tls=True, auth=demo) as session:
        assert session.ask("user@mail.domain.com").accepted

        database.sql(
            "insert into mailertable values ('mail.domain.com','error:5.7.0:550 closed today');"
        )
        reply = session.ask("user@mail.domain.com")
        assert reply.refused
        assert "closed today" in reply.text

        database.sql(NO_ROUTE)
        assert session.ask("user@mail.domain.com").accepted
