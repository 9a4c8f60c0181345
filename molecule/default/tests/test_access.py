# SPDX-License-Identifier: GPL-3.0-or-later
"""Every value and tag of the access map does what docs/access.md says (A29, A80-A83).

Each rule of shared/rules.py is seen without its row, with it, and without it again.
What is seen is the table of the page; SQLMAIL_REGENERATE=1 writes it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.callers import receiver
from shared.machine import Machine
from shared.rules import OUTGOING, RULES, Rule, daemon, neighbours, opened, page, variant

PAGE = Path(__file__).parents[3] / "docs" / "access.md"
SEEN: dict[str, tuple[str, str]] = {}
ROUTE = "INSERT INTO mailertable VALUES ('there.example', 'relay:[mail.there.example]');"


@pytest.fixture(scope="module")
def host(mta: Machine, demo: tuple[str, str]) -> Iterator[Machine]:
    """The host with neighbours, another mail server, and daemons that check late."""
    assert demo
    variant(mta, "/root/outgoing.cf", mta_config_mc_define=OUTGOING)
    before = mta.daemon()
    with (
        mta.kept("mailertable"),
        neighbours(mta),
        receiver(mta),
        daemon(mta, 2526, mta_config_delay_checks="friend"),
        daemon(mta, 2527, mta_config_delay_checks="hater"),
    ):
        mta.sql(ROUTE)
        yield mta
    assert mta.daemon() == before


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.act.__name__)
def test_a_row_does_what_the_page_says(host: Machine, rule: Rule) -> None:
    with host.kept("access"):
        host.sql(rule.first or "SELECT;")
        rows = host.sql("SELECT key, value FROM access;")
        without = rule.act(host, 0)
        host.sql(rule.insert)
        seen = rule.act(host, 1)
        host.sql(f"DELETE FROM access; COPY access (key, value) FROM STDIN CSV;\n{rows}\\.\n")
        assert rule.act(host, 2) == without
    assert seen != without
    SEEN[rule.insert] = without, seen


def test_the_page_says_what_was_seen() -> None:
    if len(SEEN) != len(RULES):
        pytest.skip("not everything was seen")
    text = page(PAGE.read_text(), SEEN)
    if os.environ.get("SQLMAIL_REGENERATE"):
        PAGE.write_text(text)
    assert PAGE.read_text() == text


def test_the_page_knows_every_tag_and_value_that_sendmail_asks_for(mta: Machine) -> None:
    lines = mta.run("cat", "/etc/mail/sendmail.cf").splitlines()
    cf = "\n".join(line for line in lines if not line.startswith("#"))
    tags = set(re.findall(r"<[!+] \"?(\w+)\"?>", cf))
    tags |= set(re.findall(r"\$\((?:access|authinfo) \"?([A-Za-z_]+)\"?:", cf))
    # The rule sets that look late are in no file of this host.
    tags |= {"Spam"}
    assert {rule.name for rule in RULES if rule.act.__name__.startswith("tag_")} == {
        f"{tag}:" for tag in tags
    }
    values = set(re.findall(r"(?m)^R<([A-Z]{4,})[:>]", cf)) - {"FAIL", "FORGED", "PERM", "TEMP"}
    values |= set(" ".join(re.findall(r"(?m)^C\{(?:Accept|Tls)\}(.*)$", cf)).split())
    missing = {value for value in values if value not in PAGE.read_text()}
    assert not missing


BOUNDARIES = {
    "Connect:192.0.2.0/26": (["192.0.2.1", "192.0.2.63"], ["192.0.2.64", "192.0.2.255"]),
    "Connect:192.0.2.64/26": (["192.0.2.64", "192.0.2.127"], ["192.0.2.63", "192.0.2.128"]),
    "192.0.2.128/25": (["192.0.2.128", "192.0.2.255"], ["192.0.2.127"]),
    "Connect:192.0.2": (["192.0.2.1", "192.0.2.255"], ["198.51.100.1"]),
    "Connect:192.0.2.64/31": (["192.0.2.64", "192.0.2.65"], ["192.0.2.63", "192.0.2.127"]),
    "Connect:2001:db8::/33": (
        ["2001:db8::1", "2001:db8:7fff:ffff:ffff:ffff:ffff:ffff"],
        ["2001:db8:8000::", "2001:db9::1"],
    ),
    "Connect:IPv6:2001:db8": (["2001:db8::1", "2001:db8:8000::"], ["2001:db9::1"]),
    "IPv6:2001:db8:0:0:0:0:0:1": (["2001:db8::1"], ["2001:db8::2"]),
    "Connect:2001:DB8::1": (["2001:db8::1"], ["2001:db8::2"]),
}


@pytest.mark.parametrize("key", BOUNDARIES)
def test_a_network_ends_where_it_ends(host: Machine, key: str) -> None:
    inside, outside = BOUNDARIES[key]
    with host.kept("access"):
        host.sql(f"INSERT INTO access VALUES ('{key}', 'REJECT');")
        refused = {address for address in inside + outside if "550" in opened(host, address)}
    assert refused == set(inside)


def test_encryption_is_demanded_even_without_an_answer(host: Machine) -> None:
    with host.kept("access"), host.smtp() as session:
        client = session.sock.getsockname()[0]
        host.sql(f"INSERT INTO access VALUES ('TLS_Clt:{client}', 'PERM+ENCR:112');")
        assert session.mail_from().refused
        with host.stopped("postgresql"):
            # The null sender is asked nothing else.
            assert session.mail_from().deferred, session.heard
            assert session.say("STARTTLS").deferred, session.heard
        assert session.mail_from().refused


def test_the_longest_network_counts(host: Machine) -> None:
    with host.kept("access"):
        host.sql(
            "INSERT INTO access VALUES ('Connect:192.0.2.0/25', 'ERROR:550 25'),"
            " ('192.0', 'ERROR:550 16'), ('Connect:192.0.2', 'ERROR:550 24'),"
            " ('Connect:192.0.2.64/26', 'OK'), ('Connect:192.0.2.65', 'ERROR:550 32');"
        )
        expected = {1: "25", 63: "25", 64: "", 65: "32", 127: "", 128: "24", 255: "24"}
        seen = {n: opened(host, f"192.0.2.{n}") for n in expected}
    found = {n: re.findall(r"5\.0\.0 (\d+)", text) for n, text in seen.items()}
    assert {n: "".join(texts) for n, texts in found.items()} == expected


@pytest.mark.parametrize("address", ["192.0.2.1", "192.0.2.65", "2001:db8::1"])
def test_a_client_is_one_question_with_all_that_is_above_it(host: Machine, address: str) -> None:
    before = host.counted("access")
    with host.smtp(local=address) as session:
        opened = host.counted("access") - before
        assert session.mail_from().accepted
        begun = host.counted("access")
        assert session.rcpt_to("user@elsewhere.example").refused
        named = host.counted("access") - begun
    # B32: domains above a name, networks around an address, and all tags.
    assert opened["lookups"] > 30
    assert opened["asked"] == 1
    assert named["lookups"] > 10
    assert named["asked"] <= 2
