# Copyright: (c) sqlmail contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at
# any time. Do not use it directly.

"""Rows of the maps that are read and not changed."""

from __future__ import annotations

from ansible_collections.sqlmail.sendmail.plugins.module_utils._plan import (
    Entry,
    Scope,
    is_secret,
)
from ansible_collections.sqlmail.sendmail.plugins.module_utils._store import Store

try:
    from psycopg2 import sql
except ImportError:
    # open_store() says so.
    sql = None

__all__ = ["find_entries", "receiving_domains"]


def find_entries(store: Store, name: str, scope: Scope) -> list[Entry]:
    """Return the rows of a map that a scope selects, by key, secrets veiled."""
    conditions = [sql.SQL("true")]
    if scope.key is not None:
        conditions.append(sql.SQL("entry.lookup_key = mail.fold(%(map)s, %(key)s)"))
    if scope.pattern is not None:
        conditions.append(sql.SQL("lower(entry.key) LIKE lower(%(like)s)"))
    if scope.domain is not None:
        # The domain, the row for all below it, an address in it; each perhaps after a tag.
        conditions.append(
            sql.SQL(
                "(lower(entry.key) IN (%(domain)s, '.' || %(domain)s)"
                " OR right(lower(entry.key), length(%(domain)s) + 1)"
                " IN ('@' || %(domain)s, ':' || %(domain)s))"
            )
        )
    statement = sql.SQL(
        "SELECT entry.key, entry.value FROM {table} AS entry WHERE {conditions}"
        ' ORDER BY entry.key COLLATE "C"'
    ).format(table=sql.Identifier("mail", name), conditions=sql.SQL(" AND ").join(conditions))
    rows = store.ask(
        f"read map {name!r}",
        statement,
        {"map": name, "key": scope.key, "like": scope.like, "domain": scope.folded_domain},
    ).fetchall()
    return [Entry(key, "(secret)" if is_secret(name, key) else value) for key, value in rows]


def receiving_domains(store: Store) -> list[str]:
    """Return the domains that the tables say receive mail here, without literals."""
    rows = store.ask(
        "read the domains that receive mail here",
        """
        SELECT lookup_key FROM mail.local_domains
        UNION SELECT lookup_key FROM mail.virtual_domains
        UNION SELECT substring(lookup_key FROM '@([^@]*)$') FROM mail.virtualusers
        """,
    ).fetchall()
    found = [domain or "" for (domain,) in rows]
    return sorted(domain for domain in found if "." in domain and not domain.startswith("["))
