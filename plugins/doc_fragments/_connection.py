# Copyright: (c) sqlmail contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this doc fragment is **PRIVATE** to the collection. It can have breaking changes at
# any time. Do not use it directly.

"""How a module reaches the database."""

from __future__ import annotations


class ModuleDocFragment:
    """Options shared by the modules; module_utils/_store.py has them in code."""

    DOCUMENTATION = r"""
attributes:
  action_group:
    description:
      - Action groups that contain the module, for use with C(module_defaults).
options:
  login_host:
    description:
      - Host that runs PostgreSQL; the connection is made by TCP and TLS.
      - Without it the Unix socket is used.
    type: str
  login_unix_socket:
    description:
      - Directory of the Unix socket.
      - Without it libpq's own default is used, C(/var/run/postgresql) on Debian.
    type: path
  login_port:
    description:
      - Port of the server, also part of the name of its socket.
      - Without it libpq's own default is used, 5432.
    type: int
  login_db:
    description:
      - Database of the maps.
      - The default is V(sendmail), unless O(service) is given.
    type: str
  login_user:
    description:
      - Role to connect as.
      - The default is V(mailadmin), unless O(service) is given.
    type: str
  login_password:
    description:
      - Password of the role; needed on TCP with SCRAM only.
    type: str
  ssl_mode:
    description:
      - How far the server is verified when O(login_host) is given.
    type: str
    choices: [disable, allow, prefer, require, verify-ca, verify-full]
    default: verify-full
  ca_cert:
    description:
      - File with the certificates of the authorities that the server is verified against.
    type: path
  ssl_cert:
    description:
      - File with the client certificate.
    type: path
  ssl_key:
    description:
      - File with the key of the client certificate.
    type: path
  connect_params:
    description:
      - Further parameters of libpq; they take precedence over the other options.
    type: dict
    default: {}
  service:
    description:
      - Name of a libpq connection service, for example V(sendmail-admin).
      - Options that are given override what the service says.
    type: str
  session_role:
    description:
      - Role to go on as after the connection is made; the login role must be a member of it.
    type: str
requirements:
  - psycopg2 on the managed host (Debian package C(python3-psycopg2))
"""
