# SPDX-License-Identifier: GPL-3.0-or-later
"""The rows of the benchmark: the same keys and values for every server."""

from __future__ import annotations

import os
from collections.abc import Iterator

from bench.hosts import DOMAIN, FOLDER, Host

COUNT = 100_000
# Mailboxes; more than sessions at once, or deliveries wait for each other's locks.
USERS = 250

SENDER = f"sender@client.{DOMAIN}"
# smtp-source -N puts a number after its local part; each of these is an alias.
RECIPIENT = f"bench@{DOMAIN}"


def user(number: int) -> str:
    """Name a mailbox."""
    return f"user{number % USERS:03}"


# Map: key and value of row n.
MAPS = {
    "access": lambda n: (f"from:s{n}@senders.example", "REJECT"),
    "aliases": lambda n: (f"bench{n}", user(n)),
    "virtualusers": lambda n: (f"v{n}@hosted.example", user(n)),
    "mailertable": lambda n: (f"d{n}.example", "esmtp:[127.0.0.2]"),
    "genericstable": lambda n: (f"g{n}@old.example", f"g{n}@new.example"),
    "domaintable": lambda n: (f"old{n}.example", f"new{n}.example"),
}


def lines(table: str) -> Iterator[str]:
    """Yield the rows of a map as text, key and value parted by a tab."""
    return ("\t".join(MAPS[table](n)) + "\n" for n in range(COUNT))


def load(host: Host, columns: str) -> None:
    """Put the rows into the host's database and let it settle."""
    for table in MAPS:
        host.write(f"{FOLDER}/rows", "".join(lines(table)))
        # There are no seeds among these keys, so nothing has to yield.
        host.sql(
            "SET session_replication_role = replica;\n"
            f"\\copy mail.{table} ({columns}) FROM {FOLDER}/rows",
            "sendmail",
        )
    (host.root / FOLDER[1:] / "rows").unlink()
    host.sql("VACUUM (ANALYZE, FREEZE); CHECKPOINT;", "sendmail")


def mailboxes(host: Host) -> None:
    """Create the accounts that receive the mail, and their empty mailboxes."""
    for n in range(USERS):
        uid = 20_000 + n
        for file, entry in (
            ("passwd", f"{user(n)}:x:{uid}:{uid}::/nonexistent:/bin/false\n"),
            ("group", f"{user(n)}:x:{uid}:\n"),
        ):
            with (host.root / "etc" / file).open("a") as accounts:
                accounts.write(entry)
        host.write(f"/var/mail/{user(n)}", "", mode=0o660)
        os.chown(host.root / "var/mail" / user(n), uid, 8)


def delivered(host: Host) -> int:
    """Count the messages in the mailboxes."""
    return sum(
        (host.root / "var/mail" / user(n)).read_bytes().count(b"\nFrom " + SENDER.encode())
        for n in range(USERS)
    )


def forget(host: Host) -> None:
    """Empty the mailboxes; a first line makes every message start after a line's end."""
    for n in range(USERS):
        (host.root / "var/mail" / user(n)).write_text("\n")
