# Copyright: (c) sqlmail contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Writes down what each task said and what the database held after it."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

from ansible.parsing.ajson import AnsibleJSONEncoder
from ansible.plugins.callback import CallbackBase

DOCUMENTATION = r"""
name: record
type: notification
short_description: Write down results and rows
description:
  - One line of JSON for each task, in the file that C(RECORD_TO) names. C(RECORD_QUERIES) is a
    list of queries in JSON that are asked after it; the answer to a query that fails is empty.
"""


class CallbackModule(CallbackBase):
    """See DOCUMENTATION."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "record"

    def _record(self, result, *, failed=False):
        answers = []
        for query in json.loads(os.environ["RECORD_QUERIES"]):
            asked = subprocess.run(
                ["psql", "-XqAt", "-c", query], capture_output=True, text=True, check=False
            )
            answers.append(asked.stdout.splitlines() if asked.returncode == 0 else [])
        told = {"result": {**result._result, "failed": failed}, "answers": answers}
        line = json.dumps(told, cls=AnsibleJSONEncoder)
        with Path(os.environ["RECORD_TO"]).open("a") as record:
            record.write(f"{line}\n")

    def v2_runner_on_ok(self, result):
        self._record(result)

    def v2_runner_on_failed(self, result, **_more):
        self._record(result, failed=True)

    def v2_runner_on_unreachable(self, result):
        self._record(result, failed=True)
