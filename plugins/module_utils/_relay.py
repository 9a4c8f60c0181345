# Copyright: (c) sqlmail contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at
# any time. Do not use it directly.

"""The rows of a domain that is passed on to its primary mail host.

Imports neither Ansible nor psycopg2, so that its tests are tables.
"""

from __future__ import annotations

import contextlib
import ipaddress
import re
import socket
import threading
import typing as t

from ansible_collections.sqlmail.sendmail.plugins.module_utils._bulk import Listed
from ansible_collections.sqlmail.sendmail.plugins.module_utils._errors import PlanError
from ansible_collections.sqlmail.sendmail.plugins.module_utils._plan import Entry

__all__ = ["UNKNOWN", "Addresses", "Relay", "checked_relay", "resolve", "way_back"]

# What a recipient hears that the primary does not have, at once and not as a bounce later.
UNKNOWN = "ERROR:5.1.1:550 User unknown"

_POSTMASTER = ("postmaster", "Postmaster", "POSTMASTER")
_HOST = re.compile(r"(?!-)[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*\.?")


class Relay(t.NamedTuple):
    """A domain, where its mail goes to, and who receives mail there; None is everybody."""

    domain: str
    route: str
    recipients: tuple[str, ...] | None
    below: bool

    def rows(self) -> list[tuple[str, str, str]]:
        """Return map, key and value of each row."""
        rows = [("mailertable", self.domain, self.route)]
        if self.below:
            rows.append(("mailertable", f".{self.domain}", self.route))
        if self.recipients is None:
            return [*rows, ("access", f"To:{self.domain}", "RELAY")]
        rows.append(("access", f"To:{self.domain}", UNKNOWN))
        return rows + [("access", f"To:{name}@{self.domain}", "RELAY") for name in self.recipients]

    def plan(
        self, state: str, access: t.Iterable[Entry], routes: t.Iterable[Entry]
    ) -> list[Listed]:
        """Return the entries that make it so, from the rows that speak of the domain.

        Rows of the object that are not wanted any more go.  A refusal of a single
        address, or another route below the domain, is somebody else's and stays.
        """
        wanted = self.rows() if state == "present" else []
        kept = {(name, key.lower()) for name, key, _value in wanted}
        mine = [("access", row.key) for row in access if self._is_mine(row)]
        found = {row.key.lower(): row for row in routes}
        main = found.get(self.domain.lower())
        below = found.get(f".{self.domain.lower()}")
        if main:
            mine.append(("mailertable", main.key))
        if below and main and below.value == main.value:
            mine.append(("mailertable", below.key))
        gone = [one for one in mine if (one[0], one[1].lower()) not in kept]
        return [Listed(0, name, key, value, "present") for name, key, value in wanted] + [
            Listed(0, name, key, None, "absent") for name, key in gone
        ]

    def _is_mine(self, row: Entry) -> bool:
        key, value = row.key.lower(), (row.value or "")
        if key == f"to:{self.domain.lower()}":
            return value.upper() == "RELAY" or value == UNKNOWN
        return key.startswith("to:") and "@" in key and value.upper() == "RELAY"


def checked_relay(params: t.Mapping[str, t.Any]) -> Relay:
    """Read what an operator wrote."""
    domain = params["domain"].lower().rstrip(".")
    if "." not in domain or not _HOST.fullmatch(domain):
        raise PlanError(f"domain {params['domain']!r} is none; write it like example.org")
    if params["state"] == "absent":
        return Relay(domain, "", None, below=True)
    hosts = [checked_host(host) for host in params["hosts"] or []]
    if not hosts:
        raise PlanError(f"domain {domain!r} needs hosts, the primary mail hosts that it goes to")
    # In brackets a host is looked up as it is: no MX record can lead the mail back here.
    route = ":".join([params["mailer"], *(f"[{host}]" for host in hosts)])
    recipients = params["recipients"]
    if recipients is not None:
        names = dict.fromkeys(_local_part(one, domain) for one in recipients)
        # Every domain must take mail for it, however it is written (RFC 5321, 4.5.1).
        recipients = tuple({**names, **dict.fromkeys(_POSTMASTER)})
    return Relay(domain, route, recipients, params["subdomains"])


def checked_host(host: str) -> str:
    """Return a host without brackets."""
    name = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    with contextlib.suppress(ValueError):
        address = ipaddress.ip_address(name[5:] if name.lower().startswith("ipv6:") else name)
        return f"IPv6:{address}" if address.version == 6 else str(address)
    if not _HOST.fullmatch(name) or re.fullmatch(r"[0-9.]+", name):
        raise PlanError(
            f"host {host!r} is neither a name nor an address; a port belongs to the mailer"
        )
    return name.lower().rstrip(".")


def _local_part(recipient: str, domain: str) -> str:
    local, at, where = recipient.rpartition("@")
    if at and where.lower() != domain:
        raise PlanError(f"recipient {recipient!r} is not in domain {domain!r}")
    return local if at else recipient


# Does it lead back? -------------------------------------------------------------------


class Addresses(t.NamedTuple):
    """What the name service says about a host."""

    host: str
    # None: no answer in time; empty: there is no such host.
    addresses: tuple[str, ...] | None


def resolve(hosts: t.Iterable[str], seconds: float) -> dict[str, Addresses]:
    """Look up the addresses of hosts, all at once, and wait no longer than told."""
    found: dict[str, Addresses] = {}

    def ask(host: str) -> None:
        literal = host[5:] if host.startswith("IPv6:") else host
        try:
            answers = socket.getaddrinfo(literal, 25, type=socket.SOCK_STREAM)
        except socket.gaierror as cause:
            known = cause.errno in (socket.EAI_NONAME, getattr(socket, "EAI_NODATA", None))
            found[host] = Addresses(host, () if known else None)
        except UnicodeError:
            found[host] = Addresses(host, ())
        else:
            found[host] = Addresses(host, tuple(sorted({str(one[4][0]) for one in answers})))

    threads = [threading.Thread(target=ask, args=(host,), daemon=True) for host in set(hosts)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(seconds / len(threads))
    return {host: found.get(host, Addresses(host, None)) for host in hosts}


def is_ours(address: str) -> bool:
    """Tell whether an address belongs to this host: only then can a socket be bound to it."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as attempt:
            attempt.bind((address.partition("%")[0], 0))
    except OSError:
        return False
    return True


def way_back(
    host: str,
    found: t.Mapping[str, Addresses],
    names: t.Collection[str],
    ours: t.Callable[[str], bool] = is_ours,
) -> str | None:
    """Say how a host of the route leads back to this one; None if it does not.

    The names are those of the mail hosts; what they resolve to is found, too.
    """
    if host in names:
        return f"{host} is a name of this mail host"
    others = {address for name in names for address in (found[name].addresses or ())}
    for address in found[host].addresses or ():
        if address in others or ours(address):
            return f"{host} is {address}, an address of this mail host"
    return None
