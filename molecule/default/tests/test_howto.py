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
    # The client, if the statement speaks of one; else somebody from outside.
    client: str | None = None
    # What else would have the same effect, so that it must go first.
    hidden_by: str = "SELECT;"

    @property
    def table(self) -> str:
        """The table that changes."""
        return self.insert.split()[2]


STATEMENTS = [
    pytest.param(
        Statement(
            insert="insert into access values ('127.0.0.1','RELAY');",
            delete="delete from access where key = '127.0.0.1';",
            recipient=STRANGER,
            client="127.0.0.1",
            hidden_by="delete from access where key ~* '127|localhost';",
        ),
        id="access",
    ),
    pytest.param(
        Statement(
            insert="insert into aliases values ('MAILER-DAEMON','david');",
            delete="delete from aliases where key = 'MAILER-DAEMON';",
            recipient="MAILER-DAEMON@{domain}",
            hidden_by="delete from aliases where key = 'MAILER-DAEMON';",
        ),
        id="aliases",
    ),
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
    """Remove what would hide the effect; afterwards the table is as it was."""
    with database.kept(statement.table):
        database.sql(statement.hidden_by)
        yield


@pytest.mark.parametrize("statement", STATEMENTS)
def test_a_row_counts_at_the_next_command_of_an_open_session(
    mta: Machine, database: Machine, statement: Statement
) -> None:
    recipient = statement.recipient.format(domain=mta.domain)
    with prepared(database, statement), mta.smtp(local=statement.client) as session:
        assert session.mail_from().accepted
        assert session.rcpt_to(recipient).refused, session.heard

        database.sql(statement.insert)
        assert session.rcpt_to(recipient).accepted, session.heard

        database.sql(statement.delete)
        assert session.rcpt_to(recipient).refused, session.heard


def test_an_alias_row_leads_the_next_delivery(
    mta: Machine, database: Machine, letter: str, subject: str
) -> None:
    statement: Statement = STATEMENTS[1].values[0]
    with prepared(database, statement):
        database.sql(statement.insert)
        with mta.smtp() as session:
            reply = session.offer(statement.recipient.format(domain=mta.domain), letter)
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
        assert session.mail_from().accepted
        assert session.rcpt_to("user@mail.domain.com").accepted

        database.sql(
            "insert into mailertable values ('mail.domain.com','error:5.7.0:550 closed today');"
        )
        reply = session.rcpt_to("user@mail.domain.com")
        assert reply.refused
        assert "closed today" in reply.text

        database.sql(NO_ROUTE)
        assert session.rcpt_to("user@mail.domain.com").accepted
