# SPDX-License-Identifier: GPL-3.0-or-later
"""What people run who want SQL without a patch: a daemon for the class `socket`.

Requests and replies are netstrings: `4:ma k,` is answered by `5:OK v,`.
"""

import contextlib
import queue
import socketserver
import sys
from pathlib import Path

import psycopg2

TABLES = {
    "access": "access",
    "alias0": "aliases",
    "bench": "aliases",
    "domaintable": "domaintable",
    "generics": "genericstable",
    "mailertable": "mailertable",
    "virtuser": "virtualusers",
}
idle: queue.SimpleQueue = queue.SimpleQueue()


@contextlib.contextmanager
def connection():
    """Lend a connection that nobody uses, or a new one."""
    try:
        lent = idle.get_nowait()
    except queue.Empty:
        lent = psycopg2.connect(sys.argv[2])
        lent.autocommit = True
    yield lent
    idle.put(lent)


def answer(request: str) -> str:
    """Look one key up."""
    name, _blank, key = request.partition(" ")
    with connection() as lent, lent.cursor() as cursor:
        cursor.execute(
            f"SELECT value FROM mail.{TABLES[name.lower()]} WHERE lookup_key = %s", (key,)
        )
        row = cursor.fetchone()
    return f"OK {row[0]}" if row else "NOTFOUND "


class Handler(socketserver.StreamRequestHandler):
    """One process of sendmail."""

    def handle(self) -> None:
        """Answer until it hangs up."""
        while length := self.until_colon():
            request = self.rfile.read(int(length) + 1)[:-1]
            reply = answer(request.decode()).encode()
            self.wfile.write(b"%d:%s," % (len(reply), reply))

    def until_colon(self) -> bytes:
        """Read the length of a netstring."""
        digits = b""
        while (byte := self.rfile.read(1)) not in (b":", b""):
            digits += byte
        return digits


class Server(socketserver.ThreadingUnixStreamServer):
    """A thread for each client."""

    request_queue_size = 512
    daemon_threads = True


Path(sys.argv[1]).unlink(missing_ok=True)
Server(sys.argv[1], Handler).serve_forever()
