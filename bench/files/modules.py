# SPDX-License-Identifier: GPL-3.0-or-later
"""Times the module for many entries beside bare SQL and beside one call for each row.

    python3 modules.py TURNS

Runs where Python finds Ansible and the collections, and libpq a server with the
database of the maps, where it is superuser.  Every call of a module is a process
of its own, as on a managed host; what Ansible does on its side is not timed, for
it would come on top of each call.  Prints JSON: seconds, the median of the
ratios of each turn, and megabytes.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import io
import json
import resource
import statistics
import subprocess
import sys
import time

import psycopg2

BULK = "ansible_collections.sqlmail.sendmail.plugins.modules.map_entries"
MANY, FEW = 100_000, 200
QUERY = "ansible_collections.community.postgresql.plugins.modules.postgresql_query"
WHERE = {"dbname": "sendmail", "user": "mailadmin"}
LOGIN = {"login_db": "sendmail", "login_user": "mailadmin"}


def be_module(name: str) -> None:
    """Be the module, with the arguments that come in."""
    from ansible.module_utils import basic

    basic._ANSIBLE_ARGS, basic._ANSIBLE_PROFILE = sys.stdin.buffer.read(), "legacy"
    importlib.import_module(name).main()


def call(name: str, options: dict) -> tuple[float, dict]:
    """Call a module; return the seconds and what it said."""
    given = json.dumps({"ANSIBLE_MODULE_ARGS": {**LOGIN, **options}})
    begin = time.perf_counter()
    done = subprocess.run(
        [sys.executable, __file__, name], input=given, capture_output=True, text=True, check=False
    )
    elapsed = time.perf_counter() - begin
    said = json.loads(done.stdout)
    if said.get("failed"):
        raise RuntimeError(said["msg"])
    return elapsed, said


def entries(count: int) -> list[dict]:
    """Make virtual users."""
    return [
        {"key": f"user{number}@d{number % 1000}.bulk.example", "value": f"user{number}"}
        for number in range(count)
    ]


def clear() -> None:
    """Take the rows away again, and what is dead with them."""
    connection = psycopg2.connect(dbname="sendmail")
    connection.autocommit = True
    with contextlib.closing(connection), connection.cursor() as cursor:
        cursor.execute("DELETE FROM mail.virtualusers WHERE key LIKE '%.bulk.example'")
        cursor.execute("VACUUM ANALYZE mail.virtualusers")
        cursor.execute("CHECKPOINT")


def bare(wanted: list[dict]) -> float:
    """Load rows as somebody would who needs nothing but speed."""
    begin = time.perf_counter()
    with psycopg2.connect(**WHERE) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TEMPORARY TABLE loaded (key text, value text) ON COMMIT DROP")
        text = "".join(f"{one['key']}\t{one['value']}\n" for one in wanted)
        cursor.copy_expert("COPY loaded FROM STDIN", io.StringIO(text))
        cursor.execute("INSERT INTO mail.virtualusers (key, value) SELECT key, value FROM loaded")
    connection.close()
    return time.perf_counter() - begin


def read() -> float:
    """Read the table."""
    begin = time.perf_counter()
    with psycopg2.connect(**WHERE) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT key, value FROM mail.virtualusers")
        dict(cursor.fetchall())
    connection.close()
    return time.perf_counter() - begin


def inside(options: dict) -> float:
    """Time what the module does between its arguments and its answer."""
    module = importlib.import_module(BULK)
    unset = {"scope": None, "max_deletions": 10, "state": "present"}
    names = dict.fromkeys(module.STORE_OPTIONS) | {"ssl_mode": "verify-full"}
    begin = time.perf_counter()
    result = module.run({**names, **LOGIN, **unset, **options}, check_mode=False)
    elapsed = time.perf_counter() - begin
    if result["changed"]:
        raise RuntimeError("something changed")
    return elapsed


def turn(many: dict, few: dict) -> dict[str, float]:
    """Time everything once, one after the other."""
    clear()
    seconds = {"bare": bare(many["entries"])}
    clear()
    seconds["bulk"], said = call(BULK, many)
    if said["counts"]["added"] != MANY:
        raise RuntimeError(str(said["counts"]))
    seconds["again"], said = call(BULK, many)
    if said["changed"]:
        raise RuntimeError("something changed")
    seconds["read"], seconds["inside"] = read(), inside(many)
    clear()
    seconds["few"], _said = call(BULK, few)
    clear()
    seconds["loop"] = 0
    for one in few["entries"]:
        statement = (
            "INSERT INTO mail.virtualusers (key, value) VALUES (%(key)s, %(value)s)"
            " ON CONFLICT (lookup_key) DO UPDATE SET value = excluded.value"
        )
        seconds["loop"] += call(QUERY, {"query": statement, "named_args": one})[0]
    clear()
    return seconds


def main(turns: int) -> None:
    """Measure, and print the figures."""
    # As the module does.
    gc.disable()
    many = {"map": "virtualusers", "entries": entries(MANY)}
    few = {"map": "virtualusers", "entries": entries(FEW)}
    seconds = [turn(many, few) for _turn in range(turns)]
    ratios = {"bulk": "bare", "inside": "read", "loop": "few"}
    figures = {
        "seconds": {name: statistics.median(one[name] for one in seconds) for name in seconds[0]},
        **{
            f"{name}_to_{base}": statistics.median(one[name] / one[base] for one in seconds)
            for name, base in ratios.items()
        },
        # Of all calls that of the long list was the largest.
        "megabytes": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024,
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    if sys.argv[1].isdecimal():
        main(int(sys.argv[1]))
    else:
        be_module(sys.argv[1])
