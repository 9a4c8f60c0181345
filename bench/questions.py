# SPDX-License-Identifier: GPL-3.0-or-later
"""What a message asks of the database: round trips and connections."""

from __future__ import annotations

import contextlib
import secrets
import smtplib
import ssl
import time
import typing as t
from collections.abc import Callable, Iterator

from bench import rows
from bench.hosts import Host, wait_until
from bench.servers import TRIPS, Sendmail, Server

MESSAGES = 10
LOGGED = "connection authorized: user=sendmail"


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
    """Give the mail user of the host a new password."""
    password = secrets.token_urlsafe(18)
    host.run("chpasswd", text=f"demo:{password}\n")
    return "demo", password


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
