# Copyright: (c) sqlmail contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rows of a domain that is passed on, and whether they lead back."""

from __future__ import annotations

import threading

import pytest
from ansible_collections.sqlmail.sendmail.plugins.module_utils._errors import PlanError
from ansible_collections.sqlmail.sendmail.plugins.module_utils._plan import Entry
from ansible_collections.sqlmail.sendmail.plugins.module_utils._relay import (
    UNKNOWN,
    Addresses,
    checked_host,
    checked_relay,
    is_ours,
    resolve,
    way_back,
)

PARAMS = {
    "domain": "P.example",
    "hosts": ["mail.P.example"],
    "mailer": "esmtp",
    "recipients": None,
    "subdomains": True,
    "state": "present",
}
ROUTE = "esmtp:[mail.p.example]"
ALL = [
    ("mailertable", "p.example", ROUTE),
    ("mailertable", ".p.example", ROUTE),
    ("access", "To:p.example", "RELAY"),
]


def planned(state, access=(), routes=(), **params):
    relay = checked_relay({**PARAMS, **params, "state": state})
    plan = relay.plan(state, [Entry(*row) for row in access], [Entry(*row) for row in routes])
    present = [(one.map, one.key, one.value) for one in plan if one.state == "present"]
    return present, [(one.map, one.key) for one in plan if one.state == "absent"]


def test_a_domain_is_three_rows():
    assert planned("present") == (ALL, [])
    assert planned("present", subdomains=False) == ([ALL[0], ALL[2]], [])


POSTMASTER = [
    ("access", f"To:{name}@p.example", "RELAY")
    for name in ("postmaster", "Postmaster", "POSTMASTER")
]


def test_recipients_are_rows_and_postmaster_is_one_of_them():
    rows, _gone = planned("present", recipients=["joe", "ann@P.EXAMPLE", "joe"])
    assert rows[2:] == [
        ("access", "To:p.example", UNKNOWN),
        ("access", "To:joe@p.example", "RELAY"),
        ("access", "To:ann@p.example", "RELAY"),
        *POSTMASTER,
    ]
    rows, _gone = planned("present", recipients=["POSTMASTER"])
    assert sorted(rows[3:]) == sorted(POSTMASTER)


MINE = [("To:P.example", "relay"), ("To:joe@p.example", "RELAY"), ("to:p.example", UNKNOWN)]
OTHERS = [
    ("To:bad@p.example", "REJECT"),
    ("From:p.example", "OK"),
    ("Connect:p.example", "RELAY"),
    ("joe@p.example", "RELAY"),
]


def test_what_belongs_to_it_goes_with_it():
    routes = [("P.example", ROUTE), (".p.example", ROUTE)]
    rows, gone = planned("absent", access=[*MINE, *OTHERS], routes=routes)
    assert rows == []
    assert gone == [
        *(("access", key) for key, _value in MINE),
        ("mailertable", "P.example"),
        ("mailertable", ".p.example"),
    ]


def test_another_route_and_another_verdict_stay():
    routes = [("p.example", ROUTE), (".p.example", "relay:[other]")]
    _rows, gone = planned("absent", access=[("To:p.example", "REJECT")], routes=routes)
    assert gone == [("mailertable", "p.example")]


def test_a_recipient_that_is_not_wanted_any_more_goes():
    _rows, gone = planned("present", access=MINE[1:2], recipients=["Joe"])
    assert gone == []
    _rows, gone = planned("present", access=MINE[1:2], recipients=["ann"])
    assert gone == [("access", "To:joe@p.example")]


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("Mail.Example.", "mail.example"),
        ("[mail.example]", "mail.example"),
        ("192.0.2.1", "192.0.2.1"),
        ("2001:DB8:0::1", "IPv6:2001:db8::1"),
        ("[IPv6:2001:db8::1]", "IPv6:2001:db8::1"),
    ],
)
def test_a_host_is_a_name_or_an_address(host, expected):
    assert checked_host(host) == expected


@pytest.mark.parametrize("host", ["", "a:25", "a b", "192.0.2", "-a", "a..b", "[a", "a]:[b"])
def test_what_is_no_host_is_refused(host):
    with pytest.raises(PlanError, match="neither a name nor an address"):
        checked_host(host)


FOUND = {
    "mx.example": Addresses("mx.example", ("192.0.2.1", "2001:db8::1")),
    "alias.example": Addresses("alias.example", ("192.0.2.9", "2001:db8::1")),
    "mail.example": Addresses("mail.example", ("192.0.2.2",)),
    "gone.example": Addresses("gone.example", ()),
    "slow.example": Addresses("slow.example", None),
}


@pytest.mark.parametrize(
    ("host", "words"),
    [
        ("mx.example", "is a name of this mail host"),
        ("alias.example", "is 2001:db8::1, an address of this mail host"),
        ("mail.example", None),
        ("gone.example", None),
        ("slow.example", None),
    ],
)
def test_a_way_back(host, words):
    told = way_back(host, FOUND, ["mx.example"], ours=lambda _address: False)
    assert told == (f"{host} {words}" if words else None)
    assert way_back("mail.example", FOUND, [], ours=lambda address: address == "192.0.2.2")


def test_addresses_of_this_host():
    assert is_ours("127.0.0.1")
    assert not is_ours("192.0.2.1")


def test_the_name_service_is_not_waited_for(monkeypatch):
    never = threading.Event()
    monkeypatch.setattr("socket.getaddrinfo", lambda *_args, **_more: [] * never.wait())
    assert resolve(["a.example"], 0.05) == {"a.example": Addresses("a.example", None)}
    never.set()


def test_literals_need_no_name_service():
    assert resolve(["192.0.2.1", "IPv6:2001:db8::1"], 5) == {
        "192.0.2.1": Addresses("192.0.2.1", ("192.0.2.1",)),
        "IPv6:2001:db8::1": Addresses("IPv6:2001:db8::1", ("2001:db8::1",)),
    }


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"domain": "localdomain"}, "write it like example.org"),
        ({"domain": "a b.example"}, "write it like example.org"),
        ({"hosts": []}, "needs hosts"),
        ({"recipients": ["joe@other.example"]}, "is not in domain 'p.example'"),
    ],
)
def test_a_mistake_is_named(params, words):
    with pytest.raises(PlanError, match=words):
        checked_relay({**PARAMS, **params})
