#!/usr/bin/python
# Copyright: (c) sqlmail contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Manage one user of a Cyrus SASL password database."""

from __future__ import annotations

DOCUMENTATION = r"""
module: sasl_user
short_description: Manage one user of a Cyrus SASL password database (sasldb)
version_added: 0.1.0
author:
  - sqlmail contributors (@sqlmail)
description:
  - Adds, changes or deletes one user of a sasldb file. It counts at the next login.
  - The password goes to C(saslpasswd2) by its standard input, never by its command line.
  - The work is done on a private copy, which then replaces the file in one step. In check mode
    only that last step is left out, so that the prediction is the result.
  - The host's own C(saslpasswd.conf) is not read. The database holds the password itself, as
    C(saslpasswd2) stores it by default, and serves all mechanisms. Keep the file from other
    users.
extends_documentation_fragment:
  - sqlmail.sendmail._attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
    details:
      - Shows user and realm, never a password.
  idempotent:
    support: full
    details:
      - The given password is compared with the stored one.
  platform:
    platforms: posix
    support: full
  safe_file_operations:
    description:
      - Uses Ansible's strict file operation functions to ensure proper permissions and avoid
        data corruption.
    support: full
options:
  name:
    description:
      - The user, without realm.
    type: str
    required: true
  realm:
    description:
      - The realm of the user.
      - A client that logs in with a bare name means the realm of the server, in sendmail
        C(confAUTH_REALM) or else the name of the host.
    type: str
    required: true
  password:
    description:
      - The password. Required unless O(state=absent).
      - At most 2048 bytes, no line break, no NUL; C(saslpasswd2) would cut it there.
    type: str
  path:
    description:
      - The database. It is created with mode 0600 if it does not exist.
    type: path
    default: /etc/sasldb2
  state:
    description:
      - Whether the user exists, with this password.
    type: str
    choices: [absent, present]
    default: present
requirements:
  - C(saslpasswd2) and C(sasldblistusers2), on Debian in the package sasl2-bin
seealso:
  - module: sqlmail.sendmail.map_entry
    description: Rows of the maps, such as the right to relay.
"""

EXAMPLES = r"""
- name: Let david log in
  sqlmail.sendmail.sasl_user:
    name: david
    realm: mx.example.org
    password: "{{ david_password }}"

- name: Let david log in no longer
  sqlmail.sendmail.sasl_user:
    name: david
    realm: mx.example.org
    state: absent
"""

RETURN = r"""
user:
  description: The user with the realm.
  returned: always
  type: str
  sample: david@mx.example.org
path:
  description: The database.
  returned: always
  type: str
  sample: /etc/sasldb2
action:
  description: What was done, or would be done in check mode.
  returned: success
  type: str
  choices: [none, add, change, delete]
  sample: add
"""

import os
import shutil
import tempfile
import typing as t
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

PACKAGE = "sasl2-bin"
PASSWORD_LIMIT = 2048


class SaslError(Exception):
    """A complaint for the operator."""


class Plan(t.NamedTuple):
    """What is to be done to one user, and what a diff may show of it."""

    action: str
    before: str
    after: str

    def __bool__(self) -> bool:
        return self.action != "none"


def plan(user: str, state: str, listed: bool, same_password: bool) -> Plan:
    """Compare what is wanted with what is there.  Knows no password."""
    line = f"{user}\n"
    if state == "absent":
        return Plan("delete", line, "") if listed else Plan("none", "", "")
    if not listed:
        return Plan("add", "", line)
    if not same_password:
        return Plan("change", line, f"{user} (new password)\n")
    return Plan("none", line, line)


def name_faults(label: str, value: str) -> list[str]:
    """Name what saslpasswd2 would understand in another way."""
    faults = []
    if not value:
        faults.append(f"the {label} is empty")
    if "@" in value:
        faults.append(f"the {label} {value!r} has an @; give name and realm apart")
    if any(sign in value for sign in "\0\r\n"):
        faults.append(f"the {label} {value!r} has a line break or a NUL")
    return faults


def password_faults(password: str | None) -> list[str]:
    """Name what saslpasswd2 would cut or refuse, without quoting it."""
    if not password:
        return ["the password is empty"]
    faults = []
    if any(sign in password for sign in "\0\r\n"):
        faults.append("the password has a line break or a NUL, where saslpasswd2 would cut it")
    if len(password.encode()) > PASSWORD_LIMIT:
        faults.append(f"the password is longer than {PASSWORD_LIMIT} bytes, all that is stored")
    return faults


def faults(name: str, realm: str, password: str | None, state: str) -> list[str]:
    """Name everything that is wrong with a request."""
    found = name_faults("name", name) + name_faults("realm", realm)
    if state == "present":
        found += password_faults(password)
    return found


def listed_users(listing: str) -> set[str]:
    """Read the output of sasldblistusers2, lines of user@realm: property."""
    return {line.rpartition(": ")[0] for line in listing.splitlines() if ": " in line}


class Database:
    """A sasldb file, worked on in a private copy."""

    def __init__(self, module: AnsibleModule, path: str, workdir: str) -> None:
        self.module = module
        self.path = Path(path).resolve()
        self.copy = Path(workdir) / "sasldb2"
        self.settings = Path(workdir) / "settings"
        self.settings.mkdir(mode=0o700)
        # Other stores, such as SQL, must not be written to instead.
        (self.settings / "saslpasswd.conf").write_text("auxprop_plugin: sasldb\n")
        # An empty file is an empty database to saslpasswd2, and an error to the lister.
        if self.path.exists() and self.path.stat().st_size > 0:
            try:
                shutil.copyfile(self.path, self.copy)
            except OSError as cause:
                raise SaslError(f"cannot read {self.path}: {cause.strerror}") from cause

    def _program(self, name: str) -> str:
        found = self.module.get_bin_path(name, opt_dirs=["/usr/sbin", "/usr/local/sbin"])
        if found is None:
            raise SaslError(f"cannot find {name}; on Debian it is in the package {PACKAGE}")
        return found

    def _run(self, argv: list[str], data: str | None = None) -> tuple[int, str, str]:
        return self.module.run_command(
            argv,
            data=data,
            binary_data=True,
            environ_update={"SASL_CONF_PATH": str(self.settings)},
        )

    def users(self) -> set[str]:
        """List the users of the copy."""
        program = self._program("sasldblistusers2")
        if not self.copy.exists():
            return set()
        status, out, err = self._run([program, "-f", str(self.copy)])
        if status != 0 or "failed" in err:
            raise SaslError(f"cannot list the users of {self.path}: {err.strip() or status}")
        return listed_users(out)

    def content(self) -> bytes:
        """Return the bytes of the copy; an unchanged password leaves them as they are."""
        return self.copy.read_bytes() if self.copy.exists() else b""

    def write(self, name: str, realm: str, password: str | None) -> str:
        """Set the password of a user in the copy, or delete the user if there is none."""
        argv = [self._program("saslpasswd2"), "-f", str(self.copy), "-u", realm]
        argv += ["-d"] if password is None else ["-p", "-c"]
        _status, _out, err = self._run([*argv, "--", name], password)
        return err.strip()

    def install(self) -> None:
        """Put the copy in place of the file, which keeps its owner and its mode."""
        self.copy.chmod(0o600)
        self.module.atomic_move(str(self.copy), str(self.path))


def converge(database: Database, params: dict[str, t.Any]) -> Plan:
    """Do the work on the copy and tell what it comes to."""
    user = f"{params['name']}@{params['realm']}"
    wanted = params["state"] == "present"
    listed = user in database.users()
    before = database.content()
    if wanted or listed:
        complaint = database.write(
            params["name"], params["realm"], params["password"] if wanted else None
        )
        # Its exit status says little; what is in the database afterwards says it all.
        if (user in database.users()) != wanted:
            raise SaslError(
                f"saslpasswd2 could not {'set' if wanted else 'delete'} {user} in"
                f" {database.path}: {complaint or 'it gave no reason'}"
            )
    return plan(user, params["state"], listed, database.content() == before)


def main() -> None:
    """Read, plan, apply."""
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "realm": {"type": "str", "required": True},
            "password": {"type": "str", "no_log": True},
            "path": {"type": "path", "default": "/etc/sasldb2"},
            "state": {"type": "str", "choices": ["absent", "present"], "default": "present"},
        },
        required_if=[("state", "present", ["password"])],
        supports_check_mode=True,
    )
    params = module.params
    about = {"user": f"{params['name']}@{params['realm']}", "path": params["path"]}
    found = faults(params["name"], params["realm"], params["password"], params["state"])
    if found:
        module.fail_json(msg=f"cannot manage a SASL user: {'; '.join(found)}", **about)

    os.umask(0o077)
    with tempfile.TemporaryDirectory(dir=module.tmpdir) as workdir:
        try:
            database = Database(module, params["path"], workdir)
            change = converge(database, params)
        except SaslError as error:
            module.fail_json(msg=str(error), **about)
        if change and not module.check_mode:
            database.install()
    module.exit_json(
        changed=bool(change),
        action=change.action,
        diff={
            "before_header": params["path"],
            "after_header": params["path"],
            "before": change.before,
            "after": change.after,
        },
        **about,
    )


if __name__ == "__main__":
    main()
