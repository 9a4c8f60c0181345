# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures for the tests of all scenarios."""

from __future__ import annotations

import secrets

import pytest

from shared.machine import Machine, inventory


@pytest.fixture(scope="session")
def groups() -> dict[str, list[Machine]]:
    """The hosts of the scenario by group."""
    return inventory()


@pytest.fixture(scope="session")
def mta(groups: dict[str, list[Machine]]) -> Machine:
    """The host that takes mail."""
    return groups["sqlmail_mta"][0]


@pytest.fixture(scope="session")
def database(groups: dict[str, list[Machine]]) -> Machine:
    """The host that holds the maps."""
    return groups["sqlmail_database"][0]


@pytest.fixture(scope="session")
def demo(mta: Machine, database: Machine) -> tuple[str, str]:
    """Somebody with a mailbox who may log in: name and password, made for this run."""
    return "demo", database.person(f"demo@{mta.fqdn}")


@pytest.fixture
def subject() -> str:
    """A subject that no other message has."""
    return f"test {secrets.token_hex(8)}"


@pytest.fixture
def letter(subject: str) -> str:
    """A message with that subject."""
    return f"From: somebody@sqlmail.test\nSubject: {subject}\n\nHello.\n"
