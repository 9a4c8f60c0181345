#!/usr/bin/python
# Copyright: (c) sqlmail contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Log in at an SMTP server and tell what it said."""

from __future__ import annotations

DOCUMENTATION = r"""
module: smtp_login_info
short_description: Log in at an SMTP server and tell what it said
version_added: 0.1.0
author:
  - sqlmail contributors (@sqlmail)
description:
  - Logs in once by each mechanism, each time in a session of its own and under TLS, as a mail
    program does. No mail is sent.
  - A login that is refused is no failure of the module; its reply is what was asked for. That
    there is no server, or no TLS, is a failure.
extends_documentation_fragment:
  - sqlmail.sendmail._attributes
attributes:
  check_mode:
    support: full
    details:
      - It changes nothing, but the server logs the attempts.
  diff_mode:
    support: none
  idempotent:
    support: full
  platform:
    platforms: posix
    support: full
options:
  host:
    description:
      - Name or address of the server.
    type: str
    default: localhost
  port:
    description:
      - Port of the server. V(465) speaks TLS from the beginning.
    type: int
    default: 587
  ca_cert:
    description:
      - File with the authorities that the server is verified against, under the name O(host).
      - Without it the server is not verified; do so on the loopback interface only.
    type: path
  user:
    description:
      - Who logs in.
    type: str
    required: true
  password:
    description:
      - His password.
    type: str
    required: true
  mechanisms:
    description:
      - How to log in.
    type: list
    elements: str
    choices: [SCRAM-SHA-256, PLAIN, LOGIN]
    default: [SCRAM-SHA-256, PLAIN, LOGIN]
"""

EXAMPLES = r"""
- name: Ask whether david can log in
  sqlmail.sendmail.smtp_login_info:
    user: david
    password: "{{ david_password }}"
  register: login
  failed_when: login.logins | rejectattr('code', 'equalto', 235) | length > 0
"""

RETURN = r"""
logins:
  description: What the server said to each mechanism.
  returned: success
  type: list
  elements: dict
  sample:
    - mechanism: SCRAM-SHA-256
      code: 235
      text: 2.0.0 OK Authenticated
offered:
  description: Mechanisms that the server offers under TLS.
  returned: success
  type: list
  elements: str
  sample: [SCRAM-SHA-256, PLAIN, LOGIN]
"""

import ssl

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.sqlmail.sendmail.plugins.module_utils._smtp_login import (
    MECHANISMS,
    LoginError,
    login,
)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "host": {"type": "str", "default": "localhost"},
            "port": {"type": "int", "default": 587},
            "ca_cert": {"type": "path"},
            "user": {"type": "str", "required": True},
            "password": {"type": "str", "required": True, "no_log": True},
            "mechanisms": {
                "type": "list",
                "elements": "str",
                "choices": list(MECHANISMS),
                "default": list(MECHANISMS),
            },
        },
        supports_check_mode=True,
    )
    params = module.params
    context = ssl.create_default_context()
    if params["ca_cert"] is None:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    logins, offered = [], []
    try:
        if params["ca_cert"] is not None:
            context = ssl.create_default_context(cafile=params["ca_cert"])
        for mechanism in params["mechanisms"]:
            offered, code, text = login(
                params["host"],
                params["port"],
                context,
                mechanism,
                params["user"],
                params["password"],
            )
            logins.append({"mechanism": mechanism, "code": code, "text": text})
    except (LoginError, OSError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, logins=logins, offered=offered)


if __name__ == "__main__":
    main()
