#!/usr/bin/python
# Copyright: (c) sqlmail contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Manage many entries of maps at once."""

from __future__ import annotations

DOCUMENTATION = r"""
module: map_entries
short_description: Manage many entries of sendmail maps and classes in PostgreSQL at once
version_added: 0.1.0
author:
  - sqlmail contributors (@sqlmail)
description:
  - Inserts, changes and deletes rows of one or several maps and classes in one transaction, all of
    it or nothing. The rows count at the next lookup of sendmail; no daemon is restarted.
  - With O(state=exact) the list is all that there is. What it does not name is deleted.
  - Keys are compared as sendmail's lookups compare them, and a row that has the key in another
    spelling keeps its spelling, as in M(sqlmail.sendmail.map_entry).
  - Calls of this module that write to the same map wait for each other. If another client changes
    a row between reading and writing, nothing is overwritten. The module starts over once, says so
    in a warning, and gives up with nothing changed if it happens again; the return values show the
    rows as they were found last.
  - 100,000 entries take seconds, most of them for what Ansible does with the arguments of a task.
extends_documentation_fragment:
  - sqlmail.sendmail._attributes
  - sqlmail.sendmail._connection
attributes:
  check_mode:
    support: full
    details:
      - The rows are written and the transaction is taken back, so that the guards of the database,
        also those that look at all rows together, and the rights of the role have their say. If
        nothing has to change, nothing is written and a server that is read-only is enough.
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
  entries:
    description:
      - The entries. The same key twice is refused if the two want different things; an entry with
        O(entries[].state=seeded) gives way to another one.
    type: list
    elements: dict
    default: []
    suboptions:
      map:
        description:
          - The map, if it is not O(map).
        type: str
        choices: &maps
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
          - Right side of the entry; for a class, a remark. A remark that is not given stays as it
            is.
        type: str
      secret:
        description:
          - Right side of an entry of C(authinfo), instead of O(entries[].value); it is not shown
            or logged.
        type: str
      state:
        description:
          - State of this entry, if it is not O(state); with O(state=exact) it is V(present).
        type: str
        choices: [present, absent, seeded]
  map:
    description:
      - Map of the entries and scopes that name none.
      - With O(state=exact) and no entries it is the map that is to be empty.
    type: str
    choices: *maps
  state:
    description:
      - V(present) makes sure that the entries exist and have their values.
      - V(absent) makes sure that no entry has one of the keys.
      - V(seeded) plants each entry once, if no entry has its key. It never overwrites a value, and
        an entry that was planted before and deleted since is not planted again.
      - V(exact) is V(present), and deletes all other entries that O(scope) reaches. Entries that
        were planted and never changed since stay, whether they are listed or not, as a deployment
        that planted them would miss them; list them with O(entries[].state=absent) to be rid of
        them.
    type: str
    choices: [present, absent, seeded, exact]
    default: present
  scope:
    description:
      - What O(state=exact) may delete. By default, everything in the maps that O(entries) and
        O(map) name.
      - An entry of a map named here must be within its scope. Entries of other maps are V(present).
    type: list
    elements: dict
    suboptions:
      map:
        description:
          - The map, if it is not O(map).
        type: str
        choices: *maps
      keys:
        description:
          - Keys that belong to the scope; C(*) stands for any text, also for none. V(*@example.org)
            are the virtual users of a domain, V(From:*) the access rules for senders.
        type: str
        default: '*'
  max_deletions:
    description:
      - How many entries V(exact) may delete that O(entries) does not name; if there are more, the
        call is refused. V(-1) is no limit.
    type: int
    default: 10
seealso:
  - module: sqlmail.sendmail.map_entry
"""

EXAMPLES = r"""
- name: Receive the mail of two domains
  sqlmail.sendmail.map_entries:
    map: local_domains
    entries:
      - key: example.org
      - key: example.net

- name: Keep the virtual users of a domain as they are here, and no others
  sqlmail.sendmail.map_entries:
    map: virtualusers
    state: exact
    scope:
      - keys: "*@example.org"
    entries:
      - key: joe@example.org
        value: joe
      - key: "@example.org"
        value: postmaster

- name: Pass a domain on that was local, in one transaction
  sqlmail.sendmail.map_entries:
    entries:
      - map: local_domains
        key: example.net
        state: absent
      - map: relay_domains
        key: example.net
      - map: mailertable
        key: example.net
        value: esmtp:[mail.example.net]

- name: Close all special routes, five at most
  sqlmail.sendmail.map_entries:
    map: mailertable
    state: exact
    max_deletions: 5

- name: Log in at the host that takes our mail
  sqlmail.sendmail.map_entries:
    map: authinfo
    entries:
      - key: AuthInfo:smart.example.net
        secret: '"U:us" "P:{{ smart_host_password }}" "M:PLAIN"'
"""

RETURN = r"""
database:
  description: Database that was asked.
  returned: success
  type: str
  sample: sendmail
added:
  description:
    - Entries that were inserted. Secrets are veiled, here and below.
  returned: success
  type: list
  elements: dict
  sample:
    - map: virtualusers
      key: joe@example.org
      value: joe
updated:
  description:
    - Entries that got another value, in the spelling that the database has, and the value before.
  returned: success
  type: list
  elements: dict
  sample:
    - map: virtualusers
      key: "@example.org"
      value: postmaster
      previous: ann
removed:
  description:
    - Entries that were deleted, and what their values were.
  returned: success
  type: list
  elements: dict
  sample:
    - map: virtualusers
      key: eve@example.org
      previous: eve
kept:
  description:
    - Entries that O(state=exact) left although nobody listed them, because they were planted.
  returned: success
  type: list
  elements: dict
  sample:
    - map: aliases
      key: postmaster
counts:
  description:
    - How many entries were added, updated and removed.
  returned: success
  type: dict
  sample:
    added: 1
    updated: 1
    removed: 1
change:
  description:
    - Number of the change in the view C(history), for C(mail.undo); null if nothing was written.
  returned: success
  type: int
  sample: 42
transaction:
  description:
    - Transaction as the log of the server names it; null if nothing was written.
  returned: success
  type: str
  sample: '7512'
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

import gc
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.sqlmail.sendmail.plugins.module_utils._bulk import (
    as_result,
    listed_entries,
    plain_entries,
    scopes,
)
from ansible_collections.sqlmail.sendmail.plugins.module_utils._entries import (
    Entries,
    again,
    settle,
)
from ansible_collections.sqlmail.sendmail.plugins.module_utils._errors import SqlmailError
from ansible_collections.sqlmail.sendmail.plugins.module_utils._plan import MAPS, STATES
from ansible_collections.sqlmail.sendmail.plugins.module_utils._store import (
    STORE_OPTIONS,
    open_store,
)


def run(params: t.Mapping[str, t.Any], *, check_mode: bool) -> dict[str, t.Any]:
    """Read, plan, apply."""
    entries, name, state = (params[option] for option in ("entries", "map", "state"))
    plain = None if params["scope"] else plain_entries(entries, name, state)

    def call() -> dict[str, t.Any]:
        with open_store(params) as store:
            if plain and Entries(store).hold(plain, exact=state == "exact"):
                return as_result([], store.database)
            wanted = listed_entries(entries, name, state)
            return settle(
                store,
                wanted,
                scopes(wanted, params["scope"], name, state),
                max_deletions=params["max_deletions"],
                check_mode=check_mode,
            )

    return again(call)


def main() -> None:
    maps = list(MAPS)
    module = AnsibleModule(
        argument_spec={
            **STORE_OPTIONS,
            "entries": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "map": {"type": "str", "choices": maps},
                    "key": {"type": "str", "required": True, "no_log": False},
                    "value": {"type": "str"},
                    "secret": {"type": "str", "no_log": True},
                    "state": {"type": "str", "choices": list(STATES)},
                },
            },
            "map": {"type": "str", "choices": maps},
            "state": {"type": "str", "choices": [*STATES, "exact"], "default": "present"},
            "scope": {
                "type": "list",
                "elements": "dict",
                "options": {
                    "map": {"type": "str", "choices": maps},
                    "keys": {"type": "str", "default": "*", "no_log": False},
                },
            },
            "max_deletions": {"type": "int", "default": 10},
        },
        supports_check_mode=True,
    )
    # The entries live as long as the process; to look for garbage among them takes
    # longer than the work.
    gc.disable()
    try:
        result = run(module.params, check_mode=module.check_mode)
    except SqlmailError as error:
        module.fail_json(msg=str(error), sqlstate=error.sqlstate)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
