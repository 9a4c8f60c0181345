# Copyright: (c) sqlmail contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
r"""Writes down what sendmail's own programs make of the files in this directory.

    python3 tests/unit/corpus/record.py [COMMAND...]

COMMAND runs a shell as root on a host called mx.example.test with Debian's packages
sendmail-bin and sendmail-cf, for example `podman exec -i HOST`.  NAME.real is what
makemap, newaliases or a class of sendmail has afterwards.  Where a name ends in .escaped,
\\xHH stands for the byte HH.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
OPTIONS = json.loads((HERE / "options.json").read_text())
WORDS = {"empty": "-e", "replace": "-r", "folds": "-f"}
PREPARE = "set -e; cd $(mktemp -d); cat >x; "
COMMANDS = {
    ".map": PREPARE + "makemap WORDS hash x <x || :; makemap WORDS -u hash x",
    ".aliases": PREPARE + "chmod 644 x; sendmail -bi -oA$PWD/x >&2 || :; makemap -u hash x",
    # Printed between two prompts, one member a line.
    ".class": PREPARE
    + "chmod 755 .; (grep -v '^F[wR]' /etc/mail/sendmail.cf; echo 'F{X}'$PWD/x' %[^\\#]') >c;"
    " echo '$={X}' | sendmail -C$PWD/c -bt 2>&2 | sed '/^ADDRESS/d;/^Enter/d;s/^[> ]*//;/^$/d'",
}


def words(name: str) -> str:
    """Return the options of makemap for a file."""
    options = dict(OPTIONS.get(name, {}))
    result = [f"-t '{options.pop('separator')}'"] if "separator" in options else []
    return " ".join(result + [WORDS[option] for option in options])


for file in sorted(HERE.iterdir()):
    name = file.name.removesuffix(".escaped")
    kind = Path(name).suffix
    if kind not in COMMANDS:
        continue
    content = file.read_bytes()
    if name != file.name:
        content = re.sub(rb"\\x(..)", lambda found: bytes.fromhex(found[1].decode()), content)
    done = subprocess.run(
        [*sys.argv[1:], "sh", "-c", COMMANDS[kind].replace("WORDS", words(name))],
        input=content,
        capture_output=True,
        check=True,
    )
    lines = [
        re.sub(rb"[^\t -\[\]-~]", lambda found: b"\\x%02x" % found[0][0], line) + b"\n"
        for line in sorted(done.stdout.split(b"\n"))
        if line
    ]
    (HERE / f"{name}.real").write_bytes(b"".join(lines))
    sys.stderr.write(f"{name}\n{done.stderr.decode('latin-1')}")
