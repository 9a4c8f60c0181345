# Copyright: (c) sqlmail contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the module says of a file; that it writes one is in tests/modules."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.sqlmail.sendmail.plugins.module_utils._errors import PlanError
from ansible_collections.sqlmail.sendmail.plugins.module_utils._textmaps import Remark
from ansible_collections.sqlmail.sendmail.plugins.modules import map_export


@pytest.mark.parametrize(
    ("name", "before", "shown"),
    [
        ("access", None, ("", "a\tb\n")),
        ("access", b"\xff\n", ("\\xff\n", "a\tb\n")),
        ("authinfo", None, ("", "(secrets)\n")),
        ("authinfo", b"c\td\n", ("(secrets)\n", "(other secrets)\n")),
        ("authinfo", b"a\tb\n", ("", "")),
    ],
)
def test_the_diff_is_the_file_without_secrets(name, before, shown):
    diff = map_export.diff_of(name, Path("/x"), before, b"a\tb\n")
    assert (diff["before"], diff["after"]) == shown


def test_the_diff_of_access_has_no_logins():
    before, after = b'a\tb\nAuthInfo:x\t"P:old"\n', b'authinfo:X  P:new\nAuthInfo:x\t"P:old"\n'
    diff = map_export.diff_of("access", Path("/x"), before, after)
    assert diff["before"] == "a\tb\nAuthInfo:x\t(secret)\n"
    assert diff["after"] == "authinfo:X  (new secret)\nAuthInfo:x\t(secret)\n"


def test_a_directory_that_is_missing_is_named(tmp_path):
    with pytest.raises(PlanError, match=r"directory .*/no is missing; make it first"):
        map_export.present_content(tmp_path / "no" / "access")
    with pytest.raises(PlanError, match="dest must be a file"):
        map_export.present_content(tmp_path)
    assert map_export.present_content(tmp_path / "access") is None


def test_a_refusal_names_twenty_rows():
    remarks = [Remark("/x", 0, f"key{number}", "too long", "", True) for number in range(25)]
    said = str(map_export.refusal(Path("/x"), remarks))
    assert said.startswith("/x cannot hold 25 of the rows: 'key0': too long; ")
    assert "'key19'" in said
    assert "'key20'" not in said
    assert "; and 5 more. Change the rows, or leave them out with leave_out: true" in said
