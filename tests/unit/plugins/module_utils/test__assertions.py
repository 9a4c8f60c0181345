# Copyright: (c) sqlmail contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What must be true, against what sendmail said."""

from __future__ import annotations

import pytest
from ansible_collections.sqlmail.sendmail.plugins.module_utils._assertions import (
    STRANGER,
    understood,
)
from ansible_collections.sqlmail.sendmail.plugins.module_utils._errors import AskError, PlanError
from ansible_collections.sqlmail.sendmail.plugins.module_utils._sendmail import (
    Recipient,
    Step,
    Verdict,
    Way,
)

THERE = Recipient("a@b.example", "deliverable", "esmtp", "[mail.C.example]", "joe@C.example")
HERE = Recipient("root", "deliverable", "local", None, "\\root")
GONE = Recipient("a@b.example", "undeliverable", text="User unknown")
LATER = Recipient("a@b.example", "deferred", text="450 later")
EXPANDED = Step("aliases", "a", "found", "gone")


def way(*recipients, reason=None, steps=()):
    worst = max((one.outcome for one in recipients), key=len)
    outcome = "no_answer" if reason else worst
    return Way("a@b.example", outcome, reason, recipients, steps)


@pytest.mark.parametrize(
    ("said", "found", "problem"),
    [
        ({}, way(THERE, HERE), None),
        ({}, way(GONE), "is undeliverable: User unknown"),
        ({}, way(LATER), "is deferred: 450 later"),
        ({}, way(THERE, reason="no server"), "waits: no server"),
        ({"deliverable": True}, way(GONE), "is undeliverable: User unknown"),
        ({"deliverable": False}, way(GONE), None),
        ({"deliverable": False}, way(LATER), "is deferred"),
        ({"deliverable": False}, way(GONE, reason="no server"), "waits: no server"),
        ({"deliverable": False}, way(HERE), r"is deliverable, to .root \(mailer local\)"),
        ({"goes_to": ["joe@c.EXAMPLE"]}, way(THERE), None),
        ({"goes_to": ["Joe@c.example"]}, way(THERE), "goes to joe@C.example"),
        ({"goes_to": ["root", "joe@c.example"]}, way(THERE, HERE), None),
        ({"goes_to": ["root"]}, way(THERE, HERE), "not to root"),
        ({"goes_to": ["root", "joe@c.example"]}, way(HERE), "not to joe@c.example, root"),
        ({"mailer": "esmtp", "host": "mail.c.example"}, way(THERE), None),
        ({"host": "[MAIL.c.example]", "user": "joe@c.example"}, way(THERE), None),
        ({"mailer": "local"}, way(HERE), None),
        ({"mailer": "local"}, way(HERE, THERE), "not to mailer local"),
        ({"host": "mail.d.example"}, way(THERE), "not to host mail.d.example"),
    ],
)
def test_the_way_of_an_address(said, found, problem):
    assertion = understood({"address": "a@b.example", **said}, 1)
    assert assertion.addresses == ("a@b.example",)
    match_problem(assertion.problem({"a@b.example": found}, {}), problem)


def match_problem(told, problem):
    if problem is None:
        assert told is None
    else:
        with pytest.raises(AssertionError, match=problem):
            raise AssertionError(told)


OK = Verdict("accepted")
NO = Verdict("refused", "550 5.7.1 no")


@pytest.mark.parametrize(
    ("said", "connects", "relays", "problem"),
    [
        ({"may_relay": False}, OK, NO, None),
        ({"may_relay": False}, NO, OK, None),
        ({"may_relay": False}, OK, OK, "client 198.51.100.7 may relay"),
        ({"may_relay": True}, OK, OK, None),
        ({"may_relay": True}, OK, NO, "may not relay: 550 5.7.1 no"),
        ({"may_relay": True}, NO, OK, "may not relay: 550 5.7.1 no"),
        ({"may_connect": True}, OK, None, None),
        ({"may_connect": True}, NO, None, "may not connect: 550"),
        ({"may_connect": False}, NO, None, None),
        ({"may_connect": False}, OK, None, "may connect"),
        ({"may_connect": True, "may_relay": False}, OK, NO, None),
        # Without an answer nothing is known.
        ({"may_relay": False}, OK, Verdict("no_answer", "451"), "gives no answer"),
        ({"may_connect": False}, Verdict("no_answer", "451"), None, "gives no answer"),
    ],
)
def test_what_a_client_may(said, connects, relays, problem):
    assertion = understood({"client": "198.51.100.7", **said}, 1)
    calls = assertion.calls
    assert [call.rules for call in calls] == ["check_relay", "check_rcpt"][: 1 + bool(relays)]
    assert {call.client.address for call in calls} == {"198.51.100.7"}
    verdicts = dict(zip(calls, [connects, relays]))  # noqa: B905
    match_problem(assertion.problem({}, verdicts), problem)


@pytest.mark.parametrize(
    ("accepted", "verdict", "found", "problem"),
    [
        (True, OK, way(HERE), None),
        (True, NO, way(HERE), "is refused: 550 5.7.1 no"),
        (True, OK, way(GONE), "is refused: User unknown"),
        (True, Verdict("deferred", "451 x"), way(HERE), "is deferred: 451 x"),
        (True, Verdict("discarded"), way(HERE), "is discarded: nobody is told"),
        (True, OK, way(HERE, reason="away"), "away"),
        (False, NO, way(HERE), None),
        (False, OK, way(GONE), None),
        (False, OK, way(HERE), "is accepted"),
        (False, Verdict("deferred", "451 x"), way(HERE), "is deferred: 451 x"),
        (False, Verdict("no_answer", "451 x"), way(HERE), "gives no answer"),
        # The name exists, so the reply to RCPT is 250, wherever it leads.
        (True, OK, way(GONE, steps=(EXPANDED,)), None),
        (False, OK, way(GONE, steps=(EXPANDED,)), "is accepted"),
    ],
)
def test_a_recipient(accepted, verdict, found, problem):
    assertion = understood({"recipient": "a@b.example", "accepted": accepted}, 1)
    (call,) = assertion.calls
    assert call[:2] == ("check_rcpt", "a@b.example")
    assert call.client.address == STRANGER
    match_problem(assertion.problem({"a@b.example": found}, {call: verdict}), problem)


def test_a_sender():
    said = {"sender": "a@b.example", "accepted": False, "client": "::1", "client_name": "x.example"}
    assertion = understood(said, 1)
    (call,) = assertion.calls
    assert (call.rules, call.argument) == ("check_mail", "a@b.example")
    assert call.client == ("IPv6:::1", "x.example")
    assert assertion.problem({}, {call: NO}) is None
    assert "from client IPv6:::1 is accepted" in assertion.problem({}, {call: OK})


def test_a_mailbox_is_an_address_in_every_domain():
    assertion = understood({"mailbox": "postmaster"}, 1)
    assert (assertion.addresses, assertion.calls) == ((), ())
    each = assertion.within(["a.example", "b.example"])
    assert [one.addresses for one in each] == [
        ("postmaster@a.example",),
        ("postmaster@b.example",),
    ]
    other = understood({"address": "joe"}, 1)
    assert other.within(["a.example"]) == [other]


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({}, "speaks of nothing"),
        ({"address": None, "deliverable": True}, "speaks of nothing"),
        ({"address": "a", "mailbox": "b"}, "speaks of address and mailbox"),
        ({"address": "a", "recipient": "b", "client": "192.0.2.1"}, "address and recipient"),
        ({"address": "a", "client": "192.0.2.1"}, "is about address, of which client"),
        ({"address": "a", "may_relay": False}, "of which may_relay says nothing"),
        ({"recipient": "a"}, "add accepted"),
        ({"client": "192.0.2.1"}, "add may_relay or may_connect"),
        ({"address": "a", "deliverable": False, "host": "b"}, "and where it goes to"),
    ],
)
def test_what_makes_no_sense_is_refused(said, words):
    with pytest.raises(PlanError, match=f"^assertion 3 .*{words}"):
        understood(said, 3)


@pytest.mark.parametrize(
    "said",
    [
        {"address": "a b"},
        {"mailbox": "a b"},
        {"sender": "-x", "accepted": True},
        {"client": "mail.example", "may_relay": False},
        {"client": "192.0.2.1", "client_name": "a b", "may_relay": False},
    ],
)
def test_what_cannot_be_asked_is_refused(said):
    with pytest.raises(AskError, match="cannot ask"):
        understood(said, 1)
