# Copyright: (c) sqlmail contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at
# any time. Do not use it directly.

"""A window into an open transaction, for a private sendmail.

Rows that are not committed are seen by their own session only.  So that sendmail can be
asked about them, it is given a Unix socket that only root can reach, behind which this
file speaks as much of PostgreSQL's protocol (version 3.0, chapter "Frontend/Backend
Protocol" of its manual) as the map class uses: the extended query, in text, one statement
after another.  Each is handed to a function, which asks it in that transaction.

Imports neither Ansible nor psycopg2.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import struct
import tempfile
import threading
import typing as t

__all__ = ["RefusalError", "Rows", "Session", "open_window"]

_PROTOCOL_3 = 196608
_SSL_REQUEST, _GSS_REQUEST = 80877103, 80877104


class Rows(t.NamedTuple):
    """What a query returns, as text."""

    # Name and number of the type (oid) of each column.
    columns: list[tuple[str, int]]
    rows: list[tuple[str | None, ...]]


class RefusalError(Exception):
    """The server refused a query; the transaction goes on."""

    def __init__(self, sqlstate: str, message: str) -> None:
        super().__init__(message)
        self.sqlstate = sqlstate


Ask = t.Callable[..., Rows]  # a query, and its parameters


def _message(kind: bytes, body: bytes = b"") -> bytes:
    return kind + struct.pack("!i", len(body) + 4) + body


def _word(text: str) -> bytes:
    return text.encode() + b"\0"


class _Reader:
    """The fields of a message, one after the other."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def number(self, size: int = 2) -> int:
        taken, self._body = self._body[:size], self._body[size:]
        return int.from_bytes(taken, "big", signed=True)

    def word(self) -> str:
        taken, _end, self._body = self._body.partition(b"\0")
        return taken.decode()

    def text(self) -> str | None:
        size = self.number(4)
        if size < 0:
            return None
        taken, self._body = self._body[:size], self._body[size:]
        return taken.decode()


class Session:
    """One client, from its first message to its last."""

    def __init__(self, ask: Ask, version: str) -> None:
        self._ask = ask
        self._version = version
        self._statements: dict[str, str] = {}
        self._query: tuple[str, list[str | None]] = ("", [])
        self._rows: Rows | None = None
        # After an error all is passed over until the client says Sync.
        self._failed = False

    def greeting(self) -> bytes:
        """Return what follows the start-up message."""
        parameters = {
            "server_version": self._version,
            "server_encoding": "UTF8",
            "client_encoding": "UTF8",
            "standard_conforming_strings": "on",
        }
        return (
            _message(b"R", struct.pack("!i", 0))
            + b"".join(
                _message(b"S", _word(name) + _word(value)) for name, value in parameters.items()
            )
            + _message(b"K", struct.pack("!ii", os.getpid(), 0))
            + self._ready()
        )

    def reply(self, kind: bytes, body: bytes) -> bytes:
        """Return the answer to a message; Flush and the like have none."""
        if kind == b"S":
            self._failed = False
            return self._ready()
        if self._failed:
            return b""
        handler = {
            b"P": self._parse,
            b"B": self._bind,
            b"D": self._describe,
            b"E": self._execute,
            b"C": lambda _reader: _message(b"3"),
            b"H": lambda _reader: b"",
        }.get(kind)
        try:
            if handler is None:
                raise RefusalError("0A000", f"message {kind!r} is not understood here")
            return handler(_Reader(body))
        except RefusalError as refusal:
            self._failed = True
            fields = {b"S": "ERROR", b"V": "ERROR", b"C": refusal.sqlstate, b"M": str(refusal)}
            return _message(
                b"E", b"".join(code + _word(text) for code, text in fields.items()) + b"\0"
            )

    def _ready(self) -> bytes:
        return _message(b"Z", b"I")

    def _parse(self, reader: _Reader) -> bytes:
        name = reader.word()
        self._statements[name] = reader.word()
        return _message(b"1")

    def _bind(self, reader: _Reader) -> bytes:
        reader.word()
        name = reader.word()
        if name not in self._statements:
            raise RefusalError("26000", f"prepared statement {name!r} does not exist")
        formats = [reader.number() for _each in range(reader.number())]
        values = [reader.text() for _each in range(reader.number())]
        if any(formats):
            raise RefusalError("0A000", "parameters are taken as text only")
        self._query, self._rows = (self._statements[name], values), None
        return _message(b"2")

    def _answer(self) -> Rows:
        if self._rows is None:
            self._rows = self._ask(*self._query)
        return self._rows

    def _describe(self, reader: _Reader) -> bytes:
        if reader.number(1) != ord("P"):
            raise RefusalError("0A000", "only a portal is described here")
        columns = self._answer().columns
        if not columns:
            return _message(b"n")
        fields = [
            _word(name) + struct.pack("!ihihih", 0, 0, kind, -1, -1, 0) for name, kind in columns
        ]
        return _message(b"T", struct.pack("!h", len(fields)) + b"".join(fields))

    def _execute(self, _reader: _Reader) -> bytes:
        rows = self._answer().rows
        lines = []
        for row in rows:
            values = []
            for value in row:
                data = b"" if value is None else value.encode()
                values.append(struct.pack("!i", -1 if value is None else len(data)) + data)
            lines.append(_message(b"D", struct.pack("!h", len(row)) + b"".join(values)))
        return b"".join(lines) + _message(b"C", _word(f"SELECT {len(rows)}"))


def _serve(client: socket.socket, session: Session, turn: threading.Lock) -> None:
    """Speak with one client until it goes."""
    with client, client.makefile("rb") as stream:
        greeted = False
        while True:
            kind = stream.read(1) if greeted else b"\0"
            head = stream.read(4)
            if not kind or len(head) < 4 or kind == b"X":
                return
            body = stream.read(int.from_bytes(head, "big") - 4)
            if greeted:
                # One transaction answers one question at a time.
                with turn:
                    reply = session.reply(kind, body)
            else:
                wanted = _Reader(body).number(4)
                greeted = wanted == _PROTOCOL_3
                if not greeted and wanted not in (_SSL_REQUEST, _GSS_REQUEST):
                    return
                reply = session.greeting() if greeted else b"N"
            client.sendall(reply)


@contextlib.contextmanager
def open_window(ask: Ask, version: str) -> t.Iterator[str]:
    """Answer on a socket until the block ends; give the connection string that leads there."""
    directory = tempfile.mkdtemp(prefix="sqlmail-", dir="/run")
    listener = socket.socket(socket.AF_UNIX)
    turn = threading.Lock()

    def accept() -> None:
        # The listener is closed when the block ends.
        with contextlib.suppress(OSError):
            while True:
                client, _address = listener.accept()
                threading.Thread(
                    target=_serve, args=(client, Session(ask, version), turn), daemon=True
                ).start()

    try:
        listener.bind(f"{directory}/.s.PGSQL.5432")
        listener.listen(16)
        threading.Thread(target=accept, daemon=True).start()
        yield f"host={directory} port=5432 dbname=candidate user=candidate"
    finally:
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        # Nobody is answered any more, and a question under way is waited for.
        turn.acquire()
        shutil.rmtree(directory, ignore_errors=True)
