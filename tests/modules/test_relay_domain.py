# SPDX-License-Identifier: GPL-3.0-or-later
"""A domain that is passed on is one object (A94 to A97)."""

from __future__ import annotations

import socket
import typing as t

import pytest

ROUTE = "esmtp:[192.0.2.25]"
DOMAIN = {"domain": "Partner.example", "hosts": ["192.0.2.25"]}
# However it is written (RFC 5321, 4.5.1).
POSTMASTER = {f"To:{name}@partner.example" for name in ("postmaster", "Postmaster", "POSTMASTER")}
UNKNOWN = "ERROR:5.1.1:550 User unknown"


def test_four_times_there_changed_and_gone(database: t.Any, ansible: t.Any) -> None:
    ansible.four_times("relay_domain", **DOMAIN)
    assert database.rows("access") == {"To:partner.example": "RELAY"}
    routes = {"partner.example": ROUTE, ".partner.example": ROUTE}
    assert database.rows("mailertable") == routes
    ansible.four_times("relay_domain", **DOMAIN, recipients=["joe", "Ann@PARTNER.example"])
    assert database.rows("access") == {
        "To:partner.example": UNKNOWN,
        "To:joe@partner.example": "RELAY",
        "To:Ann@partner.example": "RELAY",
        **dict.fromkeys(POSTMASTER, "RELAY"),
    }
    ansible.play(ansible.task("relay_domain", **DOMAIN, recipients=["joe"], subdomains=False))
    assert set(database.rows("access")) == {
        "To:partner.example",
        "To:joe@partner.example",
        *POSTMASTER,
    }
    assert database.rows("mailertable") == {"partner.example": ROUTE}
    ansible.play(
        ansible.task("relay_domain", **{**DOMAIN, "hosts": ["[2001:DB8:0::25]", "192.0.2.26"]})
    )
    assert database.rows("access") == {"To:partner.example": "RELAY"}
    assert database.rows("mailertable")["partner.example"] == (
        "esmtp:[IPv6:2001:db8::25]:[192.0.2.26]"
    )
    # One change each, that can be taken back as a whole.
    assert database.ask("SELECT count(DISTINCT change) FROM mail.history") == "4"
    ansible.four_times("relay_domain", domain="partner.example", state="absent")
    assert database.rows("access") == database.rows("mailertable") == {}


def test_what_others_wrote_stays(database: t.Any, ansible: t.Any) -> None:
    database.ask(
        "INSERT INTO mail.access VALUES ('To:bad@partner.example', 'REJECT'),"
        " ('From:partner.example', 'OK'), ('To:notpartner.example', 'RELAY'),"
        " ('To:old@partner.example', 'RELAY');"
        "INSERT INTO mail.mailertable VALUES ('.partner.example', 'relay:[192.0.2.1]')"
    )
    ansible.play(ansible.task("relay_domain", **DOMAIN, subdomains=False))
    assert "To:old@partner.example" not in database.rows("access")
    ansible.four_times("relay_domain", domain="partner.example", state="absent")
    assert set(database.rows("access")) == {
        "To:bad@partner.example",
        "From:partner.example",
        "To:notpartner.example",
    }
    assert database.rows("mailertable") == {".partner.example": "relay:[192.0.2.1]"}


def test_the_linter_has_nothing_to_say(database: t.Any, ansible: t.Any) -> None:
    ansible.play(
        ansible.task("relay_domain", **DOMAIN),
        ansible.task("relay_domain", domain="s.example", hosts=["192.0.2.26"], recipients=[]),
    )
    assert len(database.rows("mailertable")) == 4
    found = "SELECT rule, key FROM mail.lint WHERE map IN ('access', 'mailertable')"
    assert database.ask(found) == ""
    database.ask("DELETE FROM mail.mailertable")
    assert "relay_without_route|To:partner.example" in database.ask(found)


def refused(ansible: t.Any, cases: dict[str, tuple[dict[str, t.Any], str]]) -> None:
    """Call with mistakes, in check mode and without, and compare what is said."""
    tasks = [
        ansible.task("relay_domain", **{**DOMAIN, **options}) for options, _words in cases.values()
    ]
    told = ansible.play(*tasks, *({**one, "check_mode": True} for one in tasks)).told
    for (name, (_options, words)), run, check in zip(
        cases.items(), told, told[len(tasks) :], strict=False
    ):
        assert run.result["failed"], name
        assert words in run.result["msg"], (name, run.result["msg"])
        assert check.result["msg"] == run.result["msg"]
        assert check.everything == run.everything


HERE = socket.gethostname()
LOOPS = {
    "its own name": ({"hosts": [HERE]}, "is a name of this mail host"),
    "its own address": ({"hosts": ["127.0.0.1"]}, "is 127.0.0.1, an address of this mail host"),
    "IPv6": ({"hosts": ["IPv6:::1"]}, "an address of this mail host"),
    "the second host": ({"hosts": ["192.0.2.25", "127.0.0.2"]}, "an address of this mail host"),
    "a name of the mail host": (
        {"hosts": ["mx.here.example"], "mail_hosts": ["MX.here.example"]},
        "is a name of this mail host",
    ),
    "an address of the mail host": (
        {"hosts": ["192.0.2.25"], "mail_hosts": ["192.0.2.25"]},
        "is a name of this mail host",
    ),
    "a local domain": ({"hosts": ["mail.local.example"]}, "is in local_domains"),
    "itself local": ({"domain": "Local.example"}, "its mail is delivered here"),
}


def test_a_loop_is_refused_before_anything_is_written(database: t.Any, ansible: t.Any) -> None:
    # A96
    database.ask(
        "INSERT INTO mail.local_domains VALUES ('local.example', NULL),"
        " ('mail.local.example', NULL)"
    )
    refused(ansible, LOOPS)
    assert database.rows("access") == database.rows("mailertable") == {}


MISTAKES = {
    "no domain": ({"domain": "partner"}, "write it like example.org"),
    "no hosts": ({"hosts": []}, "needs hosts"),
    "a port": ({"hosts": ["192.0.2.25:2525"]}, "a port belongs to the mailer"),
    "half an address": ({"hosts": ["192.0.2"]}, "neither a name nor an address"),
    "another domain": ({"recipients": ["joe@other.example"]}, "is not in domain"),
    "no mailer": ({"mailer": "esmpt"}, 'mailer "esmpt" is not known'),
    "no recipient": ({"recipients": ["a b"]}, "a b@partner.example"),
}


@pytest.mark.usefixtures("database")
def test_a_mistake_is_named(ansible: t.Any) -> None:
    refused(ansible, MISTAKES)


def test_without_case_postmaster_is_one_row(database: t.Any, ansible: t.Any) -> None:
    database.ask("SET ROLE sqlmail_owner; CALL mail.set_case_sensitive(false)")
    ansible.play(ansible.task("relay_domain", **DOMAIN, recipients=["Joe", "JOE"]))
    assert set(database.rows("access")) == {
        "To:partner.example",
        "To:Joe@partner.example",
        "To:postmaster@partner.example",
    }


@pytest.mark.usefixtures("database")
def test_a_host_that_nobody_knows_is_told(ansible: t.Any) -> None:
    told = ansible.play(
        ansible.task("relay_domain", domain="partner.example", hosts=["mail.invalid"])
    ).told[0]
    assert told.changed
    assert "whether mail.invalid leads back here is not known" in told.result["warnings"][0]
