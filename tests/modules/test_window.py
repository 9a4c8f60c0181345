# SPDX-License-Identifier: GPL-3.0-or-later
"""A window into an open transaction, looked through by libpq as the map class does."""

from __future__ import annotations

import ctypes
import ctypes.util
import os
import typing as t
from collections.abc import Iterator

import pytest
from ansible_collections.sqlmail.sendmail.plugins.module_utils._store import (
    STORE_OPTIONS,
    Store,
    open_store,
)
from ansible_collections.sqlmail.sendmail.plugins.module_utils._window import (
    RefusalError,
    open_window,
)

PARAMS = {name: spec.get("default") for name, spec in STORE_OPTIONS.items()}


@pytest.fixture
def store(database: t.Any) -> Iterator[Store]:
    """A transaction that wrote a row, which is not committed while it lasts."""
    with open_store(PARAMS) as store:
        store.ask("write", "INSERT INTO mail.aliases VALUES ('sales', 'joe')")
        assert database.rows("aliases") == {}
        yield store
        store.roll_back()


def test_what_was_written_is_seen_and_what_is_asked_leaves_nothing(store: Store) -> None:
    asked = "SELECT * FROM mail.lookup_aliases($1)"
    assert store.peek(asked, ["sales"]).rows == [("joe",)]
    assert store.peek(asked, ["other"]).rows == []
    store.peek("INSERT INTO mail.aliases VALUES ($1, $2)", ["other", "ann"])
    assert store.peek(asked, ["other"]).rows == []


def test_values_are_those_that_the_server_sends(store: Store) -> None:
    found = store.peek('SELECT true, 1.50, NULL, $1 AS "50%$1"', ["a'\\b%%"])
    assert found.rows == [("t", "1.50", None, "a'\\b%%")]
    assert found.columns[0][1] == 16
    assert found.columns[3][0] == "50%$1"


@pytest.mark.parametrize(
    ("query", "value", "sqlstate"),
    [
        ("SELECT 1 / 0 WHERE $1 <> ''", "x", "22012"),
        ("SELECT * FROM mail.lookup_nothing($1)", "x", "42883"),
        ("SELECT $1", "a\0b", "22021"),
    ],
)
def test_a_refusal_does_not_end_the_transaction(
    store: Store, query: str, value: str, sqlstate: str
) -> None:
    with pytest.raises(RefusalError) as refused:
        store.peek(query, [value])
    assert refused.value.sqlstate == sqlstate
    assert store.peek("SELECT count(*) FROM mail.aliases", []).rows == [("1",)]


@pytest.mark.skipif(not os.access("/run", os.W_OK), reason="the socket is in /run")
def test_libpq_sees_through_it(store: Store) -> None:
    libpq = ctypes.CDLL(ctypes.util.find_library("pq"))
    for name in ("PQconnectdb", "PQexecParams"):
        getattr(libpq, name).restype = ctypes.c_void_p
    for name in ("PQgetvalue", "PQresultErrorField", "PQerrorMessage"):
        getattr(libpq, name).restype = ctypes.c_char_p

    with open_window(store.peek, store.version) as connection:
        peer = ctypes.c_void_p(libpq.PQconnectdb(f"{connection} gssencmode=disable".encode()))
        assert libpq.PQstatus(peer) == 0, libpq.PQerrorMessage(peer)
        assert libpq.PQserverVersion(peer) >= 130000

        def ask(query: bytes, key: bytes) -> ctypes.c_void_p:
            values = (ctypes.c_char_p * 1)(key)
            done = libpq.PQexecParams(peer, query, 1, None, values, None, None, 0)
            return ctypes.c_void_p(done)

        for _turn in range(2):
            found = ask(b"SELECT * FROM mail.lookup_aliases($1)", b"sales")
            assert (libpq.PQntuples(found), libpq.PQnfields(found)) == (1, 1)
            assert libpq.PQgetvalue(found, 0, 0) == b"joe"
            assert libpq.PQntuples(ask(b"SELECT * FROM mail.lookup_aliases($1)", b"none")) == 0
            refused = ask(b"SELECT * FROM mail.lookup_nothing($1)", b"none")
            assert libpq.PQresultErrorField(refused, ord("C")) == b"42883"
        libpq.PQfinish(peer)
