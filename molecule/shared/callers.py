# SPDX-License-Identifier: GPL-3.0-or-later
"""Whoever asks the maps: each caller does one thing while the database is away.

A caller is a generator with three acts.  Before its first ``yield`` all is well;
after it the database is away; it yields what the client and the queue saw; after
that the database is back, and it proves that what was accepted arrived as the rows
say, exactly once.
"""

from __future__ import annotations

import contextlib
import json
import re
import secrets
import threading
import typing as t
from collections.abc import Callable, Iterator
from mailbox import mboxMessage
from pathlib import Path

from shared.machine import Machine
from shared.smtp import Reply, Smtp
from shared.waiting import wait_until

DOMAIN = "sqlmail.test"
# Rows that the callers rely on, and the mailer of this scenario that one of them names; see
# the fixture that plants them.
MAILER = ("named", "writes a file for each recipient")
ROWS = {
    "aliases": {
        "team": "ann, bob, postbox",
        "postbox": "carl",
        "list": "ann",
        "owner-list": "keeper",
        "keeper": "demo",
        "class-words": "alpha",
    },
    "virtualusers": {"sales@hosted.example": "ann"},
    "mailertable": {"routed.example": "relay:[127.0.0.1]", "named.example": "named:x"},
    "genericstable": {"demo": "public@public.example", "moved": "ann"},
    "domaintable": {"old.example": "new.example"},
    "access": {
        "AuthInfo:": '"U:mx" "P:not-a-secret" "M:PLAIN"',
        "Srv_Features:127.0.0.1": "l",
    },
}
PEOPLE = ["ann", "bob", "carl"]
JOURNAL = "/run/receiver.json"


class Seen(t.NamedTuple):
    """What the client heard last and what the queue holds."""

    client: str
    queue: str = "-"


DELIVERING = threading.Lock()

Caller = Callable[[Machine], Iterator[Seen | None]]
CALLERS: dict[str, Caller] = {}


def caller(name: str) -> Callable[[Caller], Caller]:
    """Give a caller the name that it has in the table."""

    def register(function: Caller) -> Caller:
        CALLERS[name] = function
        return function

    return register


# What is seen ------------------------------------------------------------------


def said(reply: Reply) -> str:
    """Return the codes of a reply to something valid, which is never refused."""
    assert not reply.refused, reply
    return codes(reply)


def codes(reply: Reply) -> str:
    """Return the codes of a reply."""
    found = re.match(r"[245]\.\d+\.\d+", reply.text)
    return f"{reply.code} {found[0]}" if found else str(reply.code)


def letter(subject: str, to: str = f"someone@{DOMAIN}") -> str:
    """Return a message."""
    return f"From: Demo <demo@{DOMAIN}>\nTo: {to}\nSubject: {subject}\n\nHello.\n"


def new_subject() -> str:
    """Return a subject that no other message has."""
    return f"failure-{secrets.token_hex(8)}"


def queue_files(host: Machine, subject: str) -> list[str]:
    """Return the control files of a message, of which an owner can make several."""
    found = host.attempt("grep", "-lr", "--include=qf*", subject, "/var/spool/mqueue")
    return found.stdout.decode().split()


def queued(host: Machine, subject: str) -> str:
    """Tell whom a message still waits for, once nobody works on it any more."""

    calm = 0

    def at_rest() -> bool:
        # Not by mailq: it locks what it looks at, and a queue run passes over that.
        # Between two processes, and while an owner gets a copy, nobody holds a lock.
        nonlocal calm
        files = queue_files(host, subject)
        inodes = host.attempt("stat", "--format=%i", *files).stdout.decode().split()
        locks = host.run("cat", "/proc/locks")
        names = [Path(file).name.removeprefix("qf") for file in files]
        titles = host.run("ps", "-C", "sendmail", "-o", "args=") if names else ""
        busy = [inode for inode in inodes if f":{inode} " in locks]
        busy += [name for name in names if name in titles]
        calm = 0 if busy else calm + 1
        return calm > 2 or not files

    wait_until(at_rest, deadline=120)
    names = []
    for path in queue_files(host, subject):
        for line in host.attempt("cat", path).stdout.decode("latin-1").splitlines():
            if line.startswith("R"):
                name = line.rpartition(":")[2].strip("<>")
                names.append(name.replace(f"@{DOMAIN}", "@."))
    return "waits for " + ", ".join(sorted(names)) if names else "empty"


@contextlib.contextmanager
def receiver(host: Machine) -> Iterator[None]:
    """Run another host's mail server, see receiver.py."""
    program = Path(__file__).with_name("receiver.py").read_text()
    tls = "/etc/mail/tls/server"
    with host.start(
        "python3", "-c", program, "2525", JOURNAL, f"{tls}.crt", f"{tls}.key"
    ) as server:
        wait_until(lambda: host.attempt("ss", "-Hltn", "sport = :2525").stdout)
        try:
            yield
        finally:
            assert server.stdin
            server.stdin.close()


def received(host: Machine, subject: str) -> list[dict[str, t.Any]]:
    """Return what the receiver took."""
    lines = host.attempt("cat", JOURNAL).stdout.decode().splitlines()
    return [entry for entry in map(json.loads, lines) if subject in entry["message"]]


def run_queue(host: Machine, subject: str) -> None:
    """Work off what the queue holds of a message, now."""
    for path in queue_files(host, subject):
        host.run("sendmail", "-Am", f"-qI{Path(path).name.removeprefix('qf')}")


def reads(host: Machine, mark: str) -> bool:
    """Tell whether the program with this mark in its arguments waits for its input."""
    pids = host.attempt("pgrep", "--full", mark).stdout.decode().split()
    return any("pipe" in host.attempt("cat", f"/proc/{pid}/wchan").stdout.decode() for pid in pids)


def arrives(host: Machine, subject: str, *people: str, sender: str | None = None) -> None:
    """Require that each of these people gets the message, and nobody else of them."""
    # procmail sleeps if another one writes to the same mailbox.
    with DELIVERING:
        run_queue(host, subject)
    for name in people:
        mail = host.delivered(name, subject)
        if sender:
            assert sender in mail["From"], mail["From"]
    for name in {"demo", *PEOPLE} - set(people):
        assert subject not in str([mail["Subject"] for mail in host.mail_for(name)]), name
    wait_until(lambda: queued(host, subject) == "empty", deadline=60)


def accepted(session: Smtp, *recipients: str, sender: str = "") -> None:
    """Bring a session to the point where the message may come."""
    assert session.mail_from(sender).accepted, session.heard
    for recipient in recipients:
        assert session.rcpt_to(recipient).accepted, session.heard


# The callers ---------------------------------------------------------------------


@caller("connect")
def connect(host: Machine) -> Iterator[Seen | None]:
    """Open a session."""
    yield None
    with host.smtp() as session:
        seen = session.greeting
    yield Seen(said(seen))


@caller("HELO")
def helo(host: Machine) -> Iterator[Seen | None]:
    """Say EHLO in a new session."""
    yield None
    with host.smtp() as session:
        session.extensions()
        seen = session.heard[-1]
    yield Seen(said(seen))


@caller("srv_features")
def srv_features(host: Machine) -> Iterator[Seen | None]:
    """Begin a message in a new session that must not begin one without AUTH."""
    yield None
    with host.smtp(local="127.0.0.1") as session:
        seen = session.mail_from()
    assert not seen.accepted, seen
    yield Seen(codes(seen))
    with host.smtp(local="127.0.0.1") as session:
        assert session.mail_from().code == 530, session.heard


@caller("MAIL")
def mail(host: Machine) -> Iterator[Seen | None]:
    """Name the sender in an open session."""
    with host.smtp() as session:
        yield None
        yield Seen(said(session.mail_from("someone@old.example")))
        wait_until(lambda: session.say("RSET").accepted and session.mail_from().accepted)


@caller("RCPT")
def rcpt(host: Machine) -> Iterator[Seen | None]:
    """Name a valid recipient in an open session."""
    with host.smtp() as session:
        accepted(session)
        yield None
        yield Seen(said(session.rcpt_to(f"demo@{DOMAIN}")))
        wait_until(lambda: session.rcpt_to(f"demo@{DOMAIN}").accepted)


@caller("RCPT elsewhere")
def rcpt_elsewhere(host: Machine) -> Iterator[Seen | None]:
    """Name a recipient that is none of ours."""
    with host.smtp() as session:
        accepted(session)
        yield None
        seen = session.rcpt_to("somebody@elsewhere.example")
        assert not seen.accepted, seen
        yield Seen(codes(seen))
        wait_until(lambda: session.rcpt_to("somebody@elsewhere.example").code == 550)


def send(host: Machine, recipients: list[str], *people: str) -> Iterator[Seen | None]:
    """Send a message whose recipients were welcome just before."""
    subject = new_subject()
    with host.smtp() as session:
        accepted(session, *recipients)
        yield None
        seen = session.message(letter(subject))
        yield Seen(said(seen), queued(host, subject))
    if seen.accepted:
        arrives(host, subject, *people)


@caller("DATA")
def data(host: Machine) -> Iterator[Seen | None]:
    """Send a message to a mailbox."""
    yield from send(host, [f"demo@{DOMAIN}"], "demo")


@caller("aliases")
def aliases(host: Machine) -> Iterator[Seen | None]:
    """Send a message to an alias, whose expansion has another one in it, and a mailbox."""
    yield from send(host, [f"team@{DOMAIN}", f"demo@{DOMAIN}"], "ann", "bob", "carl", "demo")


@caller("virtual users")
def virtual_users(host: Machine) -> Iterator[Seen | None]:
    """Send a message to a virtual user."""
    yield from send(host, ["sales@hosted.example"], "ann")


@caller("route, AUTH")
def route(host: Machine) -> Iterator[Seen | None]:
    """Send a message to a domain that has a route and whose host wants AUTH."""
    subject = new_subject()
    to = ["one@routed.example", "two@routed.example"]
    host.run(
        "sendmail", "-Am", "-odq", "-f", f"demo@{DOMAIN}", *to, text=letter(subject, ", ".join(to))
    )
    yield None
    run_queue(host, subject)
    yield Seen("-", queued(host, subject) + f", {len(received(host, subject))} sent")
    run_queue(host, subject)
    wait_until(lambda: received(host, subject), deadline=60)
    (taken,) = received(host, subject)
    assert taken["user"] == "mx", taken
    assert sorted(taken["recipients"]) == to
    assert "From: Demo <public@public.example>" in taken["message"]
    assert "To: " + ", ".join(to) in taken["message"]


@caller("From")
def sender_shown(host: Machine) -> Iterator[Seen | None]:
    """Deliver a message whose sender is shown by another address, by a program."""
    subject = new_subject()
    host.run("sendmail", "-Am", "-odq", "-f", f"demo@{DOMAIN}", "ann", text=letter(subject))
    yield None
    run_queue(host, subject)
    yield Seen("-", queued(host, subject))
    arrives(host, subject, "ann", sender="public@public.example")


@caller("queue run")
def queue_run(host: Machine) -> Iterator[Seen | None]:
    """Work off a message to an alias, a virtual user and a mailbox."""
    subject = new_subject()
    to = ["team", "sales@hosted.example", "demo"]
    host.run("sendmail", "-Am", "-odq", "-f", f"demo@{DOMAIN}", *to, text=letter(subject))
    yield None
    run_queue(host, subject)
    yield Seen("-", queued(host, subject))
    arrives(host, subject, "ann", "bob", "carl", "demo")


@caller("owner")
def owner(host: Machine) -> Iterator[Seen | None]:
    """Send a message to an alias with an owner, in whose name it must go on."""
    subject = new_subject()
    with host.smtp() as session:
        accepted(session, f"list@{DOMAIN}", sender=f"stranger@{DOMAIN}")
        yield None
        seen = session.message(letter(subject))
        yield Seen(said(seen), queued(host, subject))
    arrives(host, subject, "ann")
    (copy,) = [mail for mail in host.mail_for("ann") if mail["Subject"] == subject]
    sender = t.cast(mboxMessage, copy).get_from().split()[0]
    assert sender.partition("@")[0] == "keeper", sender


@caller("rule set 2")
def rule_set_2(host: Machine) -> Iterator[Seen | None]:
    """Name a recipient that rule set 2 must rewrite to a mailbox, see molecule.yml."""
    subject = new_subject()
    with host.smtp() as session:
        assert session.mail_from().accepted
        yield None
        seen = session.rcpt_to(f"moved@{DOMAIN}")
        if seen.accepted:
            assert session.message(letter(subject)).accepted, session.heard
        yield Seen(said(seen), queued(host, subject))
    if seen.accepted:
        arrives(host, subject, "ann")


@caller("sender")
def sender(host: Machine) -> Iterator[Seen | None]:
    """Submit a message whose sender must be rewritten; the database is back before its text.

    The mailer, see molecule.yml, writes the message to files with the names of the sender
    and the recipient.
    """
    subject = new_subject()
    yield None
    command = ["sendmail", "-L", subject, "-Am", "-odi", "-f", "someone@old.example"]
    with host.start(*command, "x@named.example") as process:
        # It has thought about the sender when it reads what we do not write yet.
        wait_until(lambda: reads(host, subject), deadline=60)
        yield Seen("-")
        process.communicate(letter(subject).encode())
    run_queue(host, subject)
    wait_until(lambda: queued(host, subject) == "empty", deadline=60)
    files = host.attempt("grep", "-lr", subject, "/var/spool/named").stdout.decode().split()
    assert sorted(files) == ["/var/spool/named/someone@new.example", "/var/spool/named/x"]


@caller("class")
def class_at_start(host: Machine) -> Iterator[Seen | None]:
    """Start sendmail with an optional class that is loaded from the database."""
    path = f"/root/{secrets.token_hex(8)}.cf"
    line = 'F{words}-o class-words@pgsql:-H "service=sendmail" -F mail.lookup_aliases -f -c 2 -l 2'
    host.run("tee", path, text=host.run("cat", "/etc/mail/sendmail.cf") + line + "\n")
    yield None
    done = host.attempt("sendmail", f"-C{path}", "-bt", text="$={words}\n")
    words = {"alpha"} & set(done.stdout.decode().split())
    assert done.returncode or words, done
    yield Seen(f"exit {done.returncode}" if done.returncode else "alpha")
    assert "alpha" in host.run("sendmail", f"-C{path}", "-bt", text="$={words}\n").split()
    host.run("rm", path)
