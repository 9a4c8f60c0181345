#!/usr/bin/python
# Copyright: (c) sqlmail contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Manage one user of the database who logs in to send mail."""

from __future__ import annotations

DOCUMENTATION = r"""
module: sasl_sql_user
short_description: Manage one user in PostgreSQL who logs in to send mail
version_added: 0.1.0
author:
  - sqlmail contributors (@sqlmail)
description:
  - Inserts, changes, disables or deletes one row of C(mail.sasl_users). It counts at the next
    login; no daemon is restarted or signalled.
  - The database gets a salted SCRAM-SHA-256 verifier, which serves SCRAM-SHA-256, PLAIN and
    LOGIN. The password itself goes neither to the server nor to a command line.
  - The role that sets verifiers cannot read them. The password is hashed with the stored salt, and
    the database says whether the result is the same.
extends_documentation_fragment:
  - sqlmail.sendmail._attributes
  - sqlmail.sendmail._connection
attributes:
  check_mode:
    support: full
    details:
      - The row is written and the transaction is taken back, so that the guards of the database and
        the rights of the role have their say. If nothing has to change, nothing is written and a
        server that is read-only is enough.
  diff_mode:
    support: full
    details:
      - Shows that there is a new password, never a password or a verifier.
  idempotent:
    support: full
    details:
      - The given password is compared with the stored verifier.
  platform:
    platforms: posix
    support: full
  action_group:
    support: full
    membership: [sqlmail.sendmail.sendmail]
options:
  name:
    description:
      - The user, without realm. Its case counts.
    type: str
    required: true
  realm:
    description:
      - The realm of the user; it has no case.
      - A client that logs in with a bare name means the realm of the mail host, in sendmail
        C(confAUTH_REALM) or else the name of the host.
    type: str
    required: true
  password:
    description:
      - The password. Letters may be of any script; there may be no control characters.
      - A user who exists keeps his password if this is not given. A new one needs it.
    type: str
  update_password:
    description:
      - V(always) sets the password whenever the stored one is another, or is hashed too seldom.
      - V(on_create) sets it only if the user has none yet.
    type: str
    choices: [always, on_create]
    default: always
  iterations:
    description:
      - How often a new password is hashed, from 4096 to 65536. More makes it harder to guess from a
        stolen verifier, and each login with PLAIN or LOGIN slower.
      - A stored verifier with fewer iterations is replaced, if O(password) is given.
      - Use one number for all users. Names that do not exist are given that of the user whose
        password was set last.
    type: int
    default: 15000
  enabled:
    description:
      - Whether the user may log in. It stays as it is if not given, and is true for a new user.
    type: bool
  comment:
    description:
      - Remark. It stays as it is if not given; an empty one takes it away.
    type: str
  state:
    description:
      - Whether the user exists.
    type: str
    choices: [absent, present]
    default: present
seealso:
  - module: sqlmail.sendmail.sasl_user
    description: Users of a sasldb, who are files of one host.
"""

EXAMPLES = r"""
- name: Let david log in
  sqlmail.sendmail.sasl_sql_user:
    name: david
    realm: mx.example.org
    password: "{{ david_password }}"

- name: Keep david out for now
  sqlmail.sendmail.sasl_sql_user:
    name: david
    realm: mx.example.org
    enabled: false

- name: Give the printer a first password, which may be changed in psql since
  sqlmail.sendmail.sasl_sql_user:
    name: printer
    realm: mx.example.org
    password: "{{ printer_password }}"
    update_password: on_create
    comment: second floor

- name: Forget david
  sqlmail.sendmail.sasl_sql_user:
    name: david
    realm: mx.example.org
    state: absent
"""

RETURN = r"""
action:
  description: What was done, or would be done in check mode.
  returned: success
  type: str
  choices: [none, add, change, delete]
  sample: add
database:
  description: Database that was asked.
  returned: success
  type: str
  sample: sendmail
user:
  description: The user after the call; null if there is none.
  returned: success
  type: dict
  sample:
    login: david@mx.example.org
    enabled: true
    comment:
    has_password: true
previous:
  description: The user before the call; null if there was none.
  returned: success
  type: dict
  sample:
queries:
  description:
    - Statements that changed something, with placeholders instead of values.
  returned: success
  type: list
  elements: str
  sample:
    - DELETE FROM mail.sasl_users WHERE lookup_key = mail.fold_login(%(login)s)
sqlstate:
  description:
    - SQLSTATE of the refusal, if the server gave one.
  returned: failure
  type: str
  sample: '42501'
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.sqlmail.sendmail.plugins.module_utils._errors import (
    PlanError,
    SqlmailError,
)
from ansible_collections.sqlmail.sendmail.plugins.module_utils._scram import (
    ITERATIONS,
    USER_ITERATIONS,
    make_verifier,
)
from ansible_collections.sqlmail.sendmail.plugins.module_utils._store import (
    STORE_OPTIONS,
    open_store,
)
from ansible_collections.sqlmail.sendmail.plugins.module_utils._user_plan import plan_user
from ansible_collections.sqlmail.sendmail.plugins.module_utils._users import Users

# Cyrus SASL refuses more.
ITERATIONS_MOST = 65536


def verifier_of(password: str | None, iterations: int) -> str | None:
    """Hash a password; a PlanError says what is wrong with it, without quoting it."""
    if not ITERATIONS <= iterations <= ITERATIONS_MOST:
        raise PlanError(
            f"iterations is {iterations}; it must be from {ITERATIONS} (RFC 7677) to"
            f" {ITERATIONS_MOST} (the most that Cyrus SASL takes)"
        )
    if password is None:
        return None
    try:
        return make_verifier(password, iterations=iterations)
    except ValueError as error:
        raise PlanError(str(error)) from error


def run(params: t.Mapping[str, t.Any], *, check_mode: bool) -> dict[str, t.Any]:
    """Read, plan, apply."""
    login = f"{params['name']}@{params['realm']}"
    password, present = params["password"], params["state"] == "present"
    verifier = verifier_of(password if present else None, params["iterations"])
    with open_store(params) as store:
        users = Users(store, login)
        found = users.read(password if present else None, params["iterations"])
        change = plan_user(
            login,
            found,
            state=params["state"],
            password=verifier is not None,
            enabled=params["enabled"],
            comment=params["comment"],
            only_first=params["update_password"] == "on_create",  # noqa: S105 - a choice
        )
        if change:
            users.apply(change, verifier)
            store.conclude(f"write user {login!r}", check_mode=check_mode)
        return {
            "changed": bool(change),
            "action": change.action,
            "database": store.database,
            "diff": change.as_diff(f"users in database {store.database}"),
            "user": change.after.shown() if change.after else None,
            "previous": change.before.shown() if change.before else None,
            "queries": store.queries,
        }


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **STORE_OPTIONS,
            "name": {"type": "str", "required": True},
            "realm": {"type": "str", "required": True},
            "password": {"type": "str", "no_log": True},
            "update_password": {
                "type": "str",
                "choices": ["always", "on_create"],
                "default": "always",
                "no_log": False,
            },
            "iterations": {"type": "int", "default": USER_ITERATIONS},
            "enabled": {"type": "bool"},
            "comment": {"type": "str"},
            "state": {"type": "str", "choices": ["absent", "present"], "default": "present"},
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
