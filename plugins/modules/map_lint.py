#!/usr/bin/python
# Copyright: (c) sqlmail contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ask the linter of the maps."""

from __future__ import annotations

DOCUMENTATION = r"""
module: map_lint
short_description: Find what is allowed in the maps of sendmail in PostgreSQL and still a mistake
version_added: 0.1.0
author:
  - sqlmail contributors (@sqlmail)
description:
  - Returns the findings of the linter, which is in the database; views C(lint) and C(lint_*). Each
    says what is wrong with a row and what to do about it.
  - Fails if a finding is severe enough. It changes nothing.
extends_documentation_fragment:
  - sqlmail.sendmail._attributes
  - sqlmail.sendmail._connection
attributes:
  check_mode:
    support: full
    details:
      - The session is read-only, in check mode and without.
  diff_mode:
    support: full
    details:
      - There is never a difference.
  idempotent:
    support: full
  platform:
    platforms: posix
    support: full
  action_group:
    support: full
    membership: [sqlmail.sendmail.sendmail]
options:
  fail_from:
    description:
      - The least severity that is a failure; V(never) only returns the findings.
    type: str
    choices: [info, warning, error, never]
    default: error
  leave_out:
    description:
      - Rules whose findings do not count and are not returned, V(catch_all) for example.
    type: list
    elements: str
    default: []
  mailboxes:
    description:
      - Login names that have a mailbox, beside those in the table C(mailboxes). Without any, no
        alias is taken for one that leads nowhere.
    type: list
    elements: str
    default: []
seealso:
  - module: sqlmail.sendmail.map_history
"""

EXAMPLES = r"""
- name: List what could be better
  sqlmail.sendmail.map_lint:
    fail_from: never
    mailboxes: [root, alice]

- name: Fail if something does harm sooner or later, but for what is meant so
  sqlmail.sendmail.map_lint:
    fail_from: warning
    leave_out: [missing_mailboxes, routes_by_mx]
"""

RETURN = r"""
database:
  description: Database that was asked.
  returned: always, if it could be asked
  type: str
  sample: sendmail
findings:
  description:
    - All findings, the worst first, but for the rules that were left out.
  returned: always, if it could be asked
  type: list
  elements: dict
  sample:
    - severity: warning
      rule: routes_by_mx
      map: mailertable
      key: old.example
      problem: the MX records of mail.old.example are asked, and may lead back here
      advice: 'Write it in brackets: esmtp:[mail.old.example].'
counts:
  description:
    - How many findings there are of each severity.
  returned: always, if it could be asked
  type: dict
  sample:
    error: 0
    warning: 1
    info: 4
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
from ansible_collections.sqlmail.sendmail.plugins.module_utils._lint import (
    SEVERITIES,
    Linter,
    failing,
    left_out,
)
from ansible_collections.sqlmail.sendmail.plugins.module_utils._store import (
    STORE_OPTIONS,
    open_store,
)


def run(params: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """Read and judge."""
    least = params["fail_from"]
    with open_store(params, read_only=True) as store:
        linter = Linter(store)
        known = linter.rules() if params["leave_out"] else []
        findings = left_out(linter.findings(params["mailboxes"]), params["leave_out"], known)
        bad = failing(findings, least)
        result = {
            "changed": False,
            "failed": bool(bad),
            "database": store.database,
            "findings": [finding._asdict() for finding in findings],
            "counts": {
                severity: sum(finding.severity == severity for finding in findings)
                for severity in reversed(SEVERITIES)
            },
        }
    if bad:
        result["msg"] = (
            f"{len(bad)} of {len(findings)} findings are at least of severity {least}; correct the"
            f" rows, leave the rule out, or set fail_from to a higher severity. The first: {bad[0]}"
        )
    return result


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **STORE_OPTIONS,
            "fail_from": {"type": "str", "choices": [*SEVERITIES, "never"], "default": "error"},
            "leave_out": {"type": "list", "elements": "str", "default": []},
            "mailboxes": {"type": "list", "elements": "str", "default": []},
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
