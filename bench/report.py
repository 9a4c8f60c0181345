# SPDX-License-Identifier: GPL-3.0-or-later
"""The figures as tables: beside the targets, and in full."""

from __future__ import annotations

import typing as t
from collections.abc import Callable, Iterable

from bench.hosts import TOP

PAGE = TOP / "docs" / "performance.md"
BEGIN, END = "<!-- results: begin, written by make bench -->", "<!-- results: end -->"

Figures = dict[str, t.Any]


class Target(t.NamedTuple):
    """Something to be reached."""

    # The measure that has the figure.
    measure: str
    what: str
    # The best to be hoped for, and whether more is better.
    bound: float
    more: bool
    ours: Callable[[Figures], float]
    peers: Callable[[Figures], str]

    def row(self, figures: Figures) -> list[str]:
        """Return the line of the table."""
        found = self.ours(figures)
        reached = found >= self.bound if self.more else found <= self.bound
        sign = "≥" if self.more else "≤"
        verdict = "reached" if reached else "not reached"
        must = f"{sign} {number(self.bound)}"
        return [self.what, must, f"**{number(found)}**", verdict, self.peers(figures)]


def number(value: float | None) -> str:
    """Write a figure with as many digits as it deserves."""
    if value is None:
        return ""
    if float(value).is_integer():
        return f"{value:,.0f}"
    return (
        f"{value:.2f}" if abs(value) < 10 else f"{value:,.1f}" if value < 100 else f"{value:,.0f}"
    )


def ratio(way: str, name: str) -> Callable[[Figures], float]:
    """Make a reader of the rate of a contender over the limit of its host."""
    return lambda figures: figures[way][name]["net"]


def over_postfix(way: str) -> Callable[[Figures], float]:
    """Make a reader of our ratio over that of Postfix."""
    return lambda figures: (
        figures[way]["sendmail pgsql, table"]["net"] / figures[way]["Postfix pgsql"]["net"]
    )


def lookup_peers(way: str) -> Callable[[Figures], str]:
    """Make a reader of the peers' rates over the limits of their hosts."""
    peers = {
        "Postfix": "Postfix pgsql",
        "Exim": "Exim pgsql",
        "socket map": "sendmail socket map",
    }
    return lambda figures: ", ".join(
        f"{shown} {number(figures[way][name]['net'])}" for shown, name in peers.items()
    )


def variant(name: str, key: str) -> Callable[[Figures], float]:
    """Make a reader of one figure of a variant."""
    return lambda figures: figures[name][key]


def variants(key: str, **names: str) -> Callable[[Figures], str]:
    """Make a reader of one figure of several variants."""
    return lambda figures: ", ".join(
        f"{shown.replace('_', ' ')} {number(figures[name][key])}" for shown, name in names.items()
    )


def crowd(sessions: int) -> list[Target]:
    """Make the targets for so many sessions at once."""
    at_once = str(sessions)

    def lost(figures: Figures, name: str = "sendmail pooled") -> float:
        return figures[at_once][name]["troubles"] + figures[at_once][name]["undelivered"]

    def peers(figures: Figures) -> str:
        return f"Postfix {lost(figures, 'postfix direct'):.0f}"

    return [
        Target(
            "crowds",
            f"{sessions} sessions at once, pooled: lookups refused and messages not delivered",
            0,
            False,
            lost,
            peers,
        ),
        Target(
            "crowds",
            f"{sessions} sessions at once, pooled: messages/s over file maps",
            0.85,
            True,
            lambda figures: figures[at_once]["sendmail pooled"]["rate_to_files"],
            lambda figures: (
                f"Postfix {number(figures[at_once]['postfix direct']['rate_to_files'])}"
            ),
        ),
    ]


CPU_PEERS = variants("cpu_to_files", Postfix="postfix direct", socket_map="sendmail socket")
TARGETS = [
    Target(
        "lookups",
        "lookups/s in one process over libpq's prepared limit, one processor, asking alone",
        0.90,
        True,
        ratio("pinned", "sendmail pgsql, table"),
        lookup_peers("pinned"),
    ),
    Target(
        "lookups",
        "the same, over Postfix",
        1.10,
        True,
        over_postfix("pinned"),
        lambda _: "Postfix 1",
    ),
    Target(
        "networks",
        "time of a lookup in access with 1,000,000 networks over that with 1,000",
        2,
        False,
        lambda figures: figures["1000000"] / figures["1000"],
        lambda _: "",
    ),
    *(
        Target(
            "messages",
            f"CPU per message over file maps, Unix socket, {way}",
            1.15,
            False,
            variant(f"sendmail {way}", "cpu_to_files"),
            CPU_PEERS,
        )
        for way in ("direct", "pooled")
    ),
    *(
        Target(
            "messages",
            f"CPU per message over file maps, TCP with TLS, {way}",
            1.30,
            False,
            variant(f"sendmail {maps}", "cpu_to_files"),
            variants("cpu_to_files", Postfix="postfix tls"),
        )
        for way, maps in (("direct", "tls"), ("pooled", "pooled-tls"))
    ),
    Target(
        "connections",
        "new backends for ten messages in one session, direct",
        11,
        False,
        lambda figures: figures["sendmail direct"],
        lambda figures: f"Postfix {figures['postfix direct']}",
    ),
    Target(
        "connections",
        "new backends for ten messages in one session, pooler warm",
        0,
        False,
        lambda figures: figures["sendmail pooled"],
        lambda _: "",
    ),
    Target(
        "trips",
        "round trips per message with STARTTLS, AUTH, one recipient, connecting not counted",
        12,
        False,
        lambda figures: questions(figures["sendmail"]["STARTTLS and AUTH"]),
        lambda figures: (
            f"Postfix {number(questions(figures['postfix']['a session for each']))}"
            " (without STARTTLS and AUTH)"
        ),
    ),
    *crowd(60),
    *crowd(200),
    *(
        Target(
            "messages",
            f"messages/s over Postfix with `pgsql:`, {way}",
            1,
            True,
            variant(f"sendmail {way}", "rate_to_postfix"),
            variants("rate_to_postfix", sendmail_with_files="sendmail hash"),
        )
        for way in ("direct", "pooled")
    ),
    Target(
        "tuning",
        "the same, pooled and tuned",
        1,
        True,
        lambda figures: max(
            one["rate_to_postfix"]
            for name, one in figures.items()
            if name.startswith("sendmail pooled, ")
        ),
        variants("rate_to_postfix", sendmail_with_files="sendmail hash"),
    ),
    Target(
        "modules",
        "100,000 new entries by `map_entries`, over COPY and INSERT … SELECT",
        3,
        False,
        lambda figures: figures["bulk_to_bare"],
        lambda _: "",
    ),
    Target(
        "modules",
        "the same list again, without Ansible's own part, over reading the table",
        2,
        False,
        lambda figures: figures["inside_to_read"],
        lambda _: "",
    ),
    Target(
        "modules",
        "200 new entries by `map_entries`, over which 200 calls of a module take",
        50,
        True,
        lambda figures: figures["loop_to_few"],
        lambda _: "`postgresql_query`",
    ),
    Target(
        "modules",
        "MB of memory of the module for 100,000 entries",
        300,
        False,
        lambda figures: figures["megabytes"],
        lambda _: "",
    ),
]


def questions(figures: Figures) -> float:
    """Round trips that asked something: those that made a connection are not among them."""
    return round(figures["trips"] - figures["connections"], 2)


def table(head: str, body: Iterable[Iterable[str]]) -> str:
    """Write a table in Markdown; the columns but the first are numbers if they say so by `:`."""
    names = head.split("|")
    rule = ["---:" if name.startswith(":") else "---" for name in names]
    return "\n".join(
        "| " + " | ".join(cells) + " |"
        for cells in ([name.lstrip(":") for name in names], rule, *body)
    )


def targets(results: Figures, measures: Iterable[str]) -> str:
    """Put the figures beside what is to be reached."""
    rows = [
        target.row(results[target.measure]["figures"])
        for target in TARGETS
        if target.measure in results and target.measure in measures
    ]
    return table("Measure|:Must reach|:This server||Peers in the same run", rows)


# In full ---------------------------------------------------------------------


def deployment(figures: Figures) -> str:
    """How long the playbook takes."""
    how = "sendmail compiled" if figures["compiled"] else "package from the cache"
    return table(
        "`playbooks/site.yml`|:Seconds",
        [
            [f"first deployment, {how}", f"{figures['first']:.0f}"],
            ["second run", f"{figures['second']:.0f}"],
        ],
    )


def lookups(figures: Figures) -> str:
    """Every contender, pinned and free."""
    rows = [
        [
            name,
            *(
                text
                for way in ("pinned", "free")
                for text in (
                    f"{figures[way][name]['rate']:,.0f}",
                    number(figures[way][name]["cpu_us"]),
                    number(figures[way][name]["ratio"]),
                    number(figures[way][name]["net"]),
                )
            ),
        ]
        for name in figures["pinned"]
    ]
    columns = "/s|:µs CPU|:over limit|:asking alone"
    return table(f"|:One processor: {columns}|:All processors: {columns}", rows)


def messages(figures: Figures) -> str:
    """Every variant of both servers."""
    rows = [
        [
            name,
            number(one["rate"]),
            number(one["rate_to_files"]),
            number(one["rate_to_postfix"]),
            number(one["cpu_ms"]),
            number(one["cpu_to_files"]),
            str(one["troubles"]),
            str(one["undelivered"]),
        ]
        for name, one in figures.items()
    ]
    head = "Server and maps|:messages/s|:over files|:over Postfix `pgsql:`"
    return table(f"{head}|:ms CPU|:over files|:no answer|:not delivered", rows)


def crowds(figures: Figures) -> str:
    """The same with more sessions."""
    return "\n\n".join(
        f"{sessions} sessions at once:\n\n{messages(one)}" for sessions, one in figures.items()
    )


def trips(figures: Figures) -> str:
    """Round trips of both servers."""
    rows = [
        [server, way, number(questions(one)), number(one["connections"])]
        for server, ways in figures.items()
        for way, one in ways.items()
    ]
    return table("Server|Messages|:Questions per message|:Connections per message", rows)


def commands(figures: Figures) -> str:
    """What a session costs with live classes and without."""
    rows = [
        [
            command,
            *(
                text
                for one in figures.values()
                for text in (
                    number(one["questions"].get(command)),
                    f"{one['us'][command]:,.0f}",
                    number(one["over lines"][command]),
                )
            ),
        ]
        for command in next(iter(figures.values()))["us"]
    ]
    columns = "".join(f"|:{name}: questions|:µs|:over classes read at start" for name in figures)
    return table(f"Command{columns}", rows)


def networks(figures: Figures) -> str:
    """How a lookup grows with the rows."""
    least = next(iter(figures.values()))
    return table(
        "Rows of access, all networks|:µs for a lookup|:over the fewest",
        [[f"{int(size):,}", number(us), number(us / least)] for size, us in figures.items()],
    )


def connections(figures: Figures) -> str:
    """Backends that were started."""
    return table(
        "Server and maps|:New backends for ten messages in one session",
        [[name, str(count)] for name, count in figures.items()],
    )


def profile(figures: Figures) -> str:
    """Where the processor time goes."""
    rows = [
        [name, ", ".join(f"{who} {share:.0%}" for who, share in shares.items() if share > 0.015)]
        for name, shares in figures.items()
    ]
    return table("Server and maps|Share of its processor time", rows)


MODULES = {
    "bare": "100,000 rows by COPY and INSERT … SELECT, nothing else",
    "bulk": "100,000 new entries by `map_entries`",
    "again": "the same list again",
    "inside": "of that, what the module does between its arguments and its answer",
    "read": "reading the table",
    "few": "200 new entries by `map_entries`",
    "loop": "200 calls of `community.postgresql.postgresql_query`",
}


def modules(figures: Figures) -> str:
    """Seconds of the modules, Ansible's own side left out."""
    rows = [[what, number(figures["seconds"][name])] for name, what in MODULES.items()]
    return table("What|:Seconds", rows)


SECTIONS: dict[str, tuple[str, Callable[[Figures], str]]] = {
    "deployment": ("Deployment", deployment),
    "lookups": ("Lookups in one process", lookups),
    "networks": ("Lookups among networks", networks),
    "messages": ("Messages, ten sessions at once, one message for each", messages),
    "tuning": ("The same, tuned", messages),
    "crowds": ("Messages, many sessions at once", crowds),
    "trips": ("Round trips", trips),
    "commands": ("Commands of a session", commands),
    "connections": ("Connections", connections),
    "profile": ("Where the time goes", profile),
    "modules": ("Many entries by a module", modules),
}


def origin(result: Figures) -> str:
    """Say when, where and how undisturbed it was measured."""
    text = f"{result['date']}, commit {result['commit']}, {result['machine']}"
    if "foreign" in result:
        text += f"; turns: {result.get('turns', 1)}"
        text += f"; other programs used {result['foreign']:.0%} of the machine meanwhile"
    return text + "."


def sections(results: Figures, measures: Iterable[str]) -> str:
    """Write all figures of these measures."""
    return "\n\n".join(
        f"### {title}\n\n{shown(results[name]['figures'])}\n\n{origin(results[name])}"
        for name, (title, shown) in SECTIONS.items()
        if name in results and name in measures and results[name]["figures"]
    )


def summary(results: Figures, measures: Iterable[str]) -> str:
    """What the terminal shows: the measures of this run."""
    return "\n\n".join([sections(results, measures), "### Targets", targets(results, measures)])


def write(results: Figures) -> None:
    """Put everything that is known between the markers of the page."""
    page = PAGE.read_text()
    before, _begin, rest = page.partition(BEGIN)
    _old, _end, after = rest.partition(END)
    found = [targets(results, SECTIONS), sections(results, SECTIONS)]
    PAGE.write_text("\n\n".join([before + BEGIN, *found, END + after]))
