#!/usr/bin/python
# Copyright: (c) sqlmail contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Write a map into a text file of sendmail."""

from __future__ import annotations

DOCUMENTATION = r"""
module: map_export
short_description: Write a map or class of PostgreSQL into a text file of sendmail
version_added: 0.1.0
author:
  - sqlmail contributors (@sqlmail)
description:
  - Writes all rows of a table into the file that C(makemap), C(newaliases) or a class of an
    ordinary sendmail reads, so that a site can leave the database, or keep a copy of it in version
    control.
  - The same rows give the same bytes. Lines are sorted by the bytes of their keys, and
    M(sqlmail.sendmail.map_import) reads the same rows from them.
  - The module runs on the host that gets the file. It compiles nothing; C(makemap) and
    C(newaliases) do that.
extends_documentation_fragment:
  - sqlmail.sendmail._attributes
  - sqlmail.sendmail._connection
  - ansible.builtin.files
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
    details:
      - Values of V(authinfo) are not shown.
  idempotent:
    support: full
  platform:
    platforms: posix
    support: full
  action_group:
    support: full
    membership: [sqlmail.sendmail.sendmail]
options:
  map:
    description:
      - The map or class, by the name of its table.
    type: str
    required: true
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
  dest:
    description:
      - File to write; it is replaced as a whole and in one step. A symbolic link is followed.
      - A new file with V(authinfo) can be read by its owner only, unless O(mode) is given.
    type: path
    required: true
  keep_case:
    description:
      - Whether C(makemap) is called with C(-f) and the map in C(sendmail.cf) has C(-f), so that
        keys that differ only in case are different keys.
    type: bool
    default: false
  leave_out:
    description:
      - Whether rows that the file cannot hold are left out. Without it such a row is an error, and
        the file stays as it is.
      - A text file cannot hold keys that differ only in case, unless O(keep_case=true), nor lines
        longer than C(makemap) or C(newaliases) reads, 1022 and 8190 bytes.
    type: bool
    default: false
  backup:
    description:
      - Whether to keep the file that was there, with the time in its name.
    type: bool
    default: false
seealso:
  - module: sqlmail.sendmail.map_import
"""

EXAMPLES = r"""
- name: Write the aliases for newaliases
  sqlmail.sendmail.map_export:
    map: aliases
    dest: /etc/aliases
    mode: "0644"
    backup: true

- name: Write the logins, which nobody else may read
  sqlmail.sendmail.map_export:
    map: authinfo
    dest: /etc/mail/authinfo
    owner: root
    group: root
    mode: "0600"
"""

RETURN = r"""
database:
  description: Database that was asked.
  returned: success
  type: str
  sample: sendmail
dest:
  description: File that was written, or would be.
  returned: success
  type: str
  sample: /etc/aliases
entries:
  description: Number of entries in the file.
  returned: success
  type: int
  sample: 12
left_out:
  description:
    - Rows that the file cannot hold, with O(leave_out=true).
  returned: success
  type: list
  elements: dict
  contains:
    key:
      description: Key of the row.
      type: str
    cause:
      description: Why the file cannot hold it.
      type: str
    cure:
      description: What can be done.
      type: str
  sample:
    - key: joe
      cause: key 'Joe' differs only in case, which the file does not tell apart
      cure: change or delete the row first
backup_file:
  description: Where the file that was there is kept.
  returned: changed, and O(backup=true)
  type: str
  sample: /etc/aliases.2026-11-25@03:00:00~
sqlstate:
  description:
    - SQLSTATE of the refusal, if the server gave one.
  returned: failure
  type: str
  sample: '42501'
"""

import os
import re
import tempfile
import typing as t
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.sqlmail.sendmail.plugins.module_utils._errors import (
    PlanError,
    SqlmailError,
)
from ansible_collections.sqlmail.sendmail.plugins.module_utils._plan import (
    MAPS,
    SECRETS,
    as_diff,
    is_secret,
)
from ansible_collections.sqlmail.sendmail.plugins.module_utils._store import (
    STORE_OPTIONS,
    open_store,
)
from ansible_collections.sqlmail.sendmail.plugins.module_utils._textmaps import Remark, render
from ansible_collections.sqlmail.sendmail.plugins.module_utils._transfer import Transfer

# A login in a file of access, as an ordinary sendmail may have it.
LOGIN = re.compile(r"^(authinfo:\S*\s+).*$", re.IGNORECASE | re.MULTILINE)


def present_content(dest: Path) -> bytes | None:
    """Return what the file holds; None if there is none."""
    if not dest.parent.is_dir():
        raise PlanError(f"directory {dest.parent} is missing; make it first")
    try:
        return dest.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise PlanError(f"cannot read {dest}: {error.strerror}; dest must be a file") from error


def diff_of(name: str, dest: Path, before: bytes | None, after: bytes) -> dict[str, str]:
    """Return the change of the file in the form of Ansible's diff mode."""
    old = (before or b"").decode("utf-8", "backslashreplace")
    new = after.decode()
    if name in SECRETS and before != after:
        old, new = ("(secrets)\n", "(other secrets)\n") if before else ("", "(secrets)\n")
    elif name in SECRETS:
        old = new = ""
    elif name == "access":
        known = {line[0] for line in LOGIN.finditer(old)}
        new = LOGIN.sub(
            lambda line: f"{line[1]}({'' if line[0] in known else 'new '}secret)",
            new,
        )
        old = LOGIN.sub(r"\1(secret)", old)
    return as_diff(f"{dest} ({name})", old, new)


def refusal(dest: Path, remarks: t.Sequence[Remark]) -> PlanError:
    """Say which rows a file cannot hold."""
    shown = "; ".join(f"{remark.key!r}: {remark.cause}" for remark in remarks[:20])
    more = f"; and {len(remarks) - 20} more" if len(remarks) > 20 else ""
    return PlanError(
        f"{dest} cannot hold {len(remarks)} of the rows: {shown}{more}. Change the rows,"
        " or leave them out with leave_out: true"
    )


def write(module: AnsibleModule, dest: Path, content: bytes, *, secret: bool) -> None:
    """Replace the file in one step; nobody else can read a new one that is secret."""
    handle, temporary = tempfile.mkstemp(dir=module.tmpdir)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
    mask = os.umask(0o077 if secret else 0o022)
    module.atomic_move(temporary, str(dest))
    os.umask(mask)


def run(module: AnsibleModule) -> dict[str, t.Any]:
    """Read, compare, write."""
    params = module.params
    name, dest = params["map"], Path(params["dest"]).resolve()
    before = present_content(dest)
    with open_store(params) as store:
        rows = Transfer(store, name).rows()
        database = store.database
    content, remarks = render(name, rows, str(dest), folds=not params["keep_case"])
    if remarks and not params["leave_out"]:
        raise refusal(dest, remarks)
    changed = content != before
    result = {
        "database": database,
        "dest": str(dest),
        "entries": len(rows) - len(remarks),
        "left_out": [
            {"key": remark.key, "cause": remark.cause, "cure": remark.cure} for remark in remarks
        ],
        "diff": diff_of(name, dest, before, content),
    }
    if changed and not module.check_mode:
        if before is not None and params["backup"]:
            result["backup_file"] = module.backup_local(str(dest))
        write(module, dest, content, secret=any(is_secret(name, key) for key, _value in rows))
    if dest.exists():
        attributes = module.load_file_common_arguments(params, path=str(dest))
        changed = module.set_fs_attributes_if_different(attributes, changed)
    return {"changed": changed, **result}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **STORE_OPTIONS,
            "map": {"type": "str", "required": True, "choices": list(MAPS)},
            "dest": {"type": "path", "required": True},
            "keep_case": {"type": "bool", "default": False},
            "leave_out": {"type": "bool", "default": False},
            "backup": {"type": "bool", "default": False},
        },
        add_file_common_args=True,
        supports_check_mode=True,
    )
    try:
        result = run(module)
    except SqlmailError as error:
        module.fail_json(msg=str(error), sqlstate=error.sqlstate)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
