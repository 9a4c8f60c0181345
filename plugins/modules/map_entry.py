#!/usr/bin/python
# Copyright: (c) sqlmail contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Manage one entry of a map."""

from __future__ import annotations

DOCUMENTATION = r"""
module: map_entry
short_description: Manage one entry of a sendmail map or class in PostgreSQL
version_added: 0.1.0
author:
  - sqlmail contributors (@sqlmail)
description:
  - Inserts, changes or deletes one row of a map or class. It counts at the next lookup of sendmail;
    no daemon is restarted or signalled.
  - Keys are compared as sendmail's lookups compare them. Tags, hosts and domains have no case;
    local parts have one if the database is set so. V(joe@Example.ORG) and V(joe@example.org) are
    the same entry.
  - A class is a set of names, for example of the domains that receive mail here.
  - A row that has the key in another spelling keeps its spelling. A different spelling alone is
    no change.
extends_documentation_fragment:
  - sqlmail.sendmail._attributes
  - sqlmail.sendmail._connection
attributes:
  check_mode:
    support: full
    details:
      - The row is written and the transaction is taken back, so that the guards of the database
        and the rights of the role have their say. If nothing has to change, nothing is written.
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
      - Right side of the entry; for a class, a remark. A remark that is not given stays as it is.
      - Required unless O(state=absent) or the map is a class.
    type: str
  secret:
    description:
      - Right side of an entry of C(authinfo), instead of O(value); it is not shown or logged.
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
  - module: sqlmail.sendmail.map_entries
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

- name: Receive the mail of a domain
  sqlmail.sendmail.map_entry:
    map: local_domains
    key: example.org

- name: Log in at the host that takes our mail
  sqlmail.sendmail.map_entry:
    map: authinfo
    key: AuthInfo:smart.example.net
    secret: '"U:us" "P:{{ smart_host_password }}" "M:PLAIN"'

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
    - INSERT INTO "mail"."aliases" (key, value) SELECT staged.key, staged.value FROM pg_temp.staged
      WHERE staged.map = %(map)s AND staged.kind = 'added' ORDER BY staged.number
sqlstate:
  description:
    - SQLSTATE of the refusal, if the server gave one.
  returned: failure
  type: str
  sample: '42501'
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.sqlmail.sendmail.plugins.module_utils._bulk import (
    Listed,
    checked,
    plan_map,
)
from ansible_collections.sqlmail.sendmail.plugins.module_utils._entries import (
    Entries,
    again,
)
from ansible_collections.sqlmail.sendmail.plugins.module_utils._errors import SqlmailError
from ansible_collections.sqlmail.sendmail.plugins.module_utils._plan import (
    MAPS,
    STATES,
    Change,
    Entry,
)
from ansible_collections.sqlmail.sendmail.plugins.module_utils._store import (
    STORE_OPTIONS,
    open_store,
)


def as_result(entry: Entry | None) -> dict[str, str | None] | None:
    """Return an entry in the form of a return value."""
    return entry._asdict() if entry else None


def run(params: t.Mapping[str, t.Any], *, check_mode: bool) -> dict[str, t.Any]:
    """Read, plan, apply."""
    name, key, value, state = (params[option] for option in ("map", "key", "value", "state"))
    wanted = checked(Listed(0, name, key, value, state), params.get("secret"))

    def call() -> dict[str, t.Any]:
        with open_store(params) as store:
            entries = Entries(store)
            entries.lock([name])
            found = entries.read(name, [wanted])
            row = found.rows.get(found.folded[0])
            work = plan_map(name, [wanted], found).work
            change = work[0].change if work else Change(row, row)
            if work:
                entries.write(work)
                store.conclude(f"write to map {name!r}", check_mode=check_mode)
            shown = change.shown(name)
            return {
                "changed": bool(work),
                "database": store.database,
                "diff": shown.as_diff(f"map {name} in database {store.database}"),
                "entry": as_result(shown.after),
                "previous": as_result(shown.before),
                "queries": store.queries,
            }

    return again(call)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **STORE_OPTIONS,
            "map": {"type": "str", "required": True, "choices": list(MAPS)},
            "key": {"type": "str", "required": True, "no_log": False},
            "value": {"type": "str"},
            "secret": {"type": "str", "no_log": True},
            "state": {"type": "str", "choices": list(STATES), "default": "present"},
        },
        supports_check_mode=True,
    )
    try:
        result = run(module.params, check_mode=module.check_mode)
    except SqlmailError as error:
        module.fail_json(msg=str(error), sqlstate=error.sqlstate)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
