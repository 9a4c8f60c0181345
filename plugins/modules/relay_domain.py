#!/usr/bin/python
# Copyright: (c) sqlmail contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Be a secondary mail host of a domain."""

from __future__ import annotations

DOCUMENTATION = r"""
module: relay_domain
short_description: Take mail for a domain and pass it on to its primary mail host
version_added: 0.1.0
author:
  - sqlmail contributors (@sqlmail)
description:
  - Makes this host a secondary MX of a domain, or its way in, by all the rows that it takes and in
    one transaction. The row C(To:domain) of C(access) lets mail in, the rows of C(mailertable) say
    where it goes.
  - The hosts of the route are written in brackets, so that no MX record, and no wildcard among
    them, can send the mail in circles until it is dropped.
  - With O(recipients) only these addresses are accepted. Anybody else is refused at once, so that
    this host never has to return mail that the primary does not want.
  - A route that leads back to this host is refused before anything is written.
extends_documentation_fragment:
  - sqlmail.sendmail._attributes
  - sqlmail.sendmail._connection
attributes:
  check_mode:
    support: full
    details:
      - The rows are judged by the constraints and guards of the database in check mode, too, and
        taken back.
  diff_mode:
    support: full
  idempotent:
    support: full
  platform:
    platforms: posix
    support: full
  action_group:
    support: full
    membership: [sqlmail.sendmail.sendmail]
options:
  domain:
    description:
      - The domain. Domains below it are accepted with it, unless there are O(recipients).
    type: str
    required: true
  hosts:
    description:
      - The primary mail hosts, by name or address; the next one is tried if one cannot be reached.
      - Required if O(state=present). A port belongs to a mailer of your own.
    type: list
    elements: str
  mailer:
    description:
      - The mailer.
    type: str
    default: esmtp
  recipients:
    description:
      - Addresses that exist, as local parts or in full. V(postmaster) is one of them in any case.
        An empty list leaves only that.
      - Without it all addresses are accepted, and the primary judges.
    type: list
    elements: str
  subdomains:
    description:
      - Whether mail to domains below O(domain) takes the same route. Without it their MX records
        are asked, which may lead back here.
    type: bool
    default: true
  mail_hosts:
    description:
      - Names and addresses of the mail hosts, in addition to those of the host where the module
        runs and to the rows of C(local_domains). Needed if it runs on a database host.
    type: list
    elements: str
    default: []
  resolve_timeout:
    description:
      - Seconds to wait for the name service. A host about which there is no answer is allowed,
        with a warning.
    type: int
    default: 10
  state:
    description:
      - V(absent) takes away what V(present) writes. A refusal of a single address in C(access), and
        another route for domains below, stay.
    type: str
    choices: [present, absent]
    default: present
seealso:
  - module: sqlmail.sendmail.route_assert
"""

EXAMPLES = r"""
- name: Be the second MX of a partner
  sqlmail.sendmail.relay_domain:
    domain: partner.example
    hosts: [mail.partner.example]

- name: Accept only the addresses that exist there
  sqlmail.sendmail.relay_domain:
    domain: shop.example
    hosts: [192.0.2.25, backup.shop.example]
    recipients: [sales, support@shop.example]

- name: Be it no longer
  sqlmail.sendmail.relay_domain:
    domain: partner.example
    state: absent
"""

RETURN = r"""
added:
  description:
    - Rows that were not there.
  returned: success
  type: list
  elements: dict
  sample:
    - map: access
      key: To:partner.example
      value: RELAY
updated:
  description:
    - Rows that have another value now.
  returned: success
  type: list
  elements: dict
  sample: []
removed:
  description:
    - Rows that are gone.
  returned: success
  type: list
  elements: dict
  sample: []
counts:
  description:
    - How many rows were added, updated and removed.
  returned: success
  type: dict
  sample:
    added: 3
    updated: 0
    removed: 0
route:
  description:
    - The route; empty if the state is V(absent).
  returned: success
  type: str
  sample: esmtp:[mail.partner.example]
transaction:
  description:
    - Number of the transaction at the server; null if nothing was committed.
  returned: success
  type: str
  sample: '4711'
change:
  description:
    - Number of the change in the view C(history); null if nothing was committed.
  returned: success
  type: int
  sample: 17
database:
  description: Database that was asked.
  returned: success
  type: str
  sample: sendmail
queries:
  description:
    - Statements that changed something, with placeholders instead of values.
  returned: success
  type: list
  elements: str
  sample: []
sqlstate:
  description:
    - SQLSTATE of the refusal, if the server gave one.
  returned: failure
  type: str
  sample: '42501'
"""

import socket
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.sqlmail.sendmail.plugins.module_utils._entries import (
    Entries,
    again,
    settle,
)
from ansible_collections.sqlmail.sendmail.plugins.module_utils._errors import (
    PlanError,
    SqlmailError,
)
from ansible_collections.sqlmail.sendmail.plugins.module_utils._plan import Scope
from ansible_collections.sqlmail.sendmail.plugins.module_utils._relay import (
    Relay,
    checked_host,
    checked_relay,
    resolve,
    way_back,
)
from ansible_collections.sqlmail.sendmail.plugins.module_utils._selection import find_entries
from ansible_collections.sqlmail.sendmail.plugins.module_utils._store import (
    STORE_OPTIONS,
    Store,
    open_store,
)


def refuse_loop(store: Store, params: t.Mapping[str, t.Any], relay: Relay) -> list[str]:
    """Refuse a route that leads back here; return what could not be seen."""
    hosts = [checked_host(host) for host in params["hosts"]]
    names = {checked_host(name) for name in params["mail_hosts"]}
    names |= {name.lower() for name in (socket.gethostname(), socket.getfqdn())}
    local = {row.key.lower() for row in find_entries(store, "local_domains", Scope())}
    if relay.domain in local:
        raise PlanError(
            f"domain {relay.domain!r} is in local_domains: its mail is delivered here, not passed"
            " on; delete it from there first"
        )
    found = resolve([*hosts, *names], params["resolve_timeout"])
    warnings = []
    for host in hosts:
        back = f"{host} is in local_domains" if host in local else way_back(host, found, names)
        if back:
            raise PlanError(
                f"mail for {relay.domain!r} would come back to this host, since {back}; name the"
                " host that delivers it"
            )
        if not found[host].addresses:
            said = "does not know it" if found[host].addresses == () else "gives no answer"
            warnings.append(
                f"whether {host} leads back here is not known, the name service {said};"
                f" mail for {relay.domain} waits meanwhile"
            )
    return warnings


def run(params: t.Mapping[str, t.Any], *, check_mode: bool) -> dict[str, t.Any]:
    """Read, plan, apply."""
    relay = checked_relay(params)

    def call() -> dict[str, t.Any]:
        with open_store(params) as store:
            warnings = []
            if params["state"] == "present":
                warnings = refuse_loop(store, params, relay)
            maps = ("access", "mailertable")
            Entries(store).lock(maps)
            found = [find_entries(store, name, Scope(domain=relay.domain)) for name in maps]
            wanted = relay.plan(params["state"], *found)
            result = settle(store, wanted, {}, check_mode=check_mode)
            return {**result, "route": relay.route, "warnings": warnings}

    return again(call)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **STORE_OPTIONS,
            "domain": {"type": "str", "required": True},
            "hosts": {"type": "list", "elements": "str"},
            "mailer": {"type": "str", "default": "esmtp"},
            "recipients": {"type": "list", "elements": "str"},
            "subdomains": {"type": "bool", "default": True},
            "mail_hosts": {"type": "list", "elements": "str", "default": []},
            "resolve_timeout": {"type": "int", "default": 10},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
        required_if=[("state", "present", ("hosts",))],
        supports_check_mode=True,
    )
    try:
        result = run(module.params, check_mode=module.check_mode)
        for warning in result.pop("warnings"):
            module.warn(warning)
    except SqlmailError as error:
        module.fail_json(msg=str(error), sqlstate=error.sqlstate)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
