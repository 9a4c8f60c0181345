# SPDX-License-Identifier: GPL-3.0-or-later
"""What sendmail answers, as data; and rows that count only if it answers rightly (E4)."""

from __future__ import annotations

import contextlib
import typing as t
from collections.abc import Iterator

import pytest

from shared.machine import Machine
from shared.modules import examples, play, task
from shared.waiting import wait_until

TABLES = ("access", "aliases", "virtualusers", "mailertable", "authinfo")
ROWS = """
INSERT INTO aliases VALUES ('crew', 'demo, joe@remote.example'), ('lost', 'nobody-has-this-name');
INSERT INTO virtualusers VALUES ('david@hostA.com', 'david@hostB.com'), ('x@hostA.com', 'crew'),
    ('no@hostA.com', 'error:5.7.0:550 not here'), ('@domainC.com', 'joe@target.com'),
    ('postmaster@hostA.com', 'demo');
INSERT INTO mailertable VALUES ('hostb.com', 'esmtp:[mail.hostb.com]');
INSERT INTO access VALUES ('Connect:192.0.2.77', 'RELAY'), ('Connect:192.0.2.66', 'REJECT'),
    ('To:relay.example', 'RELAY'), ('From:spam.example', 'REJECT'), ('From:fine.example', 'OK');
INSERT INTO authinfo VALUES ('AuthInfo:smart.example', '"U:mx" "P:hush-hush"');
"""


@pytest.fixture(autouse=True)
def _rows(database: Machine) -> Iterator[None]:
    """Plant rows, and put all back."""
    with contextlib.ExitStack() as stack:
        for name in TABLES:
            stack.enter_context(database.kept(name))
        database.sql(ROWS)
        yield


def everything(database: Machine) -> str:
    """All rows, and how many changes were written down."""
    tables = " UNION ALL ".join(f"SELECT '{name}', key, value FROM {name}" for name in TABLES)
    return database.sql(f"{tables} ORDER BY 1, 2; SELECT count(*) FROM history;")


def lookup(**options: t.Any) -> dict[str, t.Any]:
    """Ask by map_lookup."""
    return play(task("map_lookup", **options))[0]


def test_keys_are_answered_by_sendmail() -> None:
    virtual, routes, secret = play(
        task("map_lookup", map="virtualusers", keys=["david@HOSTA.com", "a@domainC.com", "a@b.c"]),
        task("map_lookup", map="mailertable", keys=["hostb.com", "hostc.com", "; DROP TABLE x"]),
        task("map_lookup", map="authinfo", keys=["AuthInfo:smart.example", "AuthInfo:x.example"]),
    )
    found = [one["value"] for one in virtual["answers"]]
    assert found == ["david@hostB.com", "joe@target.com", None]
    assert [one["status"] for one in routes["answers"]] == ["found", "not_found", "not_found"]
    assert [one["value"] for one in secret["answers"]] == ["(secret)", None]
    assert "hush" not in str(secret)


def test_addresses_are_followed_to_where_they_end() -> None:
    addresses = ["david@hostA.com", "x@hostA.com", "lost", "no@hostA.com", "Postmaster"]
    ways = lookup(addresses=addresses)["ways"]
    assert [way["outcome"] for way in ways] == [
        *("deliverable", "deliverable"),
        *("undeliverable", "undeliverable"),
        "deliverable",
    ]
    david, crew, lost, refused, _postmaster = (way["recipients"] for way in ways)
    assert [david[0][part] for part in ("mailer", "host", "user")] == [
        *("esmtp", "[mail.hostb.com]", "david@hostB.com"),
    ]
    assert {one["user"] for one in crew} == {"demo", "joe@remote.example"}
    assert [one["text"] for one in lost + refused] == ["User unknown", "not here"]
    found = [step for step in ways[1]["steps"] if step["status"] == "found"]
    assert [step["map"] for step in found] == ["virtualusers", "aliases"]


def test_no_answer_is_not_the_same_as_not_found(database: Machine) -> None:
    asked = (
        task("map_lookup", map="aliases", keys=["crew", "no-such-alias"]),
        task("map_lookup", addresses=["crew", "david@hostA.com"]),
        task(
            "route_assert",
            assertions=[{"address": "crew"}, {"client": "192.0.2.77", "may_relay": True}],
        ),
    )
    with database.stopped("postgresql"):
        keys, ways, asserted = play(*asked)
    assert [one["status"] for one in keys["answers"]] == ["no_answer", "no_answer"]
    # Verify mode itself calls the alias deliverable.
    assert [way["outcome"] for way in ways["ways"]] == ["no_answer", "no_answer"]
    assert "No such file or directory" in ways["ways"][0]["reason"]
    assert "2 of 2 assertions do not hold" in asserted["msg"]
    assert "mail for crew waits" in asserted["msg"]
    keys, ways, asserted = play(*asked)
    assert [one["status"] for one in keys["answers"]] == ["found", "not_found"]
    assert [way["outcome"] for way in ways["ways"]] == ["deliverable", "deliverable"]
    assert not asserted["failed"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"map": "aliases", "keys": ["a\n/quit"]}, "control character"),
        ({"addresses": ["-bd"]}, "begins with a hyphen"),
        ({"addresses": ["a, b@c.example"]}, "take it for several"),
    ],
)
def test_a_question_that_would_be_another_is_refused(options: t.Any, words: str) -> None:
    assert words in lookup(**options)["msg"]


# Assertions -----------------------------------------------------------------------------

TRUE = [
    {"address": "david@hostA.com", "goes_to": ["david@HOSTB.com"]},
    {"address": "david@hostA.com", "mailer": "esmtp", "host": "mail.hostb.com"},
    {"address": "x@hostA.com", "goes_to": ["joe@remote.example", "demo"]},
    {"address": "no@hostA.com", "deliverable": False},
    {"client": "198.51.100.7", "may_relay": False},
    {"client": "2001:db8::7", "may_relay": False},
    {"client": "192.0.2.77", "may_relay": True, "may_connect": True},
    {"client": "192.0.2.66", "may_connect": False, "may_relay": False},
    {"recipient": "user@elsewhere.example", "accepted": False},
    {"recipient": "user@elsewhere.example", "accepted": True, "client": "192.0.2.77"},
    {"recipient": "user@relay.example", "accepted": True},
    {"recipient": "nobody-here@sqlmail.test", "accepted": False},
    {"recipient": "demo@sqlmail.test", "accepted": True},
    {"sender": "joe@spam.example", "accepted": False},
    {"sender": "joe@fine.example", "accepted": True},
    {"sender": "joe@sqlmail.test", "accepted": True},
]


def turned(assertion: dict[str, t.Any]) -> dict[str, t.Any]:
    """Say the contrary."""
    return {
        name: not value if isinstance(value, bool) else value for name, value in assertion.items()
    }


def test_what_is_true_holds_and_the_contrary_does_not() -> None:
    holds, contrary = play(
        task("route_assert", assertions=TRUE),
        task(
            "route_assert",
            assertions=[
                {"address": "david@hostA.com", "goes_to": ["david@hostA.com"]},
                {"address": "david@hostA.com", "host": "mail.hosta.com"},
                {"address": "x@hostA.com", "goes_to": ["demo"]},
                *(turned(one) for one in TRUE[3:]),
            ],
        ),
    )
    assert not holds["failed"], holds["msg"]
    assert not holds["changed"]
    assert [one["problem"] for one in holds["assertions"]] == [None] * len(TRUE)
    assert contrary["failed"]
    assert [one["holds"] for one in contrary["assertions"]] == [False] * len(TRUE)


def test_a_session_says_the_same(mta: Machine) -> None:
    """The rule sets are asked without SMTP; SMTP agrees."""
    recipients = ["user@elsewhere.example", "user@relay.example", "demo@sqlmail.test"]
    recipients.append("nobody-here@sqlmail.test")
    with mta.smtp() as session:
        assert session.mail_from("joe@fine.example").accepted
        spoken = [session.rcpt_to(recipient).accepted for recipient in recipients]
    told = play(
        task(
            "route_assert",
            assertions=[
                {"recipient": one, "accepted": accepted}
                for one, accepted in zip(recipients, spoken, strict=True)
            ],
        )
    )[0]
    assert spoken == [False, True, True, False]
    assert not told["failed"], told["msg"]


ENTRIES = [
    {"map": "virtualusers", "key": "eve@hostA.com", "value": "eve@hostC.com"},
    {"map": "mailertable", "key": "hostc.com", "value": "relay:[mail.hostc.com]"},
    {"map": "access", "key": "To:relay.example", "state": "absent"},
]
WANTED = [
    {"address": "eve@hostA.com", "goes_to": ["eve@hostC.com"], "host": "mail.hostc.com"},
    {"recipient": "user@relay.example", "accepted": False},
    {"client": "198.51.100.7", "may_relay": False},
    {"mailbox": "postmaster"},
]


def test_rows_count_if_all_holds_with_them_four_times(database: Machine) -> None:
    # E4, D1
    before = everything(database)
    call = task("route_assert", entries=ENTRIES, assertions=WANTED)
    check = play({**call, "check_mode": True})[0]
    assert everything(database) == before
    run, again, last = play(call, {**call, "check_mode": True}, call)
    assert [one["failed"] for one in (check, run, again, last)] == [False] * 4
    assert [one["changed"] for one in (check, run, again, last)] == [True, True, False, False]
    assert check["diff"] == run["diff"]
    assert (again["diff"], last["diff"]) == ([], [])
    assert run["counts"] == {"added": 2, "updated": 0, "removed": 1}
    assert database.sql("SELECT value FROM virtualusers WHERE key = 'eve@hostA.com';") == (
        "eve@hostC.com\n"
    )
    # One change, which can be taken back.
    changes = database.sql(f"SELECT count(*) FROM history WHERE change = {run['change']};")
    assert changes.strip() == "3"


BROKEN = {
    "an open relay": (
        {"map": "access", "key": "Connect:198.51.100", "value": "RELAY"},
        "may relay",
    ),
    "no postmaster": (
        {"map": "virtualusers", "key": "postmaster@hostA.com", "value": "error:5.1.1:550 no"},
        "postmaster@hosta.com is undeliverable",
    ),
    "another way": (
        {"map": "mailertable", "key": "hostc.com", "value": "esmtp:[other.example]"},
        "goes to eve@hostC.com (mailer esmtp, host [other.example])",
    ),
}


@pytest.mark.parametrize(("entry", "words"), BROKEN.values(), ids=BROKEN)
def test_rows_do_not_count_if_one_assertion_fails(
    database: Machine, entry: dict[str, str], words: str
) -> None:
    # E4: break a rule on purpose; the play fails and the rows are unchanged.
    before = everything(database)
    entries = [one for one in ENTRIES if one["key"] != entry["key"]] + [entry]
    call = task("route_assert", entries=entries, assertions=WANTED)
    for told in play(call, {**call, "check_mode": True}):
        assert told["failed"]
        assert "nothing was changed" in told["msg"]
        assert words in told["msg"], told["msg"]
        assert [one["holds"] for one in told["assertions"]].count(False) == 1
    assert everything(database) == before


def test_a_secret_is_written_and_not_shown(database: Machine) -> None:
    entry = {"map": "authinfo", "key": "AuthInfo:new.example", "secret": '"U:us" "P:hush-too"'}
    told = play(task("route_assert", entries=[entry], assertions=[{"address": "demo"}]))[0]
    assert told["changed"]
    assert "hush" not in str(told)
    assert "hush-too" in database.sql(
        "SELECT value FROM authinfo WHERE key = 'AuthInfo:new.example';"
    )


def test_a_refused_row_is_named_before_anything_is_asked(database: Machine) -> None:
    before = everything(database)
    entry = {"map": "mailertable", "key": "hostc.com", "value": "esmpt:[a.b]"}
    told = play(task("route_assert", entries=[*ENTRIES[:1], entry], assertions=WANTED))[0]
    assert 'mailer "esmpt" is not known' in told["msg"]
    assert everything(database) == before


def test_others_see_nothing_meanwhile_and_a_killed_call_leaves_nothing(
    mta: Machine, database: Machine
) -> None:
    """A sendmail that takes long stands for a long list of assertions."""
    before = everything(database)
    # Its lookups are done, the transaction is open, and the answer is not there yet.
    slow = (
        '#!/bin/sh\n/usr/sbin/sendmail "$@"\necho $PPID $$ > /run/asked.new\n'
        "mv /run/asked.new /run/asked\nexec sleep 300\n"
    )
    mta.run("sh", "-c", "cat > /run/slow; chmod 755 /run/slow; rm -f /run/asked", text=slow)
    call = task(
        "route_assert", program="/run/slow", timeout=300, entries=ENTRIES, assertions=WANTED[:1]
    )

    def pids() -> str:
        return mta.attempt("cat", "/run/asked").stdout.decode()

    try:
        play({**call, "async": 300, "poll": 0})
        asked = wait_until(pids, deadline=60)
        assert everything(database) == before
        assert mta.answer("user@relay.example").accepted
        mta.run("kill", "-KILL", *asked.split())
        # What it had locked is free.
        told = play(task("route_assert", entries=ENTRIES, assertions=WANTED))[0]
        assert everything(database) != before
    finally:
        mta.run("rm", "-f", "/run/slow", "/run/asked")
    assert told["changed"], told
    # Each row once: nothing of the call that was killed was left.
    assert told["counts"] == {"added": 2, "updated": 0, "removed": 1}


def test_a_secondary_is_one_object(mta: Machine) -> None:
    # A94, A95, A97
    named = {"domain": "partner.example", "hosts": ["192.0.2.25"], "recipients": ["joe"]}
    gone = {"domain": "partner.example", "state": "absent"}
    made, asserted = play(
        task("relay_domain", **named),
        task(
            "route_assert",
            assertions=[
                {"address": "joe@partner.example", "mailer": "esmtp", "host": "192.0.2.25"},
                {"address": "joe@below.partner.example", "host": "192.0.2.25"},
            ],
        ),
    )
    assert made["changed"]
    assert not asserted["failed"], asserted["msg"]
    assert mta.answer("joe@partner.example").accepted
    assert mta.answer("Postmaster@partner.example").accepted
    refused = mta.answer("ann@partner.example")
    assert (refused.code, refused.text) == (550, "5.1.1 <ann@partner.example>... User unknown")
    # A96: this host is not the host that it passes mail on to.
    loop = play(task("relay_domain", domain="loop.example", hosts=[mta.fqdn]))[0]
    assert "would come back to this host" in loop["msg"]
    assert play(task("relay_domain", **gone))[0]["changed"]
    assert mta.answer("joe@partner.example").refused


@pytest.mark.parametrize("module", ["map_lookup", "route_assert"])
def test_examples_run(module: str, database: Machine) -> None:
    # D16; the assertions of an example are true of the rows that it names.
    database.sql("DELETE FROM virtualusers WHERE key = '@domainC.com';")
    told = play(*examples(module))
    assert [one["msg"] for one in told if one.get("failed")] == []
