# SPDX-License-Identifier: GPL-3.0-or-later
"""Lookups in one process, one at a time, beside what libpq itself can do."""

from __future__ import annotations

import os
import random
import re
import statistics
import typing as t
from pathlib import Path

from bench import rows
from bench.hosts import FOLDER, RUN, Host
from bench.servers import Postfix, Sendmail

COUNT = 20_000
SIZES = (1_000, 100_000, 1_000_000)
# So many that what they touch stays in the server's memory.
FEW = 1_000
STATEMENT = "SELECT value FROM mail.aliases WHERE lookup_key = $1"
FUNCTION = "SELECT * FROM mail.lookup_aliases($1)"
SOCKET = "host=/var/run/postgresql dbname=sendmail user=sendmail"
EXIM = "${lookup pgsql{SELECT value FROM mail.aliases WHERE lookup_key = '${quote_pgsql:%s}'}}"
# Half of the rows are networks of IPv4, half of IPv6; two in a thousand are addresses.
NETWORKS = """
CREATE FUNCTION pg_temp.network(n bigint) RETURNS text LANGUAGE sql IMMUTABLE
RETURN host(
    CASE n % 2 WHEN 0 THEN '1.0.0.0'::inet + n / 2 * 256
        ELSE '2001:db8::'::inet + n / 2 * 4294967296 END
);
CREATE FUNCTION pg_temp.spent(keys text[]) RETURNS float LANGUAGE plpgsql AS $$
DECLARE
    since CONSTANT timestamptz := clock_timestamp();
    asked text;
BEGIN
    FOREACH asked IN ARRAY keys LOOP
        PERFORM FROM mail.lookup_access(asked);
        IF NOT found THEN
            RAISE '% was not found', asked;
        END IF;
    END LOOP;
    RETURN extract(epoch FROM clock_timestamp() - since) * 1e6 / cardinality(keys);
END
$$;
"""
PIN = """
import os, sys
for name in filter(str.isdigit, os.listdir("/proc")):
    try:
        os.sched_setaffinity(int(name), map(int, sys.argv[1:]))
    except OSError:
        pass  # It has ended, or the kernel lets nobody move it.
"""


class Contender(t.NamedTuple):
    """A program that reads keys and prints values."""

    name: str
    host: Host
    argv: tuple[str, ...]
    # The contender whose rate is the limit, and the one that reads keys and prints values in the
    # same way, but asks nobody.
    limit: str
    alone: str
    question: str = "%s"
    answers: bool = True


def contenders(sendmail: Sendmail, postfix: Postfix, exim: Host) -> list[Contender]:
    """List who takes part; on each host one that is its limit."""
    cf = f"{FOLDER}/bench.cf"
    sendmail.host.write(
        cf,
        sendmail.configuration("direct")
        + "Kbenchnull null\n"
        + f"Kbenchhash hash {FOLDER}/aliases\n"
        + "Kbenchtable pgsql -f -b mail.aliases -k lookup_key -v value\n"
        # Remembers nothing and foretells nothing: one key at a time, as the peers.
        + "Kbenchfunction pgsql -f -n -F mail.lookup_aliases\n"
        + f"Kbench socket -f local:{RUN}/socketmap\n",
    )
    sendmail.host.run("systemctl", "start", "bench-socketmap")
    test = ("sendmail", f"-C{cf}", "-bt")
    map_table = f"pgsql:{FOLDER}/direct/aliases"

    def ours(name: str, key: str, *, limit: str = "limit", answers: bool = True) -> Contender:
        alone = "sendmail -bt alone"
        return Contender(name, sendmail.host, test, limit, alone, f"/map {key} %s", answers)

    def postmap(name: str, place: str) -> Contender:
        argv = ("postmap", "-q", "-", place)
        return Contender(name, postfix.host, argv, "limit beside Postfix", "postmap alone")

    def exim4(name: str, question: str) -> Contender:
        return Contender(
            name, exim, ("exim4", "-be"), "limit beside Exim", "exim -be alone", question
        )

    def pqlimit(name: str, host: Host, statement: str = STATEMENT) -> Contender:
        conninfo = "service=bench-direct" if host is sendmail.host else SOCKET
        argv = ("/usr/local/bin/pqlimit", conninfo, statement)
        return Contender(name, host, argv, name, "limit alone")

    return [
        pqlimit("limit", sendmail.host),
        pqlimit("limit alone", sendmail.host, ""),
        ours("sendmail pgsql, table", "benchtable"),
        pqlimit("limit, function", sendmail.host, FUNCTION),
        ours("sendmail pgsql, function", "benchfunction", limit="limit, function"),
        ours("sendmail socket map", "bench"),
        ours("sendmail hash", "benchhash"),
        ours("sendmail -bt alone", "benchnull", answers=False),
        pqlimit("limit beside Postfix", postfix.host),
        postmap("Postfix pgsql", map_table),
        postmap("Postfix proxy:pgsql", f"proxy:{map_table}"),
        postmap("Postfix lmdb", f"lmdb:{FOLDER}/aliases"),
        postmap("postmap alone", "static:user000"),
        pqlimit("limit beside Exim", exim),
        exim4("Exim pgsql", EXIM),
        exim4("exim -be alone", "%s user000"),
    ]


def ask(one: Contender, keys: list[str], work: Path, cpu: int | None) -> tuple[float, float]:
    """Return lookups a second and microseconds of processor time for each."""
    given, printed = work / "given", work / "printed"
    spent = []
    # A run with a single key is what starting costs.
    for some in (keys[:1], keys):
        given.write_text("".join(one.question % key + "\n" for key in some))
        spent.append(one.host.cost(*one.argv, given=given, printed=printed, cpu=cpu))
        found = len(re.findall(r"\buser\d{3}\b", printed.read_text()))
        if found != len(some) * one.answers:
            raise RuntimeError(f"{one.name}: {found} of {len(some)} keys were found")
    start, whole = spent
    count = len(keys) - 1
    return count / (whole.wall - start.wall), (whole.cpu - start.cpu) / count * 1e6


def measure(
    sendmail: Sendmail, postfix: Postfix, exim: Host, work: Path, turns: int
) -> dict[str, t.Any]:
    """Let all of them answer in turn, on one processor and on all."""
    postfix.use("direct")
    sendmail.use("direct")
    everyone = contenders(sendmail, postfix, exim)
    hosts = {one.host for one in everyone}
    results = {}
    for way, cpu in (("pinned", 0), ("free", None)):
        allowed = [str(n) for n in (os.sched_getaffinity(0) if cpu is None else [cpu])]
        for host in hosts:
            host.run("python3", "-c", PIN, *allowed)
        results[way] = repeat(everyone, work, cpu, turns)
    return {"count": COUNT, "rows": rows.COUNT, "turns": turns, **results}


def repeat(everyone: list[Contender], work: Path, cpu: int | None, turns: int) -> dict[str, t.Any]:
    """Take turns; a ratio is formed within a turn."""
    taken: list[dict[str, tuple[float, float]]] = []
    for turn in range(turns):
        numbers = random.Random(turn).sample(range(rows.COUNT), COUNT)  # noqa: S311
        keys = [f"bench{n}" for n in numbers]
        taken.append({one.name: ask(one, keys, work, cpu) for one in everyone})

    def asking(turn: dict[str, tuple[float, float]], one: Contender) -> float:
        """Seconds of a lookup without reading its key and printing its value."""
        return 1 / turn[one.name][0] - 1 / turn[one.alone][0]

    by_name = {one.name: one for one in everyone}
    return {
        one.name: {
            "rate": statistics.median(turn[one.name][0] for turn in taken),
            "cpu_us": statistics.median(turn[one.name][1] for turn in taken),
            "ratio": statistics.median(turn[one.name][0] / turn[one.limit][0] for turn in taken),
            "net": statistics.median(
                asking(turn, by_name[one.limit]) / asking(turn, one) for turn in taken
            )
            if one.name not in (one.alone, "limit alone")
            else None,
            "ratios": sorted(round(turn[one.name][0] / turn[one.limit][0], 3) for turn in taken),
        }
        for one in everyone
    }


def measure_networks(sendmail: Sendmail, turns: int) -> dict[str, t.Any]:
    """How the time of a lookup in access grows with its networks.

    What is loaded is not committed: the rows are those of before.
    """
    sendmail.use("hash")
    results = {}
    for size in SIZES:
        script = [
            "BEGIN;",
            "SET LOCAL session_replication_role = replica;",
            # As the role of the lookups has it.
            "SET LOCAL plan_cache_mode = force_generic_plan;",
            "SET LOCAL enable_seqscan = off;",
            "TRUNCATE mail.access;",
            NETWORKS,
            "INSERT INTO mail.access (key, value)"
            " SELECT 'Connect:' || pg_temp.network(n)"
            " || CASE WHEN n % 1000 < 2 THEN '' WHEN n % 2 = 0 THEN '/25' ELSE '/97' END, 'RELAY'"
            f" FROM generate_series(0, {size} - 1) AS n;",
            "ANALYZE mail.access;",
            "CREATE TEMP TABLE asked AS"
            " SELECT array_agg('Connect:' || pg_temp.network(n)) AS keys"
            f" FROM (SELECT (random() * ({size} - 1))::bigint AS n"
            f" FROM generate_series(1, {FEW})) AS numbers;",
            *["SELECT pg_temp.spent(keys) FROM asked;"] * (turns + 1),
            "ROLLBACK;",
        ]
        answer = sendmail.host.sql("\n".join(script), "sendmail")
        # The first one reads the pages.
        results[str(size)] = statistics.median(float(line) for line in answer.split()[1:])
    return results
