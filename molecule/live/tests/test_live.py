# SPDX-License-Identifier: GPL-3.0-or-later
"""Classes are rows: they count for the next command, and nothing else changes."""

from __future__ import annotations

import contextlib
import email
import socket
from collections.abc import Iterator
from email.message import Message
from pathlib import Path

import pytest

from shared.callers import queue_files, queued, received, receiver, run_queue
from shared.machine import Machine
from shared.waiting import wait_until

FILES = ["local-host-names", "relay-domains", "trusted-users", "masquerade-domains"]
THERE = "elsewhere.example"
NAMESERVER = Path(__file__).parents[2] / "shared" / "nameserver.py"
# Where mail for other hosts goes, see receiver.py.
ROUTE = "relay:[127.0.0.1]"


@pytest.fixture(scope="module", autouse=True)
def _someone_else(mta: Machine, database: Machine, demo: tuple[str, str]) -> Iterator[None]:
    """Run another host's mail server, and route all mail for others there."""
    assert demo
    database.sql(f"INSERT INTO mailertable VALUES ('.', '{ROUTE}');")
    with receiver(mta):
        yield
    database.sql("DELETE FROM mailertable WHERE key = '.';")


@pytest.fixture(autouse=True)
def _nothing_but_rows_changes(mta: Machine) -> Iterator[None]:
    """Require the same process, the same sockets and the same configuration (A2, A38)."""

    def now() -> tuple[object, str]:
        return mta.daemon(), mta.run("sha256sum", "/etc/mail/sendmail.cf", "/etc/mail/submit.cf")

    before = now()
    yield
    assert now() == before


@contextlib.contextmanager
def row(database: Machine, table: str, key: str, value: str | None = None) -> Iterator[None]:
    """Have a row for a while."""
    values = f"'{key}'" if value is None else f"'{key}', '{value}'"
    database.sql(f"INSERT INTO {table} VALUES ({values});")
    try:
        yield
    finally:
        database.sql(f"DELETE FROM {table} WHERE key = '{key}';")


def sent(mta: Machine, sender: str, subject: str, *, to: str = f"user@{THERE}") -> Message:
    """Send a message from this host to another one; return it as it arrives there."""
    with mta.smtp(local="127.0.0.1") as session:
        text = f"From: {sender}\nTo: {to}\nSubject: {subject}\n\nHello.\n"
        assert session.offer(to, text, sender=sender).accepted, session.heard
    entry = wait_until(lambda: received(mta, subject))[0]
    message = email.message_from_string(entry["message"])
    message["X-Envelope"] = entry["sender"]
    return message


def test_no_class_has_a_file(mta: Machine) -> None:
    there = mta.run("ls", "/etc/mail").split()
    assert not set(FILES) & set(there)


def test_files_add_to_the_rows(mta: Machine, database: Machine) -> None:
    """A3: what an operator has in a file counts beside the table, from the next start on."""
    path = "/etc/mail/local-host-names"
    asked = "3,0 demo@filed.example\n3,0 demo@rowed.example\n"
    mta.run("tee", path, text="filed.example\n")
    try:
        with row(database, "local_domains", "rowed.example"):
            said = mta.run("sendmail", "-bt", text=asked)
        assert said.count("parse            returns: $# local $: demo") == 2, said
    finally:
        mta.run("rm", path)
    said = mta.run("sendmail", "-bt", text=asked)
    assert "$# local" not in said


def test_a_local_domain_receives_mail_at_the_next_command(
    mta: Machine, database: Machine, letter: str, subject: str
) -> None:
    """A3, A53."""
    to = "demo@New.example"
    with mta.smtp() as session:
        assert session.ask(to).refused
        with row(database, "local_domains", "new.EXAMPLE"):
            assert session.rcpt_to(to).accepted
            assert session.message(letter).accepted
            mta.delivered("demo", subject)
            assert session.ask("nobody-of-that-name@new.example").code == 550
            # The rows of the domains below it are other rows.
            assert session.ask("demo@www.new.example").refused
        assert session.ask(to).refused


def test_a_relayed_domain_is_relayed_with_all_below_it(
    mta: Machine, database: Machine, letter: str, subject: str
) -> None:
    to = "user@www.relayed.example"
    with mta.smtp() as session:
        assert session.ask(to).refused
        with row(database, "relay_domains", "relayed.example", "we are its second MX"):
            assert session.rcpt_to(to).accepted
            assert session.message(letter).accepted
            assert wait_until(lambda: received(mta, subject))[0]["recipients"] == [to]
            assert session.ask("user@unrelayed.example").refused
        assert session.ask(to).refused


def test_a_network_may_relay(mta: Machine, database: Machine) -> None:
    with socket.create_connection((mta.address, 25)) as probe:
        network = probe.getsockname()[0].rpartition(".")[0]
    assert mta.answer(f"user@{THERE}").refused
    with row(database, "relay_domains", network):
        assert mta.answer(f"user@{THERE}").accepted
    assert mta.answer(f"user@{THERE}").refused
    with row(database, "relay_domains", network[:-1] + "x"):
        assert mta.answer(f"user@{THERE}").refused


def test_a_virtual_domain_takes_every_address(
    mta: Machine, database: Machine, letter: str, subject: str
) -> None:
    """A93: the domain and its users, one after the other."""
    with mta.smtp() as session:
        assert session.ask("sales@virtual.example").refused
        with row(database, "virtualusers", "sales@virtual.example", "demo"):
            assert session.rcpt_to("sales@virtual.example").accepted
            assert session.message(letter).accepted
            mta.delivered("demo", subject)
            assert session.ask("other@virtual.example").refused
            with row(database, "virtual_domains", "virtual.example"):
                assert session.rcpt_to("other@virtual.example").accepted
        assert session.ask("sales@virtual.example").refused


def test_senders_of_a_generics_domain_are_looked_up(
    mta: Machine, database: Machine, subject: str
) -> None:
    with row(database, "genericstable", "ann@shop.example", "Ann.Smith@shown.example"):
        assert sent(mta, "ann@shop.example", f"{subject}-1")["From"] == "ann@shop.example"
        with row(database, "generics_domains", "shop.example"):
            message = sent(mta, "ann@shop.example", f"{subject}-2")
            assert message["From"] == "Ann.Smith@shown.example"
            assert message["X-Envelope"] == "Ann.Smith@shown.example"
        assert sent(mta, "ann@shop.example", f"{subject}-3")["From"] == "ann@shop.example"


def test_a_domain_is_masqueraded_in_header_and_envelope_but_for_exceptions(
    mta: Machine, database: Machine, subject: str
) -> None:
    """A56."""
    inside, honest = "bob@inside.example", "bob@honest.example"
    assert sent(mta, inside, f"{subject}-1")["From"] == inside
    with (
        row(database, "masquerade_domains", "inside.example"),
        row(database, "masquerade_domains", "honest.example"),
        row(database, "masquerade_exceptions", "honest.example"),
    ):
        message = sent(mta, inside, f"{subject}-2")
        assert message["From"] == f"bob@{mta.domain}"
        assert message["X-Envelope"] == f"bob@{mta.domain}"
        message = sent(mta, honest, f"{subject}-3")
        assert (message["From"], message["X-Envelope"]) == (honest, honest)
    assert sent(mta, inside, f"{subject}-4")["From"] == inside


def test_a_class_in_small_letters_is_another_one(mta: Machine, database: Machine) -> None:
    """$=m is not $=M: what is masqueraded is not ours."""
    with row(database, "masquerade_domains", "inside.example"):
        asked = "$=m\nCheck_rcpt <user@inside.example>\n"
        assert "inside.example" not in mta.run("sendmail", "-bt", text=asked).splitlines()
        assert mta.answer("user@inside.example").refused


def test_rules_ask_for_all_phrases_of_a_text_at_once(mta: Machine, database: Machine) -> None:
    """What a class costs is not round trips; see decision 10."""

    def counted() -> dict[str, list[int]]:
        lines = mta.run("pgsqlmap-stat").splitlines()[1:]
        return {line.split()[0]: [int(n) for n in line.split()[1:]] for line in lines}

    classes = ["w", "R", "M", "G", "N", "VirtHost"]
    with row(database, "relay_domains", "relayed.example"):
        before = counted()
        with mta.smtp() as session:
            assert session.ask("user@a.b.c.relayed.example").accepted
            assert session.ask("user@a.b.c.d.elsewhere.example").refused
        after = counted()
    lookups, asked = (
        sum(after[name][n] - before.get(name, [0] * 7)[n] for name in classes if name in after)
        for n in (0, 1)
    )
    assert lookups > 20
    assert asked <= 1


def submitted(mta: Machine, subject: str) -> None:
    """Submit a message as a plain user, in somebody else's name."""
    text = f"To: demo@{mta.domain}\nSubject: {subject}\n\nHello.\n"
    mta.run("/usr/sbin/sendmail", "-f", f"boss@{mta.domain}", "-t", text=text, user="demo")


def warning(mta: Machine, subject: str) -> str:
    """Return what sendmail says of the sender of a message that was delivered."""
    return mta.delivered("demo", subject).get("X-Authentication-Warning", "")


def test_a_trusted_user_may_name_a_sender(mta: Machine, database: Machine, subject: str) -> None:
    """A55: nobody is trusted who has no row, and nobody while the database is away."""
    for turn, user in enumerate(["nobody", "demo", "smmsp"]):
        with row(database, "trusted_users", user):
            submitted(mta, f"{subject}-{turn}")
            said = warning(mta, f"{subject}-{turn}")
        assert ("demo set sender to boss" in said) == (user != "demo"), said
    with row(database, "trusted_users", "demo"):
        with database.stopped("postgresql"):
            submitted(mta, f"{subject}-away")
        wait_until(lambda: mta.answer(f"demo@{mta.domain}").accepted, deadline=60)
        mta.run("/usr/sbin/sendmail", "-Ac", "-q")
        assert "demo set sender to boss" in warning(mta, f"{subject}-away")


@pytest.mark.parametrize("user", ["demo", "nobody"])
def test_who_submits_mail_can_ask_for_trust_and_nothing_else(database: Machine, user: str) -> None:
    who = {"role": "submitter", "user": user}
    assert database.psql(f"SELECT mail.lookup_trusted_users('{user}');", **who).error is None
    for statement in [
        "SELECT * FROM mail.aliases;",
        "SELECT * FROM mail.authinfo;",
        "SELECT mail.lookup_access('x');",
        "SET default_transaction_read_only = off; INSERT INTO mail.trusted_users VALUES ('demo');",
        "SET default_transaction_read_only = off; CREATE TEMPORARY TABLE x (y text);",
    ]:
        assert database.psql(statement, **who).error == "42501", statement
    assert "FATAL" in (database.psql("SELECT 1;", **who, database="postgres").error or "")


def test_a_secret_is_used_and_not_shown(mta: Machine, database: Machine, subject: str) -> None:
    """A4: authinfo, here for the address of the server."""
    secret = '"U:mx" "P:' + subject.split()[-1] + '" "M:PLAIN"'
    with row(database, "authinfo", "AuthInfo:127.0.0.1", secret):
        sent(mta, f"a@{mta.domain}", f"{subject}-1")
        assert received(mta, f"{subject}-1")[0]["user"] == "mx"
        assert database.psql("SELECT * FROM authinfo;", role="sendmail").error == "42501"
    sent(mta, f"a@{mta.domain}", f"{subject}-2")
    assert received(mta, f"{subject}-2")[0]["user"] is None


def test_the_inventory_has_members_and_secrets(mta: Machine, database: Machine) -> None:
    """Entries of the inventory become rows; what is secret stands in no log."""
    secrets = database.sql("SELECT count(*) FROM authinfo WHERE value LIKE '%not-in-any-log%';")
    assert secrets.strip() == "1"
    assert mta.answer("user@inventory.example").accepted
    found = mta.attempt("journalctl", "--quiet", "--grep=not-in-any-log")
    assert found.stdout == b""


@contextlib.contextmanager
def names(mta: Machine, *records: str) -> Iterator[None]:
    """Have a name server with a few names, see nameserver.py."""
    program = NAMESERVER.read_text()
    before = mta.run("cat", "/etc/resolv.conf")
    with mta.start("python3", "-c", program, *records) as server:
        wait_until(lambda: mta.attempt("ss", "-Hlun", "sport = :53").stdout)
        mta.run("tee", "/etc/resolv.conf", text="nameserver 127.0.0.1\n")
        try:
            yield
        finally:
            mta.run("tee", "/etc/resolv.conf", text=before)
            assert server.stdin
            server.stdin.close()


def test_mail_is_not_sent_to_hosts_that_are_ours(
    mta: Machine, database: Machine, letter: str, subject: str
) -> None:
    """The C code asks class w, too: the MX list ends before a name that is local."""
    # What failed once is not tried again for a while, so each turn has its own name.
    turn = subject.split()[-1]

    def tried(mark: str, *better: str) -> str:
        """Deliver and return the session, or why there was none; no mail comes back."""
        domain = f"{mark}-{turn}.example"
        records = [f"{domain} MX 10 ours-{turn}.example", f"ours-{turn}.example A 127.0.0.1"]
        records += [f"{domain} MX {record}" for record in better]
        with (
            names(mta, *records, f"better-{turn}.example A 127.0.0.9"),
            row(database, "mailertable", domain, f"esmtp:{domain}"),
        ):
            argv = ("sendmail", "-Am", "-odi", "-oeq", "-v", f"user@{domain}")
            said = mta.attempt(*argv, text=letter).stdout.decode()
        why = f"--grep={domain} points back to {mta.fqdn}"
        return said or mta.run("journalctl", "--quiet", why)

    with row(database, "local_domains", f"ours-{turn}.example"):
        assert "MX list for first" in tried("first")
        assert f"Connecting to better-{turn}.example" in tried("second", f"5 better-{turn}.example")
        assert "MX list for third" in tried("third", f"15 better-{turn}.example")
    assert f"Connecting to ours-{turn}.example" in tried("fourth")


@contextlib.contextmanager
def unreadable(database: Machine, table: str) -> Iterator[None]:
    """Take the right to read one table away."""
    who = {"role": "postgres", "user": "postgres"}
    database.sql(f"REVOKE SELECT ON mail.{table} FROM sqlmail_reader;", **who)
    try:
        yield
    finally:
        database.sql(f"GRANT SELECT ON mail.{table} TO sqlmail_reader;", **who)


@pytest.mark.parametrize("table", ["local_domains", "relay_domains", "masquerade_domains"])
def test_without_an_answer_for_a_class_mail_waits(
    mta: Machine, database: Machine, letter: str, subject: str, table: str
) -> None:
    with row(database, "local_domains", "new.example"):
        # In the queue before, and looked at without an answer.
        mta.run("sendmail", "-Am", "-odq", "demo@new.example", text=letter)
        with unreadable(database, table):
            for recipient in (f"demo@{mta.domain}", "demo@new.example", f"user@{THERE}"):
                assert mta.answer(recipient).deferred, recipient
            run_queue(mta, subject)
            assert queued(mta, subject) == "waits for demo@new.example"
            assert not [mail for mail in mta.mail_for("root") if subject in str(mail)]
        run_queue(mta, subject)
        mta.delivered("demo", subject)
    assert queue_files(mta, subject) == []


def test_without_a_database_mail_waits_and_the_daemon_lives(
    mta: Machine, database: Machine, letter: str, subject: str
) -> None:
    with row(database, "local_domains", "new.example"):
        mta.run("sendmail", "-Am", "-odq", "demo@new.example", text=letter)
        with database.stopped("postgresql"):
            for recipient in (f"demo@{mta.domain}", "demo@new.example", f"user@{THERE}"):
                assert mta.answer(recipient).deferred, recipient
            run_queue(mta, subject)
            assert queued(mta, subject) == "waits for demo@new.example"
        wait_until(lambda: mta.answer("demo@new.example").accepted, deadline=60)
        run_queue(mta, subject)
        mta.delivered("demo", subject)
