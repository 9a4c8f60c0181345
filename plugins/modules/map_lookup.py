#!/usr/bin/python
# Copyright: (c) sqlmail contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ask sendmail what it finds in its maps."""

from __future__ import annotations

DOCUMENTATION = r"""
module: map_lookup
short_description: Ask sendmail what it finds for a key or an address
version_added: 0.1.0
author:
  - sqlmail contributors (@sqlmail)
description:
  - Returns as data what the sendmail of this host answers for keys of a map, or which way
    addresses take through virtual users, aliases and routes, to mailer, host and user.
  - A map that gives no answer is told apart from a key that does not exist. Mail for the first
    waits, mail for the second takes its way without it.
  - An address that has several recipients is followed to each of them. Files C(.forward) and
    C(:include:) are read, programs are not run.
  - Delivers and changes nothing. M(sqlmail.sendmail.map_entry_info) reads the tables.
extends_documentation_fragment:
  - sqlmail.sendmail._attributes
  - sqlmail.sendmail._ask
attributes:
  check_mode:
    support: full
    details:
      - Asks in check mode, too.
  diff_mode:
    support: none
    details:
      - Nothing changes.
  idempotent:
    support: full
  platform:
    platforms: posix
    support: full
options:
  map:
    description:
      - The map that O(keys) are looked up in, by the name of its table. For classes there is no
        such question in sendmail.
    type: str
    choices:
      - access
      - aliases
      - virtualusers
      - mailertable
      - genericstable
      - domaintable
      - authinfo
  keys:
    description:
      - Keys that are looked up, exactly as sendmail's rules would look them up. For
        C(virtualusers) that is an address, and the answer may be that of its domain.
    type: list
    elements: str
  addresses:
    description:
      - Addresses whose way is followed, one in each element, in ASCII and without blanks.
    type: list
    elements: str
seealso:
  - module: sqlmail.sendmail.map_entry_info
  - module: sqlmail.sendmail.route_assert
"""

EXAMPLES = r"""
- name: Follow two addresses
  sqlmail.sendmail.map_lookup:
    addresses:
      - postmaster@example.org
      - joe@example.net
  become: true
  register: asked

- name: Say where they end
  ansible.builtin.debug:
    msg: "{{ asked.ways | map(attribute='recipients') | flatten | map(attribute='mailer') }}"

- name: Ask who may relay
  sqlmail.sendmail.map_lookup:
    map: access
    keys:
      - Connect:192.0.2.1
      - To:example.org
  become: true
"""

RETURN = r"""
answers:
  description:
    - What the map says about each key, in the order of O(keys). C(status) is C(found),
      C(not_found), or C(no_answer) if the map could not be asked. Secrets are shown as
      C((secret)).
  returned: if O(keys) are given
  type: list
  elements: dict
  sample:
    - key: Connect:192.0.2.1
      status: found
      value: RELAY
ways:
  description:
    - The way of each address, in the order of O(addresses).
  returned: if O(addresses) are given
  type: list
  elements: dict
  contains:
    address:
      description: The address.
      type: str
      sample: sales@example.org
    outcome:
      description:
        - C(deliverable), C(undeliverable) if one of the recipients is, C(deferred) if the rules
          say to try again later, or C(no_answer) if a map could not be asked.
      type: str
      sample: deliverable
    reason:
      description: Why there is no answer, if so.
      type: str
      sample: null
    recipients:
      description:
        - Where it leads to. A mailer C(local) has no host. C(text) is why mail is refused.
      type: list
      elements: dict
      sample:
        - address: sales@example.org
          outcome: deliverable
          mailer: esmtp
          host: "[mail.example.net]"
          user: alice@example.net
          text: null
    steps:
      description: The questions to the maps, in their order.
      type: list
      elements: dict
      sample:
        - map: virtualusers
          key: sales@example.org
          status: found
          value: alice@example.net
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.sqlmail.sendmail.plugins.module_utils._errors import SqlmailError
from ansible_collections.sqlmail.sendmail.plugins.module_utils._plan import is_secret
from ansible_collections.sqlmail.sendmail.plugins.module_utils._sendmail import (
    ASK_OPTIONS,
    MAP_NAMES,
    Answer,
    Sendmail,
    as_data,
    checked_address,
    checked_key,
)


def veiled(name: str, answer: Answer) -> Answer:
    """Return an answer without its secret."""
    if answer.value is not None and is_secret(name, answer.key):
        return answer._replace(value="(secret)")
    return answer


def run(params: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """Ask; what cannot be asked is refused before anything is."""
    keys = [checked_key(key) for key in params["keys"] or []]
    addresses = [checked_address(address) for address in params["addresses"] or []]
    sendmail = Sendmail(params)
    result: dict[str, t.Any] = {"changed": False}
    if params["keys"] is not None:
        answers = sendmail.answers(params["map"], keys)
        result["answers"] = [veiled(params["map"], answer)._asdict() for answer in answers]
    if params["addresses"] is not None:
        result["ways"] = [as_data(sendmail.way(address)) for address in addresses]
    return result


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **ASK_OPTIONS,
            "map": {"type": "str", "choices": list(MAP_NAMES)},
            "keys": {"type": "list", "elements": "str", "no_log": False},
            "addresses": {"type": "list", "elements": "str"},
        },
        required_one_of=[("keys", "addresses")],
        required_together=[("map", "keys")],
        supports_check_mode=True,
    )
    try:
        result = run(module.params)
    except SqlmailError as error:
        module.fail_json(msg=str(error))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
