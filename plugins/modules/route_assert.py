#!/usr/bin/python
# Copyright: (c) sqlmail contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""State what must be true of the routes, and change rows only if it stays true."""

from __future__ import annotations

DOCUMENTATION = r"""
module: route_assert
short_description: State where mail must go and who may not relay, before rows count
version_added: 0.1.0
author:
  - sqlmail contributors (@sqlmail)
description:
  - States what must be true of this mail host, asks its sendmail, and fails if it is not so.
  - With O(entries) these rows are written first, in a transaction that nobody else sees. A private
    sendmail with the configuration of this host is asked about them through that transaction. If
    all assertions hold, it is committed and the rows count at once; if one fails, or the task is
    killed, nothing has changed.
  - Everything is asked of sendmail's own rules, its modes C(-bt) and C(-bv). No port is opened and
    no mail is sent.
  - Rows that the call changes are locked from the time they are written until the end. Others
    write and look up other rows meanwhile.
extends_documentation_fragment:
  - sqlmail.sendmail._attributes
  - sqlmail.sendmail._connection
  - sqlmail.sendmail._ask
attributes:
  check_mode:
    support: full
    details:
      - The rows are written in check mode, too, and taken back after the assertions were judged.
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
  assertions:
    description:
      - What must be true. Each names one of O(assertions[].address), O(assertions[].mailbox),
        O(assertions[].recipient), O(assertions[].sender) and O(assertions[].client), and what is
        true of it.
    type: list
    elements: dict
    required: true
    suboptions:
      address:
        description:
          - An address whose mail goes somewhere, said by O(assertions[].goes_to),
            O(assertions[].mailer), O(assertions[].host) and O(assertions[].user). Without any of
            these it must be deliverable.
        type: str
      goes_to:
        description:
          - All addresses and local users that the mail ends at, in any order.
        type: list
        elements: str
      mailer:
        description:
          - Mailer of all recipients, for example V(esmtp) or V(local).
        type: str
      host:
        description:
          - Host that takes the mail; brackets do not count.
        type: str
      user:
        description:
          - Address or user that the mailer gets.
        type: str
      deliverable:
        description:
          - Whether mail for O(assertions[].address) or O(assertions[].mailbox) arrives. V(false)
            means that it is refused for good.
        type: bool
      mailbox:
        description:
          - "A local part that must be deliverable in every domain that receives mail here: members
            of C(local_domains) and C(virtual_domains), and domains of C(virtualusers)."
        type: str
      recipient:
        description:
          - A recipient, and whether it is accepted (O(assertions[].accepted)), for the reply to
            C(RCPT).
        type: str
      sender:
        description:
          - A sender, and whether it is accepted, for the reply to C(MAIL).
        type: str
      accepted:
        description:
          - V(false) means refused for good; a client that may come again is neither.
        type: bool
      client:
        description:
          - The IP address of a client, and whether it may relay or connect; or who names
            O(assertions[].recipient) or O(assertions[].sender), a stranger by default.
        type: str
      client_name:
        description:
          - Name of the client in the DNS, if it has one that is confirmed.
        type: str
      may_relay:
        description:
          - Whether the client may send to a domain that is neither local nor relayed.
        type: bool
      may_connect:
        description:
          - Whether the client may send at all.
        type: bool
  entries:
    description:
      - Rows that shall count if the assertions hold with them.
    type: list
    elements: dict
    default: []
    suboptions:
      map:
        description:
          - The map or class, by the name of its table.
        type: str
        required: true
        choices:
          - access
          - aliases
          - virtualusers
          - mailertable
          - genericstable
          - domaintable
          - authinfo
          - local_domains
          - relay_domains
          - virtual_domains
          - generics_domains
          - masquerade_domains
          - masquerade_exceptions
          - trusted_users
      key:
        description:
          - Left side of the entry, or member of the class.
        type: str
        required: true
      value:
        description:
          - Right side of the entry; for a class, a remark.
        type: str
      secret:
        description:
          - Right side of an entry of C(authinfo); it is not shown or logged.
        type: str
      state:
        description:
          - Whether the entry shall be there.
        type: str
        choices: [present, absent]
        default: present
notes:
  - For O(entries) and O(assertions[].mailbox) the connection must lead to the database that the
    sendmail of this host asks. On a mail host whose database is elsewhere the role that changes
    rows must be let in, see C(map_database_clients).
seealso:
  - module: sqlmail.sendmail.map_lookup
  - module: sqlmail.sendmail.map_entry
"""

EXAMPLES = r"""
- name: State what must be true
  sqlmail.sendmail.route_assert:
    assertions:
      - {client: 198.51.100.7, may_relay: false}
      - {recipient: user@elsewhere.example, accepted: false}
      - {mailbox: postmaster}
  become: true

- name: Move a customer, if mail then goes where it shall
  sqlmail.sendmail.route_assert:
    entries:
      - {map: virtualusers, key: david@hostA.com, value: david@hostB.com}
      - {map: mailertable, key: hostB.com, value: "esmtp:[mail.hostB.com]"}
      - {map: access, key: "To:old.hostA.com", state: absent}
    assertions:
      - {address: david@hostA.com, goes_to: [david@hostB.com], host: mail.hostB.com}
      - {client: 198.51.100.7, may_relay: false}
      - {mailbox: postmaster}
  become: true
"""

RETURN = r"""
assertions:
  description:
    - The assertions, in their order, one for each domain of a C(mailbox).
  returned: always, if they were asked
  type: list
  elements: dict
  contains:
    subject:
      description: What it is about.
      type: str
      sample: address
    name:
      description: Who it is about.
      type: str
      sample: david@hostA.com
    holds:
      description: Whether it is true.
      type: bool
      sample: true
    problem:
      description: What is not as it must be, or null.
      type: str
      sample: null
added:
  description:
    - Entries that were not there, in the order of their maps and keys.
  returned: success, if rows were read
  type: list
  elements: dict
  sample:
    - map: mailertable
      key: hostB.com
      value: esmtp:[mail.hostB.com]
updated:
  description:
    - Entries that have another value now.
  returned: success, if rows were read
  type: list
  elements: dict
  sample:
    - map: virtualusers
      key: david@hostA.com
      value: david@hostB.com
      previous: david@hostC.com
removed:
  description:
    - Entries that are gone.
  returned: success, if rows were read
  type: list
  elements: dict
  sample:
    - map: access
      key: To:old.hostA.com
      previous: RELAY
counts:
  description:
    - How many entries were added, updated and removed.
  returned: success, if rows were read
  type: dict
  sample:
    added: 1
    updated: 1
    removed: 1
transaction:
  description:
    - Number of the transaction at the server; null if nothing was committed.
  returned: success, if rows were read
  type: str
  sample: '4711'
change:
  description:
    - Number of the change in the view C(history); null if nothing was committed.
  returned: success, if rows were read
  type: int
  sample: 17
database:
  description: Database whose rows were changed or read; null if there was none to ask.
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

import contextlib
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.sqlmail.sendmail.plugins.module_utils._assertions import (
    Assertion,
    understood,
)
from ansible_collections.sqlmail.sendmail.plugins.module_utils._bulk import (
    Listed,
    listed_entries,
)
from ansible_collections.sqlmail.sendmail.plugins.module_utils._entries import again, settle
from ansible_collections.sqlmail.sendmail.plugins.module_utils._errors import SqlmailError
from ansible_collections.sqlmail.sendmail.plugins.module_utils._plan import MAPS
from ansible_collections.sqlmail.sendmail.plugins.module_utils._selection import (
    receiving_domains,
)
from ansible_collections.sqlmail.sendmail.plugins.module_utils._sendmail import (
    ASK_OPTIONS,
    Sendmail,
    private_sendmail,
)
from ansible_collections.sqlmail.sendmail.plugins.module_utils._store import (
    STORE_OPTIONS,
    Store,
    open_store,
)
from ansible_collections.sqlmail.sendmail.plugins.module_utils._window import open_window


class AssertionsFailedError(SqlmailError):
    """Something is not as it must be."""

    def __init__(self, outcomes: t.Sequence[dict[str, t.Any]], *, written: bool) -> None:
        problems = [one["problem"] for one in outcomes if one["problem"]]
        consequence = "nothing was changed" if written else "this is so now"
        super().__init__(
            f"{len(problems)} of {len(outcomes)} assertions do not hold, {consequence}:"
            f" {'; '.join(problems)}"
        )
        self.outcomes = outcomes


def any_mailbox(assertions: t.Iterable[Assertion]) -> bool:
    """Tell whether the domains must be known."""
    return any(one.subject == "mailbox" for one in assertions)


def judge(sendmail: Sendmail, assertions: t.Sequence[Assertion]) -> list[dict[str, t.Any]]:
    """Ask what the assertions need to know, each thing once, and judge them."""
    addresses = dict.fromkeys(address for one in assertions for address in one.addresses)
    ways = {address: sendmail.way(address) for address in addresses}
    calls = list(dict.fromkeys(call for one in assertions for call in one.calls))
    verdicts = dict(zip(calls, sendmail.verdicts(calls)))  # noqa: B905 - Python 3.7
    problems = [one.problem(ways, verdicts) for one in assertions]
    return [
        {"subject": one.subject, "name": one.name, "holds": not problem, "problem": problem}
        for one, problem in zip(assertions, problems)  # noqa: B905
    ]


def apply_and_judge(
    store: Store,
    params: t.Mapping[str, t.Any],
    wanted: t.Sequence[Listed],
    assertions: t.Sequence[Assertion],
    *,
    check_mode: bool,
) -> dict[str, t.Any]:
    """Write the rows, show them to a private sendmail, and keep them if all is as it must be."""
    result = settle(store, wanted, {}, check_mode=False)
    domains = receiving_domains(store) if any_mailbox(assertions) else []
    expanded = [each for one in assertions for each in one.within(domains)]
    with contextlib.ExitStack() as stack:
        connection = stack.enter_context(open_window(store.peek, store.version))
        outcomes = judge(stack.enter_context(private_sendmail(params, connection)), expanded)
    if not all(one["holds"] for one in outcomes):
        raise AssertionsFailedError(outcomes, written=bool(wanted))
    if check_mode:
        store.roll_back()
        result.update(change=None, transaction=None)
    return {**result, "assertions": outcomes}


def run(params: t.Mapping[str, t.Any], *, check_mode: bool) -> dict[str, t.Any]:
    """Ask the sendmail of this host, or a private one if rows are to be tried."""
    assertions = [understood(one, position) for position, one in enumerate(params["assertions"], 1)]
    wanted = listed_entries(params["entries"], None, "present")
    if wanted or any_mailbox(assertions):

        def call() -> dict[str, t.Any]:
            with open_store(params) as store:
                return apply_and_judge(store, params, wanted, assertions, check_mode=check_mode)

        return again(call)
    with private_sendmail(params, None) as sendmail:
        outcomes = judge(sendmail, assertions)
    if not all(one["holds"] for one in outcomes):
        raise AssertionsFailedError(outcomes, written=False)
    return {"changed": False, "database": None, "queries": [], "assertions": outcomes}


def main() -> None:
    words = ("address", "mailer", "host", "user", "mailbox", "recipient", "sender", "client")
    facts = ("deliverable", "accepted", "may_relay", "may_connect")
    module = AnsibleModule(
        argument_spec={
            **STORE_OPTIONS,
            **ASK_OPTIONS,
            "assertions": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {
                    **{word: {"type": "str"} for word in (*words, "client_name")},
                    **{fact: {"type": "bool"} for fact in facts},
                    "goes_to": {"type": "list", "elements": "str"},
                },
            },
            "entries": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "map": {"type": "str", "required": True, "choices": list(MAPS)},
                    "key": {"type": "str", "required": True, "no_log": False},
                    "value": {"type": "str"},
                    "secret": {"type": "str", "no_log": True},
                    "state": {
                        "type": "str",
                        "choices": ["present", "absent"],
                        "default": "present",
                    },
                },
            },
        },
        supports_check_mode=True,
    )
    try:
        result = run(module.params, check_mode=module.check_mode)
    except AssertionsFailedError as error:
        module.fail_json(msg=str(error), assertions=error.outcomes)
    except SqlmailError as error:
        module.fail_json(msg=str(error), sqlstate=error.sqlstate)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
