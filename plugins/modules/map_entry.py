#!/usr/bin/python
# Copyright: (c) sqlmail contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Manage one entry of a map."""

from __future__ import annotations

DOCUMENTATION = r"""
module: map_entry
short_description: Manage one entry of a sendmail map in PostgreSQL
version_added: 0.1.0
author:
  - sqlmail contributors (@sqlmail)
description:
  - Inserts, changes or deletes one row of a map. It counts at the next lookup of sendmail; no
    daemon is restarted or signalled.
  - Keys are compared as sendmail's lookups compare them. Tags, hosts and domains have no case;
    local parts have one if the database is set so. V(joe@Example.ORG) and V(joe@example.org) are
    the same entry.
  - A row that has the key in another spelling keeps its spelling. A different spelling alone is
    no change.
extends_documentation_fragment:
  - sqlmail.sendmail._attributes
  - sqlmail.sendmail._connection
attributes:
  check_mode:
    support: full
    details:
      - The session is read-only. Key and value are checked by the constraints of the database,
        and the rights of the role are checked, in check mode too.
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
  map:
    description:
      - The map, by the name of its table.
    type: str
    required: true
    choices: [access, aliases, virtualusers, mailertable, genericstable, domaintable]
  key:
    description:
      - Left side of the entry.
    type: str
    required: true
  value:
    description:
      - Right side of the entry.
      - Required unless O(state=absent).
    type: str
  state:
    description:
      - V(present) makes sure that the entry exists and has the value.
      - V(absent) makes sure that no entry has the key.
      - V(seeded) plants the entry once, if no entry has the key. It never overwrites a value, and
        an entry that was planted before and deleted since is not planted again.
    type: str
    choices: [present, absent, seeded]
    default: present
seealso:
  - module: sqlmail.sendmail.map_schema
"""

EXAMPLES = r"""
- name: Send the mail of the mailer daemon to David
  sqlmail.sendmail.map_entry:
    map: aliases
    key: MAILER-DAEMON
    value: david

- name: Let a network relay
  sqlmail.sendmail.map_entry:
    map: access
    key: Connect:192.0.2
    value: RELAY

- name: Route a domain to its primary mail host
  sqlmail.sendmail.map_entry:
    map: mailertable
    key: example.org
    value: esmtp:[mail.example.org]

- name: Take a virtual user away
  sqlmail.sendmail.map_entry:
    map: virtualusers
    key: joe@example.org
    state: absent

- name: Give abuse reports a home, unless somebody has chosen one
  sqlmail.sendmail.map_entry:
    map: aliases
    key: abuse
    value: root
    state: seeded
"""

RETURN = r"""
database:
  description: Database that was asked.
  returned: success
  type: str
  sample: sendmail
entry:
  description:
    - The entry after the call, in the spelling that the database has; null if there is none.
  returned: success
  type: dict
  sample:
    key: MAILER-DAEMON
    value: david
previous:
  description:
    - The entry before the call; null if there was none.
  returned: success
  type: dict
  sample:
    key: MAILER-DAEMON
    value: root
queries:
  description:
    - Statements that changed something, with placeholders instead of values.
  returned: success
  type: list
  elements: str
  sample:
    - UPDATE "mail"."aliases" SET value = %(value)s WHERE key = %(key)s
sqlstate:
  description:
    - SQLSTATE of the refusal, if the server gave one.
  returned: failure
  type: str
  sample: '42501'
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.sqlmail.sendmail.plugins.module_utils._errors import SqlmailError
from ansible_collections.sqlmail.sendmail.plugins.module_utils._plan import (
    MAPS,
    STATES,
    Entry,
    plan_entry,
)
from ansible_collections.sqlmail.sendmail.plugins.module_utils._store import (
    STORE_OPTIONS,
    open_store,
)


def as_result(entry: Entry | None) -> dict[str, str] | None:
    """Return an entry in the form of a return value."""
    return entry._asdict() if entry else None


def run(params: t.Mapping[str, t.Any], *, check_mode: bool) -> dict[str, t.Any]:
    """Read, plan, apply."""
    name, key, value, state = (params[option] for option in ("map", "key", "value", "state"))
    seeded = state == "seeded"
    with open_store(params, read_only=check_mode) as store:
        found = store.read(name, (key, value), seeds=seeded)
        change = plan_entry(state, key, value, found)
        if change:
            store.require(name, change, plant=seeded)
        if change and not check_mode:
            store.apply(name, change, plant=seeded)
        return {
            "changed": bool(change),
            "database": store.database,
            "diff": change.as_diff(f"map {name} in database {store.database}"),
            "entry": as_result(change.after),
            "previous": as_result(change.before),
            "queries": store.queries,
        }


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **STORE_OPTIONS,
            "map": {"type": "str", "required": True, "choices": list(MAPS)},
            "key": {"type": "str", "required": True, "no_log": False},
            "value": {"type": "str"},
            "state": {"type": "str", "choices": list(STATES), "default": "present"},
        },
        required_if=[("state", "present", ["value"]), ("state", "seeded", ["value"])],
        supports_check_mode=True,
    )
    try:
        result = run(module.params, check_mode=module.check_mode)
    except SqlmailError as error:
        module.fail_json(msg=str(error), sqlstate=error.sqlstate)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
