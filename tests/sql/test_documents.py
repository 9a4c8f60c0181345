# SPDX-License-Identifier: GPL-3.0-or-later
"""The examples of docs/schema.md, statements and what psql answers, are as they are (A102)."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
PROMPT = "sendmail=> "
BLOCKS = re.findall(r"```text\n(.*?)```", (TOP / "docs" / "schema.md").read_text(), re.DOTALL)


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    """A database with the whole schema, and what a deployment plants."""
    name = f"sqlmail_documents_{os.getpid()}"
    subprocess.run([TOP / "tests/sql/deploy", name], check=True)
    try:
        yield name
    finally:
        subprocess.run(["dropdb", name], check=True)


def psql(database: str, text: str, *options: str) -> str:
    """Return what psql says to the statements, errors and all."""
    done = subprocess.run(
        ["psql", "--no-psqlrc", "--pset=pager=off", *options, database],
        input=text,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=True,
        text=True,
    )
    return done.stdout


def examples(block: str) -> Iterator[tuple[str, str]]:
    """Give each statement of a block, with the answer below it."""
    for part in block.split(PROMPT)[1:]:
        statement, _newline, answer = part.partition("\n")
        yield statement, answer


def test_the_examples_are_as_they_are(database: str) -> None:
    said = [
        (statement, answer.rstrip()) for block in BLOCKS for statement, answer in examples(block)
    ]
    assert said
    mark = "-- an example ends --"
    script = "SET ROLE sqlmail_writer;\n\\set SHOW_CONTEXT never\n" + "".join(
        f"\\echo {mark}\n{statement}\n" for statement, _answer in said
    )
    answers = psql(database, script).split(f"{mark}\n")[1:]
    real = [
        (statement, answer.rstrip())
        for (statement, _shown), answer in zip(said, answers, strict=True)
    ]
    assert real == said
