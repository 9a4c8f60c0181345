# SPDX-License-Identifier: GPL-3.0-or-later
"""What a message asks of the database: round trips and connections."""

from __future__ import annotations

import contextlib
import secrets
import smtplib
import ssl
import statistics
import time
import typing as t
from collections.abc import Callable, Iterator

from bench import rows
from bench.hosts import Host, wait_until
from bench.servers import BY_ITSELF, IN_LINES, TRIPS, Sendmail, Server

MESSAGES = 10
LOGGED = "connection authorized: user=sendmail"
# What is timed, beside what it is compared with.
SESSIONS = 50
HOW = {
    "live classes": "",
    "classes read at start": f", {IN_LINES}",
    "each key a question of its own": f", {BY_ITSELF}",
}


def still(read: Callable[[], int], *, calm: float = 2.0) -> int:
    """Read a counter when it has not moved for a while."""
    seen, since = read(), time.monotonic()

    def calmed() -> bool:
        nonlocal seen, since
        found = read()
        if found != seen:
            seen, since = found, time.monotonic()
        return time.monotonic() - since > calm

    wait_until(calmed, deadline=60)
    return seen


def converse(
    server: Server, *, sessions: int, messages: int, login: tuple[str, str] | None = None
) -> None:
    """Send messages, one session after the other, and wait for the mailboxes."""
    rows.forget(server.host)
    address = server.host.run("hostname", "-I").split()[0]
    context = ssl.create_default_context(cadata=certificate(server.host)) if login else None
    for first in range(0, sessions * messages, messages):
        with smtplib.SMTP(address, 587 if login else 25, "client.sqlmail.test") as session:
            if login:
                # The certificate names the host, not the address.
                session._host = server.host.fqdn
                session.starttls(context=context)
                session.login(*login)
            for n in range(first, first + messages):
                local_part, _at, domain = rows.RECIPIENT.partition("@")
                recipient = f"{local_part}{n}@{domain}"
                text = f"From: <{rows.SENDER}>\r\nTo: <{recipient}>\r\nSubject: {n}\r\n\r\n.\r\n"
                session.sendmail(rows.SENDER, [recipient], text)
    if not wait_until(lambda: rows.delivered(server.host) == sessions * messages, deadline=120):
        raise RuntimeError(f"{server.name} did not deliver")


def certificate(host: Host) -> str:
    """The authority that the deployment made."""
    return (host.root / "etc/mail/tls/ca.crt").read_text()


def account(host: Host) -> tuple[str, str]:
    """Give somebody a password; PostgreSQL makes verifiers of the same form for its own roles."""
    password = secrets.token_urlsafe(18)
    host.sql(
        "SET password_encryption = 'scram-sha-256';"
        f" CREATE ROLE bench_login PASSWORD '{password}';"
        " INSERT INTO mail.sasl_users (login, verifier)"
        f" SELECT 'bench@{host.fqdn}', rolpassword FROM pg_authid WHERE rolname = 'bench_login'"
        " ON CONFLICT (lookup_key) DO UPDATE SET verifier = excluded.verifier;"
        " DROP ROLE bench_login",
        "sendmail",
    )
    return "bench", password


def measure_trips(servers: tuple[Server, ...]) -> dict[str, t.Any]:
    """Count round trips per message; each server has been asked before."""
    results: dict[str, t.Any] = {}
    for server in servers:
        server.use("counted")
        trips = server.host.root / TRIPS.lstrip("/")

        def count(**how: t.Any) -> dict[str, float]:
            before = still(lambda: len(trips.read_bytes()))  # noqa: B023
            converse(server, **how)  # noqa: B023
            still(lambda: len(trips.read_bytes()))  # noqa: B023
            new = trips.read_bytes()[before:]  # noqa: B023
            sent = how["sessions"] * how["messages"]
            return {"trips": len(new) / sent, "connections": new.count(b"c") / sent}

        converse(server, sessions=2, messages=1)
        results[server.name] = {
            "a session for each": count(sessions=MESSAGES, messages=1),
            "one session for ten": count(sessions=1, messages=MESSAGES),
        }
        if isinstance(server, Sendmail):
            login = account(server.host)
            results[server.name]["STARTTLS and AUTH"] = count(
                sessions=MESSAGES, messages=1, login=login
            )
    return results


@contextlib.contextmanager
def logged(host: Host) -> Iterator[Callable[[], int]]:
    """Let PostgreSQL log connections, and count those of the maps."""
    name = host.sql("SHOW data_directory").split("/")[-2]
    log = host.root / f"var/log/postgresql/postgresql-{name}-main.log"
    host.sql("ALTER SYSTEM SET log_connections = on")
    host.sql("SELECT pg_reload_conf()")
    try:
        yield lambda: log.read_text().count(LOGGED)
    finally:
        host.sql("ALTER SYSTEM RESET log_connections")
        host.sql("SELECT pg_reload_conf()")


def measure_connections(sendmail: Sendmail, postfix: Server) -> dict[str, int]:
    """Count the backends that PostgreSQL starts for ten messages in one session."""
    results = {}
    for server, maps in ((sendmail, "direct"), (sendmail, "pooled"), (postfix, "direct")):
        server.use(maps)
        with logged(server.host) as connections:
            converse(server, sessions=2, messages=1)
            before = still(connections)
            converse(server, sessions=1, messages=MESSAGES)
            results[f"{server.name} {maps}"] = still(connections) - before
    return results


def dialogue(server: Server) -> Iterator[tuple[str, float]]:
    """Speak to the server; yield each command and the seconds until its reply was there."""
    address = server.host.run("hostname", "-I").split()[0]
    local_part, _at, domain = rows.RECIPIENT.partition("@")
    begin = time.perf_counter()
    with smtplib.SMTP(address, 25, "client.sqlmail.test") as session:
        yield "connection", time.perf_counter() - begin
        session.ehlo()
        for command, line, wanted in (
            ("MAIL", f"MAIL FROM:<{rows.SENDER}>", 250),
            ("RCPT, a mailbox here", f"RCPT TO:<{local_part}1@{domain}>", 250),
            ("RCPT, elsewhere, refused", "RCPT TO:<user@mail.elsewhere.example>", 550),
        ):
            begin = time.perf_counter()
            code, text = session.docmd(line)
            if code != wanted:
                raise RuntimeError(f"{server.name}: {line}: {code} {text!r}")
            yield command, time.perf_counter() - begin


def measure_commands(server: Sendmail, turns: int) -> dict[str, t.Any]:
    """What live classes, and questions that are foretold, cost or spare in a session."""
    asked: dict[str, dict[str, int]] = {}
    taken: list[dict[str, dict[str, float]]] = []
    trips = server.host.root / TRIPS.lstrip("/")
    for name, how in HOW.items():
        server.use(f"counted{how}")
        list(dialogue(server))
        before = still(lambda: len(trips.read_bytes()), calm=0.5)
        asked[name] = {}
        for command, _seconds in dialogue(server):
            now = still(lambda: len(trips.read_bytes()), calm=0.5)
            asked[name][command] = trips.read_bytes()[before:now].count(b"t")
            before = now
    for _turn in range(turns):
        turn = {}
        for name, how in HOW.items():
            server.use(f"direct{how}")
            for _session in range(5):
                list(dialogue(server))
            cpu = server.host.cpu()
            sessions = [dict(dialogue(server)) for _session in range(SESSIONS)]
            spent = server.host.cpu() - cpu
            turn[name] = {
                command: statistics.median(one[command] for one in sessions) * 1e6
                for command in sessions[0]
            }
            turn[name]["session, CPU"] = spent / SESSIONS * 1e6
        taken.append(turn)
    return {
        name: {
            "questions": asked[name],
            "us": {what: statistics.median(turn[name][what] for turn in taken) for what in one},
            "over lines": {
                what: statistics.median(
                    turn[name][what] / turn["classes read at start"][what] for turn in taken
                )
                for what in one
            },
        }
        for name, one in taken[0].items()
    }
