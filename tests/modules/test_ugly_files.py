# SPDX-License-Identifier: GPL-3.0-or-later
"""Ugly files come in, are compared, and go out (C18, C19, E11).

The modules are called in this process, with a real makemap and a real database.
"""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import subprocess
import typing as t
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.sqlmail.sendmail.plugins.module_utils import _textmaps as textmaps
from ansible_collections.sqlmail.sendmail.plugins.modules import map_import

CORPUS = Path(__file__).resolve().parents[1] / "unit/corpus"
OPTIONS = json.loads((CORPUS / "options.json").read_text())
FILES = sorted(
    file.name.removesuffix(".escaped")
    for file in CORPUS.iterdir()
    if re.fullmatch(r".*\.(map|aliases|class)(\.escaped)?", file.name)
)
TABLES = {".map": "access", ".aliases": "aliases", ".class": "relay_domains"}
# A backslash is the last byte of the file; with a line break behind it, it continues the line.
CANNOT_GO_OUT = {"backslash-last.aliases": ["list"]}


@pytest.fixture(scope="module")
def database(module_database: t.Any, makemap: Path) -> Iterator[t.Any]:
    """One database for all files: each import leaves nothing of the one before."""
    module_database.ask("SET ROLE sqlmail_owner; CALL mail.set_case_sensitive(false)")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PGDATABASE", module_database.name)
        patch.setenv("PATH", f"{makemap.parent}:{os.environ['PATH']}")
        yield module_database


def written(name: str) -> bytes:
    """Return a file of the corpus."""
    if (CORPUS / name).exists():
        return (CORPUS / name).read_bytes()
    escaped = (CORPUS / f"{name}.escaped").read_bytes()
    return re.sub(rb"\\x(..)", lambda found: bytes.fromhex(found[1].decode()), escaped)


class Module:
    """What map_import wants of AnsibleModule, to call it a hundred times in a second."""

    check_mode = False

    def __init__(self, tmpdir: Path, **params: t.Any) -> None:
        options = map_import.STORE_OPTIONS, map_import.OPTIONS
        defaults = {name: one.get("default") for part in options for name, one in part.items()}
        file = {name: one.get("default") for name, one in map_import.FILE_OPTIONS.items()}
        files = [{**file, **one} for one in params.pop("files", None) or []]
        self.params = {
            **defaults,
            **params,
            "files": files or None,
            "local_names": ["mx.example.test"],
        }
        self.tmpdir = str(tmpdir)

    def get_bin_path(self, name: str, opt_dirs: t.Sequence[str]) -> str | None:
        assert opt_dirs
        return shutil.which(name)

    def run_command(
        self, argv: list[str], data: bytes = b"", **_options: t.Any
    ) -> tuple[int, bytes, bytes]:
        done = subprocess.run(argv, input=data, capture_output=True, check=False)
        return done.returncode, done.stdout, done.stderr


def call(place: Path, **options: t.Any) -> dict[str, t.Any]:
    """Import what the files say, and nothing else."""
    return map_import.run(
        Module(place, **{"state": "exact", "max_deletions": -1, "leave_out": True, **options})
    )


@pytest.mark.parametrize("name", FILES)
def test_an_ugly_file_comes_in_and_goes_out(database: t.Any, tmp_path: Path, name: str) -> None:
    """E11: import, an empty report of differences, export, import again: the same rows."""
    table = TABLES[Path(name).suffix]
    options = OPTIONS.get(name, {})
    file = {"map": table, "path": str(tmp_path / name), **options}
    file.pop("empty", None)
    keep_case = not file.pop("folds", True)
    (tmp_path / name).write_bytes(written(name))
    # With case in the file and none in the database other spellings are found, too.
    into = call(tmp_path, files=[{**file, "keep_case": keep_case}], verify=not keep_case)
    assert into["differences"] == []
    rows = database.rows(table)
    assert len(rows) == into["maps"][table]["entries"]
    content, left = textmaps.render(table, list(rows.items()), "out")
    assert [one.key for one in left] == CANNOT_GO_OUT.get(name, [])
    if left:
        return
    (tmp_path / "out").write_bytes(content)
    again = call(tmp_path, files=[{"map": table, "path": str(tmp_path / "out")}])
    assert (again["changed"], again["remarks"]) == (False, [])
    assert textmaps.render(table, list(database.rows(table).items()), "out")[0] == content


@pytest.mark.parametrize("seed", range(25))
def test_no_bytes_are_an_error(database: t.Any, tmp_path: Path, seed: int) -> None:
    assert database
    chance = random.Random(seed)  # noqa: S311 - no secret
    pieces = [
        "a",
        "To:",
        "@",
        ".example",
        " ",
        "\t",
        "\n",
        "\r",
        ":",
        "#",
        ",",
        '"',
        "\\",
        "(",
        ")",
    ]
    pieces += ["<", ">", "\0", "\xe4", "|", "/", "RELAY", "\n ", "error:", "[", "]", "+", "*", "%1"]
    for table in ("access", "aliases", "virtualusers", "mailertable", "local_domains"):
        text = "".join(chance.choice(pieces) for _piece in range(400))
        (tmp_path / table).write_bytes(text.encode("latin-1" if seed % 2 else "utf-8"))
        told = call(tmp_path, files=[{"map": table, "path": str(tmp_path / table)}])
        assert told["differences"] == []


def wrote(place: Path, **texts: str) -> list[dict[str, str]]:
    """Write files and return them as the module wants them; a name is that of its table."""
    for name, text in texts.items():
        (place / name).write_text(text)
    return [{"map": name, "path": str(place / name)} for name in texts]


def test_what_rows_do_together_is_told(database: t.Any, tmp_path: Path) -> None:
    files = wrote(
        tmp_path,
        local_domains="foo.example\n",
        relay_domains="foo.example\nother.example\n",
        aliases="a: b@foo.example\nb: c, x\nc: A\nself: \\self, self\n",
    )
    with pytest.raises(map_import.TransferError) as raised:
        call(tmp_path, files=files, leave_out=False)
    said = str(raised.value)
    assert "aliases:1: 'a' aliases lead in a circle: a -> b -> c -> a" in said
    assert "relay_domains:1: 'foo.example' the domain is local, too" in said
    call(tmp_path, files=files)
    assert database.rows("aliases") == {"self": "\\self, self"}
    assert database.rows("relay_domains") == {"other.example": None}
    call(tmp_path, files=wrote(tmp_path, local_domains="", relay_domains="", aliases=""))


def test_case_is_not_lost_unnoticed(database: t.Any, tmp_path: Path) -> None:
    files = wrote(tmp_path, access="From:Spam@Junk.example\tREJECT\nTo:B.example\tRELAY\n")
    database.ask("SET ROLE sqlmail_owner; CALL mail.set_case_sensitive(true)")
    try:
        with pytest.raises(
            map_import.TransferError, match="tells Joe from joe, and the maps access"
        ):
            call(tmp_path, files=files)
        call(tmp_path, files=files, lower_case=True)
        assert set(database.rows("access")) == {"From:spam@Junk.example", "To:B.example"}
    finally:
        database.ask("SET ROLE sqlmail_owner; CALL mail.set_case_sensitive(false)")


def test_an_old_compiled_map_is_found(database: t.Any, tmp_path: Path) -> None:
    files = wrote(tmp_path, access="Connect:192.0.2\tRELAY\nFrom:x@y.example\tOK\n")
    path = tmp_path / "access"
    subprocess.run(["makemap", "hash", f"{path}.db"], stdin=path.open(), check=True)
    path.write_text("Connect:192.0.2\tREJECT\nConnect:198.51.100\tRELAY\n")
    with pytest.raises(map_import.TransferError) as raised:
        call(tmp_path, files=files)
    assert "was not made from what the file says now: 3 keys differ" in str(raised.value)
    call(tmp_path, files=[{"map": "access", "path": f"{path}.db", "format": "hash"}])
    assert database.rows("access") == {"connect:192.0.2": "RELAY", "from:x@y.example": "OK"}


def test_an_answer_that_differs_undoes_all(database: t.Any, tmp_path: Path) -> None:
    call(tmp_path, files=wrote(tmp_path, aliases="", virtualusers=""))
    body = database.ask("SELECT pg_get_functiondef('mail.lookup_virtualusers(text)'::regprocedure)")
    database.ask(
        "CREATE OR REPLACE FUNCTION mail.lookup_virtualusers(asked text) RETURNS SETOF text"
        " LANGUAGE sql STABLE RETURN 'somebody else'"
    )
    try:
        files = wrote(tmp_path, aliases="a: b\n", virtualusers="@foo.example\tx@y.example\n")
        with pytest.raises(map_import.TransferError, match="answered differently") as raised:
            call(tmp_path, files=files)
        assert tuple(raised.value.facts["differences"][0]) == (
            "virtualusers", "@FOO.EXAMPLE", "x@y.example", "somebody else",
        )  # fmt: skip
        assert database.rows("aliases") == {}
    finally:
        database.ask(body)


def test_lists_are_kept_or_expanded(database: t.Any, tmp_path: Path) -> None:
    (tmp_path / "list").write_text("# members\nann, bob\ncarl@x.example\n")
    files = wrote(tmp_path, aliases=f"list: :include:{tmp_path}/list\n")
    with pytest.raises(map_import.TransferError, match="would follow a list in a file"):
        call(tmp_path, files=files, leave_out=False)
    call(tmp_path, files=files, expand_includes=True)
    assert database.rows("aliases") == {"list": "ann, bob, carl@x.example"}


def test_check_mode_finds_the_same_and_takes_it_back(database: t.Any, tmp_path: Path) -> None:
    call(tmp_path, files=wrote(tmp_path, mailertable=""))
    files = wrote(tmp_path, mailertable="a.example\tesmtp:[b.example]\n")
    module = Module(tmp_path, files=files)
    module.check_mode = True
    told = map_import.run(module)
    assert told["changed"]
    assert told["transaction"] is None
    assert told["maps"]["mailertable"]["compared"] == 2
    assert database.rows("mailertable") == {}
