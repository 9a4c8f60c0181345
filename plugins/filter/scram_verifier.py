# Copyright: (c) sqlmail contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Filter that turns a password into what PostgreSQL stores of it."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.sqlmail.sendmail.plugins.module_utils._scram import (
    make_verifier,
    verifies,
)

DOCUMENTATION = r"""
name: scram_verifier
short_description: SCRAM-SHA-256 verifier of a password, as PostgreSQL stores it
version_added: 0.1.0
author:
  - sqlmail contributors (@sqlmail)
description:
  - Computes the verifier on the controller, so that no clear password reaches the server, its
    log or a process list.
  - A verifier has a random salt. To be idempotent, give the verifier that is stored now; it is
    returned unchanged if it belongs to the password.
positional: _input
options:
  _input:
    description:
      - The password. It may have no control characters.
    type: str
    required: true
  current:
    description:
      - The verifier that is stored now.
      - It is kept if it belongs to the password and has at least 4096 iterations.
    type: str
    default: ''
"""

EXAMPLES = r"""
- name: Set the password of a role without showing it to the server
  community.postgresql.postgresql_user:
    name: sendmail
    password: "{{ secret | sqlmail.sendmail.scram_verifier(stored) }}"
  no_log: true
"""

RETURN = r"""
_value:
  description:
    - The verifier, in the form of C(pg_authid.rolpassword).
  type: str
"""


def scram_verifier(password: t.Any, current: t.Any = "") -> str:
    """Return the current verifier if it fits the password, else a new one."""
    if not isinstance(password, str) or not password:
        raise AnsibleFilterError("scram_verifier needs a password that is not empty")
    try:
        if isinstance(current, str) and verifies(password, current):
            return current
        return make_verifier(password)
    except ValueError as error:
        raise AnsibleFilterError(f"scram_verifier: {error}") from error


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"scram_verifier": scram_verifier}
