#!/usr/bin/python
# Copyright: (c) sqlmail contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Read the history of the maps, and take changes back."""

from __future__ import annotations

DOCUMENTATION = r"""
module: map_history
short_description: See who changed the maps of sendmail in PostgreSQL, and take changes back
version_added: 0.1.0
author:
  - sqlmail contributors (@sqlmail)
description:
  - The database writes down every row of a map or class that changes, whatever client changed it.
    A transaction is one change and has a number.
  - With O(action=list), tells who changed which rows, when and from where.
  - With O(action=as_of), returns the rows as they were at a moment.
  - With O(action=undo), brings the rows back that one change found, or all changes of a time span.
    Rows that were changed again since are never overwritten; then nothing is undone, and the
    message names them. An undo is written down and can be undone.
  - Values of C(authinfo), and of C(AuthInfo:) in C(access), are secrets and are not shown.
extends_documentation_fragment:
  - sqlmail.sendmail._attributes
  - sqlmail.sendmail._connection
attributes:
  check_mode:
    support: full
    details:
      - The rows are written and the transaction is taken back, so that the guards of the database,
        also those that look at all rows together, and the rights of the role have their say. If
        there is nothing to undo, nothing is written and a server that is read-only is enough.
  diff_mode:
    support: full
    details:
      - Each line is map, key and value. Listing changes nothing and has no diff.
  idempotent:
    support: full
    details:
      - An undo says what the rows should be, namely as the changes found them. If they are so
        already, because they were undone before or otherwise, it changes nothing.
  platform:
    platforms: posix
    support: full
  action_group:
    support: full
    membership: [sqlmail.sendmail.sendmail]
options:
  action:
    description:
      - What to do.
    type: str
    choices: [list, as_of, undo]
    default: list
  map:
    description:
      - Only rows of this table, which may be any table that has a history.
      - For O(action=list) and O(action=as_of).
    type: str
  key:
    description:
      - Only rows with this key, compared as lookups compare it.
      - For O(action=list) and O(action=as_of).
    type: str
  change:
    description:
      - Number of a change.
      - For O(action=list) and O(action=undo).
    type: int
  since:
    description:
      - Only changes that were committed after this moment, in any form that PostgreSQL takes.
        Without a time zone it is the one of the server.
      - For O(action=list) and O(action=undo). An undo since before history begins is refused.
    type: str
  until:
    description:
      - Only changes that were committed until this moment, itself included.
      - For O(action=list) and O(action=undo).
    type: str
  login:
    description:
      - Only changes of the role that had logged in under this name.
      - For O(action=list).
    type: str
  limit:
    description:
      - How many rows to list at most; the newest are.
      - For O(action=list). It is 1000 unless given.
    type: int
  at:
    description:
      - The moment to look at, required by O(action=as_of).
    type: str
seealso:
  - module: sqlmail.sendmail.map_entry
"""

EXAMPLES = r"""
- name: See who changed the mail of sales lately
  sqlmail.sendmail.map_history:
    map: aliases
    key: sales
    since: yesterday

- name: Remember the time before a change
  ansible.builtin.set_fact:
    before_the_change: "{{ now(utc=true).strftime('%Y-%m-%dT%H:%M:%S.%fZ') }}"

- name: Read all routes as they were then
  sqlmail.sendmail.map_history:
    action: as_of
    at: "{{ before_the_change }}"
    map: mailertable

- name: Send the mail of sales to Bob
  sqlmail.sendmail.map_entry:
    map: aliases
    key: sales
    value: bob

- name: Find that change
  sqlmail.sendmail.map_history:
    map: aliases
    key: sales
    limit: 1
  register: last

- name: Take it back
  sqlmail.sendmail.map_history:
    action: undo
    change: "{{ last.history[0].change }}"

- name: Take back whatever else has been changed since
  sqlmail.sendmail.map_history:
    action: undo
    since: "{{ before_the_change }}"
"""

RETURN = r"""
database:
  description: Database that was asked.
  returned: success
  type: str
  sample: sendmail
history:
  description:
    - Rows that changed, the oldest first.
  returned: success and O(action=list)
  type: list
  elements: dict
  sample:
    - change: 17
      at: '2026-11-20T12:00:00.123456+00:00'
      login: mailadmin
      role: mailadmin
      client: 192.0.2.7
      application: psql
      undoes: null
      map: aliases
      action: update
      key: sales
      old: alice
      new: bob
entries:
  description:
    - The rows as they were.
  returned: success and O(action=as_of)
  type: list
  elements: dict
  sample:
    - map: aliases
      key: sales
      value: alice
undone:
  description:
    - The rows that were taken back, or would be in check mode; null means no row.
  returned: success and O(action=undo)
  type: list
  elements: dict
  sample:
    - map: aliases
      key: sales
      undone: bob
      restored: alice
changes:
  description:
    - Numbers of the changes that should be undone.
  returned: success and O(action=undo)
  type: list
  elements: int
  sample: [17]
change:
  description:
    - Number of the change that this undo is; null if nothing was undone, and in check mode.
  returned: success and O(action=undo)
  type: int
  sample: 18
queries:
  description:
    - Statements that changed something, with placeholders instead of values.
  returned: success and O(action=undo)
  type: list
  elements: str
  sample:
    - SELECT map, key, undone, restored FROM mail.undo_changes(%(numbers)s::bigint[])
sqlstate:
  description:
    - SQLSTATE of the refusal, if the server gave one.
  returned: failure
  type: str
  sample: '55000'
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.sqlmail.sendmail.plugins.module_utils._errors import SqlmailError
from ansible_collections.sqlmail.sendmail.plugins.module_utils._history import History
from ansible_collections.sqlmail.sendmail.plugins.module_utils._past import (
    ACTIONS,
    check_request,
    diff_of,
)
from ansible_collections.sqlmail.sendmail.plugins.module_utils._plan import veiled
from ansible_collections.sqlmail.sendmail.plugins.module_utils._store import (
    STORE_OPTIONS,
    Store,
    open_store,
)

LIMIT = 1000


def undo(store: Store, params: t.Mapping[str, t.Any], *, check_mode: bool) -> dict[str, t.Any]:
    """Read, plan, apply."""
    history = History(store)
    numbers = [params["change"]]
    if params["change"] is None:
        numbers = history.changes(params["since"], params["until"])
    # A span without a change is as it was.
    rows = history.try_undo(numbers) if numbers else []
    change = history.undo(numbers, check_mode=check_mode) if rows else None
    return {
        "changed": bool(rows),
        "undone": [row.veiled()._asdict() for row in rows],
        "changes": numbers,
        "change": change,
        "diff": diff_of(f"maps in database {store.database}", rows),
        "queries": store.queries,
    }


def as_of(store: Store, params: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """Return the rows of a moment."""
    rows = History(store).as_of(params["at"], params["map"], params["key"])
    entries = [
        {"map": name, "key": key, "value": veiled(name, key, value, None)[0]}
        for name, key, value in rows
    ]
    return {"changed": False, "entries": entries}


def listed(store: Store, params: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """Return who changed what."""
    limit = LIMIT if params["limit"] is None else params["limit"]
    events = History(store).listed(params, limit)
    return {"changed": False, "history": [event.as_result() for event in events]}


def run(params: t.Mapping[str, t.Any], *, check_mode: bool) -> dict[str, t.Any]:
    """Do what is asked for, in one transaction."""
    action = params["action"]
    check_request(action, params)
    with open_store(params, read_only=action != "undo") as store:
        if action == "undo":
            result = undo(store, params, check_mode=check_mode)
        elif action == "as_of":
            result = as_of(store, params)
        else:
            result = listed(store, params)
        return {"database": store.database, **result}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **STORE_OPTIONS,
            "action": {"type": "str", "choices": list(ACTIONS), "default": "list"},
            "map": {"type": "str"},
            "key": {"type": "str", "no_log": False},
            "change": {"type": "int"},
            "since": {"type": "str"},
            "until": {"type": "str"},
            "login": {"type": "str"},
            "limit": {"type": "int"},
            "at": {"type": "str"},
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
