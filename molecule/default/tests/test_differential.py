# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows in our tables mean what they mean in sendmail's own maps and class files (issue 4)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from shared.differential import (
    FOLDER,
    MASQUERADE,
    STOCK,
    TABLES,
    TRANSLATE,
    Mix,
    answers,
    deliveries,
    load,
    mixes,
    told,
)
from shared.machine import Machine
from shared.rules import translated, variant

COUNT = 1000
SEED = 20_021


@pytest.fixture(scope="module")
def made(mta: Machine) -> Iterator[list[Mix]]:
    """The mixes, loaded, and a configuration for each side."""
    made = mixes(COUNT, SEED)
    with ExitStack() as kept:
        for table in TABLES:
            kept.enter_context(mta.kept(table))
        load(mta, made)
        translated(mta, f"{FOLDER}/stock.cf", STOCK + TRANSLATE)
        variant(
            mta,
            f"{FOLDER}/ours.cf",
            mta_config_masquerade_as=MASQUERADE,
            mta_config_masquerade_envelope=True,
            mta_config_mc_define=f"define(`confSERVICE_SWITCH_FILE', `{FOLDER}/switch')dnl\n"
            "define(`confDONT_PROBE_INTERFACES', `true')dnl",
            mta_config_mc_end=TRANSLATE,
        )
        yield made
        mta.run("rm", "-r", FOLDER)


def test_our_maps_answer_as_those_of_sendmail(mta: Machine, made: list[Mix]) -> None:
    ours = answers(mta, f"{FOLDER}/ours.cf", made)
    stock = answers(mta, f"{FOLDER}/stock.cf", made)
    differ: dict[int, list[str]] = {}
    for (number, question), answer in stock.items():
        if ours[number, question] != answer:
            text = f"{question}\n  ours:  {ours[number, question]}\n  stock: {answer}"
            differ.setdefault(number, []).append(text)
    assert not differ, f"{len(differ)} mixes\n" + told(made[min(differ)], differ[min(differ)])
    # Not for want of anything to compare.
    assert len({answer for (_number, question), answer in stock.items()}) > COUNT


def test_our_aliases_lead_where_those_of_sendmail_lead(mta: Machine, made: list[Mix]) -> None:
    ours = deliveries(mta, f"{FOLDER}/ours.cf", made)
    assert ours == deliveries(mta, f"{FOLDER}/stock.cf", made)
    assert sum("deliverable" in line for line in ours) > 100
