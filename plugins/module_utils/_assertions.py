# Copyright: (c) sqlmail contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at
# any time. Do not use it directly.

"""What must be true of a mail host, and whether what sendmail answered makes it so.

Imports neither Ansible nor psycopg2, and asks nobody, so that its tests are tables.
"""

from __future__ import annotations

import typing as t

from ansible_collections.sqlmail.sendmail.plugins.module_utils._errors import PlanError
from ansible_collections.sqlmail.sendmail.plugins.module_utils._sendmail import (
    Client,
    Verdict,
    Way,
    checked_address,
    checked_client,
)

__all__ = ["Assertion", "Call", "understood"]

# Nobody has a row for it, and nobody sends from it (RFC 5737, TEST-NET-3).
STRANGER = "203.0.113.1"
# Nobody is local there or relayed to (RFC 2606).
ELSEWHERE = "user@elsewhere.invalid"

# What an assertion is about, and what may be said of it.
_SUBJECTS = {
    "address": ("goes_to", "mailer", "host", "user", "deliverable"),
    "mailbox": ("deliverable",),
    "recipient": ("accepted", "client", "client_name"),
    "sender": ("accepted", "client", "client_name"),
    "client": ("may_relay", "may_connect", "client_name"),
}
_HOW = ("client", "client_name")


class Call(t.NamedTuple):
    """A rule set, its argument, and who asks."""

    rules: str
    argument: str
    client: Client


class Assertion(t.NamedTuple):
    """One thing that must be true."""

    subject: str
    name: str
    wanted: dict[str, t.Any]
    client: Client

    @property
    def addresses(self) -> tuple[str, ...]:
        """Addresses whose way must be known."""
        return (self.name,) if self.subject in ("address", "recipient") else ()

    @property
    def calls(self) -> tuple[Call, ...]:
        """Calls of rule sets whose verdict must be known."""
        if self.subject == "recipient":
            return (Call("check_rcpt", self.name, self.client),)
        if self.subject == "sender":
            return (Call("check_mail", self.name, self.client),)
        if self.subject != "client":
            return ()
        calls: tuple[Call, ...] = (Call("check_relay", "", self.client),)
        if "may_relay" in self.wanted:
            calls += (Call("check_rcpt", ELSEWHERE, self.client),)
        return calls

    def within(self, domains: t.Iterable[str]) -> list[Assertion]:
        """A mailbox is an address in every domain; anything else is itself."""
        if self.subject != "mailbox":
            return [self]
        return [
            self._replace(subject="address", name=checked_address(f"{self.name}@{domain}"))
            for domain in domains
        ]

    def problem(self, ways: t.Mapping[str, Way], verdicts: t.Mapping[Call, Verdict]) -> str | None:
        """Say what is not as it must be; None if all is."""
        if self.subject == "address":
            return self._problem_of_way(ways[self.name])
        found = [verdicts[call] for call in self.calls]
        silent = next((one for one in found if one.outcome == "no_answer"), None)
        if silent:
            return f"{self._who}: a map gives no answer ({silent.text})"
        if self.subject == "client":
            return self._problem_of_client(found)
        refused = next((one.text for one in found if one.outcome == "refused"), None)
        others = next((one for one in found if one.outcome not in ("accepted", "refused")), None)
        if self.subject == "recipient" and refused is None and others is None:
            way = ways[self.name]
            if way.outcome == "no_answer":
                return f"{self._who}: {way.reason}"
            # The reply to RCPT knows of a name that does not exist, not of its targets.
            expanded = any(step.map == "aliases" and step.status == "found" for step in way.steps)
            if way.outcome == "undeliverable" and not expanded:
                refused = _texts(way)
        if others:
            return f"{self._who} is {others.outcome}: {others.text or 'nobody is told'}"
        if self.wanted["accepted"] and refused is not None:
            return f"{self._who} is refused: {refused}"
        if not self.wanted["accepted"] and refused is None:
            return f"{self._who} is accepted"
        return None

    @property
    def _who(self) -> str:
        """Who it is about, as the beginning of a sentence."""
        if self.subject in ("recipient", "sender"):
            return f"{self.subject} {self.name} from client {self.client.address}"
        return f"{self.subject} {self.name}"

    def _problem_of_client(self, found: t.Sequence[Verdict]) -> str | None:
        connects, relays = found[0], found[-1]
        if "may_connect" in self.wanted:
            may = connects.outcome == "accepted"
            if may != self.wanted["may_connect"]:
                return f"{self._who} may {'' if may else 'not '}connect{_reply(connects)}"
        if "may_relay" in self.wanted:
            may = connects.outcome == relays.outcome == "accepted"
            if may != self.wanted["may_relay"]:
                worst = relays if connects.outcome == "accepted" else connects
                return f"{self._who} may {'' if may else 'not '}relay{_reply(worst)}"
        return None

    def _problem_of_way(self, way: Way) -> str | None:
        if way.outcome == "no_answer":
            return f"mail for {self.name} waits: {way.reason}"
        if not self.wanted.get("deliverable", True):
            if way.outcome == "undeliverable":
                return None
            return f"mail for {self.name} is {way.outcome}, to {_targets(way)}"
        if way.outcome != "deliverable":
            return f"mail for {self.name} is {way.outcome}: {_texts(way)}"
        for part in ("mailer", "host", "user"):
            if part in self.wanted:
                wanted = _plain(part, self.wanted[part])
                if {_plain(part, getattr(one, part)) for one in way.recipients} != {wanted}:
                    return f"mail for {self.name} goes to {_targets(way)}, not to {part} {wanted}"
        if "goes_to" in self.wanted:
            wanted = sorted({_plain("user", one) for one in self.wanted["goes_to"]})
            if sorted({_plain("user", one.user) for one in way.recipients}) != wanted:
                return f"mail for {self.name} goes to {_targets(way)}, not to {', '.join(wanted)}"
        return None


def _plain(part: str, value: str | None) -> str:
    """Return a part of a route in the form in which it is compared."""
    if value is None:
        return ""
    if part == "host":
        return value.strip("[]").lower()
    if part == "user":
        local, at, domain = value.lstrip("\\").rpartition("@")
        return local + at + domain.lower() if at else value.lstrip("\\")
    return value


def _targets(way: Way) -> str:
    return ", ".join(
        f"{one.user} (mailer {one.mailer}{f', host {one.host}' if one.host else ''})"
        if one.mailer
        else f"{one.address} ({one.text})"
        for one in way.recipients
    )


def _texts(way: Way) -> str:
    return ", ".join(
        one.text if one.address == way.address else f"{one.address}: {one.text}"
        for one in way.recipients
        if one.text
    )


def _reply(verdict: Verdict) -> str:
    return f": {verdict.text}" if verdict.text else ""


def understood(given: t.Mapping[str, t.Any], position: int) -> Assertion:
    """Read what an operator wrote; the position is told if it makes no sense."""
    said = {name: value for name, value in given.items() if value is not None}
    where = f"assertion {position}"
    subjects = [name for name in _SUBJECTS if name in said]
    if len(subjects) == 2 and "client" in subjects:
        # Who sends, not what is spoken of.
        subjects.remove("client")
    if len(subjects) != 1:
        raise PlanError(
            f"{where} speaks of {' and '.join(subjects) or 'nothing'}; it names one of"
            f" {', '.join(_SUBJECTS)}"
        )
    subject = subjects[0]
    known = _SUBJECTS[subject]
    strange = [name for name in said if name != subject and name not in known]
    if strange:
        raise PlanError(f"{where} is about {subject}, of which {strange[0]} says nothing")
    wanted = {name: said[name] for name in known if name in said and name not in _HOW}
    if not wanted and subject in ("address", "mailbox"):
        wanted = {"deliverable": True}
    if not wanted:
        choices = [name for name in known if name not in _HOW]
        raise PlanError(f"{where} does not say what is true; add {' or '.join(choices)}")
    if not wanted.get("deliverable", True) and len(wanted) > 1:
        raise PlanError(f"{where} says that mail is not deliverable, and where it goes to")
    client = checked_client(said.get("client", STRANGER), said.get("client_name"))
    name = said[subject]
    if subject == "mailbox":
        checked_address(f"{name}@example.org")
    elif subject != "client":
        checked_address(name)
    return Assertion(subject, name, wanted, client)
