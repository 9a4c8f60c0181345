#!/usr/bin/python
# Copyright: (c) sqlmail contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Take the maps of an ordinary sendmail into the database."""

from __future__ import annotations

DOCUMENTATION = r"""
module: map_import
short_description: Take the text files and compiled maps of sendmail into PostgreSQL
version_added: 0.1.0
author:
  - sqlmail contributors (@sqlmail)
description:
  - Reads the maps, aliases and classes of an ordinary sendmail as sendmail itself reads them, puts
    them into the tables in one transaction, and asks both sides for every key.
  - The module runs on the host that has the files. It changes none of them.
  - What cannot be taken is told all at once, with file, line, cause and cure. What sendmail uses
    today and the database would not take is an error, unless O(leave_out=true); what sendmail does
    not use either, such as a line that C(makemap) refuses or the second of two equal keys, is only
    told.
extends_documentation_fragment:
  - sqlmail.sendmail._attributes
  - sqlmail.sendmail._connection
attributes:
  check_mode:
    support: full
    details:
      - The rows are written, both sides are asked, and the transaction is taken back. If nothing
        has to change, nothing is written and a server that is read-only is enough.
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
  config:
    description:
      - The C(sendmail.cf) that names the files. Maps C(access), C(virtuser), C(mailertable),
        C(generics), C(domaintable) and C(authinfo), classes C(w), C(R), C(VirtHost), C(G), C(M),
        C(N) and C(t), whose members may stand in C(sendmail.cf) itself, and the alias files are
        taken.
      - A map is read from its text if that is there, else from the compiled map. A file that is
        missing is only told.
    type: path
  files:
    description:
      - The files, instead of O(config). Of several files of one map the first one counts, as it
        does for sendmail.
    type: list
    elements: dict
    suboptions:
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
      path:
        description:
          - The file.
        type: path
        required: true
      format:
        description:
          - V(text) is the source of a map, an aliases file, or the file of a class; V(hash) and
            V(btree) are compiled maps, read by C(makemap -u); V(dump) is what C(makemap -u) has
            printed, for example on another host.
        type: str
        choices: [text, hash, btree, dump]
        default: text
      compiled:
        description:
          - Compiled map, or dump, that sendmail uses now and that the text is compared with.
          - The default is O(files[].path) with C(.db), if that exists. Without it the text of a map
            is compiled by C(makemap), if that is installed, for comparison only.
        type: path
      keep_case:
        description:
          - Whether keys have case, by C(-f) of C(makemap) and in C(sendmail.cf).
        type: bool
        default: false
      separator:
        description:
          - What separates key and value, as with C(makemap -t); white space if not given.
        type: str
        default: ""
      replace:
        description:
          - Whether the last of several equal keys counts, as with C(makemap -r).
        type: bool
        default: false
      first_word:
        description:
          - Whether only the first word of a line is a member, as for a class whose line in
            C(sendmail.cf) has no format. Else words up to a C(#) are.
        type: bool
        default: false
  state:
    description:
      - V(present) inserts and changes what the files have; other rows stay.
      - V(exact) also deletes the other rows of the maps for which there is a file.
    type: str
    choices: [present, exact]
    default: present
  max_deletions:
    description:
      - With O(state=exact), the most rows that may be deleted; more are an error, and nothing is
        changed. Below zero there is no limit.
    type: int
    default: 10
  leave_out:
    description:
      - Whether to leave out what the database would not take. It is told in RV(remarks).
    type: bool
    default: false
  expand_includes:
    description:
      - Whether C(:include:) of an alias is replaced by the members of the list. Without it the
        alias keeps naming the file, which the database takes if C(map_database_alias_targets) has
        V(include).
    type: bool
    default: false
  local_names:
    description:
      - Names of the host, which a name on the left side of an alias may have after an @.
      - Members of V(local_domains) that are imported in the same call are such names.
    type: list
    elements: str
    default: []
  lower_case:
    description:
      - Whether keys go into a database in which the case of local parts counts. They are written in
        lower case, and other spellings, which sendmail finds today, are no longer found.
      - Without it such a database is an error. V(sqlmail_case_sensitive=false) makes it like an
        ordinary sendmail.
    type: bool
    default: false
  verify:
    description:
      - Whether both sides are asked for every key, in the spellings that sendmail does not tell
        apart. If one answer differs, nothing is changed.
    type: bool
    default: true
seealso:
  - module: sqlmail.sendmail.map_export
  - module: sqlmail.sendmail.map_entries
"""

EXAMPLES = r"""
- name: See what of this host could not be taken
  sqlmail.sendmail.map_import:
    config: /etc/mail/sendmail.cf
  check_mode: true

- name: Take over the maps of this host
  sqlmail.sendmail.map_import:
    config: /etc/mail/sendmail.cf
    leave_out: true

- name: Take two files, and nothing else into these maps
  sqlmail.sendmail.map_import:
    files:
      - map: virtualusers
        path: /etc/mail/virtusertable
      - map: mailertable
        path: /etc/mail/mailertable.db
        format: hash
    state: exact
    max_deletions: 10
"""

RETURN = r"""
database:
  description: Database that was asked.
  returned: success
  type: str
  sample: sendmail
maps:
  description:
    - What was read for each map; C(compared) is the number of questions asked of both sides.
  returned: success
  type: dict
  sample:
    aliases:
      files: [/etc/aliases]
      entries: 12
      compared: 24
added:
  description:
    - Entries that were inserted. Secrets are veiled, here and below.
  returned: success
  type: list
  elements: dict
  sample:
    - map: virtualusers
      key: joe@example.org
      value: joe
updated:
  description:
    - Entries that got another value, in the spelling that the database has, and the value before.
  returned: success
  type: list
  elements: dict
  sample:
    - map: virtualusers
      key: "@example.org"
      value: postmaster
      previous: ann
removed:
  description:
    - Entries that were deleted, and what their values were.
  returned: success
  type: list
  elements: dict
  sample:
    - map: virtualusers
      key: eve@example.org
      previous: eve
kept:
  description:
    - Entries that O(state=exact) left although no file has them, because they were planted.
  returned: success
  type: list
  elements: dict
  sample:
    - map: aliases
      key: postmaster
counts:
  description:
    - How many entries were added, updated and removed.
  returned: success
  type: dict
  sample:
    added: 1
    updated: 1
    removed: 1
change:
  description:
    - Number of the change in the view C(history), for C(mail.undo); null if nothing was written.
  returned: success
  type: int
  sample: 42
transaction:
  description:
    - Transaction as the log of the server names it; null if nothing was written.
  returned: success
  type: str
  sample: '7512'
remarks:
  description:
    - What was not taken. Those with C(used) are used by sendmail today.
  returned: always
  type: list
  elements: dict
  contains:
    map:
      description: Map or class.
      type: str
    path:
      description: File.
      type: str
    line:
      description: Number of the line; of a compiled map, of the entry.
      type: int
    key:
      description: Left side, shortened to 60 characters.
      type: str
    cause:
      description: Why it was not taken.
      type: str
    cure:
      description: What can be done.
      type: str
    used:
      description: Whether sendmail uses it today, so that leaving it out makes a difference.
      type: bool
  sample:
    - map: access
      path: /etc/mail/access
      line: 7
      key: example.org
      cause: line 3 has the key already, and makemap takes the first
      cure: delete one of them
      used: false
differences:
  description:
    - Questions that both sides answer differently; empty unless the module fails.
  returned: always
  type: list
  elements: dict
  sample: []
questions:
  description:
    - Addresses that tell whether two sendmails agree about what was taken. Each entry is among
      them, in capitals, with a detail, and below its domain; of more than 2000, evenly chosen ones
      are. For C(sendmail -bv), before and after.
  returned: success
  type: list
  elements: str
  sample: [root, root+detail]
queries:
  description:
    - Statements that changed something, with placeholders instead of values.
  returned: success
  type: list
  elements: str
sqlstate:
  description:
    - SQLSTATE of the refusal, if the server gave one.
  returned: failure
  type: str
  sample: '42501'
"""

import tempfile
import typing as t
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.sqlmail.sendmail.plugins.module_utils import _textmaps as textmaps
from ansible_collections.sqlmail.sendmail.plugins.module_utils._bulk import Listed
from ansible_collections.sqlmail.sendmail.plugins.module_utils._entries import again, settle
from ansible_collections.sqlmail.sendmail.plugins.module_utils._errors import (
    PlanError,
    SqlmailError,
)
from ansible_collections.sqlmail.sendmail.plugins.module_utils._plan import (
    CLASSES,
    MAPS,
    veiled,
)
from ansible_collections.sqlmail.sendmail.plugins.module_utils._store import (
    STORE_OPTIONS,
    Store,
    open_store,
)
from ansible_collections.sqlmail.sendmail.plugins.module_utils._textmaps import (
    Reading,
    Remark,
)
from ansible_collections.sqlmail.sendmail.plugins.module_utils._transfer import (
    Difference,
    Transfer,
    differences,
    spellings,
)

FILE_OPTIONS = {
    "map": {"type": "str", "required": True, "choices": list(MAPS)},
    "path": {"type": "path", "required": True},
    "format": {"type": "str", "choices": ["text", "hash", "btree", "dump"], "default": "text"},
    "compiled": {"type": "path"},
    "keep_case": {"type": "bool", "default": False, "no_log": False},
    "separator": {"type": "str", "default": ""},
    "replace": {"type": "bool", "default": False},
    "first_word": {"type": "bool", "default": False},
}
OPTIONS = {
    "config": {"type": "path"},
    "files": {"type": "list", "elements": "dict", "options": FILE_OPTIONS},
    "state": {"type": "str", "choices": ["present", "exact"], "default": "present"},
    "max_deletions": {"type": "int", "default": 10},
    "leave_out": {"type": "bool", "default": False},
    "expand_includes": {"type": "bool", "default": False},
    "local_names": {"type": "list", "elements": "str", "default": []},
    "lower_case": {"type": "bool", "default": False},
    "verify": {"type": "bool", "default": True},
}
# What the module can read of the classes that a line of sendmail.cf may name.
READABLE = ("hash", "btree", "implicit", "aliases", "class")


class TransferError(PlanError):
    """The files or the answers do not allow the import."""

    def __init__(self, message: str, **facts: t.Any) -> None:
        super().__init__(message)
        self.facts = facts


class Known(t.NamedTuple):
    """A map as the host has it, file by file."""

    paths: list[str]
    # What each file says, and what sendmail's own map of it has.
    readings: list[Reading]
    asked: list[Reading]
    # Files in which keys have case.
    cased: list[str]
    # What cannot be read at all.
    remarks: list[Remark]

    @property
    def folds(self) -> bool:
        """Whether keys that differ in case are one key."""
        return not self.cased

    @property
    def answers(self) -> dict[str, str | None]:
        """What sendmail answers now, by the key as it compares it; the first file counts."""
        compared = textmaps.fold if self.folds else str
        found: dict[str, str | None] = {}
        for line in (line for reading in self.asked for line in reading.lines):
            # A member of a class is its own answer.
            found.setdefault(compared(line.key), line.value or line.key)
        return found

    def add(
        self, path: str, said: Reading, asked: Reading | None = None, *, cased: bool | None = None
    ) -> None:
        """Add a file, or sendmail.cf with members of a class."""
        self.paths.append(path)
        self.readings.append(said)
        self.asked.append(asked or said)
        self.cased.extend([path] if cased else [])


class Host:
    """The files of the host, and its makemap."""

    def __init__(self, module: AnsibleModule) -> None:
        self._module = module
        self._makemap = module.get_bin_path(
            "makemap", opt_dirs=["/usr/sbin", "/usr/libexec/sendmail", "/usr/lib/sm.bin"]
        )

    def read(self, path: str) -> bytes:
        """Return what a file holds."""
        try:
            return Path(path).read_bytes()
        except OSError as error:
            raise PlanError(f"cannot read {path}: {error.strerror}") from error

    def list_of(self, path: str) -> bytes | None:
        """Return the list that :include: names; None if it cannot be read."""
        try:
            return Path(path).read_bytes()
        except OSError:
            return None

    def entries(self, path: str, kind: str = "") -> bytes:
        """Return what `makemap -u` prints of a compiled map; without a kind, try both."""
        if kind == "dump" or not (kind or path.endswith(".db")):
            return self.read(path)
        if self._makemap is None:
            raise PlanError(
                f"makemap, which reads {path}, is not on this host; import what makemap -u prints"
                " on another one, with format: dump"
            )
        for one in [kind] if kind else ["hash", "btree"]:
            code, out, error = self._module.run_command(
                [self._makemap, "-u", one, path], encoding=None
            )
            if code == 0:
                return out
        words = error.decode(errors="replace").strip()
        raise PlanError(f"makemap -u {one} {path} failed: {words}")

    def compiled(self, content: bytes, options: t.Sequence[str]) -> bytes | None:
        """Return what makemap makes of a text; None if there is no makemap."""
        if self._makemap is None:
            return None
        with tempfile.TemporaryDirectory(dir=self._module.tmpdir) as place:
            path = str(Path(place) / "map.db")
            # What it complains of is a remark already.
            self._module.run_command(
                [self._makemap, *options, "hash", path], data=content, binary_data=True
            )
            return self.entries(path, "hash")


def named_files(
    config: textmaps.Config, path: str
) -> tuple[list[dict[str, t.Any]], list[tuple[str, Remark]]]:
    """Return the files that sendmail.cf names, as option files has them, and what is missing."""
    files: list[dict[str, t.Any]] = []
    remarks: list[tuple[str, Remark]] = []
    for source in config.sources:
        text = source.path[:-3] if source.path.endswith(".db") else source.path
        compiled = Path(f"{text}.db")
        file = {
            **dict.fromkeys(FILE_OPTIONS),
            "map": source.map,
            "path": text,
            "format": "text",
            "keep_case": source.kind != "class" and "-f" in source.options.split(),
            "first_word": source.kind == "class" and "[" not in source.options,
        }
        if source.kind not in READABLE or not text.startswith("/"):
            cause = f"{path} has it from {source.path!r} of class {source.kind}, which is not read"
            cure = "give its entries with the option files"
            remarks.append((source.map, Remark(path, 0, "", cause, cure, used=True)))
        elif Path(text).exists():
            files.append(file)
        elif source.kind != "class" and compiled.exists():
            files.append({**file, "path": str(compiled), "format": "compiled"})
        else:
            missing = Remark(text, 0, "", "the file is missing", "nothing is taken", used=False)
            remarks.append((source.map, missing))
    return files, remarks


def read_file(
    host: Host, file: t.Mapping[str, t.Any], local: t.Collection[str], *, expand: bool
) -> tuple[Reading, Reading | None]:
    """Return what a file says, and what sendmail's own map has, if somebody can be asked."""
    name, path, folds = file["map"], file["path"], not file["keep_case"]
    include = host.list_of if expand and name == "aliases" else None
    if file["format"] != "text":
        kind = "" if file["format"] == "compiled" else file["format"]
        found = textmaps.parse_dump(host.entries(path, kind), path, name, include=include)
        return found, found
    content = host.read(path)
    if name in CLASSES:
        return textmaps.parse_class(content, path, first_word=bool(file["first_word"])), None
    compiled = file["compiled"] or (f"{path}.db" if Path(f"{path}.db").exists() else "")
    made = host.entries(compiled) if compiled else None
    if name == "aliases":
        reading = textmaps.parse_aliases(
            content, path, local_names=local, folds=folds, include=include
        )
    else:
        separator = file["separator"] or ""
        reading = textmaps.parse_map(
            content, path, folds=folds, separator=separator, replace=bool(file["replace"])
        )
        options = [*["-f"] * (not folds), *["-r"] * bool(file["replace"])]
        options += ["-t", separator] if separator else []
        made = host.compiled(content, options) if made is None else made
    if made is None:
        return reading, None
    return reading, textmaps.parse_dump(made, compiled or path, name, include=include)


def require_same(file: t.Mapping[str, t.Any], said: Reading, asked: Reading) -> None:
    """Refuse a text from which sendmail's compiled map was not made."""
    compared = str if file["keep_case"] else textmaps.fold
    left = {compared(remark.key) for one in (said, asked) for remark in one.remarks if remark.used}
    sides = [
        {
            compared(line.key): line.value
            for line in one.lines
            if compared(textmaps.excerpt(line.key)) not in left
        }
        for one in (asked, said)
    ]
    found = differences(file["map"], *sides)
    if found:
        shown = ", ".join(repr(one.key) for one in found[:10])
        raise TransferError(
            f"the compiled map of {file['path']} was not made from what the file says now:"
            f" {len(found)} keys differ, {shown} among them. Compile it first (newaliases, make -C"
            " /etc/mail), or import the compiled map with format: hash",
            differences=found,
        )


def read_maps(module: AnsibleModule) -> dict[str, Known]:
    """Read all files of the host; nothing is asked of the database yet."""
    params, host = module.params, Host(module)
    files = params["files"] or []
    maps: dict[str, Known] = {}

    def known(name: str) -> Known:
        return maps.setdefault(name, Known([], [], [], [], []))

    if params["config"]:
        config = textmaps.parse_config(host.read(params["config"]), params["config"])
        files, remarks = named_files(config, params["config"])
        for name, remark in remarks:
            known(name).remarks.append(remark)
        for name, lines in config.members.items():
            known(name).add(params["config"], Reading(lines, []))
    # Aliases come last: their names may have a domain that is local.
    for file in sorted(files, key=lambda one: one["map"] == "aliases"):
        local = [*params["local_names"], *known("local_domains").answers]
        said, asked = read_file(host, file, local, expand=params["expand_includes"])
        if asked and asked is not said and params["verify"]:
            require_same(file, said, asked)
        cased = file["keep_case"] and file["map"] not in CLASSES
        known(file["map"]).add(file["path"], said, asked, cased=cased)
    return {name: one for name, one in maps.items() if one.readings or one.remarks}


def takable(store: Store, maps: t.Mapping[str, Known], *, lower: bool) -> dict[str, Reading]:
    """Return what the database would take of each map, and remarks on everything else."""
    result: dict[str, Reading] = {}
    for name, known in maps.items():
        transfer = Transfer(store, name)
        readings = known.readings
        if lower:
            readings = [
                Reading(
                    [
                        line._replace(key=textmaps.lower_local(name, line.key))
                        for line in reading.lines
                    ],
                    reading.remarks,
                )
                for reading in readings
            ]
        keys = [line.key for reading in readings for line in reading.lines]
        joined = textmaps.join(readings, transfer.folded(keys).__getitem__)
        judged = transfer.judged(joined.lines)
        result[name] = Reading(judged.lines, [*joined.remarks, *judged.remarks])
    return textmaps.together(result)


def require_case(store: Store, maps: t.Mapping[str, Known], *, lower: bool) -> bool:
    """Refuse a database with case for maps without; tell whether keys are to be lowered."""
    if not Transfer(store, "aliases").case_sensitive():
        return False
    concerned = [
        name
        for name, known in maps.items()
        if known.folds
        and any(textmaps.lower_local(name, key) != key for key in map(str.upper, known.answers))
    ]
    if concerned and not lower:
        raise TransferError(
            f"the database tells Joe from joe, and the maps {', '.join(concerned)} of this sendmail"
            " do not: mail to Joe@example.org would no longer be found under joe@example.org."
            " Deploy with sqlmail_case_sensitive: false first, or set lower_case: true"
        )
    return bool(concerned)


def compare(
    store: Store, maps: t.Mapping[str, Known], taken: t.Mapping[str, Reading], *, lower: bool
) -> dict[str, int]:
    """Ask both sides for every key; return how many questions that were."""
    found: list[Difference] = []
    asked: dict[str, int] = {}
    for name, known in maps.items():
        compared = textmaps.fold if known.folds else str
        left = {compared(remark.key) for remark in taken[name].remarks if remark.used}
        before = {
            spelling: answer
            for key, answer in known.answers.items()
            if compared(textmaps.excerpt(key)) not in left
            for spelling in ([key] if lower else spellings(key))
        }
        if not known.folds:
            before = {key: known.answers.get(key) for key in before}
        after = Transfer(store, name).answers(list(before))
        asked[name] = len(before)
        found += differences(name, before, after)
    if found:
        shown = "; ".join(
            f"{one.map} {one.key!r}: sendmail has {one.before!r}, the database {one.after!r}"
            for one in without_secrets(found[:5])
        )
        raise TransferError(
            f"{len(found)} questions are answered differently, so nothing was changed: {shown}",
            differences=found,
        )
    return asked


def without_secrets(found: t.Sequence[Difference]) -> list[Difference]:
    """Return differences as they may be shown; a login may be in the access map, too."""
    result = []
    for one in found:
        before, after = veiled(one.map, one.key, one.before, one.after)
        result.append(one._replace(before=before, after=after))
    return result


def told(remarks: t.Sequence[tuple[str, Remark]]) -> list[dict[str, t.Any]]:
    """Return remarks in the form of a return value."""
    return [
        {
            "map": name,
            "path": one.path,
            "line": one.number,
            "key": one.key,
            "cause": one.cause,
            "cure": one.cure,
            "used": one.used,
        }
        for name, one in sorted(remarks, key=lambda pair: (pair[0], pair[1].path, pair[1].number))
    ]


def transfer(module: AnsibleModule, store: Store, maps: t.Mapping[str, Known]) -> dict[str, t.Any]:
    """Judge, change, ask both sides; check mode takes back what it tried."""
    params = module.params
    lower = require_case(store, maps, lower=params["lower_case"])
    taken = takable(store, maps, lower=lower)
    remarks = [(name, one) for name, known in maps.items() for one in known.remarks]
    remarks += [(name, one) for name, reading in taken.items() for one in reading.remarks]
    require_takable(remarks, leave_out=params["leave_out"])
    lines = [(name, line) for name, reading in sorted(taken.items()) for line in reading.lines]
    result = settle(
        store,
        [
            Listed(position, name, line.key, line.value, "present")
            for position, (name, line) in enumerate(lines, 1)
        ],
        {name: ["*"] for name in taken} if params["state"] == "exact" else {},
        max_deletions=params["max_deletions"],
        check_mode=False,
    )
    asked = compare(store, maps, taken, lower=lower) if params["verify"] else {}
    if module.check_mode:
        store.roll_back()
        result.update(change=None, transaction=None)
    return {
        **result,
        "maps": {
            name: {
                "files": known.paths,
                "entries": len(taken[name].lines),
                "compared": asked.get(name, 0),
            }
            for name, known in sorted(maps.items())
        },
        "remarks": told(remarks),
        "differences": [],
        "questions": textmaps.questions(taken),
    }


def require_takable(remarks: t.Sequence[tuple[str, Remark]], *, leave_out: bool) -> None:
    """Refuse to lose what sendmail uses, unless that is wanted."""
    bad = [one for _name, one in remarks if one.used]
    if not bad or leave_out:
        return
    shown = "\n".join(str(one) for one in bad[:20])
    more = f"\nand {len(bad) - 20} more" if len(bad) > 20 else ""
    raise TransferError(
        f"{len(bad)} entries that sendmail uses cannot be taken, so nothing was changed. Mend them,"
        f" or leave them out with leave_out: true; remarks has them all.\n{shown}{more}",
        remarks=told(remarks),
    )


def run(module: AnsibleModule) -> dict[str, t.Any]:
    """Read the host, then do everything in one transaction."""
    maps = read_maps(module)

    def call() -> dict[str, t.Any]:
        with open_store(module.params) as store:
            return transfer(module, store, maps)

    return again(call)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **STORE_OPTIONS,
            **OPTIONS,
        },
        required_one_of=[("config", "files")],
        mutually_exclusive=[("config", "files")],
        supports_check_mode=True,
    )
    try:
        result = run(module)
    except TransferError as error:
        found = without_secrets(error.facts.get("differences", []))
        module.fail_json(
            msg=str(error),
            remarks=error.facts.get("remarks", []),
            differences=[one._asdict() for one in found],
        )
    except SqlmailError as error:
        module.fail_json(msg=str(error), sqlstate=error.sqlstate)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
