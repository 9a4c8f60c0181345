# Copyright: (c) sqlmail contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the module decides; that it asks a host and a database is in tests/modules."""

from __future__ import annotations

import pytest
from ansible_collections.sqlmail.sendmail.plugins.module_utils._textmaps import (
    Config,
    Line,
    Reading,
    Remark,
    Source,
)
from ansible_collections.sqlmail.sendmail.plugins.module_utils._transfer import (
    Difference,
    differences,
    spellings,
)
from ansible_collections.sqlmail.sendmail.plugins.modules import map_import


def reading(*entries, remarks=()):
    return Reading([Line("/x", 1, key, value) for key, value in entries], list(remarks))


class MemoryTransfer:
    """A map that answers what it was given."""

    sensitive = False
    rows = None

    def __init__(self, _store, _name):
        pass

    def case_sensitive(self):
        return self.sensitive

    def answers(self, keys):
        return {key: self.rows.get(key if self.sensitive else key.lower()) for key in keys}


@pytest.fixture
def transfer(monkeypatch):
    class Transfer(MemoryTransfer):
        """Another one for each test."""

    monkeypatch.setattr(map_import, "Transfer", Transfer)
    return Transfer


def known(*asked, cased=()):
    return map_import.Known(["/x"], list(asked), list(asked), list(cased), [])


def test_the_files_of_a_configuration_are_looked_for(tmp_path):
    text, compiled = tmp_path / "access", tmp_path / "mailertable.db"
    text.touch()
    compiled.touch()
    sources = [
        Source("access", str(text), "hash", "-T<TMPF>"),
        Source("mailertable", f"{tmp_path}/mailertable", "btree", "-o -f"),
        Source("virtualusers", f"{tmp_path}/virtusertable", "hash", "-o"),
        Source("local_domains", str(text), "class", r"%[^\#]"),
        Source("trusted_users", str(text), "class", ""),
        Source("genericstable", "ou=x", "ldap", ""),
    ]
    files, remarks = map_import.named_files(Config(sources, {}), "/sendmail.cf")
    assert [
        (one["map"], one["path"], one["format"], one["keep_case"], one["first_word"])
        for one in files
    ] == [
        ("access", str(text), "text", False, False),
        ("mailertable", str(compiled), "compiled", True, False),
        ("local_domains", str(text), "text", False, False),
        ("trusted_users", str(text), "text", False, True),
    ]
    assert [(name, one.used) for name, one in remarks] == [
        ("virtualusers", False),
        ("genericstable", True),
    ]


def test_the_first_file_answers():
    one = known(reading(("Joe", "a")), reading(("joe", "b"), ("ann", "c")))
    assert one.answers == {"joe": "a", "ann": "c"}
    assert known(reading(("a.example", None))).answers == {"a.example": "a.example"}


@pytest.mark.parametrize(
    ("said", "asked", "keys"),
    [
        ([("Joe", "a")], [("joe", "a")], []),
        ([("joe", "a")], [("joe", "b")], ["joe"]),
        ([("joe", "a"), ("new", "x")], [("joe", "a"), ("old", "y")], ["new", "old"]),
    ],
)
def test_a_text_is_what_was_compiled(said, asked, keys):
    file = {"map": "access", "path": "/x", "keep_case": False}
    if not keys:
        map_import.require_same(file, reading(*said), reading(*asked))
        return
    with pytest.raises(map_import.TransferError, match=f"{len(keys)} keys differ") as raised:
        map_import.require_same(file, reading(*said), reading(*asked))
    assert [one.key for one in raised.value.facts["differences"]] == keys


def test_what_is_left_out_is_no_difference(transfer):
    transfer.rows = {"joe": "a"}
    refused = Remark("/x", 2, "ann", "cause", "cure", used=True)
    maps = {"aliases": known(reading(("Joe", "a"), ("Ann", "b")))}
    taken = {"aliases": reading(("Joe", "a"), remarks=[refused])}
    assert map_import.compare(None, maps, taken, lower=False) == {"aliases": 2}
    with pytest.raises(map_import.TransferError, match="2 questions are answered differently"):
        map_import.compare(None, maps, {"aliases": reading()}, lower=False)


def test_a_database_with_case_is_no_map_without(transfer):
    maps = {"aliases": known(reading(("joe", "a"))), "mailertable": known(reading(("a.b", "c:d")))}
    assert map_import.require_case(None, maps, lower=False) is False
    transfer.sensitive = True
    with pytest.raises(map_import.TransferError, match="the maps aliases of this sendmail"):
        map_import.require_case(None, maps, lower=False)
    assert map_import.require_case(None, maps, lower=True) is True
    assert map_import.require_case(None, {"mailertable": maps["mailertable"]}, lower=False) is False
    cased = {"aliases": known(reading(("joe", "a")), cased=["/x"])}
    assert map_import.require_case(None, cased, lower=False) is False


def test_only_what_sendmail_uses_is_a_refusal():
    unused = Remark("/x", 1, "a", "no value", "add one", used=False)
    used = Remark("/x", 2, "b", "a reason", "a cure", used=True)
    map_import.require_takable([("access", unused)], leave_out=False)
    map_import.require_takable([("access", used)], leave_out=True)
    with pytest.raises(map_import.TransferError, match="/x:2: 'b' a reason; a cure") as raised:
        map_import.require_takable([("access", unused), ("access", used)], leave_out=False)
    assert [one["line"] for one in raised.value.facts["remarks"]] == [1, 2]


def test_secrets_do_not_differ_in_the_open():
    found = differences("authinfo", {"a": "secret one"}, {"a": "secret two", "b": "secret three"})
    found += differences("access", {"AuthInfo:c": "secret four"}, {})
    assert [tuple(one) for one in map_import.without_secrets(found)] == [
        ("authinfo", "a", "(secret)", "(another secret)"),
        ("authinfo", "b", None, "(secret)"),
        ("access", "AuthInfo:c", "(secret)", None),
    ]


def test_remarks_of_members_are_no_difference():
    assert differences("local_domains", {"a.example": None}, {"a.example": "A.example"}) == [
        Difference("local_domains", "a.example", None, "member")
    ]
    assert differences("local_domains", {"a.example": "ours"}, {"a.example": "A.example"}) == []


def test_spellings():
    assert spellings("To:joe@b.example") == [
        "To:joe@b.example",
        "to:joe@b.example",
        "TO:JOE@B.EXAMPLE",
    ]
