# Copyright: (c) sqlmail contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Text files are read as sendmail reads them (C18, E11), and written so that nothing is lost (C19).

tests/unit/corpus has ugly files.  NAME.real is what makemap, newaliases or a class of Debian's
sendmail made of it (tests/unit/corpus/record.py), NAME.out what this collection makes of it.
SQLMAIL_REGENERATE=1 writes the latter anew.
"""

from __future__ import annotations

import json
import os
import random
import re
from pathlib import Path

import pytest
from ansible_collections.sqlmail.sendmail.plugins.module_utils import _textmaps as textmaps

CORPUS = Path(__file__).resolve().parents[2] / "corpus"
OPTIONS = json.loads((CORPUS / "options.json").read_text())
KINDS = (".map", ".aliases", ".class")
FILES = sorted(
    file.name.removesuffix(".escaped")
    for file in CORPUS.iterdir()
    if Path(file.name.removesuffix(".escaped")).suffix in KINDS
)
LOCAL = ["mx.example.test"]


def unescaped(content: bytes) -> bytes:
    """Return what a file with \\xHH for some bytes stands for."""
    return re.sub(rb"\\x([0-9a-f]{2})", lambda found: bytes.fromhex(found[1].decode()), content)


def content_of(name: str) -> bytes:
    """Return an ugly file."""
    file = CORPUS / name
    return (
        file.read_bytes() if file.exists() else unescaped((CORPUS / f"{name}.escaped").read_bytes())
    )


def parse(name: str, content: bytes) -> textmaps.Reading:
    """Read a file as its name says."""
    options = OPTIONS.get(name, {})
    if name.endswith(".aliases"):
        return textmaps.parse_aliases(content, name, local_names=LOCAL, **options)
    if name.endswith(".class"):
        return textmaps.parse_class(content, name, **options)
    return textmaps.parse_map(content, name, **options)


def table_of(name: str) -> str:
    """Return a table that holds what such a file holds."""
    return {"aliases": "aliases", "class": "relay_domains"}.get(name.rpartition(".")[2], "access")


def report(reading: textmaps.Reading) -> str:
    """Return what was read, for a person to look at."""
    taken = [
        f"{line.number}\t{line.key}\t{'-' if line.value is None else line.value}"
        for line in reading.lines
    ]
    left = [
        f"{remark.number}\t{'USED' if remark.used else 'not used'}\t{remark.key}: {remark.cause}"
        for remark in reading.remarks
    ]
    return "\n".join(["taken:", *taken, "not taken:", *left, ""])


def test_the_corpus_is_large():
    assert len(FILES) >= 60


@pytest.mark.parametrize("name", FILES)
def test_a_file_gives_what_was_written_down(name):
    expected = CORPUS / f"{name}.out"
    found = report(parse(name, content_of(name)))
    if os.environ.get("SQLMAIL_REGENERATE"):
        expected.write_text(found, encoding="utf-8")
    assert found == expected.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", FILES)
def test_sendmail_has_what_is_taken_and_what_is_said_to_be_used(name):
    real = unescaped((CORPUS / f"{name}.real").read_bytes())
    reading = parse(name, content_of(name))
    folds = OPTIONS.get(name, {}).get("folds", True)
    compared = textmaps.fold if folds else str
    taken = {compared(line.key): line.value for line in reading.lines}
    if name.endswith(".class"):
        sendmail = {textmaps.fold(word) for word in real.decode("latin-1").split("\n") if word}
        refused = sum(remark.used and remark.key[0] != "x" for remark in reading.remarks)
        # A line that is too long is cut somewhere; nobody knows such words.
        sendmail = {word for word in sendmail if not re.fullmatch("x+", word)}
        known = {key.encode().decode("latin-1") for key in taken if not re.fullmatch("x+", key)}
        assert known <= sendmail
        assert len(sendmail - known) == refused
        return
    separator = OPTIONS.get(name, {}).get("separator", "\t")
    dump = textmaps.parse_dump(real, name, table_of(name), separator=separator)
    has = {line.key: line.value for line in dump.lines}
    assert taken == has
    used = [remark for remark in reading.remarks if remark.used]
    assert len(used) == len(dump.remarks), (used, dump.remarks)


@pytest.mark.parametrize("name", FILES)
def test_what_is_written_is_read_again(name):
    folds = OPTIONS.get(name, {}).get("folds", True)
    table = table_of(name)
    entries = [line[2:] for line in parse(name, content_of(name)).lines]
    first, left = textmaps.render(table, entries, "out", folds=folds)
    shuffled = sorted(entries, key=lambda entry: entry[0][::-1])
    assert textmaps.render(table, shuffled, "out", folds=folds) == (first, left)
    again = {
        "aliases": textmaps.parse_aliases,
        "relay_domains": textmaps.parse_class,
        "access": textmaps.parse_map,
    }[table](first, "out", **({} if table == "relay_domains" else {"folds": folds}))
    assert again.remarks == []
    lost = {remark.key for remark in left}
    assert sorted(line[2:] for line in again.lines) == sorted(
        entry for entry in entries if textmaps.excerpt(entry[0]) not in lost
    )
    assert (
        textmaps.render(table, [line[2:] for line in again.lines], "out", folds=folds)[0] == first
    )


@pytest.mark.parametrize("seed", range(300))
def test_no_bytes_are_an_error(seed):
    chance = random.Random(seed)  # noqa: S311 -- no secret
    alphabet = [b"a", b"B", b" ", b"\t", b"\n", b"\r", b":", b"#", b",", b'"', b"\\", b"(", b")"]
    alphabet += [b"<", b">", b"@", b".", b"\0", b"\xc3\xa4", b"\xff", b"|", b"/", b":include:"]
    content = (
        bytes(chance.randrange(256) for _byte in range(chance.randrange(3000)))
        if seed % 3 == 0
        else b"".join(chance.choice(alphabet) for _piece in range(chance.randrange(600)))
    )
    include = {"a": content}.get
    for reading in (
        textmaps.parse_map(content, "x"),
        textmaps.parse_map(content, "x", separator=":", folds=False, empty=True, replace=True),
        textmaps.parse_aliases(content, "x", include=include),
        textmaps.parse_class(content, "x"),
        textmaps.parse_class(content, "x", first_word=True),
        textmaps.parse_dump(content, "x", "aliases"),
        textmaps.parse_dump(content, "x", "access"),
    ):
        for line in reading.lines:
            for text in filter(None, line[2:]):
                assert not re.search(r"[\x00-\x1f\x7f]", text)
            assert line.key.strip() == line.key != ""
        for table in ("aliases", "access", "local_domains"):
            written, _left = textmaps.render(table, [line[2:] for line in reading.lines], "y")
            assert written.decode().endswith("\n")
    textmaps.parse_config(content, "x")


CONFIG = rb"""
V10/Berkeley
Cwlocalhost
Fw-o /etc/mail/local-host-names %[^\#]
FR-o /etc/mail/relay-domains %[^\#]
Ft/etc/mail/trusted-users
F{VirtHost}/etc/mail/virtuser-domains
C{w}example.org www.example.org
C{VirtHost}foo.example
CG$j example.org
Troot
Tdaemon uucp
C{Tls}VERIFY ENCR
Karith arith
Kaccess hash -T<TMPF> /etc/mail/access
Kvirtuser hash -o -f /etc/mail/virtusertable
Kmailertable btree -o
 /etc/mail/mailertable
Kgenerics ldap -1 -v x
O AliasFile=/etc/aliases, hash:-f /etc/mail/lists, nis:mail.aliases@my.domain
"""


def test_the_files_of_a_configuration_are_known():
    config = textmaps.parse_config(CONFIG, "/etc/mail/sendmail.cf")
    assert [tuple(source) for source in config.sources] == [
        ("local_domains", "/etc/mail/local-host-names", "class", r"%[^\#]"),
        ("relay_domains", "/etc/mail/relay-domains", "class", r"%[^\#]"),
        ("trusted_users", "/etc/mail/trusted-users", "class", ""),
        ("virtual_domains", "/etc/mail/virtuser-domains", "class", ""),
        ("access", "/etc/mail/access", "hash", "-T<TMPF>"),
        ("virtualusers", "/etc/mail/virtusertable", "hash", "-o -f"),
        ("mailertable", "/etc/mail/mailertable", "btree", "-o"),
        ("genericstable", "x", "ldap", "-1 -v"),
        ("aliases", "/etc/aliases", "aliases", ""),
        ("aliases", "/etc/mail/lists", "hash", "-f"),
        ("aliases", "mail.aliases@my.domain", "nis", ""),
    ]
    assert {name: [line.key for line in lines] for name, lines in config.members.items()} == {
        "local_domains": ["example.org", "www.example.org"],
        "virtual_domains": ["foo.example"],
        "generics_domains": ["example.org"],
        "trusted_users": ["root", "daemon", "uucp"],
    }


def test_of_several_files_the_first_one_counts():
    readings = [
        textmaps.parse_aliases(b"root: a\nJoe: b\n", "one", folds=False),
        textmaps.parse_aliases(b"root: c\nnew: d\nJOE: e\njoe: f\n", "two", folds=False),
    ]
    joined = textmaps.join(readings, textmaps.fold)
    assert [(line.path, line.key) for line in joined.lines] == [
        ("one", "root"),
        ("one", "Joe"),
        ("two", "new"),
    ]
    assert [(remark.path, remark.number, remark.used) for remark in joined.remarks] == [
        ("two", 1, False),
        ("two", 3, False),
        ("two", 4, False),
    ]


def test_keys_that_the_database_does_not_tell_apart_are_not_both_taken():
    reading = textmaps.parse_map(b"Joe@a.example\tx\njoe@a.example\ty\n", "one", folds=False)
    joined = textmaps.join([reading], textmaps.fold)
    assert [line.key for line in joined.lines] == ["Joe@a.example"]
    assert [(remark.key, remark.used) for remark in joined.remarks] == [("joe@a.example", True)]


def test_lists_in_files_become_targets():
    lists = {
        "/l/a": b"# people\nalice, bob (Bob)\n :include:/l/b\n",
        "/l/b": b"carol\nalice\n",
        "/l/loop": b"x\n:include:/l/loop\n",
    }
    reading = textmaps.parse_aliases(
        b'a: :include:/l/a, dave\nb: ":include:/l/b"\nloop: :include:/l/loop\n'
        b"gone: :include:/l/gone\n",
        "x",
        include=lists.get,
    )
    assert [line[2:] for line in reading.lines] == [
        ("a", "alice, bob, carol, dave"),
        ("b", "carol, alice"),
    ]
    assert [(remark.key, remark.cause, remark.used) for remark in reading.remarks] == [
        ("loop", "list '/l/loop' names itself", True),
        ("gone", "list '/l/gone' cannot be read", True),
    ]


@pytest.mark.parametrize(
    ("entries", "causes"),
    [
        ([("Joe", "a"), ("joe", "b")], ["key 'Joe' differs only in case"]),
        ([("a:b", "c")], [""]),
        ([("#x", "c")], [""]),
        ([("x", "y" * 8190)], ["the line has, with its continuations, more than 8190 bytes"]),
        ([("joe@far.example", "x")], ["'far.example' is not local"]),
    ],
)
def test_what_a_file_of_aliases_cannot_hold_is_said(entries, causes):
    _content, remarks = textmaps.render("aliases", entries, "x")
    assert len(remarks) == len(causes)
    for remark, cause in zip(remarks, causes, strict=True):
        assert remark.cause.startswith(cause)
        assert remark.cause


@pytest.mark.parametrize(
    ("name", "key", "lower"),
    [
        ("access", "To:Joe@Example.org", "To:joe@Example.org"),
        ("access", "Connect:Example.org", "Connect:Example.org"),
        ("aliases", "MAILER-DAEMON", "mailer-daemon"),
        ("virtualusers", "Joe@Example.org", "joe@Example.org"),
        ("virtualusers", "@Example.org", "@Example.org"),
        ("mailertable", "Example.org", "Example.org"),
    ],
)
def test_only_local_parts_are_lowered(name, key, lower):
    assert textmaps.lower_local(name, key) == lower


def test_two_sendmails_are_asked_for_every_entry():
    def reading(*keys):
        return textmaps.Reading([textmaps.Line("x", 1, key, "y") for key in keys], [])

    asked = textmaps.questions(
        {
            "aliases": reading("root", "plus+*"),
            "virtualusers": reading("@a.example", "joe@b.example", "ann+x@b.example"),
            "mailertable": reading(".c.example"),
            "relay_domains": reading("192.0.2", "IPv6:2001:db8::1", "d.example"),
            "local_domains": reading("[192.0.2.1]"),
            "trusted_users": reading("list"),
            "access": reading("To:x@y.example"),
        }
    )
    assert asked == sorted(
        [
            "ROOT", "root", "root+", "root+detail", "plus+", "plus+detail",
            "nobody@a.example", "NOBODY@a.example", "nobody+@a.example", "nobody+detail@a.example",
            "joe@b.example", "JOE@b.example", "joe+@b.example", "joe+detail@b.example",
            "ann+x@b.example",
            "postmaster@c.example", "postmaster@sub.c.example",
            "nobody@c.example", "nobody@sub.c.example",
            "postmaster@d.example", "postmaster@sub.d.example",
            "nobody@d.example", "nobody@sub.d.example",
        ]
    )  # fmt: skip


@pytest.mark.parametrize(
    ("aliases", "circles"),
    [
        (
            "a: b\nb: c, x\nc: a\n",
            {"a": "a -> b -> c -> a", "b": "b -> c -> a -> b", "c": "c -> a -> b -> c"},
        ),
        ("a: a\nb: \\b, \\a\n", {}),
        ("a: b@far.example\nb: a\n", {}),
        ("a: B@Here.example\nb: a\n", {"a": "a -> b -> a", "b": "b -> a -> b"}),
        ("a: b+x\nb+*: a\n", {"a": "a -> b+* -> a", "b+*": "b+* -> a -> b+*"}),
        ('a: "|/bin/a", /a, :include:/b\n', {}),
    ],
)
def test_circles_of_aliases_are_not_taken(aliases, circles):
    reading = textmaps.parse_aliases(aliases.encode(), "x")
    local = textmaps.parse_class(b"here.example\n", "y")
    result = textmaps.together({"aliases": reading, "local_domains": local})["aliases"]
    assert {one.key: one.cause for one in result.remarks} == {
        key: f"aliases lead in a circle: {way}" for key, way in circles.items()
    }
    assert {line.key for line in reading.lines} - set(circles) == {
        line.key for line in result.lines
    }


def test_a_domain_is_local_or_relayed():
    readings = {
        "local_domains": textmaps.parse_class(b"a.example\n", "x"),
        "relay_domains": textmaps.parse_class(b"A.example\nb.example\n", "y"),
    }
    result = textmaps.together(readings)
    assert [line.key for line in result["relay_domains"].lines] == ["b.example"]
    assert [(one.key, one.used) for one in result["relay_domains"].remarks] == [("A.example", True)]


def test_of_very_many_addresses_some_are_asked():
    lines = [textmaps.Line("x", n, f"user{n}@a.example", "y") for n in range(1000)]
    asked = textmaps.questions({"virtualusers": textmaps.Reading(lines, [])}, most=300)
    assert 250 < len(asked) <= 300
