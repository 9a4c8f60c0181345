#!/usr/bin/python
# Copyright: (c) sqlmail contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Apply the numbered steps of the schema."""

from __future__ import annotations

DOCUMENTATION = r"""
module: map_schema
short_description: Apply numbered schema steps to the database of the maps, once each
version_added: 0.1.0
author:
  - sqlmail contributors (@sqlmail)
description:
  - Applies the steps that the database has not seen yet, in the order of their numbers and in one
    transaction. Either all pending steps are applied or none.
  - An applied step is recorded in the table C(mail.schema_steps) with a digest of its text. A
    step that was edited afterwards is refused, and so is a new step with a number below an
    applied one.
  - An advisory lock makes two calls at the same time wait for each other.
extends_documentation_fragment:
  - sqlmail.sendmail._attributes
  - sqlmail.sendmail._connection
attributes:
  check_mode:
    support: full
    details:
      - Says which steps would be applied, but does not try them.
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
  steps:
    description:
      - All steps of the schema, also those that were applied before.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description:
          - Name of the step, V(0001_maps.sql) for example. The four digits are its number.
        type: str
        required: true
      sql:
        description:
          - Statements of the step. They must not end the transaction.
        type: str
        required: true
seealso:
  - module: sqlmail.sendmail.map_entry
"""

EXAMPLES = r"""
- name: Apply the schema as the owner of the database
  sqlmail.sendmail.map_schema:
    login_user: postgres
    session_role: sqlmail_owner
    steps:
      - name: 0001_maps.sql
        sql: "{{ lookup('ansible.builtin.file', 'schema/0001_maps.sql') }}"
  become: true
  become_user: postgres
"""

RETURN = r"""
database:
  description: Database that was asked.
  returned: success
  type: str
  sample: sendmail
applied:
  description:
    - Steps that this call applied, or would apply in check mode.
  returned: success
  type: list
  elements: str
  sample: [0001_maps.sql]
version:
  description:
    - Number of the last step after the call; 0 if there is none.
  returned: success
  type: int
  sample: 1
sqlstate:
  description:
    - SQLSTATE of the refusal, if the server gave one.
  returned: failure
  type: str
  sample: '42601'
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.sqlmail.sendmail.plugins.module_utils._errors import SqlmailError
from ansible_collections.sqlmail.sendmail.plugins.module_utils._plan import (
    numbered,
    plan_schema,
)
from ansible_collections.sqlmail.sendmail.plugins.module_utils._schema import Schema
from ansible_collections.sqlmail.sendmail.plugins.module_utils._store import (
    STORE_OPTIONS,
    open_store,
)


def run(params: t.Mapping[str, t.Any], *, check_mode: bool) -> dict[str, t.Any]:
    """Read, plan, apply."""
    steps = numbered(params["steps"])
    with open_store(params, read_only=check_mode) as store:
        schema = Schema(store)
        schema.lock()
        recorded = schema.recorded()
        change = plan_schema(steps, recorded)
        if change and not check_mode:
            schema.apply(change.pending, first=not recorded)
        return {
            "changed": bool(change),
            "applied": change.names,
            "database": store.database,
            "diff": change.as_diff(f"schema steps in database {store.database}"),
            "version": max([step.number for step in steps], default=0),
        }


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **STORE_OPTIONS,
            "steps": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {
                    "name": {"type": "str", "required": True},
                    "sql": {"type": "str", "required": True},
                },
            },
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
