# Copyright: (c) sqlmail contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The words for what a server answered."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from ansible_collections.sqlmail.sendmail.plugins.module_utils import _errors
from ansible_collections.sqlmail.sendmail.plugins.module_utils._errors import (
    connection_hint,
    statement_hint,
)

SCHEMA = Path(__file__).parents[4] / "roles" / "map_database" / "files" / "schema"


@pytest.mark.parametrize(
    ("cause", "hint"),
    [
        ("No such file or directory Is the server running", "is PostgreSQL running"),
        ("Connection refused", "listening"),
        ('FATAL: Peer authentication failed for user "mailadmin"', "pg_ident.conf"),
        ('FATAL: password authentication failed for user "x"', "login_password"),
        ("fe_sendauth: no password supplied", "set login_password"),
        ("FATAL: no pg_hba.conf entry for host", "map_database_clients"),
        ('FATAL: database "sendmail" does not exist', "map_database"),
        ("SSL error: certificate verify failed", "ca_cert"),
        ('server certificate for "a" does not match host name "b"', "login_host"),
        ("something new", "PostgreSQL running"),
    ],
)
def test_a_failed_connection_says_what_to_check(cause, hint):
    assert hint in connection_hint(cause)


@pytest.mark.parametrize(
    ("sqlstate", "constraint", "hint"),
    [
        ("23514", "key_is_not_empty", "the key is empty"),
        ("23514", "value_is_at_most_8192_bytes", "8192 bytes"),
        ("42501", None, "lacks the right"),
        ("25006", None, "standby"),
        ("42P01", None, "schema is missing"),
    ],
)
def test_a_refused_statement_says_why(sqlstate, constraint, hint):
    assert hint in statement_hint(sqlstate, constraint)


def test_nothing_is_said_about_the_unknown():
    assert statement_hint("XX000") is None
    assert statement_hint(None) is None


def test_every_constraint_of_keys_and_values_has_words():
    schema = "".join(file.read_text() for file in SCHEMA.glob("*.sql"))
    domains = "".join(re.findall(r"CREATE DOMAIN .*?;", schema, re.DOTALL))
    names = set(re.findall(r"CONSTRAINT (\w+) CHECK", domains))
    assert names
    assert names == set(_errors._CONSTRAINTS)
