# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may do what in the database; above all, who may not."""

from __future__ import annotations

import pytest

from shared.machine import Machine

TABLES = [
    *("access", "aliases", "virtualusers", "mailertable", "genericstable", "domaintable"),
    *("local_domains", "relay_domains", "virtual_domains", "generics_domains"),
    *("masquerade_domains", "masquerade_exceptions", "trusted_users"),
]
DENIED = "42501"


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO {table} VALUES ('x', 'y');",
        "UPDATE {table} SET value = 'y';",
        "DELETE FROM {table};",
        "TRUNCATE {table};",
    ],
)
def test_sendmail_reads_and_nothing_more(database: Machine, table: str, statement: str) -> None:
    # Read-only is the role's default, not its limit; the limit is what counts.
    attempt = "SET default_transaction_read_only = off;" + statement.format(table=table)
    assert database.psql(attempt, role="sendmail").error == DENIED
    database.sql(f"SELECT count(*) FROM {table};", role="sendmail")


@pytest.mark.parametrize(
    "statement",
    [
        "DROP TABLE access;",
        "ALTER TABLE aliases ADD COLUMN x text;",
        "CREATE TABLE mail.x (x text);",
        "CREATE TABLE public.x (x text);",
        "CREATE SCHEMA x;",
        "CREATE ROLE x;",
        "CREATE DATABASE x;",
        "CREATE FUNCTION mail.x() RETURNS int LANGUAGE sql AS 'SELECT 1';",
        "DROP FUNCTION mail.lookup_access(text);",
        "COPY access TO PROGRAM 'id';",
    ],
)
def test_mailadmin_changes_rows_and_not_structure(database: Machine, statement: str) -> None:
    assert database.psql(statement).error == DENIED


@pytest.mark.parametrize("role", ["sendmail", "mailadmin", "postgres", "sqlmail_owner"])
@pytest.mark.parametrize("user", ["demo", "smmsp"])
def test_a_plain_user_does_not_get_in(database: Machine, role: str, user: str) -> None:
    answer = database.psql("SELECT 1;", role=role, user=user)
    assert "FATAL" in (answer.error or ""), answer


def test_sendmail_cannot_see_other_databases(database: Machine) -> None:
    answer = database.psql("SELECT 1;", role="sendmail", database="postgres")
    assert "FATAL" in (answer.error or ""), answer


def test_the_owner_cannot_log_in(database: Machine) -> None:
    answer = database.psql("SELECT 1;", role="sqlmail_owner")
    assert "FATAL" in (answer.error or ""), answer
