#!/usr/bin/python
# Copyright: (c) sqlmail contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Read entries of the maps."""

from __future__ import annotations

DOCUMENTATION = r"""
module: map_entry_info
short_description: Read entries of sendmail's maps and classes in PostgreSQL
version_added: 0.1.0
author:
  - sqlmail contributors (@sqlmail)
description:
  - Returns rows of the tables as data, as they are committed; M(sqlmail.sendmail.map_lookup) asks
    what sendmail makes of them.
  - Changes nothing and sets no facts. Several conditions must all hold.
extends_documentation_fragment:
  - sqlmail.sendmail._attributes
  - sqlmail.sendmail._connection
attributes:
  check_mode:
    support: full
    details:
      - The session is read-only in any mode.
  diff_mode:
    support: none
    details:
      - Nothing changes.
  idempotent:
    support: full
  platform:
    platforms: posix
    support: full
  action_group:
    support: full
    membership: [sqlmail.sendmail.sendmail]
options:
  maps:
    description:
      - Maps and classes, by the names of their tables. Without it all of them are read.
    type: list
    elements: str
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
      - The entry with this key, compared as sendmail's lookups compare keys.
    type: str
  pattern:
    description:
      - Entries whose key has this form, where V(*) stands for any text and V(?) for any
        character. Case does not count.
    type: str
  domain:
    description:
      - "Entries that speak of this domain: V(example.org), V(.example.org), V(@example.org),
        V(joe@example.org), and V(To:example.org) and the like. A domain below it is another one."
    type: str
seealso:
  - module: sqlmail.sendmail.map_entry
  - module: sqlmail.sendmail.map_lookup
"""

EXAMPLES = r"""
- name: Read all that speaks of a domain
  sqlmail.sendmail.map_entry_info:
    domain: example.org
  register: rows

- name: Read the routes below a domain
  sqlmail.sendmail.map_entry_info:
    maps: [mailertable]
    pattern: "*.example.org"

- name: Look for an alias
  sqlmail.sendmail.map_entry_info:
    maps: [aliases]
    key: postmaster
  register: postmaster

- name: Say where its mail goes
  ansible.builtin.debug:
    msg: "{{ postmaster.entries | map(attribute='value') | first | default('nowhere') }}"
"""

RETURN = r"""
database:
  description: Database that was asked.
  returned: success
  type: str
  sample: sendmail
entries:
  description:
    - The rows, map by map and sorted by key, in the spelling that the database has.
    - The value of a secret, a row of C(authinfo) or of C(access) with the tag C(AuthInfo), is
      C((secret)). The value of a member of a class is a remark, or null.
  returned: success
  type: list
  elements: dict
  sample:
    - map: aliases
      key: postmaster
      value: root
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
from ansible_collections.sqlmail.sendmail.plugins.module_utils._plan import MAPS, Scope
from ansible_collections.sqlmail.sendmail.plugins.module_utils._selection import find_entries
from ansible_collections.sqlmail.sendmail.plugins.module_utils._store import (
    STORE_OPTIONS,
    open_store,
)


def run(params: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """Read the rows."""
    scope = Scope(params["key"], params["pattern"], params["domain"])
    wanted = MAPS if params["maps"] is None else params["maps"]
    with open_store(params, read_only=True) as store:
        return {
            "changed": False,
            "database": store.database,
            "entries": [
                {"map": name, **entry._asdict()}
                for name in MAPS
                if name in wanted
                for entry in find_entries(store, name, scope)
            ],
        }


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **STORE_OPTIONS,
            "maps": {"type": "list", "elements": "str", "choices": list(MAPS)},
            "key": {"type": "str", "no_log": False},
            "pattern": {"type": "str"},
            "domain": {"type": "str"},
        },
        supports_check_mode=True,
    )
    try:
        result = run(module.params)
    except SqlmailError as error:
        module.fail_json(msg=str(error), sqlstate=error.sqlstate)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
