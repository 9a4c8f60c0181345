# Copyright: (c) sqlmail contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The protocol that the map class speaks; molecule/default has the real class and server."""

from __future__ import annotations

import socket
import struct
from pathlib import Path

import pytest
from ansible_collections.sqlmail.sendmail.plugins.module_utils._window import (
    RefusalError,
    Rows,
    Session,
    open_window,
)


def ask(query, values):
    if query == "broken":
        raise RefusalError("42P01", "no such table")
    return Rows([("value", 25)], [(query,), *((value,) for value in values)])


def said(reply):
    """Split what was replied into kinds and bodies."""
    messages = []
    while reply:
        (size,) = struct.unpack("!i", reply[1:5])
        messages.append((reply[:1], reply[5 : size + 1]))
        reply = reply[size + 1 :]
    return messages


def question(query, *values, name=b""):
    """Return what PQsendQueryParams sends."""
    fields = b"".join(
        struct.pack("!i", -1) if value is None else struct.pack("!i", len(value)) + value
        for value in values
    )
    return [
        (b"P", name + b"\0" + query + b"\0\0\0"),
        (b"B", b"\0" + name + b"\0\0\0" + struct.pack("!h", len(values)) + fields + b"\0\0"),
        (b"D", b"P\0"),
        (b"E", b"\0\0\0\0\0"),
        (b"S", b""),
    ]


def conversation(session, messages):
    return said(b"".join(session.reply(*message) for message in messages))


@pytest.mark.parametrize("name", [b"", b"pgsqlmap_1"])
def test_a_question_is_answered(name):
    session = Session(ask, "17.2")
    heard = conversation(session, question(b"SELECT $1", b"key", None, name=name))
    assert [kind for kind, _body in heard] == [b"1", b"2", b"T", b"D", b"D", b"D", b"C", b"Z"]
    assert heard[2][1].startswith(b"\0\1value\0")
    assert heard[3][1] == b"\0\1\0\0\0\x09SELECT $1"
    assert heard[4][1] == b"\0\1\0\0\0\x03key"
    assert heard[5][1] == b"\0\1\xff\xff\xff\xff"
    assert heard[6][1] == b"SELECT 3\0"


def test_what_was_prepared_is_asked_by_its_name():
    session = Session(ask, "17.2")
    conversation(session, question(b"a", name=b"one"))
    again = question(b"", b"x", name=b"one")[1:]
    assert conversation(session, again)[2][1].endswith(b"a")


def test_a_refusal_is_told_and_the_next_question_answered():
    session = Session(ask, "17.2")
    heard = conversation(session, question(b"broken"))
    assert [kind for kind, _body in heard] == [b"1", b"2", b"E", b"Z"]
    assert b"C42P01\0Mno such table\0\0" in heard[2][1]
    assert conversation(session, question(b"fine"))[-1][0] == b"Z"


@pytest.mark.parametrize(
    ("kind", "body"),
    [(b"Q", b"SELECT 1\0"), (b"B", b"\0nowhere\0\0\0\0\0\0\0"), (b"D", b"S\0"), (b"F", b"")],
)
def test_what_is_not_understood_is_an_error(kind, body):
    (heard,) = said(Session(ask, "17.2").reply(kind, body))
    assert heard[0] == b"E"


@pytest.mark.skipif(not Path("/run").is_dir(), reason="has no /run")
def test_a_client_is_greeted_and_only_its_owner_comes_in(monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.mkdtemp", lambda **_more: str(tmp_path))
    tmp_path.chmod(0o700)
    with open_window(ask, "17.2") as connection:
        assert connection.startswith(f"host={tmp_path} port=5432 ")
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(tmp_path / ".s.PGSQL.5432"))
            stream = client.makefile("rb")
            client.sendall(struct.pack("!ii", 8, 80877103))
            assert stream.read(1) == b"N"
            client.sendall(struct.pack("!ii", 17, 196608) + b"user\0x\0\0\0")
            kinds = []
            while kinds[-1:] != [b"Z"]:
                kinds.append(stream.read(1))
                stream.read(struct.unpack("!i", stream.read(4))[0] - 4)
            assert kinds == [b"R", b"S", b"S", b"S", b"S", b"K", b"Z"]
            client.sendall(b"X\0\0\0\4")
            assert stream.read() == b""
    assert not tmp_path.exists()
